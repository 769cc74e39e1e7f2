//! Every contract between programs: the kernel's ABI and, one file each, the IPC protocols.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`abi`] | the kernel's ABI: system calls, messages, boot info |
//! | [`call`] | what every protocol shares: callers, retries, errors, transports, services |
//! | [`capability`] | typed references to kernel objects, also inside messages |
//! | [`data`] | byte strings and texts of bounded length |
//! | [`loopback`] | a client straight to its server, for host tests |
//! | [`protocol`] | the `protocol!` macro |
//! | [`start`] | what a program is told when it starts |
//! | [`system`] | which servers a machine runs, and what each may touch |
//!
//! The protocols; a protocol's number is its place in this table, never given twice:
//!
//! | id | protocol | served by |
//! | --- | --- | --- |
//! | 1 | [`console`] | console |
//! | 2 | [`log`] | console |
//! | 3 | [`supervisor`] | root |
//! | 4 | [`echo`] | ipc-bench |
//!
//! `golden/` lists every number, name, size bound and variant order; a test compares.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod abi;
pub mod call;
pub mod capability;
pub mod console;
pub mod data;
pub mod echo;
#[cfg(test)]
mod golden;
pub mod log;
pub mod loopback;
pub mod protocol;
pub mod start;
pub mod supervisor;
pub mod system;
