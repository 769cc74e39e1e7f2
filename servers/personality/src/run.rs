//! The loop of a carrier: run the guest, see why it came back, and so on until it ends.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use linux_raw_sys::general as linux;

use crate::errno::Errno;
use crate::guest_memory::GuestMemory;
use crate::mm::{FaultError, FaultKind};
use crate::signal::deliver::{Flow, Interrupted, handle_work};
use crate::signal::{SigInfo, Signal, send};
use crate::syscall::{Ctx, table};
use crate::task::tree::ExitStatus;
use crate::task::{Task, exec, exit};

/// A record of a guest that has not run: everything 0.
#[must_use]
pub const fn blank_record() -> GuestRecord {
    GuestRecord {
        x: [0; 31],
        sp: 0,
        pc: 0,
        pstate: 0,
        tpidr: 0,
        syndrome: 0,
        address: 0,
        reserved: [0; 27],
        v: [0; 32],
        fpcr: 0,
        fpsr: 0,
    }
}

/// Runs one Linux thread from its first instruction to its end. `registers` is the record bound
/// to the carrier's guest.
pub fn run_task(task: &Arc<Task>, memory: &dyn GuestMemory, registers: &mut GuestRecord) {
    let mut ctx = Ctx { task, memory, registers };
    if begin(&mut ctx) == Flow::Run {
        run_guest(&mut ctx);
    }
    exit::end_task(task, memory, ExitStatus::Exited(0));
}

/// Does what comes before the first instruction.
fn begin(ctx: &mut Ctx<'_>) -> Flow {
    if let Some(space) = ctx.process().space() {
        ctx.task.carrier().enter(Some(space.id()));
    }
    let initial = ctx.task.initial.lock().take();
    if let Some(request) = initial {
        return exec::begin(ctx, request);
    }
    let address = ctx.task.set_child_tid.load(Ordering::Relaxed);
    if address != 0 {
        // A bad address is ignored, as in Linux.
        let _ = ctx.memory.write_u32(address, ctx.task.tid);
    }
    Flow::Run
}

fn run_guest(ctx: &mut Ctx<'_>) {
    let task = ctx.task;
    let carrier = &**task.carrier();
    if task.work.load(Ordering::Acquire) != 0 && handle_work(ctx, None) == Flow::End {
        return;
    }
    loop {
        match carrier.run(ctx.registers) {
            GuestExit::Syscall => {
                let (x0, number) = (ctx.registers.x[0], ctx.registers.x[8]);
                let result = table::dispatch(ctx, number);
                ctx.registers.x[0] = result;
                if task.work.load(Ordering::Acquire) == 0 {
                    continue;
                }
                if after_syscall(ctx, number, x0, result) == Flow::End {
                    return;
                }
            }
            GuestExit::Fault => {
                handle_fault(ctx);
                if task.work.load(Ordering::Acquire) != 0 && handle_work(ctx, None) == Flow::End {
                    return;
                }
            }
            GuestExit::Interrupted => {
                if handle_work(ctx, None) == Flow::End {
                    return;
                }
            }
        }
    }
}

/// Works off what came up during a system call that gave `result`; x0 was `x0`.
#[cold]
fn after_syscall(ctx: &mut Ctx<'_>, number: u64, x0: u64, result: u64) -> Flow {
    let is_interrupted =
        result == table::encode(Err(Errno::EINTR)) && number != u64::from(linux::__NR_rt_sigreturn);
    let interrupted = is_interrupted.then(|| Interrupted { x0, restarts: table::restarts(number) });
    handle_work(ctx, interrupted)
}

/// Exception classes (Arm ARM D17.2.37, ESR_EL1.EC).
mod class {
    pub(super) const UNKNOWN: u64 = 0x00;
    pub(super) const ILLEGAL_STATE: u64 = 0x0e;
    pub(super) const SYSTEM_REGISTER: u64 = 0x18;
    pub(super) const INSTRUCTION_ABORT: u64 = 0x20;
    pub(super) const PC_ALIGNMENT: u64 = 0x22;
    pub(super) const DATA_ABORT: u64 = 0x24;
    pub(super) const SP_ALIGNMENT: u64 = 0x26;
    pub(super) const FLOATING_POINT: u64 = 0x2c;
    pub(super) const BREAKPOINT: u64 = 0x30;
    pub(super) const STEP: u64 = 0x32;
    pub(super) const WATCHPOINT: u64 = 0x34;
    pub(super) const BRK: u64 = 0x3c;
}

