//! Processor time of threads and processes, as far as it is known: the time since the start
//! without the time asleep. Time that a thread waits for the processor counts as used.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Process, Task};
use crate::wait::{Deadline, Woken};

/// What is counted of a process besides its living threads, in counter ticks.
#[derive(Debug, Default)]
pub struct Ended {
    /// Time of threads that ended.
    pub threads: AtomicU64,
    /// Time of children that were waited for.
    pub children: AtomicU64,
}

impl Task {
    /// Sleeps as [`crate::wait::Parker::sleep`] does, and counts the time.
    pub fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        let machine = &self.process.system.machine;
        let before = machine.now();
        let woken = self.carrier().sleep(deadline);
        // Relaxed: a count, read for itself.
        self.slept.fetch_add(machine.now().saturating_sub(before), Ordering::Relaxed);
        woken
    }

    /// Returns the counter ticks used.
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        let lived = self.process.system.machine.now().saturating_sub(self.started);
        lived.saturating_sub(self.slept.load(Ordering::Relaxed))
    }
}

impl Process {
    /// Returns the counter ticks used by all its threads.
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        let living: u64 = self.system.tasks_of(self.pid).iter().map(|task| task.cpu_ticks()).sum();
        living + self.ended.threads.load(Ordering::Relaxed)
    }
}
