//! Memory: mappable ranges. A Memory is its capability; there is no object behind it.

use crate::Kernel;
use crate::calls::Call;
use crate::cap::{Cap, derivation};
use crate::machine::Machine;
use crate::store::PhysAddr;
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::DeriveError;
use ipc_proto::abi::word::{CPtr, Rights};

/// Returns the page at `offset` of a Memory that user and kernel are to share: whole, RAM,
/// writable; `None` if it is not that.
pub(crate) fn shared_page(cap: &Cap, rights: Rights, offset: u64) -> Option<PhysAddr> {
    let Cap::Memory { base, pages, is_device: false } = *cap else { return None };
    let fits = offset.is_multiple_of(PAGE_BYTES) && offset / PAGE_BYTES < u64::from(pages);
    (fits && rights.contains(Rights::READ.union(Rights::WRITE))).then(|| base.offset(offset))
}

/// A range of a Memory to be derived.
pub(crate) struct Part {
    pub(crate) source: CPtr,
    pub(crate) into: CPtr,
    pub(crate) target: CPtr,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) rights: Rights,
}

impl<M: Machine> Call<'_, M> {
    /// `derive_memory`.
    pub(crate) fn derive(&mut self, part: &Part) -> Result<(), SyscallError<DeriveError>> {
        let kernel = &mut *self.kernel;
        let (source, cap, _) = kernel.lookup_filled(self.thread, part.source)?;
        let Cap::Memory { base, pages, is_device } = cap else {
            return Err(Rejection::WrongKind.into());
        };
        let target = kernel.lookup_target(self.thread, part.into, part.target)?;
        if !kernel.store.slot(target).is_empty() {
            return Err(SyscallError::Refused(DeriveError::SlotTaken));
        }
        let aligned = (part.offset | part.bytes).is_multiple_of(PAGE_BYTES) && part.bytes != 0;
        let (first, count) = (part.offset / PAGE_BYTES, part.bytes / PAGE_BYTES);
        let end = first.checked_add(count).filter(|&end| aligned && end <= u64::from(pages));
        let (Some(_), Ok(count)) = (end, u32::try_from(count)) else {
            return Err(SyscallError::Refused(DeriveError::OutOfRange));
        };
        let cap = Cap::Memory { base: base.offset(part.offset), pages: count, is_device };
        derivation::insert_child(&mut kernel.store, source, target, cap, part.rights);
        Ok(())
    }
}

impl<M: Machine> Kernel<M> {
    /// Returns the bytes of a Memory, or those an untyped has left.
    pub(crate) fn size_of_cap(cap: &Cap) -> Result<u64, Rejection> {
        match *cap {
            Cap::Memory { pages, .. } => Ok(u64::from(pages) * PAGE_BYTES),
            Cap::Untyped { pages, used, .. } => Ok(u64::from(pages) * PAGE_BYTES - used),
            _ => Err(Rejection::WrongKind),
        }
    }
}
