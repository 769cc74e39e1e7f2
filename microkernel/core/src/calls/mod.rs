//! The calls of the system-call table: typed arguments in, the object's work, a result out.
//!
//! | module | calls |
//! | --- | --- |
//! | [`thread`], [`vspace`], [`guest`], [`irq`] | those on that kind, where they are more than a line |
//!
//! The calls on capabilities are in [`crate::cap::invoke`], `retype` in
//! [`crate::object::untyped`], the mapping calls in [`crate::object::mapping`].

mod guest;
mod irq;
mod thread;
mod vspace;

use crate::Kernel;
use crate::cap::cspace::typed;
use crate::cap::{Binding, Cap};
use crate::machine::Machine;
use crate::object::cspace::CSpace;
use crate::object::guest::Guest;
use crate::object::irq::Irq;
use crate::object::memory::Part;
use crate::object::thread::{Thread, binding_slot};
use crate::object::untyped::Retype;
use crate::object::vspace::VSpace;
use crate::store::{Ref, SlotRef};
use crate::vm::walk::NoTables;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::*;
use ipc_proto::abi::word::{CPtr, MapFlags, ObjectKind, Rights, Trigger, View, Word};

/// A system call of one thread, for the calls of the table.
pub(crate) struct Call<'a, M> {
    pub(crate) kernel: &'a mut Kernel<M>,
    pub(crate) thread: Ref<Thread>,
}

fn refused<T, E>(error: E) -> Result<T, SyscallError<E>> {
    Err(SyscallError::Refused(error))
}

impl<M: Machine> Call<'_, M> {
    fn thread(&self, at: CPtr) -> Result<Ref<Thread>, Rejection> {
        Ok(typed!(self.kernel, self.thread, at, Cap::Thread(object) => object))
    }

    /// Finds a CSpace and the slot that names it: the caller's own for `CPtr::NULL`.
    fn cspace_or_own(&self, at: CPtr) -> Result<(SlotRef, Ref<CSpace>), Rejection> {
        let slot = match at {
            CPtr::NULL => binding_slot(&self.kernel.store, self.thread, Binding::CSpace),
            _ => self.kernel.lookup_slot(self.thread, at)?,
        };
        match self.kernel.store.slot(slot).cap {
            Cap::CSpace(object) => Ok((slot, object)),
            Cap::Empty => Err(Rejection::NoSuchSlot),
            _ => Err(Rejection::WrongKind),
        }
    }

    fn vspace(&self, at: CPtr) -> Result<Ref<VSpace>, Rejection> {
        Ok(typed!(self.kernel, self.thread, at, Cap::VSpace(object) => object))
    }

    fn guest(&self, at: CPtr) -> Result<Ref<Guest>, Rejection> {
        Ok(typed!(self.kernel, self.thread, at, Cap::Guest(object) => object))
    }

    fn irq(&self, at: CPtr) -> Result<Ref<Irq>, Rejection> {
        Ok(typed!(self.kernel, self.thread, at, Cap::Irq(object) => object))
    }

    fn power(&self, at: CPtr) -> Result<(), Rejection> {
        typed!(self.kernel, self.thread, at, Cap::Power => ());
        Ok(())
    }
}

