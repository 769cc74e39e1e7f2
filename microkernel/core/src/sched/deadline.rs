//! The threads that wait with a deadline, earliest first.

use crate::Kernel;
use crate::machine::Machine;
use crate::object::thread::{Links, Thread};
use crate::store::Ref;
use ipc_proto::abi::layout::NO_DEADLINE;
use ipc_proto::abi::status::Rejection;

impl<M: Machine> Kernel<M> {
    /// Lets a thread that is about to wait give up at `deadline`.
    #[inline(always)]
    pub(crate) fn set_deadline(&mut self, thread: Ref<Thread>, deadline: u64) {
        if deadline != NO_DEADLINE {
            self.insert_deadline(thread, deadline);
        }
    }

    #[inline(never)]
    fn insert_deadline(&mut self, thread: Ref<Thread>, deadline: u64) {
        self.store.get_mut(thread).deadline = deadline;
        let (mut prev, mut next) = (None, self.first_deadline);
        while let Some(other) = next {
            let state = self.store.get(other);
            if state.deadline > deadline {
                break;
            }
            (prev, next) = (next, state.deadline_links.next);
        }
        self.store.get_mut(thread).deadline_links = Links { next, prev };
        if let Some(next) = next {
            self.store.get_mut(next).deadline_links.prev = Some(thread);
        }
        match prev {
            Some(prev) => self.store.get_mut(prev).deadline_links.next = Some(thread),
            None => {
                self.first_deadline = Some(thread);
                self.timer_is_stale = true;
                // A hand-over may follow, which leaves the timer as it is.
                self.update_timer();
            }
        }
    }

    /// Forgets a thread's deadline.
    #[inline(always)]
    pub(crate) fn clear_deadline(&mut self, thread: Ref<Thread>) {
        if self.store.get(thread).deadline != NO_DEADLINE {
            self.remove_deadline(thread);
        }
    }

    #[inline(never)]
    fn remove_deadline(&mut self, thread: Ref<Thread>) {
        let state = self.store.get_mut(thread);
        state.deadline = NO_DEADLINE;
        let Links { next, prev } = core::mem::take(&mut state.deadline_links);
        if let Some(next) = next {
            self.store.get_mut(next).deadline_links.prev = prev;
        }
        match prev {
            Some(prev) => self.store.get_mut(prev).deadline_links.next = next,
            None => {
                self.first_deadline = next;
                self.timer_is_stale = true;
            }
        }
    }

    /// The timer interrupt: wakes whoever's deadline has come, and ends a used-up slice.
    pub fn timer(&mut self) {
        self.timer_is_stale = true;
        let now = self.machine.now();
        while let Some(thread) = self.first_deadline {
            let deadline = self.store.get(thread).deadline;
            if deadline > now {
                break;
            }
            self.unblock(thread);
            self.store.get_mut(thread).context.x[8] = Rejection::TimedOut as u64;
            self.make_ready(thread);
        }
        if now >= self.cpu().slice_end {
            self.rotate();
        }
        self.reschedule();
    }
}
