//! Time: the counter as nanoseconds, the time of day, and deadlines.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::wait::Deadline;

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// Converts between the counter and Linux's clocks. Counter 0 is the boot.
#[derive(Debug)]
pub struct Clock {
    hz: u64,
    /// Nanoseconds of a tick, in units of 2^-32.
    multiplier: u64,
    /// Time of day at counter 0, in nanoseconds since 1970.
    epoch: AtomicU64,
}

impl Clock {
    /// Makes the clock of a counter with this frequency.
    #[must_use]
    pub fn new(hz: u64, epoch_seconds: u64) -> Clock {
        let hz = hz.max(1);
        Clock {
            hz,
            multiplier: ((u128::from(SECOND) << 32) / u128::from(hz)) as u64,
            epoch: AtomicU64::new(epoch_seconds.saturating_mul(SECOND)),
        }
    }

    /// Returns nanoseconds of a tick, in units of 2^-32.
    #[must_use]
    pub fn multiplier(&self) -> u64 {
        self.multiplier
    }

    /// Returns the time of day at counter 0, in nanoseconds since 1970.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Sets the time of day that the counter value `now` stands for.
    pub fn set_realtime(&self, now: u64, nanoseconds: u64) {
        let epoch = nanoseconds.saturating_sub(self.monotonic(now));
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Returns nanoseconds since boot.
    #[must_use]
    pub fn monotonic(&self, counter: u64) -> u64 {
        ((u128::from(counter) * u128::from(self.multiplier)) >> 32) as u64
    }

    /// Returns nanoseconds since 1970.
    #[must_use]
    pub fn realtime(&self, counter: u64) -> u64 {
        self.epoch().saturating_add(self.monotonic(counter))
    }

    /// Returns the first counter value at which so many nanoseconds since boot have passed.
    #[must_use]
    pub fn deadline(&self, nanoseconds: u64) -> Deadline {
        let ticks = (u128::from(nanoseconds) * u128::from(self.hz)).div_ceil(u128::from(SECOND));
        // Never 0, which is no deadline; one tick more makes up for the multiplier's rounding.
        Deadline(u64::try_from(ticks + 1).unwrap_or(u64::MAX))
    }

    /// Returns the frequency of the counter.
    #[must_use]
    pub fn hz(&self) -> u64 {
        self.hz
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_deadline_is_never_early_and_hardly_late(
            hz in 1_000_000..4_000_000_000_u64,
            nanoseconds in 0..1_u64 << 50,
        ) {
            let clock = Clock::new(hz, 0);
            let reached = clock.monotonic(clock.deadline(nanoseconds).0);
            let tick = SECOND / hz + 1;
            // The multiplier is short by less than 2^-32 nanoseconds a tick.
            let error = (nanoseconds / SECOND + 1) * (hz >> 32).max(1) + 1;
            prop_assert!(reached + error >= nanoseconds);
            prop_assert!(reached <= nanoseconds + 2 * tick + error);
        }
    }

    #[test]
    fn the_time_of_day_can_be_set() {
        let clock = Clock::new(SECOND, 100);
        assert_eq!(clock.realtime(5), 100 * SECOND + 5);
        clock.set_realtime(7, 300 * SECOND);
        assert_eq!(clock.realtime(8), 300 * SECOND + 1);
        assert_eq!(clock.monotonic(8), 8);
    }
}
