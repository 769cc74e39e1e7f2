//! What files need from the world: the time of day and random bytes.

use super::vnode::Timestamp;

/// Time and randomness, given to the file systems when they are made.
pub trait Environment: Send + Sync {
    /// The time of day, as files are stamped with it.
    fn now(&self) -> Timestamp;

    /// Fills `into` with bytes that nobody can predict.
    fn fill_random(&self, into: &mut [u8]);
}

/// A clock that advances by one nanosecond a look, and bytes that count up.
#[cfg(test)]
#[derive(Default)]
pub struct FakeEnvironment {
    ticks: core::sync::atomic::AtomicU32,
}

#[cfg(test)]
impl Environment for FakeEnvironment {
    fn now(&self) -> Timestamp {
        let ticks = self.ticks.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        Timestamp { seconds: 1_000, nanoseconds: ticks }
    }

    fn fill_random(&self, into: &mut [u8]) {
        for (at, byte) in into.iter_mut().enumerate() {
            *byte = at as u8;
        }
    }
}
