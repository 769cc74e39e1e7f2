//! Walking the kernel stack by its frame pointers.

use crate::boot::{self, STACK_BYTES, STACK_STRIDE};
use core::arch::asm;

/// Most frames that are reported.
const MAX_FRAMES: usize = 32;

/// The return addresses from a frame on, innermost first.
pub(crate) struct Frames {
    frame: u64,
    left: usize,
}

/// Returns the frames of the caller.
#[inline(always)]
pub(crate) fn here() -> Frames {
    let frame;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, x29", out(reg) frame, options(nomem, nostack)) };
    from(frame)
}

/// Returns the frames from a frame pointer on, whatever it is.
pub(crate) fn from(frame: u64) -> Frames {
    Frames { frame, left: MAX_FRAMES }
}

/// Tells whether a frame record lies inside some core's stack.
fn is_on_stack(frame: u64) -> bool {
    let offset = frame.wrapping_sub(boot::stacks_start());
    frame.is_multiple_of(8)
        && frame >= boot::stacks_start()
        && frame < boot::stacks_end()
        && (STACK_STRIDE - STACK_BYTES..=STACK_STRIDE - 16).contains(&(offset % STACK_STRIDE))
}

impl Iterator for Frames {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.left == 0 || !is_on_stack(self.frame) {
            return None;
        }
        self.left -= 1;
        let record: *const [u64; 2] = core::ptr::with_exposed_provenance(self.frame as usize);
        // SAFETY: inside a stack, which is mapped; any bits are numbers.
        let [caller, address] = unsafe { record.read() };
        // Callers' frames lie above; anything else is damage, or the end.
        self.frame = if caller > self.frame { caller } else { 0 };
        (address != 0).then_some(address)
    }
}
