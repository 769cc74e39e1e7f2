//! The generic timer: the virtual counter, and one deadline for each core.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0};
use tock_registers::interfaces::{Readable, Writeable};

/// Returns the counter now.
pub(crate) fn now() -> u64 {
    // Without the barrier the counter may be read ahead of what comes before.
    barrier::isb(barrier::SY);
    CNTVCT_EL0.get()
}

/// Returns the counter's frequency in Hz.
pub(crate) fn hz() -> u64 {
    CNTFRQ_EL0.get()
}

/// This core's timer; its interrupt line stays asserted from the deadline until it is moved or
/// disarmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    line: u32,
}

impl Timer {
    /// Takes the timer that interrupts on `line`, disarmed.
    pub(crate) fn new(line: u32) -> Timer {
        let timer = Timer { line };
        timer.disarm();
        timer
    }

    /// Returns its interrupt line.
    pub(crate) fn line(self) -> u32 {
        self.line
    }

    /// Interrupts when the counter reaches `counter`; at once if it has.
    pub(crate) fn set_deadline(self, counter: u64) {
        CNTV_CVAL_EL0.set(counter);
        CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET);
    }

    /// Interrupts no more.
    pub(crate) fn disarm(self) {
        CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
        // Takes effect before interrupts are open again.
        barrier::isb(barrier::SY);
    }
}
