//! The host in place of the kernel: every call is one that it does not know.

use super::{Arrived, Buffer, Sent, WORDS};
use core::cell::RefCell;
use ipc_proto::abi::guest::GuestRecord;
use ipc_proto::abi::layout::MESSAGE_BYTES;
use ipc_proto::abi::status::Rejection;

const NO_SUCH_CALL: u64 = Rejection::NoSuchCall as u64;

/// Registers of a message trap, of which there are none here.
#[derive(Clone, Copy, Debug)]
pub struct Registers;

impl Registers {
    pub(super) fn new<const N: usize>(_: &Sent<N>) -> Registers {
        Registers
    }
}

pub(super) fn exchange(_: u64, _: Registers) -> Arrived {
    Arrived { status: NO_SUCH_CALL, badge: 0, info: 0, words: [0; WORDS] }
}

pub(super) fn trap(_: u64, _: [u64; 6]) -> (u64, [u64; 4]) {
    (NO_SUCH_CALL, [0; 4])
}

pub(super) fn trap2(_: u64, _: u64, _: u64) -> (u64, u64) {
    (NO_SUCH_CALL, 0)
}

pub(super) fn yield_now() {
    std::thread::yield_now();
}

pub(super) fn run(_: &mut GuestRecord) -> Result<u64, Rejection> {
    Err(Rejection::NoSuchCall)
}

pub(super) fn with_buffer<R>(look: impl FnOnce(&mut Buffer) -> R) -> Option<R> {
    std::thread_local! {
        static BUFFER: RefCell<Box<Buffer>> = RefCell::new(Box::new([0; MESSAGE_BYTES]));
    }
    BUFFER.with_borrow_mut(|buffer| Some(look(buffer)))
}

/// Returns nanoseconds since the first call: a counter of 1 GHz.
pub(crate) fn read_counter() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

pub(crate) fn read_thread_pointer() -> u64 {
    0
}

pub(crate) fn frame_pointer() -> u64 {
    0
}

pub(crate) fn write_thread_pointer(_: u64) {}

pub(crate) fn brk() -> ! {
    std::process::abort()
}
