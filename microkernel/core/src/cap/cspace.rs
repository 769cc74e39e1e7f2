//! Finding slots: from a `CPtr` to the slot, and typed look-ups for every kind.

use super::{Cap, Slot};
use crate::Kernel;
use crate::machine::Machine;
use crate::object::cspace::CSpace;
use crate::object::thread::Thread;
use crate::store::{Ref, SlotRef};
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::word::{CPtr, Rights};

impl<M: Machine> Kernel<M> {
    /// Finds a slot in the CSpace of `thread`, filled or not.
    #[inline]
    pub(crate) fn lookup_slot(&self, thread: Ref<Thread>, at: CPtr) -> Result<SlotRef, Rejection> {
        let cspace = self.store.get(thread).cspace.ok_or(Rejection::NotBound)?;
        self.slot_in(cspace, at)
    }

    /// Finds a slot in the CSpace that `into` names, or in the thread's own for `CPtr::NULL`.
    pub(crate) fn lookup_target(
        &self,
        thread: Ref<Thread>,
        into: CPtr,
        at: CPtr,
    ) -> Result<SlotRef, Rejection> {
        if into == CPtr::NULL {
            return self.lookup_slot(thread, at);
        }
        match self.lookup(thread, into)?.cap {
            Cap::CSpace(cspace) => self.slot_in(cspace, at),
            _ => Err(Rejection::WrongKind),
        }
    }

    #[inline]
    fn slot_in(&self, cspace: Ref<CSpace>, at: CPtr) -> Result<SlotRef, Rejection> {
        let slots = self.store.get(cspace).slots;
        if at.0 == 0 || at.0 >= slots {
            return Err(Rejection::NoSuchSlot);
        }
        Ok(self.store.slot_behind(cspace, at.0 as usize))
    }

    /// Finds a filled slot.
    #[inline]
    pub(crate) fn lookup(&self, thread: Ref<Thread>, at: CPtr) -> Result<&Slot, Rejection> {
        let slot = self.store.slot(self.lookup_slot(thread, at)?);
        if slot.is_empty() { Err(Rejection::NoSuchSlot) } else { Ok(slot) }
    }

    /// Finds a filled slot and the rights to it, for calls that go on to change it.
    pub(crate) fn lookup_filled(
        &self,
        thread: Ref<Thread>,
        at: CPtr,
    ) -> Result<(SlotRef, Cap, Rights), Rejection> {
        let slot = self.lookup_slot(thread, at)?;
        let place = self.store.slot(slot);
        if place.is_empty() {
            return Err(Rejection::NoSuchSlot);
        }
        Ok((slot, place.cap, place.rights))
    }
}

/// Makes a typed look-up: `typed!(kernel, thread, cptr, Cap::Thread(object) => object)`.
macro_rules! typed {
    ($kernel:expr, $thread:expr, $at:expr, $pattern:pat => $value:expr) => {
        match $kernel.lookup($thread, $at)?.cap {
            $pattern => $value,
            _ => return Err(ipc_proto::abi::status::Rejection::WrongKind.into()),
        }
    };
}
pub(crate) use typed;
