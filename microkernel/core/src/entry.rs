//! The one door: a trap comes in, the registers of threads change, the next thread is chosen.
//!
//! The trap entry has saved the registers in the thread's context (or its guest's record).
//! Afterwards `cpu().current` says who runs and the machine knows its register file.

use crate::Kernel;
use crate::cap::cspace::typed;
use crate::cap::{Binding, Cap, Owner, derivation};
use crate::machine::Machine;
use crate::object::guest::Save;
use crate::object::irq::Irq;
use crate::object::memory::{Part, shared_page};
use crate::object::thread::{Context, Fixup, State, Thread, binding_slot};
use crate::object::untyped::Retype;
use crate::store::{Ref, SlotRef};
use crate::vm::walk::NoTables;
use ipc_proto::abi::guest::GuestExit;
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::*;
use ipc_proto::abi::word::{CPtr, MapFlags, ObjectKind, Rights, Trigger, View, Word};

/// Exception classes of ESR_EL1 (Arm ARM D17.2.37).
mod class {
    pub(super) const SVC64: u64 = 0x15;
    pub(super) const DATA_ABORT_EL0: u64 = 0x24;
}

/// A system call of one thread, for the calls of the table.
pub(crate) struct Call<'a, M> {
    pub(crate) kernel: &'a mut Kernel<M>,
    pub(crate) thread: Ref<Thread>,
}

impl<M: Machine> Kernel<M> {
    /// A synchronous exception from EL0.
    #[inline(always)]
    pub fn exception(&mut self, syndrome: u64, address: u64) {
        let Some(thread) = self.cpu().current else { return };
        let class = syndrome >> 26 & 0x3f;
        if self.machine.is_in_guest() {
            if class == class::SVC64 {
                self.leave_guest(thread, GuestExit::Syscall);
            } else {
                self.fault_in_guest(thread, syndrome, address);
            }
        } else if class == class::SVC64 {
            self.system_call(thread);
        } else {
            self.fault(thread, syndrome, address);
        }
    }

    /// A fault of a native thread: a fixup, or a message to its fault endpoint.
    #[inline(never)]
    fn fault(&mut self, thread: Ref<Thread>, syndrome: u64, address: u64) {
        let state = self.store.get_mut(thread);
        let Context { pc, sp, .. } = state.context;
        let Fixup { start, end, landing } = state.fixup;
        if syndrome >> 26 & 0x3f == class::DATA_ABORT_EL0 && (start..end).contains(&pc) {
            state.context.pc = landing;
            state.context.x[0] = address;
            state.context.x[1] = syndrome;
            return;
        }
        self.report_fault(thread, [syndrome, address, pc, sp]);
    }

    #[inline(always)]
    fn system_call(&mut self, thread: Ref<Thread>) {
        let number = self.store.get(thread).context.x[8];
        // The two that matter most come first, without a table of jumps.
        let outcome = if number == ipc::CALL {
            self.call(thread)
        } else if number == ipc::REPLY_RECV {
            self.reply_recv(thread)
        } else {
            self.other_call(thread, number)
        };
        if let Err(rejection) = outcome {
            self.store.get_mut(thread).context.x[8] = rejection as u64;
        }
    }

    #[inline(never)]
    fn other_call(&mut self, thread: Ref<Thread>, number: u64) -> Result<(), Rejection> {
        match number {
            ipc::RUN => self.run_guest(thread),
            ipc::RECV => self.recv(thread),
            ipc::REPLY => self.reply(thread),
            ipc::WAIT => self.wait(thread),
            ipc::POLL => self.poll(thread),
            ipc::SIGNAL => self.signal_from(thread),
            ipc::YIELD => {
                self.yield_from(thread);
                Ok(())
            }
            ipc::DEBUG_WRITE => self.debug_write(thread),
            _ => {
                self.table_call(thread, number);
                Ok(())
            }
        }
    }

    #[inline(never)]
    fn yield_from(&mut self, thread: Ref<Thread>) {
        self.store.get_mut(thread).context.x[8] = 0;
        self.rotate();
        self.reschedule();
    }

    /// A call of the system-call table.
    #[inline(never)]
    fn table_call(&mut self, thread: Ref<Thread>, number: u64) {
        let [x0, x1, x2, x3, x4, x5, ..] = self.store.get(thread).context.x;
        let mut call = Call { kernel: self, thread };
        let (status, result) = dispatch(&mut call, number, &[x0, x1, x2, x3, x4, x5]);
        // The call may have ended the thread itself; then nobody waits for the result.
        if self.cpu().current == Some(thread) {
            let context = &mut self.store.get_mut(thread).context;
            context.x[0] = result;
            context.x[8] = status;
        }
        self.reschedule();
    }

