//! The counter, and deadlines in it.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use ipc_proto::abi::layout::NO_DEADLINE;

/// Frequency of the counter in Hz. Written once before other threads run, so that no order
/// with other memory matters.
static HZ: AtomicU64 = AtomicU64::new(1_000_000_000);

const NANOS: u64 = 1_000_000_000;

/// Says how fast the counter runs; done once, at the start.
pub(crate) fn initialise(hz: u64) {
    HZ.store(hz.max(1), Ordering::Relaxed);
}

/// Returns the counter (`CNTVCT_EL0`).
#[must_use]
#[inline]
pub fn now() -> u64 {
    crate::syscall::read_counter()
}

/// Returns the frequency of the counter in Hz.
#[must_use]
#[inline]
pub fn counter_hz() -> u64 {
    HZ.load(Ordering::Relaxed)
}

/// Returns how many counter ticks `duration` is, rounded up.
#[must_use]
pub fn to_ticks(duration: Duration) -> u64 {
    ticks_at(counter_hz(), duration)
}

/// Returns how long `ticks` counter ticks are.
#[must_use]
pub fn to_duration(ticks: u64) -> Duration {
    duration_at(counter_hz(), ticks)
}

/// Returns the deadline that is `duration` away.
#[must_use]
pub fn after(duration: Duration) -> u64 {
    now().saturating_add(to_ticks(duration)).max(NO_DEADLINE + 1)
}

/// The fraction's product stays below 2^64 up to 18 GHz.
fn ticks_at(hz: u64, duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(hz);
    whole.saturating_add((u64::from(duration.subsec_nanos()) * hz).div_ceil(NANOS))
}

fn duration_at(hz: u64, ticks: u64) -> Duration {
    Duration::new(ticks / hz, ((ticks % hz) * NANOS / hz) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_round_up_and_durations_down() {
        let hz = 62_500_000;
        assert_eq!(ticks_at(hz, Duration::from_nanos(16)), 1);
        assert_eq!(ticks_at(hz, Duration::from_nanos(17)), 2);
        assert_eq!(ticks_at(hz, Duration::new(2, 500_000_000)), 156_250_000);
        assert_eq!(duration_at(hz, 156_250_001), Duration::new(2, 500_000_016));
    }

    #[test]
    fn the_longest_duration_is_a_deadline() {
        assert_eq!(ticks_at(u64::from(u32::MAX), Duration::MAX), u64::MAX);
    }
}
