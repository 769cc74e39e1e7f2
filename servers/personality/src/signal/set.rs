//! Sets of signals, and the queue of pending ones.

use alloc::collections::VecDeque;

use super::{SigInfo, Signal};

/// A set of signals: bit n-1 for signal n, as in `sigset_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);

    /// One signal.
    #[must_use]
    pub const fn of(signal: Signal) -> SigSet {
        SigSet(1 << (signal.number() - 1))
    }
    /// Tells whether a signal is in it.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & SigSet::of(signal).0 != 0
    }
    /// Tells whether no signal is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Returns the signals in either.
    #[must_use]
    pub const fn union(self, other: SigSet) -> SigSet {
        SigSet(self.0 | other.0)
    }
    /// Returns the signals in both.
    #[must_use]
    pub const fn intersect(self, other: SigSet) -> SigSet {
        SigSet(self.0 & other.0)
    }
    /// Returns the signals that are not in `other`.
    #[must_use]
    pub const fn without(self, other: SigSet) -> SigSet {
        SigSet(self.0 & !other.0)
    }
    /// Returns the signals that are not in it.
    #[must_use]
    pub const fn complement(self) -> SigSet {
        SigSet(!self.0)
    }
    /// Returns the set without `SIGKILL` and `SIGSTOP`, which nobody can block.
    #[must_use]
    pub const fn blockable(self) -> SigSet {
        self.without(SigSet::of(Signal::SIGKILL)).without(SigSet::of(Signal::SIGSTOP))
    }
}

/// Faults come before everything else that is pending, as in Linux.
const FAULTS: SigSet = SigSet(
    SigSet::of(Signal::SIGSEGV).0
        | SigSet::of(Signal::SIGBUS).0
        | SigSet::of(Signal::SIGILL).0
        | SigSet::of(Signal::SIGTRAP).0
        | SigSet::of(Signal::SIGFPE).0
        | SigSet::of(Signal::SIGSYS).0,
);

/// First real-time signal: from here on each sending counts.
const FIRST_REAL_TIME: u8 = 32;

/// Signals that were sent and not delivered yet.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    queue: VecDeque<SigInfo>,
}

impl Pending {
    /// Returns which signals are pending.
    #[must_use]
    pub fn set(&self) -> SigSet {
        self.queue.iter().fold(SigSet::EMPTY, |set, info| set.union(SigSet::of(info.signal)))
    }

    /// Adds a signal. One that is pending already is not added again, unless it is a real-time one.
    pub fn push(&mut self, info: SigInfo) {
        let counts = info.signal.number() >= FIRST_REAL_TIME;
        if counts || !self.queue.iter().any(|queued| queued.signal == info.signal) {
            self.queue.push_back(info);
        }
    }

    /// Takes the next signal of those in `allowed`: faults first, then the lowest number.
    pub fn take(&mut self, allowed: SigSet) -> Option<SigInfo> {
        let ready = self.set().intersect(allowed);
        let first = ready.intersect(FAULTS);
        let from = if first.is_empty() { ready } else { first };
        let signal = Signal::new(u64::from(from.0.trailing_zeros()) + 1)?;
        let index = self.queue.iter().position(|info| info.signal == signal)?;
        self.queue.remove(index)
    }

    /// Throws away the signals in `set`.
    pub fn discard(&mut self, set: SigSet) {
        self.queue.retain(|info| !set.contains(info.signal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Origin;

    fn info(signal: Signal, code: i32) -> SigInfo {
        SigInfo { signal, code, origin: Origin::None }
    }

    #[test]
    fn faults_come_first_then_low_numbers() {
        let mut pending = Pending::default();
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGSEGV, Signal::SIGHUP] {
            pending.push(info(signal, 0));
        }
        let all = SigSet::EMPTY.complement();
        let order: alloc::vec::Vec<Signal> =
            core::iter::from_fn(|| pending.take(all)).map(|info| info.signal).collect();
        assert_eq!(order, [Signal::SIGSEGV, Signal::SIGHUP, Signal::SIGTERM]);
    }

    #[test]
    fn real_time_signals_queue_in_order_and_blocked_ones_stay() {
        let mut pending = Pending::default();
        let real_time = Signal::new(40).expect("a signal");
        pending.push(info(real_time, 1));
        pending.push(info(real_time, 2));
        assert_eq!(pending.take(SigSet::of(Signal::SIGHUP)), None);
        assert_eq!(pending.take(SigSet::of(real_time)).map(|info| info.code), Some(1));
        assert_eq!(pending.take(SigSet::of(real_time)).map(|info| info.code), Some(2));
        assert!(pending.set().is_empty());
    }

    #[test]
    fn kill_and_stop_cannot_be_blocked() {
        let mask = SigSet::EMPTY.complement().blockable();
        assert!(!mask.contains(Signal::SIGKILL) && !mask.contains(Signal::SIGSTOP));
        assert!(mask.contains(Signal::SIGTERM));
    }
}
