//! The Linux personality: runs unmodified Linux aarch64 programs on the microkernel.
//!
//! Reading order, and what each part is for:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`start`], [`regions`] | from the server's start to the first process; the memory root maps |
//! | [`run`] | the loop of a carrier: run the guest, see why it came back |
//! | [`syscall`] | the table of system calls and their thin handlers |
//! | [`task`] | processes, threads, the process tree, clone, exec, exit, wait |
//! | [`signal`] | actions, pending sets, delivery, the signal frame |
//! | [`mm`] | virtual memory: VMAs, pages, faults, copy-on-write |
//! | [`elf`] | what an ELF file asks to be mapped |
//! | [`vfs`] | files |
//! | [`futex`], [`time`], [`timer`], [`random`], [`vdso`] | small subsystems |
//! | [`system`], [`process_source`] | everything together; what `/proc` shows of it |
//! | [`machine`], [`kernel`] | the view of what lies below; the microkernel as that |
//! | [`frames`], [`guest_memory`], [`guest_copy`], [`wait`], [`errno`], [`sync`] | what all of them use |
//!
//! # Lock order
//!
//! A thread that holds a lock takes only locks further right:
//!
//! - `System::entry` → `ProcessSignals` → `TaskSignals`
//! - `FdTable` → the offset of an `OpenFile` → what vnodes hold
//! - `AddressSpace` → what vnodes hold for their pages → frames, the kit of a VSpace
//!
//! Taken alone, or last: the process tree, futexes, timers, wait queues, credentials, limits, names.
//! Guest memory is copied with no lock held but those that `vfs` names: a copy may fault, and so
//! take `AddressSpace`.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

pub mod elf;
pub mod errno;
pub mod frames;
pub mod futex;
#[expect(unsafe_code, reason = "guest memory is reached through raw addresses that may fault")]
pub mod guest_copy;
pub mod guest_memory;
pub mod kernel;
pub mod machine;
pub mod mm;
pub mod process_source;
pub mod random;
#[expect(unsafe_code, reason = "root says in the start info what is mapped where")]
pub mod regions;
pub mod run;
pub mod signal;
pub mod start;
pub mod sync;
pub mod syscall;
pub mod system;
pub mod task;
pub mod time;
pub mod timer;
pub mod vdso;
pub mod vfs;
pub mod wait;
