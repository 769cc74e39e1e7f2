//! The personality's view of what lies below it: time, address spaces, carriers, the console.
//!
//! `kernel` implements it on the microkernel; the tests have a fake. Nothing else in this crate
//! makes system calls.

use alloc::boxed::Box;
use alloc::sync::Arc;

use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use ipc_proto::abi::word::Rights;

use crate::task::Task;
use crate::wait::Parker;

/// Attachment numbers that every guest address space has.
pub mod attachment {
    /// The pool of page frames; offsets are [`crate::frames::Frame::offset`].
    pub const POOL: u64 = 0;
    /// The bootfs archive.
    pub const BOOTFS: u64 = 1;
    /// The archive given with `-initrd`.
    pub const INITRD: u64 = 2;
}

/// There is no memory left for kernel objects or page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// A place in attached memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The attachment (see [`attachment`]).
    pub attachment: u64,
    /// Offset in it, in bytes, a multiple of the page size.
    pub offset: u64,
}

/// One page of a mapping list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Where it appears.
    pub address: u64,
    /// What appears.
    pub source: Source,
    /// How it may be used.
    pub access: Rights,
}

/// The translation tables of one guest address space.
pub trait Translation: Send + Sync {
    /// Maps `pages` pages at `address` to consecutive pages from `source` on.
    ///
    /// # Errors
    /// No memory for tables.
    fn map(&self, address: u64, pages: u64, source: Source, access: Rights)
    -> Result<(), NoMemory>;
    /// Maps single pages.
    ///
    /// # Errors
    /// No memory for tables; entries before the failing one may be mapped.
    fn map_list(&self, entries: &[ListEntry]) -> Result<(), NoMemory>;
    /// Removes mappings; holes are fine.
    fn unmap(&self, address: u64, pages: u64);
    /// Changes the access of what is mapped; holes are fine.
    fn protect(&self, address: u64, pages: u64, access: Rights);
    /// Names the space, for [`Carrier::enter`].
    fn id(&self) -> u64;
}

/// A native thread that runs one Linux thread. Parked on, woken and kicked through [`Parker`];
/// a wake-up also makes [`Carrier::run`] return.
pub trait Carrier: Parker {
    /// Lets the carrier, which is idle, run `task` from `registers` on.
    fn start(&self, task: Arc<Task>, registers: &GuestRecord);
    /// Gives back a carrier that nothing was started in.
    fn release(self: Arc<Self>);
    /// Runs the guest from `record` on, which is the one bound to it. Only the carrier's own
    /// thread calls this.
    fn run(&self, record: &mut GuestRecord) -> GuestExit;
    /// Brings the guest's FP/SIMD registers into the record; the next run loads them from there.
    fn sync_fp(&self);
    /// Makes the carrier's thread see the address space `id`; `None`: no guest's.
    fn enter(&self, id: Option<u64>);
}

/// Everything below the personality.
pub trait Machine: Send + Sync {
    /// Returns the counter.
    fn now(&self) -> u64;
    /// Makes an empty address space with the attachments of [`attachment`].
    ///
    /// # Errors
    /// No memory for it.
    fn make_space(&self) -> Result<Box<dyn Translation>, NoMemory>;
    /// Takes an idle carrier, or makes one.
    ///
    /// # Errors
    /// No memory for one.
    fn make_carrier(&self) -> Result<Arc<dyn Carrier>, NoMemory>;
    /// Makes the service thread look at the timers again. A machine without one need not.
    fn wake_service(&self) {}
    /// Lets other threads run.
    fn yield_now(&self);
    /// Writes a log line.
    fn log(&self, line: core::fmt::Arguments<'_>);
    /// Ends the system: the first process is gone.
    fn finish(&self, status: i32);
}
