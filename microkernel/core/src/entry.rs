//! The one door: a trap comes in, the registers of threads change, the next thread is chosen.
//!
//! The trap entry has saved the registers in the thread's context (or its guest's record).
//! Afterwards `cpu().current` says who runs and the machine knows its register file.

use crate::Kernel;
use crate::calls::Call;
use crate::cap::Cap;
use crate::cap::cspace::typed;
use crate::machine::Machine;
use crate::object::notification::Notification;
use crate::object::thread::{Context, Fixup, Thread};
use crate::store::Ref;
use ipc_proto::abi::guest::GuestExit;
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::syscalls::{dispatch, ipc};
use ipc_proto::abi::word::{CPtr, Rights, Word};

/// Exception classes of ESR_EL1 (Arm ARM D17.2.37).
mod class {
    pub(super) const SVC64: u64 = 0x15;
    const INSTRUCTION_ABORT_EL0: u64 = 0x20;
    const PC_ALIGNMENT: u64 = 0x22;
    pub(super) const DATA_ABORT_EL0: u64 = 0x24;
    const WATCHPOINT_EL0: u64 = 0x34;

    /// Tells whether an exception of this class sets FAR_EL1. After others it holds an address of
    /// whatever faulted before, which is nobody else's business.
    pub(super) const fn has_address(class: u64) -> bool {
        matches!(class, INSTRUCTION_ABORT_EL0 | PC_ALIGNMENT | DATA_ABORT_EL0 | WATCHPOINT_EL0)
    }
}

impl<M: Machine> Kernel<M> {
    /// A synchronous exception from EL0.
    #[inline(always)]
    pub fn exception(&mut self, syndrome: u64, address: u64) {
        let Some(thread) = self.cpu().current else { return };
        if syndrome >> 26 & 0x3f == class::SVC64 && !self.machine.is_in_guest() {
            self.system_call(thread);
        } else {
            self.other_exception(thread, syndrome, address);
        }
    }

    /// Anything but a native thread's system call.
    #[inline(never)]
    fn other_exception(&mut self, thread: Ref<Thread>, syndrome: u64, address: u64) {
        let class = syndrome >> 26 & 0x3f;
        let address = if class::has_address(class) { address } else { 0 };
        if !self.machine.is_in_guest() {
            self.fault(thread, syndrome, address);
        } else if class == class::SVC64 {
            self.leave_guest(thread, GuestExit::Syscall);
        } else {
            self.fault_in_guest(thread, syndrome, address);
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

    fn waitable(&self, thread: Ref<Thread>, at: u64) -> Result<Ref<Notification>, Rejection> {
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
}
