//! Futexes: sleeping on words of memory.
//!
//! A word is named by address space and address, or by frame and offset if it lies in shared
//! memory. A waiter queues first and looks at the word then: a change in between finds it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::errno::Errno;
use crate::frames::Frame;
use crate::mm::{FaultKind, PAGE};
use crate::sync::Mutex;
use crate::syscall::Ctx;
use crate::task::Task;
use crate::wait::{Deadline, Parker, Woken};

/// Every waiter matches every waker.
pub const ANY: u32 = u32::MAX;

/// What names a word of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// In one address space.
    Private {
        /// The space.
        space: usize,
        /// The address.
        address: u64,
    },
    /// In memory that several address spaces may share.
    Shared {
        /// The page frame.
        frame: Frame,
        /// Offset in it.
        offset: u64,
    },
}

struct Waiter {
    parker: Arc<dyn Parker>,
    bits: u32,
    is_woken: AtomicBool,
}

/// All sleepers.
#[derive(Default)]
pub struct Futexes {
    queues: Mutex<BTreeMap<Key, Vec<Arc<Waiter>>>>,
}

impl Futexes {
    /// Wakes at most `count` waiters whose bits meet `bits`; gives how many.
    pub fn wake(&self, key: Key, count: usize, bits: u32) -> usize {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(&key) else { return 0 };
        let mut woken = 0;
        queue.retain(|waiter| {
            if woken == count || waiter.bits & bits == 0 {
                return true;
            }
            woken += 1;
            waiter.is_woken.store(true, Ordering::Release);
            waiter.parker.wake();
            false
        });
        if queue.is_empty() {
            queues.remove(&key);
        }
        woken
    }

    /// Wakes at most `wake` waiters and moves at most `move_on` others to another word; gives
    /// how many it woke and moved.
    pub fn requeue(&self, from: Key, to: Key, wake: usize, move_on: usize) -> (usize, usize) {
        let woken = self.wake(from, wake, ANY);
        if from == to {
            return (woken, 0);
        }
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(&from) else { return (woken, 0) };
        let moved: Vec<Arc<Waiter>> = queue.drain(..move_on.min(queue.len())).collect();
        if queue.is_empty() {
            queues.remove(&from);
        }
        let count = moved.len();
        if count > 0 {
            queues.entry(to).or_default().extend(moved);
        }
        (woken, count)
    }

    fn add(&self, key: Key, waiter: &Arc<Waiter>) {
        self.queues.lock().entry(key).or_default().push(waiter.clone());
    }

    /// Takes a waiter out of whatever queue it is in.
    fn remove(&self, key: Key, waiter: &Arc<Waiter>) {
        let mut queues = self.queues.lock();
        let mut take = |key: Key| {
            let Some(queue) = queues.get_mut(&key) else { return false };
            let before = queue.len();
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            let found = queue.len() != before;
            if queue.is_empty() {
                queues.remove(&key);
            }
            found
        };
        if take(key) || waiter.is_woken.load(Ordering::Acquire) {
            return;
        }
        // It was moved to another word.
        queues.retain(|_, queue| {
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            !queue.is_empty()
        });
    }
}

/// Names the word at `address` of a thread's memory.
///
/// # Errors
/// `EINVAL` if it is not aligned, `EFAULT` if it is not there.
pub fn key_of(task: &Task, address: u64, is_private: bool) -> Result<Key, Errno> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let space = task.process.space().ok_or(Errno::EFAULT)?;
    if !is_private {
        let shared = space.shared_frame(address, FaultKind::Read).map_err(|_| Errno::EFAULT)?;
        if let Some(frame) = shared {
            return Ok(Key::Shared { frame, offset: address % PAGE });
        }
    }
    Ok(Key::Private { space: Arc::as_ptr(&space) as usize, address })
}

/// Sleeps while the word at `address` is `expected`. `Ok(false)` at the deadline.
///
/// # Errors
/// `EAGAIN` if the word is something else, `EINTR`, `EFAULT`.
pub fn wait(
    ctx: &mut Ctx<'_>,
    key: Key,
    address: u64,
    expected: u32,
    bits: u32,
    deadline: Option<Deadline>,
) -> Result<bool, Errno> {
    let parker = ctx.task.parker();
    let waiter =
        Arc::new(Waiter { parker: parker.clone(), bits, is_woken: AtomicBool::new(false) });
    let futexes = &ctx.task.process.system.futexes;
    futexes.add(key, &waiter);
    let outcome = match ctx.memory.read_u32(address) {
        Err(error) => Err(error),
        Ok(word) if word != expected => Err(Errno::EAGAIN),
        Ok(_) => sleep(ctx.task, &waiter, deadline),
    };
    futexes.remove(key, &waiter);
    if waiter.is_woken.load(Ordering::Acquire) { Ok(true) } else { outcome }
}

fn sleep(task: &Task, waiter: &Waiter, deadline: Option<Deadline>) -> Result<bool, Errno> {
    loop {
        if waiter.is_woken.load(Ordering::Acquire) {
            return Ok(true);
        }
        if task.is_interrupted() {
            return Err(Errno::EINTR);
        }
        if task.sleep(deadline) == Woken::TimedOut {
            return Ok(false);
        }
    }
}

/// Wakes waiters of a word in the memory of `task`, as `CLONE_CHILD_CLEARTID` does.
pub fn wake_address(task: &Task, address: u64, count: usize) {
    if let Ok(key) = key_of(task, address, false) {
        task.process.system.futexes.wake(key, count, ANY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::FakeParker;

    const A: Key = Key::Private { space: 1, address: 8 };
    const B: Key = Key::Shared { frame: Frame(3), offset: 8 };

    fn queue(futexes: &Futexes, key: Key, bits: u32) -> (Arc<Waiter>, Arc<FakeParker>) {
        let parker = Arc::new(FakeParker::default());
        let waiter = Waiter { parker: parker.clone(), bits, is_woken: AtomicBool::new(false) };
        let waiter = Arc::new(waiter);
        futexes.add(key, &waiter);
        (waiter, parker)
    }

    #[test]
    fn wakers_wake_in_order_and_only_matching_bits() {
        let futexes = Futexes::default();
        let (_, first) = queue(&futexes, A, 1);
        let (_, second) = queue(&futexes, A, 2);
        let (_, third) = queue(&futexes, A, 2);
        assert_eq!(futexes.wake(A, 1, 2), 1);
        assert_eq!((first.wakes(), second.wakes(), third.wakes()), (0, 1, 0));
        assert_eq!(futexes.wake(B, 9, ANY), 0);
        assert_eq!(futexes.wake(A, 9, ANY), 2);
        assert!(futexes.queues.lock().is_empty());
    }

    #[test]
    fn requeued_waiters_are_found_at_the_other_word() {
        let futexes = Futexes::default();
        let (_, first) = queue(&futexes, A, ANY);
        let (moved, second) = queue(&futexes, A, ANY);
        let (_, third) = queue(&futexes, A, ANY);
        assert_eq!(futexes.requeue(A, B, 1, 9), (1, 2));
        futexes.remove(A, &moved);
        assert_eq!(futexes.wake(B, 9, ANY), 1);
        assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 1));
    }
}