    #[inline(never)]
    fn wait(&mut self, thread: Ref<Thread>) -> Result<(), Rejection> {
        let [at, deadline, ..] = self.store.get(thread).context.x;
        let object = self.waitable(thread, at)?;
        let bits = self.take_bits(object);
        if bits == 0 {
            self.block_on_notification(thread, object, deadline);
            self.reschedule();
        } else {
            let context = &mut self.store.get_mut(thread).context;
            context.x[0] = bits;
            context.x[8] = 0;
        }
        Ok(())
    }

    #[inline(never)]
    fn poll(&mut self, thread: Ref<Thread>) -> Result<(), Rejection> {
        let at = self.store.get(thread).context.x[0];
        let object = self.waitable(thread, at)?;
        let bits = self.take_bits(object);
        let context = &mut self.store.get_mut(thread).context;
        context.x[0] = bits;
        context.x[8] = 0;
        Ok(())
    }

    fn waitable(
        &self,
        thread: Ref<Thread>,
        at: u64,
    ) -> Result<Ref<crate::object::notification::Notification>, Rejection> {
        let at = CPtr::from_word(at).ok_or(Rejection::Malformed)?;
        let slot = self.lookup(thread, at)?;
        let Cap::Notification { object, .. } = slot.cap else { return Err(Rejection::WrongKind) };
        if slot.rights.contains(Rights::READ) { Ok(object) } else { Err(Rejection::MissingRight) }
    }

    #[inline(never)]
    fn signal_from(&mut self, thread: Ref<Thread>) -> Result<(), Rejection> {
        let at =
            CPtr::from_word(self.store.get(thread).context.x[0]).ok_or(Rejection::Malformed)?;
        let slot = self.lookup(thread, at)?;
        let Cap::Notification { object, badge } = slot.cap else {
            return Err(Rejection::WrongKind);
        };
        if !slot.rights.contains(Rights::WRITE) {
            return Err(Rejection::MissingRight);
        }
        self.store.get_mut(thread).context.x[8] = 0;
        self.signal(object, if badge == 0 { 1 } else { badge });
        self.reschedule();
        Ok(())
    }

    #[inline(never)]
    fn debug_write(&mut self, thread: Ref<Thread>) -> Result<(), Rejection> {
        let x = &self.store.get(thread).context.x;
        let [w0, w1, w2, w3, w4, w5, w6, w7, _, at, info, ..] = *x;
        let at = CPtr::from_word(at).ok_or(Rejection::Malformed)?;
        let info = MessageInfo::from_word(info).ok_or(Rejection::Malformed)?;
        typed!(self, thread, at, Cap::DebugConsole => ());
        if !info.is_short() {
            return Err(Rejection::Malformed);
        }
        for (index, word) in [w0, w1, w2, w3, w4, w5, w6, w7].into_iter().enumerate() {
            let bytes = word.to_le_bytes();
            let count = info.bytes().saturating_sub(index * 8).min(8);
            self.machine.write_console(bytes.get(..count).unwrap_or(&bytes));
        }
        self.store.get_mut(thread).context.x[8] = 0;
        Ok(())
    }

    /// Puts a capability derived from `source` into the binding slot `target`, whose old
    /// capability goes first.
    fn bind(&mut self, source: SlotRef, target: SlotRef) {
        // A binding slot is never an attachment, so this is done in one step.
        let _ = self.delete_slot(target);
        let place = self.store.slot(source);
        let (cap, rights) = (place.cap, place.rights);
        derivation::retain(&mut self.store, &cap);
        derivation::insert_child(&mut self.store, source, target, cap, rights);
    }
}

fn refused<T, E>(error: E) -> Result<T, SyscallError<E>> {
    Err(SyscallError::Refused(error))
}

