//! Semihosting: how an emulator that runs us is told the exit status.

use core::arch::asm;

const SYS_EXIT_EXTENDED: u64 = 0x20;
/// "Application exit", the reason that comes with a status.
const APPLICATION_EXIT: u64 = 0x2_0026;

/// Ends the emulator with `status`. Only for machines that asked for it: elsewhere the
/// instruction is undefined.
pub(crate) fn exit(status: u64) {
    let block = [APPLICATION_EXIT, status];
    // SAFETY: the emulator reads the block and does not return.
    unsafe {
        asm!("hlt #0xf000", in("x0") SYS_EXIT_EXTENDED, in("x1") block.as_ptr(), options(nostack));
    }
}