/// ISS bit of a data abort: the access was a store. Set for cache maintenance too, with `CM`.
const WRITE: u64 = 1 << 6;
/// ISS bit of a data abort: the access was cache maintenance, which needs only read access.
const CACHE_MAINTENANCE: u64 = 1 << 8;

/// The address that a program's pointer stands for. The top byte of a pointer into the lower half is
/// a tag that the processor ignores; it is in the fault address all the same.
const fn without_tag(pointer: u64) -> u64 {
    pointer & (pointer << 8).cast_signed().wrapping_shr(8).cast_unsigned()
}

/// Mends a fault of the guest or makes it a signal.
fn handle_fault(ctx: &mut Ctx<'_>) {
    let syndrome = ctx.registers.syndrome;
    let address = without_tag(ctx.registers.address);
    let pc = ctx.registers.pc;
    let exception = syndrome >> 26 & 0x3f;
    let info = match exception {
        class::DATA_ABORT if syndrome & 0x3f == 0x21 => {
            SigInfo::fault(Signal::SIGBUS, linux::BUS_ADRALN, address)
        }
        class::DATA_ABORT | class::INSTRUCTION_ABORT => {
            let kind = if exception == class::INSTRUCTION_ABORT {
                FaultKind::Execute
            } else if syndrome & (WRITE | CACHE_MAINTENANCE) == WRITE {
                FaultKind::Write
            } else {
                FaultKind::Read
            };
            let Some(space) = ctx.process().space() else { return };
            match space.fault(address, kind) {
                Ok(()) => return,
                Err(FaultError::NoMemory) => return out_of_memory(ctx),
                Err(error) => fault_info(error, address),
            }
        }
        class::PC_ALIGNMENT | class::SP_ALIGNMENT => {
            SigInfo::fault(Signal::SIGBUS, linux::BUS_ADRALN, address)
        }
        class::FLOATING_POINT => SigInfo::fault(Signal::SIGFPE, fp_code(syndrome), pc),
        class::BRK => SigInfo::fault(Signal::SIGTRAP, linux::TRAP_BRKPT, pc),
        class::BREAKPOINT | class::STEP | class::WATCHPOINT => {
            SigInfo::fault(Signal::SIGTRAP, linux::TRAP_HWBKPT, pc)
        }
        class::UNKNOWN | class::ILLEGAL_STATE | class::SYSTEM_REGISTER => {
            SigInfo::fault(Signal::SIGILL, linux::ILL_ILLOPC, pc)
        }
        _ => SigInfo::fault(Signal::SIGILL, linux::ILL_ILLOPC, pc),
    };
    send::force(ctx.task, info);
}

fn fault_info(error: FaultError, address: u64) -> SigInfo {
    match error {
        FaultError::NotMapped => SigInfo::fault(Signal::SIGSEGV, linux::SEGV_MAPERR, address),
        FaultError::Forbidden => SigInfo::fault(Signal::SIGSEGV, linux::SEGV_ACCERR, address),
        FaultError::NoPage | FaultError::NoMemory => {
            SigInfo::fault(Signal::SIGBUS, linux::BUS_ADRERR, address)
        }
    }
}

/// Which floating-point exception it was, from the ISS.
fn fp_code(syndrome: u64) -> u32 {
    match syndrome & 0x1f {
        bits if bits & 1 != 0 => linux::FPE_FLTINV,
        bits if bits & 2 != 0 => linux::FPE_FLTDIV,
        bits if bits & 4 != 0 => linux::FPE_FLTOVF,
        bits if bits & 8 != 0 => linux::FPE_FLTUND,
        bits if bits & 16 != 0 => linux::FPE_FLTRES,
        _ => 0,
    }
}

/// Ends the process for which there is no page left, as Linux's out-of-memory killer does.
fn out_of_memory(ctx: &Ctx<'_>) {
    let name = ctx.task.name.lock().clone();
    let pid = ctx.process().pid;
    ctx.system().machine.log(format_args!("{name}[{pid}]: out of memory, killed"));
    exit::end_process(ctx.process(), ExitStatus::Killed(Signal::SIGKILL.number()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_has_its_tag_in_the_top_byte() {
        assert_eq!(without_tag(0x5a7f_1234_5678_9abc), 0x007f_1234_5678_9abc);
        assert_eq!(without_tag(0xdead_0000), 0xdead_0000);
        // The upper half has no tags.
        assert_eq!(without_tag(0xffff_8000_0000_0000), 0xffff_8000_0000_0000);
    }
}
