//! Guest: the register file of a Linux thread, which a personality thread runs.
//!
//! The registers lie in a page of Memory (`abi::guest::GuestRecord`) that the personality maps.
//! The common way in and out, `run` and a system call, is the assembly of the binary crate's
//! `exception.S`; this file is the general path that it must equal.

use super::thread::Thread;
use crate::Kernel;
use crate::cap::Slot;
use crate::machine::Machine;
use crate::store::{Header, Object, PhysAddr, Ref};
use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::word::ObjectKind;

/// A guest.
#[derive(Debug)]
#[repr(C)]
pub struct Guest {
    /// Kind and references.
    pub header: Header,
    /// The page with its registers.
    pub record_page: PhysAddr,
    /// The thread that runs it.
    pub thread: Option<Ref<Thread>>,
    /// The capability to the page.
    pub record: Slot,
}

impl Object for Guest {
    const KIND: ObjectKind = ObjectKind::Guest;
    fn new(header: Header) -> Self {
        Guest { header, record_page: PhysAddr(0), thread: None, record: Slot::EMPTY }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}

impl<M: Machine> Kernel<M> {
    /// Tells whether the guest's registers of `thread` are the ones to restore.
    pub(crate) fn is_in_guest(&self, thread: Ref<Thread>) -> bool {
        if self.cpu().current == Some(thread) {
            self.machine.is_in_guest()
        } else {
            self.store.get(thread).in_guest
        }
    }

    /// Returns the kernel address of the record bound to `thread`; 0 if there is none.
    pub(crate) fn record_of(&self, thread: Ref<Thread>) -> usize {
        let Some(guest) = self.store.get(thread).guest else { return 0 };
        let page = self.store.get(guest).record_page;
        if page.is_null() { 0 } else { self.store.address_of(page) }
    }

    /// Enters the guest of the current thread, unless a signal is pending.
    pub(crate) fn run_guest(&mut self, thread: Ref<Thread>) -> Result<(), Rejection> {
        let record = self.record_of(thread);
        let state = self.store.get(thread);
        if record == 0 || state.vspace.is_none() {
            return Err(Rejection::NotBound);
        }
        let pending = state.notification.is_some_and(|object| self.store.get(object).bits != 0);
        if pending {
            let context = &mut self.store.get_mut(thread).context;
            context.x[0] = GuestExit::Interrupted as u64;
            context.x[8] = 0;
            return Ok(());
        }
        self.own_fp(record);
        self.machine.set_in_guest(true);
        Ok(())
    }

    /// Brings the FP/SIMD registers of `record` into the core.
    pub(crate) fn own_fp(&mut self, record: usize) {
        let owner = self.machine.fp_owner();
        if owner == record {
            return;
        }
        if owner != 0 {
            self.machine.save_fp(owner);
        }
        self.machine.load_fp(record);
    }

    /// Lets `run` of `thread` return with `exit`.
    pub(crate) fn leave_guest(&mut self, thread: Ref<Thread>, exit: GuestExit) {
        if self.cpu().current == Some(thread) {
            self.machine.set_in_guest(false);
        }
        let state = self.store.get_mut(thread);
        state.in_guest = false;
        state.context.x[0] = exit as u64;
        state.context.x[8] = 0;
    }

    /// A fault in the guest of the current thread: the syndrome goes to the record.
    pub(crate) fn fault_in_guest(&mut self, thread: Ref<Thread>, syndrome: u64, address: u64) {
        if let Some(guest) = self.store.get(thread).guest {
            let page = self.store.get(guest).record_page;
            if !page.is_null() {
                let field = |offset: usize| page.offset(offset as u64);
                let at = field(core::mem::offset_of!(GuestRecord, syndrome));
                self.store.write_user(at, syndrome);
                let at = field(core::mem::offset_of!(GuestRecord, address));
                self.store.write_user(at, address);
            }
        }
        self.leave_guest(thread, GuestExit::Fault);
    }

    /// Ends the guest's hold on the FP/SIMD registers; they go to its record if `save`.
    pub(crate) fn release_fp(&mut self, guest: Ref<Guest>, save: Save) {
        let page = self.store.get(guest).record_page;
        if page.is_null() {
            return;
        }
        let record = self.store.address_of(page);
        if self.machine.fp_owner() == record {
            if matches!(save, Save::ToRecord) {
                self.machine.save_fp(record);
            }
            self.machine.disown_fp();
        }
    }
}

/// What becomes of registers that a guest loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Save {
    /// They go to its record.
    ToRecord,
    /// They are of no more worth; the record's page may be gone.
    Drop,
}
