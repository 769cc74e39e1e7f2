//! Making, copying and deleting capabilities, by kind. Slots come from [`crate::slots`].

pub mod irq;
pub mod memory;
pub mod untyped;
pub mod vspace;

use crate::slots;
use crate::syscall::kernel;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::{CopyError, DeleteError};
use ipc_proto::abi::word::{CPtr, Rights};
use ipc_proto::call::Badge;

pub use ipc_proto::capability::{Cap, Kind, kind};

/// The slot that is never filled.
pub const NULL: CPtr = CPtr::NULL;

/// Why no capability came into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MakeError<E> {
    /// The program has no free slot left.
    NoSlot,
    /// The kernel refused.
    Kernel(SyscallError<E>),
}

impl<E: core::fmt::Display> core::fmt::Display for MakeError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            MakeError::NoSlot => f.write_str("the program has no free slot left"),
            MakeError::Kernel(error) => error.fmt(f),
        }
    }
}

/// Fills a free slot by `fill`, and gives the slot back if that fails.
pub(crate) fn fill_slot<K, E>(
    fill: impl FnOnce(CPtr) -> Result<(), SyscallError<E>>,
) -> Result<Cap<K>, MakeError<E>> {
    let slot = slots::allocate().ok_or(MakeError::NoSlot)?;
    match fill(slot) {
        Ok(()) => Ok(Cap::new(slot)),
        Err(error) => {
            slots::free(slot);
            Err(MakeError::Kernel(error))
        }
    }
}

/// Copies a capability into a free slot, with at most `rights`.
///
/// # Errors
/// No free slot, or what the kernel refuses.
pub fn copy<K>(source: Cap<K>, rights: Rights) -> Result<Cap<K>, MakeError<CopyError>> {
    fill_slot(|slot| kernel().copy(source.slot(), NULL, slot, rights, 0))
}

/// Copies an endpoint or notification capability into a free slot, with a badge.
///
/// # Errors
/// No free slot, or what the kernel refuses.
pub fn mint<K>(
    source: Cap<K>,
    rights: Rights,
    badge: Badge,
) -> Result<Cap<K>, MakeError<CopyError>> {
    fill_slot(|slot| kernel().copy(source.slot(), NULL, slot, rights, badge.0))
}

/// Deletes a capability and frees its slot.
///
/// # Errors
/// The shared rejections.
pub fn delete<K>(cap: Cap<K>) -> Result<(), SyscallError<DeleteError>> {
    while kernel().delete(NULL, cap.slot())? > 0 {}
    slots::free(cap.slot());
    Ok(())
}

/// Deletes everything derived from a capability.
///
/// # Errors
/// The shared rejections.
pub fn revoke<K>(cap: Cap<K>) -> Result<(), Rejection> {
    loop {
        match kernel().revoke(cap.slot()) {
            Ok(0) => return Ok(()),
            Ok(_) => (),
            Err(SyscallError::Rejected(rejection)) => return Err(rejection),
            Err(SyscallError::Refused(never)) => match never {},
        }
    }
}
