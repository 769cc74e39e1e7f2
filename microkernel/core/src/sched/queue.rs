//! Queues of threads, linked through the threads themselves: no memory, O(1) at every place.

use crate::object::thread::{Links, Thread};
use crate::store::{Ref, Store};

/// A first-in, first-out queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadQueue {
    head: Option<Ref<Thread>>,
    tail: Option<Ref<Thread>>,
}

impl ThreadQueue {
    /// The empty queue.
    pub const EMPTY: ThreadQueue = ThreadQueue { head: None, tail: None };

    /// Returns the thread at the front.
    #[must_use]
    #[inline]
    pub fn head(&self) -> Option<Ref<Thread>> {
        self.head
    }

    /// Tells whether nobody is in the queue.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Puts a thread at the end.
    pub fn push_back(&mut self, store: &mut Store, thread: Ref<Thread>) {
        let prev = self.tail.replace(thread);
        store.get_mut(thread).links = Links { next: None, prev };
        match prev {
            Some(prev) => store.get_mut(prev).links.next = Some(thread),
            None => self.head = Some(thread),
        }
    }

    /// Puts a thread at the front.
    pub fn push_front(&mut self, store: &mut Store, thread: Ref<Thread>) {
        let next = self.head.replace(thread);
        store.get_mut(thread).links = Links { next, prev: None };
        match next {
            Some(next) => store.get_mut(next).links.prev = Some(thread),
            None => self.tail = Some(thread),
        }
    }

    /// Takes a thread out, wherever it stands.
    pub fn remove(&mut self, store: &mut Store, thread: Ref<Thread>) {
        let Links { next, prev } = core::mem::take(&mut store.get_mut(thread).links);
        match prev {
            Some(prev) => store.get_mut(prev).links.next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => store.get_mut(next).links.prev = prev,
            None => self.tail = prev,
        }
    }
}
