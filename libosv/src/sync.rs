//! Locks: a waiting thread spins a little, then lets others of its priority run.
//!
//! Threads that share a lock must have one priority: a thread that yields lets only its equals
//! run, so it would wait for ever for a holder below it.

use spin::relax::RelaxStrategy;

/// What a thread does between two looks at a taken lock.
#[derive(Debug)]
pub struct SpinThenYield;

/// Looks that pass before the thread yields; a short section on another core ends sooner.
const SPINS: u32 = 4;

impl RelaxStrategy for SpinThenYield {
    #[inline]
    fn relax() {
        (0..SPINS).for_each(|_| core::hint::spin_loop());
        crate::syscall::yield_now();
    }
}

/// A lock around the value that it protects.
pub type Mutex<T> = spin::mutex::SpinMutex<T, SpinThenYield>;
/// Access to the value of a locked [`Mutex`]; unlocks when dropped.
pub type MutexGuard<'a, T> = spin::mutex::SpinMutexGuard<'a, T, SpinThenYield>;
/// A value that is set once, before its first use.
pub type Once<T> = spin::once::Once<T, SpinThenYield>;
/// A value that is made at its first use.
pub type Lazy<T> = spin::lazylock::LazyLock<T, fn() -> T, SpinThenYield>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::vec::Vec;

    #[test]
    fn a_mutex_lets_one_in_at_a_time() {
        let total = Arc::new(Mutex::new(0_u64));
        let add = |total: Arc<Mutex<u64>>| move || (0..10_000).for_each(|_| *total.lock() += 1);
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(add(Arc::clone(&total)))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*total.lock(), 40_000);
    }
}
