//! The interrupt controller: which line interrupts, and when it may again.
//!
//! A line that is handed to a user-mode driver is level-triggered more often than not: it is
//! disabled when it interrupts ([`Controller::disable`], then [`Controller::end`]) and enabled
//! again when the driver acknowledges it.

mod v2;
mod v3;

use ipc_proto::abi::word::Trigger;

/// An interrupt that was acknowledged and waits for its end.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Pending(u32);

impl Pending {
    /// Returns the line (INTID).
    pub(crate) fn line(self) -> u32 {
        self.0 & 0x3ff
    }
}

/// The machine's interrupt controller.
#[derive(Debug)]
pub(crate) enum Controller {
    /// GICv2.
    V2(v2::Gic),
    /// GICv3 or later.
    V3(v3::Gic),
}

impl Controller {
    /// Takes over a GICv2: every line disabled, directed to this core.
    ///
    /// # Safety
    ///
    /// Its distributor and CPU interface are mapped there for good, and nothing else uses them.
    pub(crate) unsafe fn v2(distributor: u64, cpu_interface: u64) -> Controller {
        // SAFETY: the caller's.
        Controller::V2(unsafe { v2::Gic::new(distributor, cpu_interface) })
    }

    /// Takes over a GICv3: every line disabled, directed to this core; `None` if none of its
    /// redistributors, `bytes` bytes of them, is this core's.
    ///
    /// # Safety
    ///
    /// Its distributor and redistributors are mapped there for good, and nothing else uses them.
    pub(crate) unsafe fn v3(
        distributor: u64,
        redistributors: u64,
        bytes: u64,
    ) -> Option<Controller> {
        // SAFETY: the caller's.
        unsafe { v3::Gic::new(distributor, redistributors, bytes) }.map(Controller::V3)
    }

    /// Returns the number of lines; a line is below it.
    pub(crate) fn lines(&self) -> u32 {
        match self {
            Controller::V2(gic) => gic.lines(),
            Controller::V3(gic) => gic.lines(),
        }
    }

    /// Lets a line interrupt.
    pub(crate) fn enable(&self, line: u32) {
        match self {
            Controller::V2(gic) => gic.enable(line),
            Controller::V3(gic) => gic.enable(line),
        }
    }

    /// Keeps a line from interrupting.
    pub(crate) fn disable(&self, line: u32) {
        match self {
            Controller::V2(gic) => gic.disable(line),
            Controller::V3(gic) => gic.disable(line),
        }
    }

    /// Says how a line signals. The line is disabled.
    pub(crate) fn configure(&self, line: u32, trigger: Trigger) {
        match self {
            Controller::V2(gic) => gic.configure(line, trigger),
            Controller::V3(gic) => gic.configure(line, trigger),
        }
    }

    /// Takes the most urgent interrupt that waits for this core.
    pub(crate) fn acknowledge(&self) -> Option<Pending> {
        match self {
            Controller::V2(gic) => gic.acknowledge(),
            Controller::V3(gic) => gic.acknowledge(),
        }
    }

    /// Ends an interrupt: the next one may come.
    pub(crate) fn end(&self, pending: Pending) {
        match self {
            Controller::V2(gic) => gic.end(pending),
            Controller::V3(gic) => gic.end(pending),
        }
    }

    #[expect(dead_code, reason = "one core runs; it wakes the others when more do")]
    /// Sends the software-generated interrupt `line` (0–15) to the cores in the bit set.
    pub(crate) fn send(&self, line: u32, cores: u8) {
        match self {
            Controller::V2(gic) => gic.send(line, cores),
            Controller::V3(gic) => gic.send(line, cores),
        }
    }
}
