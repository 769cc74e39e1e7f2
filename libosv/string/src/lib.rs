//! memcpy and its family in AArch64 assembly, general registers only.
#![no_std]
