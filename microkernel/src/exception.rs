//! From the trap entry to the kernel's decisions, and back to what runs next.
//!
//! # Invariants
//!
//! - `exception.installed`: `start` installs the kernel, once, before it enters EL0; traps of EL0
//!   are the only other way to it.

use crate::machine::Hardware;
use crate::panic::{self, Registers};
use aarch64_cpu::asm;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use microkernel_core::Kernel;
use spin::{Mutex, MutexGuard};

/// The kernel's place, filled once.
struct Place(UnsafeCell<MaybeUninit<Mutex<Kernel<Hardware>>>>);

// SAFETY: [exception.installed] shared only as the Mutex that it holds.
unsafe impl Sync for Place {}

static KERNEL: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));

/// Puts the kernel where traps find it. Called once, before the first trap.
pub(crate) fn install_kernel(kernel: Kernel<Hardware>) -> &'static Mutex<Kernel<Hardware>> {
    // SAFETY: [exception.installed] no trap has come yet, so nobody looks.
    unsafe { (*KERNEL.0.get()).write(Mutex::new(kernel)) }
}

/// Leaves the kernel to the thread it chose; waits for an interrupt while there is none.
#[inline(always)]
pub(crate) fn leave(mut kernel: MutexGuard<'_, Kernel<Hardware>>) -> ! {
    unsafe extern "C" {
        /// Restores a register file and returns to EL0 (exception.S).
        fn leave_to_user(register_file: usize) -> !;
    }
    while kernel.cpu().current.is_none() {
        idle(&mut kernel);
    }
    let register_file = kernel.machine.register_file();
    drop(kernel);
    // SAFETY: the address is that of a live thread's context or of its guest's record, and the
    // machine has its address space in place.
    unsafe { leave_to_user(register_file) }
}

#[cold]
fn idle(kernel: &mut Kernel<Hardware>) {
    // Interrupts are masked; a pending one ends the wait all the same (Arm ARM D1.6.2).
    asm::wfi();
    take_interrupts(kernel);
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

#[inline(always)]
fn lock() -> MutexGuard<'static, Kernel<Hardware>> {
    // SAFETY: [exception.installed] a trap of EL0 came, so EL0 was entered.
    unsafe { (*KERNEL.0.get()).assume_init_ref() }.lock()
}

/// A synchronous exception or SError of EL0. It does not return to its caller but to EL0: all
/// registers are saved already, so none needs to be preserved here.
#[unsafe(no_mangle)]
extern "C" fn handle_exception(syndrome: u64, address: u64) -> ! {
    let mut kernel = lock();
    kernel.exception(syndrome, address);
    leave(kernel)
}

/// An interrupt of EL0.
#[unsafe(no_mangle)]
extern "C" fn handle_interrupt() -> ! {
    let mut kernel = lock();
    take_interrupts(&mut kernel);
    leave(kernel)
}

/// An exception of the kernel itself.
#[unsafe(no_mangle)]
extern "C" fn handle_bug(registers: &Registers) -> ! {
    panic::exception(registers)
}
