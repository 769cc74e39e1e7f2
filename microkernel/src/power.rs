//! Off and reset, by whatever the machine offers.

use crate::{cpu, psci, semihosting};
use core::convert::Infallible;
use microkernel_platform::platform::Conduit;
use spin::mutex::SpinMutex;

static POWER: SpinMutex<Power> = SpinMutex::new(Power { conduit: None, semihosting: false });

/// The machine offers no way to do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSupported;

/// What the machine offers.
#[derive(Clone, Copy, Debug)]
struct Power {
    conduit: Option<Conduit>,
    semihosting: bool,
}

/// Says what the machine offers: PSCI, and an emulator that wants the exit status.
pub(crate) fn initialise(conduit: Option<Conduit>, semihosting: bool) {
    *POWER.lock() = Power { conduit, semihosting };
}

/// Powers off; `status` is told to an emulator that asked for it.
pub(crate) fn off(status: u64) -> Result<Infallible, NotSupported> {
    let power = *POWER.lock();
    if power.semihosting {
        semihosting::exit(status);
    }
    psci::system_off(power.conduit.ok_or(NotSupported)?);
    Err(NotSupported)
}

/// Resets the machine.
pub(crate) fn reset() -> Result<Infallible, NotSupported> {
    psci::system_reset(POWER.lock().conduit.ok_or(NotSupported)?);
    Err(NotSupported)
}

/// Powers off, or stops this core if that cannot be done.
pub(crate) fn off_or_stop(status: u64) -> ! {
    let _ = off(status);
    cpu::stop()
}
