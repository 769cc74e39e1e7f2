//! Who runs next, and what the machine must do for it.
//!
//! Blocking and waking only change states and queues. Every trap ends in [`Kernel::reschedule`]
//! (unless a hand-over already chose), so the choice is made once, at one place.

use crate::machine::{Current, Machine};
use crate::object::notification::Notification;
use crate::object::thread::{State, Thread};
use crate::store::Ref;
use crate::{Cpu, Kernel};

impl<M: Machine> Kernel<M> {
    /// Returns the state of this core.
    #[inline(always)]
    pub fn cpu(&self) -> &Cpu {
        &self.cpus[0]
    }

    /// Returns the state of this core for change.
    #[inline(always)]
    pub(crate) fn cpu_mut(&mut self) -> &mut Cpu {
        &mut self.cpus[0]
    }

    /// Makes a thread that waits for nothing ready.
    pub(crate) fn make_ready(&mut self, thread: Ref<Thread>) {
        let state = self.store.get_mut(thread);
        state.state = State::Ready;
        let is_current = self.cpus[0].current == Some(thread);
        if !is_current && !self.store.get(thread).is_queued {
            let cpu = &mut self.cpus[0];
            cpu.ready.push_back(&mut self.store, thread);
            self.timer_is_stale = true;
        }
    }

    /// Takes a thread out of whatever it waits for; it is in no queue afterwards.
    pub(crate) fn unblock(&mut self, thread: Ref<Thread>) {
        self.clear_deadline(thread);
        match self.store.get(thread).state {
            State::Stopped | State::Ready => {}
            State::Sending(endpoint) => {
                let mut queue = self.store.get(endpoint).senders;
                queue.remove(&mut self.store, thread);
                self.store.get_mut(endpoint).senders = queue;
            }
            State::Receiving(endpoint) => {
                let mut queue = self.store.get(endpoint).receivers;
                queue.remove(&mut self.store, thread);
                self.store.get_mut(endpoint).receivers = queue;
                if let Some(reply) = self.store.get_mut(thread).reply.take() {
                    self.store.get_mut(reply).receiver = None;
                }
            }
            State::Called(reply) => self.store.get_mut(reply).caller = None,
            State::Waiting(notification) => {
                let mut queue = self.store.get(notification).waiters;
                queue.remove(&mut self.store, thread);
                self.store.get_mut(notification).waiters = queue;
            }
        }
        let was_queued = core::mem::replace(&mut self.store.get_mut(thread).is_queued, false);
        if was_queued {
            self.cpus[0].ready.remove(&mut self.store, thread);
        }
        self.store.get_mut(thread).state = State::Stopped;
    }

    /// Lets the current thread wait for bits.
    pub(crate) fn block_on_notification(
        &mut self,
        thread: Ref<Thread>,
        notification: Ref<Notification>,
        deadline: u64,
    ) {
        self.store.get_mut(thread).state = State::Waiting(notification);
        let mut queue = self.store.get(notification).waiters;
        queue.push_back(&mut self.store, thread);
        self.store.get_mut(notification).waiters = queue;
        self.set_deadline(thread, deadline);
    }

    /// Ends the current thread's slice: it goes behind the others of its priority.
    pub(crate) fn rotate(&mut self) {
        let Some(thread) = self.cpu().current else { return };
        if self.store.get(thread).state != State::Ready {
            return;
        }
        let priority = self.store.get(thread).priority;
        if self.cpu().ready.first(priority).is_none() {
            self.renew_slice(thread);
            return;
        }
        self.set_aside(thread);
        self.cpus[0].ready.push_back(&mut self.store, thread);
        self.cpu_mut().current = None;
    }

    /// Chooses who runs: the current thread unless it waits or a higher priority is ready.
    pub(crate) fn reschedule(&mut self) {
        let highest = self.cpu().ready.highest();
        if let Some(current) = self.cpu().current {
            let state = self.store.get(current);
            if state.state == State::Ready {
                if highest.is_none_or(|other| other <= state.priority) {
                    return self.update_timer();
                }
                self.set_aside(current);
                self.cpus[0].ready.push_front(&mut self.store, current);
            } else {
                self.set_aside(current);
            }
        }
        let next = highest.and_then(|priority| self.cpu().ready.first(priority));
        match next {
            Some(next) => {
                self.cpus[0].ready.remove(&mut self.store, next);
                self.renew_slice(next);
                self.run_thread(next);
            }
            None => {
                self.cpu_mut().current = None;
                self.timer_is_stale = true;
            }
        }
        self.update_timer();
    }

    /// Hands the core and the rest of the slice over to `next`, which waits for nothing and is in
    /// no queue; the current thread waits.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, next: Ref<Thread>) {
        if let Some(current) = self.cpu().current {
            self.set_aside(current);
        }
        self.store.get_mut(next).state = State::Ready;
        self.run_thread(next);
    }

    /// Remembers what the machine knows of a thread that stops running.
    #[inline(always)]
    fn set_aside(&mut self, thread: Ref<Thread>) {
        self.store.get_mut(thread).in_guest = self.machine.is_in_guest();
    }

    /// Gives `thread` a fresh slice.
    fn renew_slice(&mut self, thread: Ref<Thread>) {
        let slice = self.store.get(thread).slice;
        let end = self.machine.now().saturating_add(slice);
        self.cpu_mut().slice_end = end;
        self.timer_is_stale = true;
    }

    /// Makes `thread` the current one.
    #[inline(always)]
    pub(crate) fn run_thread(&mut self, thread: Ref<Thread>) {
        self.cpu_mut().current = Some(thread);
        self.refresh_current(thread);
    }

    /// Tells the machine about the current thread, after a switch or a change of its bindings.
    #[inline(always)]
    pub(crate) fn refresh_current(&mut self, thread: Ref<Thread>) {
        let state = self.store.get(thread);
        let (thread_space, guest_space) = match state.vspace {
            Some(vspace) => self.store.get(vspace).roots,
            None => (0, 0),
        };
        let context = core::ptr::from_ref(&state.context).addr();
        let signals = match state.notification {
            Some(object) => core::ptr::from_ref(&self.store.get(object).bits).addr(),
            None => 0,
        };
        let (record, in_guest) = match state.guest {
            Some(_) => (self.record_of(thread), state.in_guest),
            None => (0, false),
        };
        if in_guest {
            self.own_fp(record);
        }
        let current = Current { context, record, signals, thread_space, guest_space, in_guest };
        self.machine.set_current(current);
    }

    /// Programs the timer for the next deadline or the end of the slice.
    pub(crate) fn update_timer(&mut self) {
        if !core::mem::take(&mut self.timer_is_stale) {
            return;
        }
        let deadline = self.first_deadline.map(|thread| self.store.get(thread).deadline);
        let shares = self.cpu().current.is_some_and(|current| {
            self.cpu().ready.first(self.store.get(current).priority).is_some()
        });
        let slice = shares.then_some(self.cpu().slice_end);
        self.machine.set_timer(match (deadline, slice) {
            (Some(deadline), Some(slice)) => Some(deadline.min(slice)),
            (deadline, slice) => deadline.or(slice),
        });
    }
}
