//! The end of the kernel: a report in fixed form, then power off.
//!
//! ```text
//! kernel panic: <cause>
//!   at <file>:<line>:<column>
//!   <registers, if an exception was the cause>
//!   backtrace: <address> <address> ...
//! ```

use crate::console::{self, say};
use crate::{backtrace, power};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

/// Exit status that an emulator gets.
const STATUS: u64 = 101;

/// Set by the first core that panics; the others stop. No data goes with it.
static PANICKING: AtomicBool = AtomicBool::new(false);

/// The registers at an exception. Assembly relies on the order.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Registers {
    /// x0–x30.
    pub(crate) x: [u64; 31],
    /// The stack pointer.
    pub(crate) sp: u64,
    /// ELR_EL1.
    pub(crate) pc: u64,
    /// SPSR_EL1.
    pub(crate) pstate: u64,
    /// ESR_EL1.
    pub(crate) syndrome: u64,
    /// FAR_EL1.
    pub(crate) address: u64,
}

/// Makes sure that only one report is written, and that it can be.
fn begin() {
    if PANICKING.swap(true, Ordering::Relaxed) {
        // A panic inside the report, or on another core.
        power::off_or_stop(STATUS);
    }
    console::seize();
}

fn print_frames(frames: backtrace::Frames) {
    for address in frames {
        say!("    {address:#018x}");
    }
}

/// Reports an exception that the kernel cannot have, and powers off.
pub(crate) fn exception(registers: &Registers) -> ! {
    begin();
    say!("\nkernel panic: {}", cause(registers.syndrome));
    say!("  at pc {:#018x}", registers.pc);
    say!("  esr {:#018x}  far {:#018x}", registers.syndrome, registers.address);
    say!("  sp  {:#018x}  pstate {:#x}", registers.sp, registers.pstate);
    for (index, row) in registers.x.chunks(4).enumerate() {
        match row {
            [a, b, c, d] => {
                say!("  x{:<2} {a:#018x} {b:#018x} {c:#018x} {d:#018x}", index * 4);
            }
            [a, b, c] => say!("  x{:<2} {a:#018x} {b:#018x} {c:#018x}", index * 4),
            _ => {}
        }
    }
    say!("  backtrace:");
    say!("    {:#018x}", registers.pc);
    print_frames(backtrace::from(registers.x[29]));
    power::off_or_stop(STATUS)
}

/// Returns what a syndrome stands for (Arm ARM D19.2.37, ESR_EL1.EC).
fn cause(syndrome: u64) -> &'static str {
    match syndrome >> 26 & 0x3f {
        0x00 => "undefined instruction",
        0x07 => "floating-point instruction",
        0x0e => "illegal execution state",
        0x20 | 0x21 => "instruction abort",
        0x22 => "misaligned program counter",
        0x24 | 0x25 => "data abort",
        0x26 => "misaligned stack pointer",
        0x2f => "system error",
        0x3c => "breakpoint instruction",
        _ => "unexpected exception",
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    begin();
    say!("\nkernel panic: {}", info.message());
    if let Some(location) = info.location() {
        say!("  at {location}");
    }
    say!("  backtrace:");
    print_frames(backtrace::here());
    power::off_or_stop(STATUS)
}

/// Stops with a clear line: not a bug of the kernel's, but a machine or image it cannot use.
pub(crate) fn give_up(why: core::fmt::Arguments<'_>) -> ! {
    say!("microkernel: {why}; powering off");
    power::off_or_stop(STATUS)
}
