//! Calls of the PSCI firmware (DEN 0022): off and reset.

use core::arch::asm;
use microkernel_platform::platform::Conduit;

const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;

fn call(conduit: Conduit, function: u32) {
    let function = u64::from(function);
    // SAFETY: the calling convention (DEN 0028, 2.6) gives x0–x17 to the firmware and keeps the
    // rest; it touches no memory of ours.
    unsafe {
        match conduit {
            Conduit::Hvc => {
                asm!("hvc #0", inout("x0") function => _, clobber_abi("C"), options(nostack));
            }
            Conduit::Smc => {
                asm!("smc #0", inout("x0") function => _, clobber_abi("C"), options(nostack));
            }
        }
    }
}

/// Powers the machine off; returns only if the firmware refuses.
pub(crate) fn system_off(conduit: Conduit) {
    call(conduit, SYSTEM_OFF);
}

/// Resets the machine; returns only if the firmware refuses.
pub(crate) fn system_reset(conduit: Conduit) {
    call(conduit, SYSTEM_RESET);
}
