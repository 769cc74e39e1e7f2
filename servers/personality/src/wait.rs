//! Blocking: wait queues, and the parker that one Linux thread sleeps on.
//!
//! A thread that waits registers its parker in the queues of what it waits for, looks again,
//! and only then sleeps: a wake-up between looking and sleeping is kept by the parker.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::sync::Mutex;

/// An absolute point in time: a value of the machine's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub u64);

/// Why a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody woke the thread, perhaps for nothing.
    Called,
    /// The deadline came.
    TimedOut,
}

/// What one thread sleeps on. A `wake` before the `sleep` is not lost.
pub trait Parker: Send + Sync {
    /// Ends the current or the next sleep of the thread.
    fn wake(&self);
    /// Sleeps until a wake-up or the deadline. Only the thread itself calls this.
    fn sleep(&self, deadline: Option<Deadline>) -> Woken;
}

/// A wait queue: embed one in everything a thread can wait for.
#[derive(Default)]
pub struct WaitQueue {
    /// Length of the list; lets wakers skip the lock when nobody waits.
    count: AtomicUsize,
    waiters: Mutex<Vec<Arc<dyn Parker>>>,
}

impl WaitQueue {
    /// Makes an empty queue.
    #[must_use]
    pub const fn new() -> WaitQueue {
        WaitQueue { count: AtomicUsize::new(0), waiters: Mutex::new(Vec::new()) }
    }

    /// Wakes every waiter.
    pub fn wake_all(&self) {
        // SeqCst, with `add`: either the waker sees the waiter, or the waiter, which looks again
        // after `add`, sees what the waker changed before.
        core::sync::atomic::fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut waiters = self.waiters.lock();
        for waiter in waiters.drain(..) {
            waiter.wake();
        }
        self.count.store(0, Ordering::SeqCst);
    }

    /// Wakes the waiter that has waited longest.
    pub fn wake_one(&self) {
        core::sync::atomic::fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut waiters = self.waiters.lock();
        if !waiters.is_empty() {
            waiters.remove(0).wake();
        }
        self.count.store(waiters.len(), Ordering::SeqCst);
    }

    /// Tells whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Registers a waiter, once.
    pub fn add(&self, parker: &Arc<dyn Parker>) {
        let mut waiters = self.waiters.lock();
        if !waiters.iter().any(|waiter| Arc::ptr_eq(waiter, parker)) {
            waiters.push(parker.clone());
        }
        self.count.store(waiters.len(), Ordering::SeqCst);
        core::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Takes a waiter out; `false` if it was not there, that is, if it was woken.
    pub fn remove(&self, parker: &Arc<dyn Parker>) -> bool {
        let mut waiters = self.waiters.lock();
        let before = waiters.len();
        waiters.retain(|waiter| !Arc::ptr_eq(waiter, parker));
        self.count.store(waiters.len(), Ordering::SeqCst);
        waiters.len() != before
    }
}

impl core::fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WaitQueue({})", self.count.load(Ordering::Relaxed))
    }
}

/// A parker for host tests: counts, and never sleeps; `sleep` without a wake-up times out.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct FakeParker {
    wakes: AtomicUsize,
}

#[cfg(test)]
impl FakeParker {
    /// Returns the wake-ups that no sleep has used.
    pub fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Parker for FakeParker {
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
    fn sleep(&self, _: Option<Deadline>) -> Woken {
        if self.wakes.swap(0, Ordering::Relaxed) > 0 { Woken::Called } else { Woken::TimedOut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_are_woken_in_order_and_once() {
        let queue = WaitQueue::new();
        let (a, b) = (Arc::new(FakeParker::default()), Arc::new(FakeParker::default()));
        let (first, second): (Arc<dyn Parker>, Arc<dyn Parker>) = (a.clone(), b.clone());
        queue.add(&first);
        queue.add(&first);
        queue.add(&second);
        queue.wake_one();
        assert_eq!((a.wakes(), b.wakes()), (1, 0));
        assert!(!queue.remove(&first));
        assert!(queue.remove(&second));
        queue.wake_all();
        assert_eq!((a.wakes(), b.wakes()), (1, 0));
        assert!(queue.is_empty());
    }
}
