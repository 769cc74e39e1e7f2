//! Notification: a word of signal bits; interrupts, timers and doorbells end here.

use super::thread::{State, Thread};
use crate::Kernel;
use crate::machine::Machine;
use crate::sched::queue::ThreadQueue;
use crate::store::{Header, Object, Ref};
use ipc_proto::abi::guest::GuestExit;
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::word::ObjectKind;

/// A word of bits and who waits for them.
#[derive(Debug)]
#[repr(C)]
pub struct Notification {
    /// Kind and references.
    pub header: Header,
    /// Bits signalled and not yet taken. The guest fast path reads this word.
    pub bits: u64,
    /// Threads in `wait`.
    pub waiters: ThreadQueue,
    /// The thread it is bound to.
    pub bound: Option<Ref<Thread>>,
}

impl Object for Notification {
    const KIND: ObjectKind = ObjectKind::Notification;
    fn new(header: Header) -> Self {
        Notification { header, bits: 0, waiters: ThreadQueue::default(), bound: None }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}

impl<M: Machine> Kernel<M> {
    /// Sets bits: wakes the first waiter, or the bound thread out of `recv` or its guest.
    pub(crate) fn signal(&mut self, notification: Ref<Notification>, bits: u64) {
        let object = self.store.get_mut(notification);
        object.bits |= bits;
        let bound = object.bound;
        if let Some(waiter) = object.waiters.head() {
            let bits = core::mem::take(&mut object.bits);
            self.unblock(waiter);
            let context = &mut self.store.get_mut(waiter).context;
            context.x[0] = bits;
            context.x[8] = 0;
            self.make_ready(waiter);
        } else if let Some(thread) = bound {
            self.interrupt_bound(thread, notification);
        }
    }

    /// Tells a bound thread that its notification has bits.
    pub(crate) fn interrupt_bound(&mut self, thread: Ref<Thread>, notification: Ref<Notification>) {
        match self.store.get(thread).state {
            State::Receiving(_) => {
                self.unblock(thread);
                let bits = core::mem::take(&mut self.store.get_mut(notification).bits);
                let context = &mut self.store.get_mut(thread).context;
                context.x[8] = 0;
                context.x[9] = bits;
                context.x[10] = MessageInfo::SIGNAL.0;
                self.make_ready(thread);
            }
            State::Ready if self.is_in_guest(thread) => {
                self.leave_guest(thread, GuestExit::Interrupted);
            }
            _ => {}
        }
    }

    /// Takes the bits of a notification.
    pub(crate) fn take_bits(&mut self, notification: Ref<Notification>) -> u64 {
        core::mem::take(&mut self.store.get_mut(notification).bits)
    }
}
