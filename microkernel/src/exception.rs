//! From the trap entry to the kernel's decisions, and back to what runs next.

use crate::machine::Hardware;
use crate::panic::{self, Registers};
use aarch64_cpu::asm;
use microkernel_core::Kernel;
use spin::{Mutex, MutexGuard, Once};

/// The kernel, behind its one lock.
static KERNEL: Once<Mutex<Kernel<Hardware>>> = Once::new();

/// Makes the kernel that traps come to; gives it to whoever fills it with the first objects.
pub(crate) fn install_kernel(make: impl FnOnce() -> Kernel<Hardware>) -> &'static Mutex<Kernel<Hardware>> {
    KERNEL.call_once(|| Mutex::new(make()))
}

/// Leaves the kernel to the thread it chose.
pub(crate) fn leave(kernel: MutexGuard<'_, Kernel<Hardware>>) -> ! {
    unsafe extern "C" {
        /// Restores a register file and returns to EL0 (exception.S).
        fn leave_to_user(register_file: usize) -> !;
    }
    let register_file = settle(kernel);
    // SAFETY: the address is that of a live thread's context or of its guest's record, and the
    // machine has its address space in place.
    unsafe { leave_to_user(register_file) }
}

/// Returns the register file of what runs next; waits for an interrupt while there is nothing.
#[inline]
fn settle(mut kernel: MutexGuard<'_, Kernel<Hardware>>) -> usize {
    while kernel.cpu().current.is_none() {
        // Interrupts are masked; a pending one ends the wait all the same (Arm ARM D1.6.2).
        asm::wfi();
        take_interrupts(&mut kernel);
    }
    kernel.machine.register_file()
}

fn take_interrupts(kernel: &mut Kernel<Hardware>) {
    while let Some(pending) = kernel.machine.interrupts.acknowledge() {
        if pending.line() == kernel.machine.timer.line() {
            kernel.timer();
        } else {
            kernel.interrupt(pending.line());
        }
        kernel.machine.interrupts.end(pending);
    }
}

fn lock() -> MutexGuard<'static, Kernel<Hardware>> {
    match KERNEL.get() {
        Some(kernel) => kernel.lock(),
        None => unreachable!("a trap before the kernel exists"),
    }
}

/// A synchronous exception or SError of EL0. Gives the register file to restore.
#[unsafe(no_mangle)]
extern "C" fn handle_exception(syndrome: u64, address: u64) -> usize {
    let mut kernel = lock();
    kernel.exception(syndrome, address);
    settle(kernel)
}

/// An interrupt of EL0. Gives the register file to restore.
#[unsafe(no_mangle)]
extern "C" fn handle_interrupt() -> usize {
    let mut kernel = lock();
    take_interrupts(&mut kernel);
    settle(kernel)
}

/// An exception of the kernel itself.
#[unsafe(no_mangle)]
extern "C" fn handle_bug(registers: &Registers) -> ! {
    panic::exception(registers)
}
