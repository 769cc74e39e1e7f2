//! The first program: starts and supervises the servers.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod command_line;
pub mod program;
