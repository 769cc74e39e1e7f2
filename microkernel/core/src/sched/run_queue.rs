//! The ready threads of one core: a queue for each priority, and a bitmap of the filled ones.

use super::queue::ThreadQueue;
use crate::object::thread::Thread;
use crate::store::{Ref, Store};

const PRIORITIES: usize = ipc_proto::abi::layout::PRIORITIES as usize;
const WORDS: usize = PRIORITIES / 64;

/// Ready threads by priority.
#[derive(Debug)]
pub struct RunQueue {
    /// Bit n: word n of `filled` is not 0.
    summary: u8,
    /// Bit p of all words together: priority p has threads.
    filled: [u64; WORDS],
    queues: [ThreadQueue; PRIORITIES],
}

impl RunQueue {
    /// A queue without threads.
    pub const EMPTY: RunQueue =
        RunQueue { summary: 0, filled: [0; WORDS], queues: [ThreadQueue::EMPTY; PRIORITIES] };

    /// Returns the highest priority that has a ready thread.
    #[must_use]
    #[inline]
    pub fn highest(&self) -> Option<u8> {
        let word = 7u32.checked_sub(self.summary.leading_zeros())?;
        let bits = self.filled[word as usize % WORDS];
        Some((word * 64 + 63 - bits.leading_zeros()) as u8)
    }

    /// Returns the first ready thread of a priority.
    #[must_use]
    pub fn first(&self, priority: u8) -> Option<Ref<Thread>> {
        self.queues[usize::from(priority)].head()
    }

    /// Adds a thread behind the others of its priority.
    pub fn push_back(&mut self, store: &mut Store, thread: Ref<Thread>) {
        let priority = self.mark(store, thread);
        self.queues[priority].push_back(store, thread);
    }

    /// Adds a thread in front of the others of its priority: it was preempted.
    pub fn push_front(&mut self, store: &mut Store, thread: Ref<Thread>) {
        let priority = self.mark(store, thread);
        self.queues[priority].push_front(store, thread);
    }

    /// Takes a thread out.
    pub fn remove(&mut self, store: &mut Store, thread: Ref<Thread>) {
        let state = store.get_mut(thread);
        state.is_queued = false;
        let priority = usize::from(state.priority);
        self.queues[priority].remove(store, thread);
        if self.queues[priority].is_empty() {
            let word = &mut self.filled[priority / 64];
            *word &= !(1 << (priority % 64));
            if *word == 0 {
                self.summary &= !(1 << (priority / 64));
            }
        }
    }

    fn mark(&mut self, store: &mut Store, thread: Ref<Thread>) -> usize {
        let state = store.get_mut(thread);
        state.is_queued = true;
        let priority = usize::from(state.priority);
        self.filled[priority / 64] |= 1 << (priority % 64);
        self.summary |= 1 << (priority / 64);
        priority
    }
}
