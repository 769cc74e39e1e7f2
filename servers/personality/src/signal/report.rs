//! What is printed about a program that a fault ends.

use alloc::string::String;
use core::fmt::Write;

use super::{Origin, SigInfo, Signal};
use crate::syscall::Ctx;

/// Longest backtrace.
const FRAMES: usize = 12;

/// Prints a report if the signal comes from a fault, as opposed to a `kill`.
pub fn fatal(ctx: &Ctx<'_>, info: &SigInfo) {
    let machine = &ctx.system().machine;
    let process = ctx.process();
    let faults = [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGTRAP];
    if !faults.contains(&info.signal) || info.code <= 0 {
        return;
    }
    let mut line = String::new();
    let name = ctx.task.name.lock().clone();
    let _ = write!(
        line,
        "{name}[{}]: {} at pc {:#x}",
        process.pid,
        info.signal.name(),
        ctx.registers.pc
    );
    if let Origin::Fault { address } = info.origin {
        let _ = write!(line, ", address {address:#x}");
    }
    let _ = write!(line, ", sp {:#x}, lr {:#x}", ctx.registers.sp, ctx.registers.x[30]);
    machine.log(format_args!("{line}"));
    let mut trace = String::new();
    backtrace(ctx, |address| {
        let _ = write!(trace, " {address:#x}");
    });
    if !trace.is_empty() {
        machine.log(format_args!("{name}[{}]: called from{trace}", process.pid));
    }
}

/// Walks the frame records from x29 on.
fn backtrace(ctx: &Ctx<'_>, mut visit: impl FnMut(u64)) {
    let mut frame = ctx.registers.x[29];
    for _ in 0..FRAMES {
        if frame == 0 || !frame.is_multiple_of(8) {
            return;
        }
        let (Ok(next), Ok(back)) = (ctx.memory.read_u64(frame), ctx.memory.read_u64(frame + 8))
        else {
            return;
        };
        if back == 0 {
            return;
        }
        visit(back);
        if next <= frame {
            return;
        }
        frame = next;
    }
}
