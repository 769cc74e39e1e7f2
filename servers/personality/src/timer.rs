//! Timers of processes: `setitimer`, `alarm`, `timer_create`.
//!
//! All of them wait for the time since boot; one service thread sends the signals. Setting the
//! time of day moves no timer.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::signal::{Origin, SigInfo, Signal};
use crate::sync::Mutex;

/// Names a timer: the process and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerId {
    /// The process.
    pub pid: u32,
    /// The number; [`TimerId::REAL`] for that of `setitimer`.
    pub number: i32,
}

impl TimerId {
    /// The number of the timer of `setitimer(ITIMER_REAL)`.
    pub const REAL: i32 = -1;
}

/// What a timer does when its time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The signal; `None` for a timer that is only looked at.
    pub signal: Option<Signal>,
    /// `si_code`.
    pub code: i32,
    /// `si_value`.
    pub value: u64,
    /// The thread that gets it; 0: any of the process.
    pub tid: u32,
}

/// When a timer comes, in nanoseconds since boot; 0 where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// The next time.
    pub next: u64,
    /// The time between one and the next; 0: it comes once.
    pub interval: u64,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    notice: Notice,
    setting: Setting,
    overruns: u32,
}

/// One signal to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// To this process,
    pub pid: u32,
    /// or to this thread of it.
    pub tid: u32,
    /// The signal.
    pub info: SigInfo,
}

/// All timers.
#[derive(Default)]
pub struct Timers {
    timers: Mutex<BTreeMap<TimerId, Timer>>,
}

/// Most timers of a process.
const MOST: i32 = 1024;

impl Timers {
    /// Makes a timer that is not set; gives its number, `None` if there are too many.
    pub fn create(&self, pid: u32, notice: Notice) -> Option<i32> {
        let mut timers = self.timers.lock();
        let number = (0..MOST).find(|&number| !timers.contains_key(&TimerId { pid, number }))?;
        let timer = Timer { notice, setting: Setting::default(), overruns: 0 };
        timers.insert(TimerId { pid, number }, timer);
        Some(number)
    }

    /// Sets a timer; gives what it was set to. `None` if it does not exist. The timer of
    /// `setitimer` always exists.
    pub fn set(&self, id: TimerId, setting: Setting) -> Option<Setting> {
        let mut timers = self.timers.lock();
        if id.number == TimerId::REAL {
            let signal = Some(Signal::SIGALRM);
            let notice = Notice { signal, code: SigInfo::KERNEL, value: 0, tid: 0 };
            let new = Timer { notice, setting, overruns: 0 };
            let old = if setting.next == 0 { timers.remove(&id) } else { timers.insert(id, new) };
            return Some(old.map(|old| old.setting).unwrap_or_default());
        }
        let timer = timers.get_mut(&id)?;
        timer.overruns = 0;
        Some(core::mem::replace(&mut timer.setting, setting))
    }

    /// Returns what a timer is set to.
    #[must_use]
    pub fn get(&self, id: TimerId) -> Option<Setting> {
        let found = self.timers.lock().get(&id).map(|timer| timer.setting);
        found.or_else(|| (id.number == TimerId::REAL).then(Setting::default))
    }

    /// Returns how often a timer came besides the signal delivered last.
    #[must_use]
    pub fn overruns(&self, id: TimerId) -> Option<u32> {
        self.timers.lock().get(&id).map(|timer| timer.overruns)
    }

    /// Removes a timer; `false` if it does not exist.
    pub fn delete(&self, id: TimerId) -> bool {
        self.timers.lock().remove(&id).is_some()
    }

    /// Removes the timers of a process; with `keep_real` all but that of `setitimer`.
    pub fn delete_all(&self, pid: u32, keep_real: bool) {
        self.timers.lock().retain(|id, _| id.pid != pid || keep_real && id.number == TimerId::REAL);
    }

    /// Takes what is due at `now`; gives the signals, and when to look again.
    pub fn take_due(&self, now: u64) -> (Vec<Due>, Option<u64>) {
        let mut timers = self.timers.lock();
        let mut due = Vec::new();
        for (id, timer) in timers.iter_mut() {
            if timer.setting.next == 0 || timer.setting.next > now {
                continue;
            }
            let missed = match timer.setting.interval {
                0 => 0,
                interval => (now - timer.setting.next) / interval,
            };
            timer.overruns = u32::try_from(missed).unwrap_or(u32::MAX);
            timer.setting.next = match timer.setting.interval {
                0 => 0,
                interval => timer.setting.next + (missed + 1) * interval,
            };
            let Notice { signal: Some(signal), code, value, tid } = timer.notice else { continue };
            let origin = match id.number {
                TimerId::REAL => Origin::None,
                number => Origin::Process { pid: number as u32, uid: timer.overruns, value },
            };
            due.push(Due { pid: id.pid, tid, info: SigInfo { signal, code, origin } });
        }
        timers.retain(|id, timer| id.number != TimerId::REAL || timer.setting.next != 0);
        let next = timers.values().map(|timer| timer.setting.next).filter(|&next| next != 0).min();
        (due, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: TimerId = TimerId { pid: 5, number: TimerId::REAL };

    #[test]
    fn an_alarm_comes_once_and_an_interval_again() {
        let timers = Timers::default();
        timers.set(REAL, Setting { next: 100, interval: 0 });
        assert_eq!(timers.take_due(99), (Vec::new(), Some(100)));
        let (due, next) = timers.take_due(100);
        assert_eq!((due.len(), due[0].info.signal, next), (1, Signal::SIGALRM, None));
        assert_eq!(timers.get(REAL), Some(Setting::default()));
        timers.set(REAL, Setting { next: 10, interval: 10 });
        assert_eq!(timers.take_due(35).1, Some(40));
    }

    #[test]
    fn made_timers_count_their_overruns_and_go_with_their_process() {
        let timers = Timers::default();
        let notice = Notice { signal: Some(Signal::SIGUSR1), code: -2, value: 7, tid: 0 };
        let number = timers.create(5, notice).expect("room");
        let id = TimerId { pid: 5, number };
        assert_eq!(timers.set(id, Setting { next: 10, interval: 5 }), Some(Setting::default()));
        assert_eq!(timers.take_due(27).1, Some(30));
        assert_eq!(timers.overruns(id), Some(3));
        timers.set(REAL, Setting { next: 99, interval: 0 });
        timers.delete_all(5, true);
        assert_eq!((timers.get(id), timers.take_due(0).1), (None, Some(99)));
        timers.delete_all(5, false);
        assert_eq!(timers.take_due(0).1, None);
    }
}
