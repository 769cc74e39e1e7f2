//! Untyped: the only source of memory. `retype` makes objects of it, `revoke` takes them back.
//!
//! # Invariants
//!
//! - `untyped.clean`: bytes from `used` on are zero or as the firmware left them, and no object,
//!   mapping or table lies in them.
//! - `untyped.single`: at most one capability names a given untyped range (it cannot be copied).

use super::cspace::CSpace;
use super::endpoint::{Endpoint, Reply};
use super::guest::Guest;
use super::irq::Irq;
use super::notification::Notification;
use super::tables::Tables;
use super::thread::Thread;
use super::vspace::VSpace;
use crate::Kernel;
use crate::calls::Call;
use crate::cap::{Binding, Cap, Owner, Slot, derivation};
use crate::machine::Machine;
use crate::store::{PhysAddr, SlotRef};
use ipc_proto::abi::layout::{BLOCK_BYTES, PAGE_BYTES};
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::RetypeError;
use ipc_proto::abi::word::{CPtr, ObjectKind, Rights};

/// Alignment of kernel objects in bytes.
const OBJECT_ALIGN: u64 = 64;
/// Most objects in one call.
const MOST_OBJECTS: u64 = 256;
/// Most slots of a CSpace, and of all that one call makes.
const MOST_SLOTS: u64 = 65_536;
/// Most pages of a Tables.
const MOST_TABLE_PAGES: u64 = 1024;
/// Bytes cleaned in one step of a revocation.
const CLEAN_STEP: u64 = 256 << 10;

/// Where the objects of one `retype` go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct RetypePlan {
    untyped: SlotRef,
    kind: ObjectKind,
    argument: u64,
    start: PhysAddr,
    stride: u64,
    used: u64,
}

/// Returns alignment and size in bytes of an object.
fn measure(kind: ObjectKind, argument: u64) -> Result<(u64, u64), RetypeError> {
    let sized = |most: u64| {
        let fits = argument != 0 && argument <= most;
        if fits { Ok(argument) } else { Err(RetypeError::BadSize) }
    };
    let object = |bytes: usize| Ok((OBJECT_ALIGN, bytes as u64));
    match kind {
        ObjectKind::Untyped | ObjectKind::Memory => {
            let bytes = sized(1 << 43)?;
            if !bytes.is_multiple_of(PAGE_BYTES) {
                return Err(RetypeError::BadSize);
            }
            Ok((if bytes >= BLOCK_BYTES { BLOCK_BYTES } else { PAGE_BYTES }, bytes))
        }
        ObjectKind::CSpace => {
            let bytes = size_of::<CSpace>() as u64 + sized(MOST_SLOTS)? * size_of::<Slot>() as u64;
            Ok((OBJECT_ALIGN, bytes))
        }
        ObjectKind::Tables => Ok((PAGE_BYTES, (sized(MOST_TABLE_PAGES)? + 1) * PAGE_BYTES)),
        ObjectKind::VSpace => object(size_of::<VSpace>()),
        ObjectKind::Thread => object(size_of::<Thread>()),
        ObjectKind::Endpoint => object(size_of::<Endpoint>()),
        ObjectKind::Reply => object(size_of::<Reply>()),
        ObjectKind::Notification => object(size_of::<Notification>()),
        ObjectKind::Guest => object(size_of::<Guest>()),
        ObjectKind::Irq => object(size_of::<Irq>()),
        ObjectKind::IrqControl | ObjectKind::Power | ObjectKind::DebugConsole => {
            Err(RetypeError::NotMakeable)
        }
    }
}

impl<M: Machine> Kernel<M> {
    /// Decides whether `count` objects fit into an untyped; changes nothing.
    pub(crate) fn check_retype(
        &self,
        untyped: SlotRef,
        kind: ObjectKind,
        argument: u64,
        count: u64,
    ) -> Result<RetypePlan, SyscallError<RetypeError>> {
        let Cap::Untyped { base, pages, used } = self.store.slot(untyped).cap else {
            return Err(Rejection::WrongKind.into());
        };
        let (align, bytes) = measure(kind, argument).map_err(SyscallError::Refused)?;
        let has_many_slots =
            kind == ObjectKind::CSpace && argument.saturating_mul(count) > MOST_SLOTS;
        if count > MOST_OBJECTS || has_many_slots {
            return Err(SyscallError::Refused(RetypeError::TooMany));
        }
        let full = SyscallError::Refused(RetypeError::NotEnoughMemory);
        let stride = bytes.next_multiple_of(align);
        let start = (base.0 + used).checked_next_multiple_of(align).ok_or(full)?;
        let end = stride.checked_mul(count).and_then(|all| start.checked_add(all)).ok_or(full)?;
        if end > base.0 + u64::from(pages) * PAGE_BYTES {
            return Err(full);
        }
        let used = end - base.0;
        Ok(RetypePlan { untyped, kind, argument, start: PhysAddr(start), stride, used })
    }

