//! The kernel on AArch64: boot code, and hardware around [`microkernel_core`].
//!
//! | module | what |
//! | --- | --- |
//! | [`boot`] | entry, boot tables, parts of the image (boot.S, link.ld) |
//! | [`discovered`] | brings the machine up; what is known then |
//! | [`mmu`] | the kernel's address space |
//! | [`cpu`] | system registers of one core |
//! | [`gic`], [`timer`] | interrupts and deadlines |
//! | [`power`], [`psci`], [`semihosting`] | off and reset |
//! | [`uart`], [`console`] | debug output |
//! | [`panic`], [`backtrace`] | how the kernel ends when it must |
//! | [`exception`], [`machine`] | the trap entry (exception.S), and what the core asks of hardware |
//! | [`start`] | the first program |
#![no_std]
#![no_main]

mod backtrace;
mod boot;
mod console;
mod cpu;
mod discovered;
mod exception;
mod gic;
mod machine;
mod mmu;
mod panic;
mod power;
mod psci;
mod semihosting;
mod start;
mod timer;
mod uart;

use discovered::Stages;
use microkernel_platform::platform::Conduit;
// memcpy and its family, which the compiler calls.
use osv_string as _;

/// Where the boot code arrives: at the linked address, on the boot core's stack. `blob` is the
/// device tree's physical address, `level` the exception level at entry, `counter` its time.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(blob: u64, level: u64, counter: u64, image: u64) -> ! {
    let at_el2 = level == 2;
    // A guess until the device tree tells, for a panic before that.
    power::initialise(Some(if at_el2 { Conduit::Smc } else { Conduit::Hvc }), false);
    let mut stages = Stages::new();
    discovered::reached(&mut stages, "entry", counter);
    cpu::initialise();
    discovered::reached(&mut stages, "kernel", timer::now());
    let mut found = discovered::discover(boot::Image::at(image), blob, at_el2, stages);
    discovered::reached(&mut found.stages, "devices", timer::now());
    start::start(found)
}