impl<M: Machine> Call<'_, M> {
    fn thread(&self, at: CPtr) -> Result<Ref<Thread>, Rejection> {
        Ok(typed!(self.kernel, self.thread, at, Cap::Thread(object) => object))
    }

    /// Finds a CSpace and the slot that names it: the caller's own for `CPtr::NULL`.
    fn cspace_or_own(
        &self,
        at: CPtr,
    ) -> Result<(SlotRef, Ref<crate::object::cspace::CSpace>), Rejection> {
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

    fn vspace(&self, at: CPtr) -> Result<Ref<crate::object::vspace::VSpace>, Rejection> {
        Ok(typed!(self.kernel, self.thread, at, Cap::VSpace(object) => object))
    }

    fn guest(&self, at: CPtr) -> Result<Ref<crate::object::guest::Guest>, Rejection> {
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
        let vspace = self.vspace(vspace)?;
        let tables = typed!(self.kernel, self.thread, tables, Cap::Tables(object) => object);
        if self.kernel.store.get(tables).serves.is_some() {
            return refused(SupplyError::InUse);
        }
        self.kernel.supply(vspace, tables);
        Ok(())
    }

    fn vspace_attach(
        &mut self,
        vspace: CPtr,
        index: u64,
        memory: CPtr,
    ) -> Result<(), SyscallError<AttachError>> {
        let vspace = self.vspace(vspace)?;
        let (source, cap, rights) = self.kernel.lookup_filled(self.thread, memory)?;
        if !matches!(cap, Cap::Memory { .. }) {
            return Err(Rejection::WrongKind.into());
        }
        let Some(target) = self.kernel.attachment_slot(vspace, index) else {
            return refused(AttachError::OutOfRange);
        };
        if !self.kernel.store.slot(target).is_empty() {
            return refused(AttachError::InUse);
        }
        derivation::insert_child(&mut self.kernel.store, source, target, cap, rights);
        self.kernel.store.get_mut(vspace).taken |= 1 << index;
        Ok(())
    }

    fn vspace_detach(
        &mut self,
        vspace: CPtr,
        index: u64,
    ) -> Result<u64, SyscallError<DetachError>> {
        let vspace = self.vspace(vspace)?;
        let Some(slot) = self.kernel.attachment_slot(vspace, index) else {
            return refused(DetachError::OutOfRange);
        };
        Ok(u64::from(!self.kernel.delete_slot(slot)))
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
        const MOST: u64 = 256;
        if count > MOST {
            return refused(MapListError::TooMany);
        }
        let vspace = self.vspace(vspace)?;
        let buffer = self.kernel.store.get(self.thread).buffer;
        if buffer.is_null() {
            return Err(Rejection::NoBuffer.into());
        }
        for index in 0..count {
            let word = self.kernel.store.read_user(buffer.offset(index * 16));
            let offset = self.kernel.store.read_user(buffer.offset(index * 16 + 8));
            let access = Rights((word & 7) as u8);
            let flags = MapFlags::new(word >> 3 & 63, access);
            if word & 0xe00 != 0 {
                return refused(MapListError::BadEntry);
            }
            let plan = self
                .kernel
                .check_map(vspace, flags, offset, word & !0xfff, 1)
                .or_else(|_| refused(MapListError::BadEntry))?;
            self.kernel.commit_map(plan).or_else(|NoTables| refused(MapListError::NoTables))?;
        }
        Ok(())
    }

    fn vspace_set_window(
        &mut self,
        vspace: CPtr,
        domain: CPtr,
        view: View,
    ) -> Result<(), SyscallError<SetWindowError>> {
        let vspace = self.vspace(vspace)?;
        let (source, cap, _) = self.kernel.lookup_filled(self.thread, domain)?;
        let Cap::VSpace(domain) = cap else { return Err(Rejection::WrongKind.into()) };
        if self.kernel.store.get(domain).window_table.is_null() {
            return refused(SetWindowError::NoWindow);
        }
        let state = self.kernel.store.get(vspace);
        if !state.thread_space.root.is_null() || !state.window.is_empty() {
            return refused(SetWindowError::InUse);
        }
        let window = self.kernel.store.slot_ref(&state.window);
        self.kernel
            .borrow_window(vspace, domain, view)
            .or_else(|NoTables| refused(SetWindowError::NoTables))?;
        derivation::retain(&mut self.kernel.store, &cap);
        derivation::insert_child(&mut self.kernel.store, source, window, cap, Rights::ALL);
        Ok(())
    }

    fn vspace_make_window(&mut self, vspace: CPtr) -> Result<(), SyscallError<MakeWindowError>> {
        let vspace = self.vspace(vspace)?;
        let state = self.kernel.store.get(vspace);
        if !state.thread_space.root.is_null() || !state.window.is_empty() {
            return refused(MakeWindowError::InUse);
        }
        self.kernel.make_window(vspace).or_else(|NoTables| refused(MakeWindowError::NoTables))
    }

    fn thread_set_spaces(
        &mut self,
        thread: CPtr,
        cspace: CPtr,
        vspace: CPtr,
    ) -> Result<(), SyscallError<SetSpacesError>> {
        let thread = self.thread(thread)?;
        let (from_cspace, cspace) = self.cspace_or_own(cspace)?;
        let (from_vspace, cap, _) = self.kernel.lookup_filled(self.thread, vspace)?;
        let Cap::VSpace(vspace) = cap else { return Err(Rejection::WrongKind.into()) };
        if thread != self.thread && self.kernel.store.get(thread).state != State::Stopped {
            return refused(SetSpacesError::NotStopped);
        }
        if self.kernel.store.get(vspace).thread_space.root.is_null() {
            return refused(SetSpacesError::NoWindow);
        }
        self.kernel.set_spaces(thread, (from_cspace, cspace), (from_vspace, vspace));
        Ok(())
    }

    fn thread_set_buffer(
        &mut self,
        thread: CPtr,
        memory: CPtr,
        offset: u64,
    ) -> Result<(), SyscallError<SetBufferError>> {
        let thread = self.thread(thread)?;
        let (source, cap, rights) = self.kernel.lookup_filled(self.thread, memory)?;
        let Some(page) = shared_page(&cap, rights, offset) else {
            return refused(SetBufferError::BadPage);
        };
        let target = binding_slot(&self.kernel.store, thread, Binding::Buffer);
        self.kernel.bind(source, target);
        self.kernel.store.get_mut(thread).buffer = page;
        Ok(())
    }

    fn thread_set_fault(
        &mut self,
        thread: CPtr,
        endpoint: CPtr,
    ) -> Result<(), SyscallError<SetFaultError>> {
        let thread = self.thread(thread)?;
        let (source, cap, rights) = self.kernel.lookup_filled(self.thread, endpoint)?;
        if !matches!(cap, Cap::Endpoint { .. }) {
            return Err(Rejection::WrongKind.into());
        }
        if !rights.contains(Rights::WRITE) {
            return Err(Rejection::MissingRight.into());
        }
        let target = binding_slot(&self.kernel.store, thread, Binding::Fault);
        self.kernel.bind(source, target);
        Ok(())
    }

    fn thread_bind_notification(
        &mut self,
        thread: CPtr,
        notification: CPtr,
    ) -> Result<(), SyscallError<BindNotificationError>> {
        let thread = self.thread(thread)?;
        let (source, cap, rights) = self.kernel.lookup_filled(self.thread, notification)?;
        let Cap::Notification { object, .. } = cap else {
            return Err(Rejection::WrongKind.into());
        };
        if !rights.contains(Rights::READ) {
            return Err(Rejection::MissingRight.into());
        }
        if self.kernel.store.get(object).bound.is_some() {
            return refused(BindNotificationError::InUse);
        }
        let target = binding_slot(&self.kernel.store, thread, Binding::Notification);
        self.kernel.bind(source, target);
        self.kernel.store.get_mut(thread).notification = Some(object);
        self.kernel.store.get_mut(object).bound = Some(thread);
        self.kernel.refresh_if_current(thread);
        if self.kernel.store.get(object).bits != 0 {
            self.kernel.interrupt_bound(thread, object);
        }
        Ok(())
    }

    fn thread_set_schedule(
        &mut self,
        thread: CPtr,
        priority: u64,
        slice_us: u64,
    ) -> Result<(), SyscallError<SetScheduleError>> {
        let thread = self.thread(thread)?;
        let Ok(priority) = u8::try_from(priority) else {
            return refused(SetScheduleError::OutOfRange);
        };
        if !(100..=1_000_000).contains(&slice_us) {
            return refused(SetScheduleError::OutOfRange);
        }
        let slice = self.kernel.machine.counter_hz().saturating_mul(slice_us) / 1_000_000;
        self.kernel.set_schedule(thread, priority, slice);
        Ok(())
    }

    fn thread_start(
        &mut self,
        thread: CPtr,
        pc: u64,
        sp: u64,
        argument: u64,
        thread_pointer: u64,
    ) -> Result<(), SyscallError<StartError>> {
        let thread = self.thread(thread)?;
        let state = self.kernel.store.get_mut(thread);
        if state.state != State::Stopped {
            return refused(StartError::NotStopped);
        }
        if state.vspace.is_none() {
            return Err(Rejection::NotBound.into());
        }
        state.context = Context { pc, sp, tpidr: thread_pointer, ..Context::default() };
        state.context.x[0] = argument;
        state.in_guest = false;
        state.priority = state.base_priority;
        self.kernel.make_ready(thread);
        Ok(())
    }

    fn thread_stop(&mut self, thread: CPtr) -> Result<(), SyscallError<StopError>> {
        let thread = self.thread(thread)?;
        if self.kernel.is_in_guest(thread) {
            self.kernel.leave_guest(thread, GuestExit::Interrupted);
        }
        self.kernel.unblock(thread);
        self.kernel.store.get_mut(thread).is_faulted = false;
        Ok(())
    }

    fn thread_read_registers(
        &mut self,
        thread: CPtr,
    ) -> Result<(), SyscallError<ReadRegistersError>> {
        let thread = self.thread(thread)?;
        let buffer = self.kernel.store.get(self.thread).buffer;
        if buffer.is_null() {
            return Err(Rejection::NoBuffer.into());
        }
        let Context { x, sp, pc, pstate, tpidr } = self.kernel.store.get(thread).context.clone();
        for (index, word) in x.into_iter().chain([sp, pc, pstate, tpidr]).enumerate() {
            self.kernel.store.write_user(buffer.offset(index as u64 * 8), word);
        }
        Ok(())
    }

    fn thread_set_fixup(
        &mut self,
        start: u64,
        end: u64,
        landing: u64,
    ) -> Result<(), SyscallError<SetFixupError>> {
        self.kernel.store.get_mut(self.thread).fixup = Fixup { start, end, landing };
        Ok(())
    }

    fn guest_set_record(
        &mut self,
        guest: CPtr,
        memory: CPtr,
        offset: u64,
    ) -> Result<(), SyscallError<SetRecordError>> {
        let guest = self.guest(guest)?;
        let (source, cap, rights) = self.kernel.lookup_filled(self.thread, memory)?;
        let Some(page) = shared_page(&cap, rights, offset) else {
            return refused(SetRecordError::BadPage);
        };
        let state = self.kernel.store.get(guest);
        if state.thread.is_some_and(|thread| self.kernel.is_in_guest(thread)) {
            return refused(SetRecordError::InUse);
        }
        let (target, thread) = (self.kernel.store.slot_ref(&state.record), state.thread);
        self.kernel.bind(source, target);
        self.kernel.store.get_mut(guest).record_page = page;
        if let Some(thread) = thread {
            self.kernel.refresh_if_current(thread);
        }
        Ok(())
    }

    fn thread_bind_guest(
        &mut self,
        thread: CPtr,
        guest: CPtr,
    ) -> Result<(), SyscallError<BindGuestError>> {
        let thread = self.thread(thread)?;
        let (source, cap, _) = self.kernel.lookup_filled(self.thread, guest)?;
        let Cap::Guest(guest) = cap else { return Err(Rejection::WrongKind.into()) };
        let state = self.kernel.store.get(guest);
        if state.thread.is_some() {
            return refused(BindGuestError::InUse);
        }
        if state.record_page.is_null() {
            return refused(BindGuestError::NoRecord);
        }
        let target = binding_slot(&self.kernel.store, thread, Binding::Guest);
        self.kernel.bind(source, target);
        self.kernel.store.get_mut(thread).guest = Some(guest);
        self.kernel.store.get_mut(guest).thread = Some(thread);
        self.kernel.refresh_if_current(thread);
        Ok(())
    }

    fn guest_sync_fp(&mut self, guest: CPtr) -> Result<(), SyscallError<SyncFpError>> {
        let guest = self.guest(guest)?;
        if self.kernel.store.get(guest).record_page.is_null() {
            return refused(SyncFpError::NoRecord);
        }
        self.kernel.release_fp(guest, Save::ToRecord);
        Ok(())
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
        typed!(self.kernel, self.thread, control, Cap::IrqControl => ());
        let (source, ..) = self.kernel.lookup_filled(self.thread, untyped)?;
        let slot = self.kernel.lookup_target(self.thread, into, target)?;
        if !self.kernel.store.slot(slot).is_empty() {
            return refused(ClaimError::SlotTaken);
        }
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let known = self.kernel.machine.has_line(line);
        let Some(entry) = self.kernel.irqs.get(line as usize).filter(|_| known) else {
            return refused(ClaimError::NoSuchLine);
        };
        if entry.is_some() {
            return refused(ClaimError::InUse);
        }
        let plan = match self.kernel.check_retype(source, ObjectKind::Irq, 0, 1) {
            Ok(plan) => plan,
            Err(SyscallError::Rejected(rejection)) => return Err(rejection.into()),
            Err(SyscallError::Refused(_)) => return refused(ClaimError::NotEnoughMemory),
        };
        self.kernel.commit_object(&plan, 0, slot);
        if let Cap::Irq(irq) = self.kernel.store.slot(slot).cap {
            let state = self.kernel.store.get_mut(irq);
            (state.line, state.trigger) = (line, trigger);
            self.kernel.irqs[line as usize] = Some(irq);
        }
        Ok(())
    }

    fn irq_bind(
        &mut self,
        irq: CPtr,
        notification: CPtr,
    ) -> Result<(), SyscallError<IrqBindError>> {
        let irq = self.irq(irq)?;
        let (source, cap, rights) = self.kernel.lookup_filled(self.thread, notification)?;
        let Cap::Notification { object, badge } = cap else {
            return Err(Rejection::WrongKind.into());
        };
        if !rights.contains(Rights::WRITE) {
            return Err(Rejection::MissingRight.into());
        }
        let target = self.kernel.store.slot_ref(&self.kernel.store.get(irq).binding);
        self.kernel.bind(source, target);
        let state = self.kernel.store.get_mut(irq);
        state.notification = Some(object);
        state.badge = if badge == 0 { 1 } else { badge };
        let (line, trigger) = (state.line, state.trigger);
        self.kernel.machine.enable_line(line, trigger);
        Ok(())
    }

    fn irq_acknowledge(&mut self, irq: CPtr) -> Result<(), SyscallError<AcknowledgeError>> {
        let irq = self.irq(irq)?;
        let Irq { line, ref notification, .. } = *self.kernel.store.get(irq);
        if notification.is_some() {
            self.kernel.machine.unmask_line(line);
        }
        Ok(())
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

impl<M: Machine> Kernel<M> {
    /// Binds a thread to a CSpace and a VSpace, each named by its slot and object.
    pub(crate) fn set_spaces(
        &mut self,
        thread: Ref<Thread>,
        (from_cspace, cspace): (SlotRef, Ref<crate::object::cspace::CSpace>),
        (from_vspace, vspace): (SlotRef, Ref<crate::object::vspace::VSpace>),
    ) {
        let is_bound_to =
            |state: &Thread| (state.cspace == Some(cspace), state.vspace == Some(vspace));
        let (same_cspace, same_vspace) = is_bound_to(self.store.get(thread));
        if !same_cspace {
            let target = binding_slot(&self.store, thread, Binding::CSpace);
            self.bind(from_cspace, target);
            self.store.get_mut(thread).cspace = Some(cspace);
        }
        if !same_vspace {
            let target = binding_slot(&self.store, thread, Binding::VSpace);
            let state = self.store.get(thread).state;
            self.bind(from_vspace, target);
            // Losing the old address space stopped the thread; it has the new one already.
            let thread = self.store.get_mut(thread);
            thread.state = state;
            thread.vspace = Some(vspace);
        }
        self.refresh_if_current(thread);
    }

    /// Sets a thread's own priority and slice; while it serves a call it keeps its caller's.
    pub(crate) fn set_schedule(&mut self, thread: Ref<Thread>, priority: u8, slice: u64) {
        let state = self.store.get(thread);
        let (is_own, is_queued) = (state.priority == state.base_priority, state.is_queued);
        if is_queued {
            self.cpu_mut_ready_remove(thread);
        }
        let state = self.store.get_mut(thread);
        state.slice = slice;
        state.base_priority = priority;
        if is_own {
            state.priority = priority;
        }
        if is_queued {
            self.cpus[0].ready.push_back(&mut self.store, thread);
        }
    }

    fn cpu_mut_ready_remove(&mut self, thread: Ref<Thread>) {
        self.cpus[0].ready.remove(&mut self.store, thread);
    }

    /// Says where a slot of a kernel object lies, for the checks of [`crate::invariants`].
    #[must_use]
    pub fn owner_of(&self, slot: SlotRef) -> Owner {
        self.store.slot(slot).owner
    }
}
