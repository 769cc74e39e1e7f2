//! Measuring: from counter readings to a figure.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// Returns tenths of a nanosecond that each of `rounds` took, from counter ticks.
#[must_use]
pub fn tenths_of_ns(ticks: u64, rounds: u64, counter_hz: u64) -> u64 {
    let total = u128::from(ticks) * 10_000_000_000;
    let each = total / u128::from(counter_hz.max(1)) / u128::from(rounds.max(1));
    u64::try_from(each).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_of_62_5_mhz_is_sixteen_nanoseconds() {
        assert_eq!(tenths_of_ns(1, 1, 62_500_000), 160);
        assert_eq!(tenths_of_ns(1000, 100, 62_500_000), 1600);
        assert_eq!(tenths_of_ns(7, 0, 0), 70_000_000_000);
    }
}