    /// Makes the object at `index` of a plan and its capability.
    pub(crate) fn commit_object(&mut self, plan: &RetypePlan, index: u64, slot: SlotRef) {
        let at = plan.start.offset(index * plan.stride);
        let cap = self.make_object(plan.kind, at, plan.argument);
        derivation::insert_child(&mut self.store, plan.untyped, slot, cap, Rights::ALL);
        if let Cap::Untyped { used, .. } = &mut self.store.slot_mut(plan.untyped).cap {
            *used = plan.used;
        }
    }

    fn make_object(&mut self, kind: ObjectKind, at: PhysAddr, argument: u64) -> Cap {
        let pages = (argument / PAGE_BYTES) as u32;
        match kind {
            ObjectKind::Untyped => Cap::Untyped { base: at, pages, used: 0 },
            ObjectKind::CSpace => {
                let object = self.store.create::<CSpace>(at);
                self.store.create_slots(at.offset(size_of::<CSpace>() as u64), argument as usize);
                self.store.get_mut(object).slots = argument as u32;
                Cap::CSpace(object)
            }
            ObjectKind::VSpace => {
                let object = self.store.create(at);
                self.adopt_vspace_slots(object);
                Cap::VSpace(object)
            }
            ObjectKind::Tables => {
                let object = self.store.create::<Tables>(at);
                let state = self.store.get_mut(object);
                state.base = at.offset(PAGE_BYTES);
                state.pages = argument as u32;
                Cap::Tables(object)
            }
            ObjectKind::Thread => {
                let object = self.store.create::<Thread>(at);
                self.adopt_thread_slots(object);
                Cap::Thread(object)
            }
            ObjectKind::Endpoint => Cap::Endpoint { object: self.store.create(at), badge: 0 },
            ObjectKind::Reply => Cap::Reply(self.store.create(at)),
            ObjectKind::Notification => {
                Cap::Notification { object: self.store.create(at), badge: 0 }
            }
            ObjectKind::Guest => {
                let object = self.store.create::<Guest>(at);
                self.store.get_mut(object).record.owner = Owner::Record(object);
                Cap::Guest(object)
            }
            ObjectKind::Irq => {
                let object = self.store.create::<Irq>(at);
                self.store.get_mut(object).binding.owner = Owner::Irq(object);
                Cap::Irq(object)
            }
            // `measure` lets no other kind through.
            _ => Cap::Memory { base: at, pages, is_device: false },
        }
    }

    pub(crate) fn adopt_thread_slots(&mut self, thread: crate::store::Ref<Thread>) {
        const ALL: [Binding; crate::cap::BINDINGS] = [
            Binding::CSpace,
            Binding::VSpace,
            Binding::Buffer,
            Binding::Fault,
            Binding::Notification,
            Binding::Guest,
        ];
        let slots = &mut self.store.get_mut(thread).bindings;
        for (slot, binding) in slots.iter_mut().zip(ALL) {
            slot.owner = Owner::Thread(thread, binding);
        }
    }

    /// Cleans a part of an untyped that has no descendants any more; `true` when all is clean.
    pub(crate) fn clean_step(&mut self, untyped: SlotRef) -> bool {
        let Cap::Untyped { base, used, .. } = self.store.slot(untyped).cap else { return true };
        let left = used.saturating_sub(CLEAN_STEP);
        self.store.zero(base.offset(left), used - left);
        if let Cap::Untyped { used, .. } = &mut self.store.slot_mut(untyped).cap {
            *used = left;
        }
        left == 0
    }
}

/// The arguments of `retype`.
pub(crate) struct Retype {
    pub(crate) untyped: CPtr,
    pub(crate) kind: ObjectKind,
    pub(crate) argument: u64,
    pub(crate) into: CPtr,
    pub(crate) first: CPtr,
    pub(crate) count: u64,
}

impl<M: Machine> Call<'_, M> {
    /// `retype`.
    pub(crate) fn retype_objects(
        &mut self,
        args: &Retype,
    ) -> Result<(), SyscallError<RetypeError>> {
        let (untyped, ..) = self.kernel.lookup_filled(self.thread, args.untyped)?;
        if args.kind == ObjectKind::Irq {
            return Err(SyscallError::Refused(RetypeError::NotMakeable));
        }
        let plan = self.kernel.check_retype(untyped, args.kind, args.argument, args.count)?;
        for index in 0..args.count {
            self.empty_slot(args, index)?;
        }
        for index in 0..args.count {
            let slot = self.empty_slot(args, index)?;
            self.kernel.commit_object(&plan, index, slot);
        }
        Ok(())
    }

    fn empty_slot(&self, args: &Retype, index: u64) -> Result<SlotRef, SyscallError<RetypeError>> {
        let at = args.first.offset(index as u32);
        let slot = match self.kernel.lookup_target(self.thread, args.into, at) {
            Ok(slot) => slot,
            Err(Rejection::NoSuchSlot) => {
                return Err(SyscallError::Refused(RetypeError::SlotTaken));
            }
            Err(rejection) => return Err(rejection.into()),
        };
        if self.kernel.store.slot(slot).is_empty() {
            Ok(slot)
        } else {
            Err(SyscallError::Refused(RetypeError::SlotTaken))
        }
    }
}
