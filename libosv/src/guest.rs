//! Running a guest: the thread's bound guest goes on until it needs its personality.

use crate::syscall;
use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use ipc_proto::abi::status::Rejection;

/// Runs the calling thread's guest; `record` is the record bound to it, where the kernel finds
/// and leaves the guest's registers.
///
/// # Errors
/// [`Rejection::NotBound`] if the thread has no guest, or the guest no record.
#[inline]
pub fn run(record: &mut GuestRecord) -> Result<GuestExit, Rejection> {
    syscall::run(record)
}
