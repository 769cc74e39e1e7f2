//! Traps into the kernel and the thread's IPC buffer.
//!
//! The calls of the table are [`kernel`]'s methods. The calls that carry messages go through
//! [`Kernel::exchange`], on which [`crate::ipc`] builds; the rest are functions here.
//!
//! # Invariants
//!
//! - `syscall.registers`: a trap changes x0–x17 and, for a message, the thread's IPC buffer.
//! - `syscall.buffer`: the IPC buffer of a thread block is one mapped page that only its thread
//!   and the kernel, on that thread's behalf, touch.

use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use ipc_proto::abi::layout::{MESSAGE_BYTES, MESSAGE_CAPS, NO_DEADLINE, REGISTER_BYTES};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::syscalls::{Stubs, Trap, ipc};
use ipc_proto::abi::word::{CPtr, Word};
use ipc_proto::capability::{Cap, kind};

#[cfg(target_os = "none")]
mod aarch64;
#[cfg(target_os = "none")]
use aarch64 as machine;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
use host as machine;

pub use machine::Registers;
pub(crate) use machine::{
    brk, frame_pointer, read_counter, read_thread_pointer, write_thread_pointer,
};

/// Number of message words in registers.
pub const WORDS: usize = REGISTER_BYTES / 8;

/// The kernel that this program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Svc;

/// The page that long messages lie in.
pub type Buffer = [u8; MESSAGE_BYTES];

/// What a message trap takes; what a call does not use stays undefined.
#[derive(Clone, Copy, Debug)]
pub struct Sent<const N: usize> {
    /// The first message words.
    pub words: [u64; N],
    /// The endpoint.
    pub endpoint: CPtr,
    /// What is sent.
    pub info: MessageInfo,
    /// The capabilities sent.
    pub capabilities: [CPtr; MESSAGE_CAPS],
    /// First of the slots for capabilities received; null: accept none.
    pub receive: CPtr,
    /// The Reply to answer or to receive into.
    pub reply: CPtr,
}

/// What a message trap gives.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// The status.
    pub status: u64,
    /// The caller's badge, or the bits of a signal.
    pub badge: u64,
    /// What arrived.
    pub info: u64,
    /// The message words.
    pub words: [u64; WORDS],
}

impl Arrived {
    /// Returns what arrived.
    ///
    /// # Errors
    /// The rejection that the status says.
    #[inline(always)]
    pub fn check(&self) -> Result<MessageInfo, Rejection> {
        if self.status == 0 { Ok(MessageInfo(self.info)) } else { Err(rejection(self.status)) }
    }
}

/// A kernel that messages go through: [`Svc`], or a fake in tests.
pub trait Kernel: Trap {
    /// Issues message call `number` with the first `N` words.
    fn exchange<const N: usize>(&self, number: u64, sent: &Sent<N>) -> Arrived;

    /// Gives `look` the calling thread's IPC buffer; `None` if the thread has none. `look` must
    /// not call the kernel.
    fn with_buffer<R>(&self, look: impl FnOnce(&mut Buffer) -> R) -> Option<R>;
}

impl Trap for Svc {
    #[inline(always)]
    fn trap(&self, number: u64, arguments: [u64; 6]) -> (u64, [u64; 4]) {
        machine::trap(number, arguments)
    }
}

impl Kernel for Svc {
    #[inline(always)]
    fn exchange<const N: usize>(&self, number: u64, sent: &Sent<N>) -> Arrived {
        machine::exchange(number, Registers::new(sent))
    }

    #[inline]
    fn with_buffer<R>(&self, look: impl FnOnce(&mut Buffer) -> R) -> Option<R> {
        machine::with_buffer(look)
    }
}

/// Returns the kernel's calls.
#[must_use]
#[inline(always)]
pub const fn kernel() -> Stubs<Svc> {
    Stubs(Svc)
}

#[cold]
fn rejection(status: u64) -> Rejection {
    Rejection::from_status(status).unwrap_or(Rejection::NoSuchCall)
}

#[inline(always)]
fn blocking(number: u64, first: u64, second: u64) -> Result<u64, Rejection> {
    match machine::trap2(number, first, second) {
        (0, result) => Ok(result),
        (status, _) => Err(rejection(status)),
    }
}

/// Waits for bits of `notification` and takes them.
///
/// # Errors
/// The shared rejections.
#[inline]
pub fn wait(notification: Cap<kind::Notification>) -> Result<u64, Rejection> {
    wait_until(notification, NO_DEADLINE)
}

/// Waits for bits of `notification` until the counter reaches `deadline`, and takes them.
///
/// # Errors
/// [`Rejection::TimedOut`] at the deadline; the shared rejections.
#[inline]
pub fn wait_until(notification: Cap<kind::Notification>, deadline: u64) -> Result<u64, Rejection> {
    blocking(ipc::WAIT, notification.slot().to_word(), deadline)
}

/// Takes the bits of `notification`, maybe none, without waiting.
///
/// # Errors
/// The shared rejections.
#[inline]
pub fn poll(notification: Cap<kind::Notification>) -> Result<u64, Rejection> {
    blocking(ipc::POLL, notification.slot().to_word(), 0)
}

/// Sets the bits of the capability's badge.
///
/// # Errors
/// The shared rejections.
#[inline]
pub fn signal(notification: Cap<kind::Notification>) -> Result<(), Rejection> {
    blocking(ipc::SIGNAL, notification.slot().to_word(), 0).map(|_| ())
}

/// Faults by a breakpoint, and again whenever the thread is resumed.
pub fn breakpoint() -> ! {
    machine::brk()
}

/// Lets the next thread of the same priority run.
#[inline]
pub fn yield_now() {
    machine::yield_now();
}

/// Runs the calling thread's guest, whose record is `record`.
///
/// # Errors
/// [`Rejection::NotBound`] if no guest is bound to the thread, or no record to the guest.
#[inline(always)]
pub fn run(record: &mut GuestRecord) -> Result<GuestExit, Rejection> {
    let word = machine::run(record)?;
    GuestExit::from_word(word).ok_or(Rejection::Malformed)
}

/// Writes `text` to the kernel's debug console.
///
/// # Errors
/// The shared rejections.
pub fn debug_write(console: Cap<kind::DebugConsole>, text: &[u8]) -> Result<(), Rejection> {
    for chunk in text.chunks(REGISTER_BYTES) {
        let mut words = [0; WORDS];
        bytes_mut(&mut words)[..chunk.len()].copy_from_slice(chunk);
        let sent = Sent {
            words,
            endpoint: console.slot(),
            info: MessageInfo::new(0, chunk.len(), 0),
            capabilities: [CPtr::NULL; MESSAGE_CAPS],
            receive: CPtr::NULL,
            reply: CPtr::NULL,
        };
        Svc.exchange(ipc::DEBUG_WRITE, &sent).check()?;
    }
    Ok(())
}

/// Views message words as bytes, in message order.
#[must_use]
#[inline(always)]
pub const fn bytes(words: &[u64]) -> &[u8] {
    const { assert!(cfg!(target_endian = "little")) };
    // SAFETY: [language] the same memory, as bytes; every byte of a word is initialised.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 8) }
}

/// Views message words as bytes to write, in message order.
#[must_use]
#[inline(always)]
pub const fn bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: [language] the same memory, as bytes; any bytes are words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 8) }
}
