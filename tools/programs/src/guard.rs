//! Leaving a function from anywhere inside it: what a failed check and a caught fault do.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

/// Where to go back to: the stack pointer of a running `run`.
pub struct Point(AtomicU64);

// guard_enter(x0 = function, x1 = its argument, x2 = where to note the stack pointer) -> x0 = 0 if
//   the function returned, 1 after `guard_leave`. Keeps the callee-saved registers on the stack.
// guard_leave(x0 = the noted stack pointer): does not return; the `guard_enter` of that stack
//   pointer returns 1.
global_asm!(
    ".global guard_enter, guard_leave",
    "guard_enter:",
    "stp x29, x30, [sp, #-96]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "mov x9, sp",
    "str x9, [x2]",
    "mov x9, x0",
    "mov x0, x1",
    "blr x9",
    "mov x0, #0",
    "1:",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp x29, x30, [sp], #96",
    "ret",
    "guard_leave:",
    "mov sp, x0",
    "mov x0, #1",
    "b 1b",
);

unsafe extern "C" {
    fn guard_enter(function: extern "C" fn(u64), argument: u64, point: *mut u64) -> u64;
    fn guard_leave(point: u64) -> !;
}

impl Point {
    /// A place nobody can go back to yet.
    #[expect(clippy::new_without_default, reason = "statics need a const function")]
    pub const fn new() -> Point {
        Point(AtomicU64::new(0))
    }

    /// The stack pointer to hand to the code at [`leave_address`] in x0.
    pub fn stack(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

extern "C" fn trampoline<F: FnOnce()>(work: u64) {
    let work = core::ptr::with_exposed_provenance_mut::<Option<F>>(work as usize);
    // SAFETY: `run` passed the address of its own `Option<F>`, which outlives this call.
    if let Some(work) = unsafe { &mut *work }.take() {
        work();
    }
}

/// Runs `work`; `true` if it was left through `point`. What it had on its stack is then leaked.
pub fn run<F: FnOnce()>(point: &Point, work: F) -> bool {
    let mut work = Some(work);
    let address = (&raw mut work).expose_provenance() as u64;
    // SAFETY: the trampoline is made for this type of closure.
    unsafe { guard_enter(trampoline::<F>, address, point.0.as_ptr()) != 0 }
}

/// Leaves the `run` that is going on with `point`.
pub fn escape(point: &Point) -> ! {
    // SAFETY: the caller is inside that `run`, so its frame is intact.
    unsafe { guard_leave(point.stack()) }
}

/// Address of the code that leaves, for a signal handler to return to.
pub fn leave_address() -> u64 {
    (guard_leave as *const ()).addr() as u64
}
