//! The calls on capabilities themselves: copy, move, delete, revoke.

use super::{Cap, Owner, derivation};
use crate::Kernel;
use crate::calls::Call;
use crate::machine::Machine;
use crate::store::SlotRef;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::{CopyError, MoveError};
use ipc_proto::abi::word::{CPtr, Rights};

/// Returns `cap` with a badge.
fn with_badge(cap: Cap, badge: u64) -> Result<Cap, CopyError> {
    match cap {
        _ if badge == 0 => Ok(cap),
        Cap::Endpoint { object, badge: 0 } => Ok(Cap::Endpoint { object, badge }),
        Cap::Notification { object, badge: 0 } => Ok(Cap::Notification { object, badge }),
        _ => Err(CopyError::BadgeFixed),
    }
}

impl<M: Machine> Call<'_, M> {
    /// `copy`.
    pub(crate) fn copy_cap(
        &mut self,
        source: CPtr,
        (into, target): (CPtr, CPtr),
        rights: Rights,
        badge: u64,
    ) -> Result<(), SyscallError<CopyError>> {
        let kernel = &mut *self.kernel;
        let (source, cap, _) = kernel.lookup_filled(self.thread, source)?;
        let target = kernel.lookup_target(self.thread, into, target)?;
        if !kernel.store.slot(target).is_empty() {
            return Err(SyscallError::Refused(CopyError::SlotTaken));
        }
        if matches!(cap, Cap::Untyped { .. } | Cap::Tables(_)) {
            return Err(SyscallError::Refused(CopyError::SingleHolder));
        }
        let cap = with_badge(cap, badge).map_err(SyscallError::Refused)?;
        derivation::retain(&mut kernel.store, &cap);
        derivation::insert_child(&mut kernel.store, source, target, cap, rights);
        Ok(())
    }

    /// `move_cap`.
    pub(crate) fn relocate_cap(
        &mut self,
        source: CPtr,
        (into, target): (CPtr, CPtr),
    ) -> Result<(), SyscallError<MoveError>> {
        let kernel = &mut *self.kernel;
        let (source, ..) = kernel.lookup_filled(self.thread, source)?;
        let target = kernel.lookup_target(self.thread, into, target)?;
        if !kernel.store.slot(target).is_empty() {
            return Err(SyscallError::Refused(MoveError::SlotTaken));
        }
        derivation::relocate(&mut kernel.store, source, target);
        Ok(())
    }

    /// `delete`: a bounded part; 1 when there is more to do.
    pub(crate) fn delete_step(&mut self, from: CPtr, slot: CPtr) -> Result<u64, Rejection> {
        let slot = self.kernel.lookup_target(self.thread, from, slot)?;
        let is_done = self.kernel.delete_slot(slot) && self.kernel.reap();
        Ok(u64::from(!is_done))
    }

    /// `revoke`: a bounded part; 1 when there is more to do.
    pub(crate) fn revoke_step(&mut self, slot: CPtr) -> Result<u64, Rejection> {
        let (slot, ..) = self.kernel.lookup_filled(self.thread, slot)?;
        Ok(u64::from(!self.kernel.revoke_part(slot)))
    }
}

impl<M: Machine> Kernel<M> {
    /// Deletes some descendants of a capability; `true` when none is left.
    fn revoke_part(&mut self, slot: SlotRef) -> bool {
        for _ in 0..super::reap::STEP {
            let Some(descendant) = derivation::first_descendant(&self.store, slot) else {
                return self.reap() && (self.is_dead(slot) || self.clean_step(slot));
            };
            debug_assert!(self.store.slot(descendant).owner != Owner::CSpace || descendant != slot);
            if !self.delete_slot(descendant) || !self.reap() {
                return false;
            }
        }
        false
    }

    /// Tells whether the slot lost its capability while its descendants were taken apart.
    fn is_dead(&self, slot: SlotRef) -> bool {
        self.store.slot(slot).is_empty()
    }
}
