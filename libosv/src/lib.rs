//! What every program in EL0 gets, in reading order.
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`start`] | `entry!`, the way from the first instruction to the program's function |
//! | [`syscall`] | traps into the kernel; with [`thread`] and [`heap`] the only `unsafe` here |
//! | [`slots`] | which slots of the program's CSpace are free |
//! | [`cap`] | making, copying and deleting capabilities, by kind |
//! | [`ipc`] | the client transport and the serve loop |
//! | [`heap`] | the global allocator |
//! | [`sync`] | locks |
//! | [`thread`] | native threads, and where their stacks lie ([`thread::Stacks`]) |
//! | [`guest`] | running a guest |
//! | [`time`] | the counter and deadlines |
//! | [`log`] | log lines |
//! | [`backtrace`] | return addresses on the stack |
//!
//! On the host everything compiles and is tested; every trap then says `NoSuchCall`.
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_code)]

extern crate alloc;

#[cfg(target_os = "none")]
use osv_string as _;

pub mod backtrace;
pub mod cap;
pub mod guest;
#[expect(unsafe_code, reason = "memory is claimed for the allocator")]
pub mod heap;
pub mod ipc;
pub mod log;
#[cfg(target_os = "none")]
mod panic;
pub mod slots;
mod stacks;
#[expect(unsafe_code, reason = "the first instructions, thread blocks and raw stack words")]
pub mod start;
pub mod sync;
#[expect(unsafe_code, reason = "traps and the IPC buffer")]
pub mod syscall;
#[expect(unsafe_code, reason = "a new thread starts at a raw address")]
pub mod thread;
pub mod time;

pub use ipc_proto;
