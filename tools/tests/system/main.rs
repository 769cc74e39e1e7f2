//! System tests: each boots the loader image in QEMU, most of them once strict and once fused.
//!
//! - `machine`: the machines that it must boot on
//! - `programs`: Linux programs and their exit statuses
//! - `bad_input`: programs and options that are refused
//! - `shell`: Debian's busybox, by script and by hand
//!
//! The image is built at the first boot. A failure leaves its console in `target/osv/failed`
//! and prints the command that repeats the boot.
#![forbid(unsafe_code)]

mod bad_input;
mod harness;
mod machine;
mod programs;
mod shell;