impl<M: Machine> Syscalls for Call<'_, M> {
    fn retype(
        &mut self,
        untyped: CPtr,
        kind: ObjectKind,
        argument: u64,
        into: CPtr,
        first: CPtr,
        count: u64,
    ) -> Result<(), SyscallError<RetypeError>> {
        self.retype_objects(&Retype { untyped, kind, argument, into, first, count })
    }

    fn copy(
        &mut self,
        source: CPtr,
        into: CPtr,
        target: CPtr,
        rights: Rights,
        badge: u64,
    ) -> Result<(), SyscallError<CopyError>> {
        self.copy_cap(source, (into, target), rights, badge)
    }

    fn move_cap(
        &mut self,
        source: CPtr,
        into: CPtr,
        target: CPtr,
    ) -> Result<(), SyscallError<MoveError>> {
        self.relocate_cap(source, (into, target))
    }

    fn delete(&mut self, from: CPtr, slot: CPtr) -> Result<u64, SyscallError<DeleteError>> {
        Ok(self.delete_step(from, slot)?)
    }

    fn revoke(&mut self, slot: CPtr) -> Result<u64, SyscallError<RevokeError>> {
        Ok(self.revoke_step(slot)?)
    }

    fn derive_memory(
        &mut self,
        source: CPtr,
        into: CPtr,
        target: CPtr,
        offset: u64,
        bytes: u64,
        rights: Rights,
    ) -> Result<(), SyscallError<DeriveError>> {
        self.derive(&Part { source, into, target, offset, bytes, rights })
    }

    fn identify(&mut self, slot: CPtr) -> Result<u64, SyscallError<IdentifyError>> {
        let slot = self.kernel.lookup_slot(self.thread, slot)?;
        Ok(self.kernel.store.slot(slot).cap.kind().map_or(0, Word::to_word))
    }

    fn size(&mut self, slot: CPtr) -> Result<u64, SyscallError<SizeError>> {
        let slot = self.kernel.lookup(self.thread, slot)?;
        Ok(Kernel::<M>::size_of_cap(&slot.cap)?)
    }

    fn vspace_supply(
        &mut self,
        vspace: CPtr,
        tables: CPtr,
    ) -> Result<(), SyscallError<SupplyError>> {
        vspace::supply(self, vspace, tables)
    }

    fn vspace_attach(
        &mut self,
        vspace: CPtr,
        index: u64,
        memory: CPtr,
    ) -> Result<(), SyscallError<AttachError>> {
        vspace::attach(self, vspace, index, memory)
    }

    fn vspace_detach(
        &mut self,
        vspace: CPtr,
        index: u64,
    ) -> Result<u64, SyscallError<DetachError>> {
        vspace::detach(self, vspace, index)
    }

    fn map(
        &mut self,
        vspace: CPtr,
        flags: MapFlags,
        offset: u64,
        address: u64,
        pages: u64,
    ) -> Result<(), SyscallError<MapError>> {
        let vspace = self.vspace(vspace)?;
        let plan = self.kernel.check_map(vspace, flags, offset, address, pages)?;
        self.kernel.commit_map(plan).or_else(|NoTables| refused(MapError::NoTables))
    }

    fn unmap(
        &mut self,
        vspace: CPtr,
        address: u64,
        pages: u64,
    ) -> Result<(), SyscallError<UnmapError>> {
        let vspace = self.vspace(vspace)?;
        self.kernel.unmap(vspace, address, pages)
    }

    fn protect(
        &mut self,
        vspace: CPtr,
        address: u64,
        pages: u64,
        access: Rights,
    ) -> Result<(), SyscallError<ProtectError>> {
        let vspace = self.vspace(vspace)?;
        self.kernel.protect(vspace, address, pages, access)
    }

    fn map_list(&mut self, vspace: CPtr, count: u64) -> Result<(), SyscallError<MapListError>> {
        vspace::map_list(self, vspace, count)
    }

    fn vspace_set_window(
        &mut self,
        vspace: CPtr,
        domain: CPtr,
        view: View,
    ) -> Result<(), SyscallError<SetWindowError>> {
        vspace::set_window(self, vspace, domain, view)
    }

    fn vspace_make_window(&mut self, vspace: CPtr) -> Result<(), SyscallError<MakeWindowError>> {
        vspace::make_window(self, vspace)
    }

    fn thread_set_spaces(
        &mut self,
        thread: CPtr,
        cspace: CPtr,
        vspace: CPtr,
    ) -> Result<(), SyscallError<SetSpacesError>> {
        thread::set_spaces(self, thread, cspace, vspace)
    }

    fn thread_set_buffer(
        &mut self,
        thread: CPtr,
        memory: CPtr,
        offset: u64,
    ) -> Result<(), SyscallError<SetBufferError>> {
        thread::set_buffer(self, thread, memory, offset)
    }

    fn thread_set_fault(
        &mut self,
        thread: CPtr,
        endpoint: CPtr,
    ) -> Result<(), SyscallError<SetFaultError>> {
        thread::set_fault(self, thread, endpoint)
    }

    fn thread_bind_notification(
        &mut self,
        thread: CPtr,
        notification: CPtr,
    ) -> Result<(), SyscallError<BindNotificationError>> {
        thread::bind_notification(self, thread, notification)
    }

    fn thread_set_schedule(
        &mut self,
        thread: CPtr,
        priority: u64,
        slice_us: u64,
    ) -> Result<(), SyscallError<SetScheduleError>> {
        thread::set_schedule(self, thread, priority, slice_us)
    }

    fn thread_start(
        &mut self,
        thread: CPtr,
        pc: u64,
        sp: u64,
        argument: u64,
        thread_pointer: u64,
    ) -> Result<(), SyscallError<StartError>> {
        thread::start(self, thread, pc, sp, argument, thread_pointer)
    }

    fn thread_stop(&mut self, thread: CPtr) -> Result<(), SyscallError<StopError>> {
        thread::stop(self, thread)
    }

    fn thread_read_registers(
        &mut self,
        thread: CPtr,
    ) -> Result<(), SyscallError<ReadRegistersError>> {
        thread::read_registers(self, thread)
    }

    fn thread_set_fixup(
        &mut self,
        start: u64,
        end: u64,
        landing: u64,
    ) -> Result<(), SyscallError<SetFixupError>> {
        thread::set_fixup(self, start, end, landing)
    }

    fn guest_set_record(
        &mut self,
        guest: CPtr,
        memory: CPtr,
        offset: u64,
    ) -> Result<(), SyscallError<SetRecordError>> {
        guest::set_record(self, guest, memory, offset)
    }

    fn thread_bind_guest(
        &mut self,
        thread: CPtr,
        guest: CPtr,
    ) -> Result<(), SyscallError<BindGuestError>> {
        thread::bind_guest(self, thread, guest)
    }

    fn guest_sync_fp(&mut self, guest: CPtr) -> Result<(), SyscallError<SyncFpError>> {
        guest::sync_fp(self, guest)
    }

    fn irq_claim(
        &mut self,
        control: CPtr,
        untyped: CPtr,
        line: u64,
        trigger: Trigger,
        into: CPtr,
        target: CPtr,
    ) -> Result<(), SyscallError<ClaimError>> {
        irq::claim(self, control, untyped, line, trigger, into, target)
    }

    fn irq_bind(
        &mut self,
        irq: CPtr,
        notification: CPtr,
    ) -> Result<(), SyscallError<IrqBindError>> {
        irq::bind(self, irq, notification)
    }

    fn irq_acknowledge(&mut self, irq: CPtr) -> Result<(), SyscallError<AcknowledgeError>> {
        irq::acknowledge(self, irq)
    }

    fn power_off(&mut self, power: CPtr, status: u64) -> Result<(), SyscallError<PowerError>> {
        self.power(power)?;
        self.kernel.machine.power_off(status);
        refused(PowerError::NotSupported)
    }

    fn power_reset(&mut self, power: CPtr) -> Result<(), SyscallError<ResetError>> {
        self.power(power)?;
        self.kernel.machine.reset();
        refused(ResetError::NotSupported)
    }
}
