//! What a thread does with pending signals before it goes on in its program.

use core::sync::atomic::Ordering;

use linux_raw_sys::general as linux;

use super::frame::{self, Delivery};
use super::{Action, Default, SigInfo, SigSet, Signal, refresh, report, send, take_next};
use crate::errno::Errno;
use crate::syscall::Ctx;
use crate::task::tree::ExitStatus;
use crate::task::{exit, work};

/// A system call that a signal interrupted, to be restarted or given up.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted {
    /// What x0 was.
    pub x0: u64,
    /// Whether it is made again after a handler.
    pub restarts: Restarts,
}

/// When a call that a signal interrupted is made again after the handler; without a handler it
/// always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// Never: the program gets `EINTR`.
    Never,
    /// If the action has `SA_RESTART`.
    OnRequest,
    /// Always: the program never gets `EINTR`.
    Always,
}

/// How a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// In its program.
    Run,
    /// Not at all: it ends.
    End,
}

/// Works off everything in [`work`]: ends, stops, handlers.
pub fn handle_work(ctx: &mut Ctx<'_>, mut interrupted: Option<Interrupted>) -> Flow {
    loop {
        let bits = ctx.task.work.load(Ordering::Acquire);
        if bits & work::EXIT != 0 {
            return Flow::End;
        }
        if bits & work::STOP != 0 {
            wait_while_stopped(ctx);
            continue;
        }
        let Some((info, action)) = take_next(ctx.task) else {
            if refresh(ctx.task) {
                continue;
            }
            restore_mask(ctx);
            if let Some(call) = interrupted {
                // No handler ran, so the program must not notice.
                ctx.registers.x[0] = call.x0;
                ctx.registers.pc = ctx.registers.pc.wrapping_sub(4);
            }
            return Flow::Run;
        };
        match action.handler {
            Action::IGNORE => {}
            Action::DEFAULT => apply_default(ctx, info),
            _ => {
                restart(ctx, interrupted.take(), &action);
                enter_handler(ctx, info, &action);
            }
        }
    }
}

/// Prepares an interrupted call for its restart after the handler, if it is made again.
fn restart(ctx: &mut Ctx<'_>, interrupted: Option<Interrupted>, action: &Action) {
    let Some(call) = interrupted else { return };
    let restarts = match call.restarts {
        Restarts::Never => false,
        Restarts::OnRequest => action.has(linux::SA_RESTART),
        Restarts::Always => true,
    };
    if restarts {
        ctx.registers.x[0] = call.x0;
        ctx.registers.pc = ctx.registers.pc.wrapping_sub(4);
    } else {
        ctx.task.sleep_until.store(0, Ordering::Relaxed);
    }
}

/// Puts back the mask of a call that had its own, when no handler's frame does it.
fn restore_mask(ctx: &Ctx<'_>) {
    if ctx.task.work.load(Ordering::Acquire) & work::RESTORE_MASK == 0 {
        return;
    }
    ctx.task.work.fetch_and(!work::RESTORE_MASK, Ordering::AcqRel);
    let saved = ctx.task.signals.lock().saved_mask.take();
    if let Some(mask) = saved {
        super::set_mask(ctx.task, mask);
    }
}

fn apply_default(ctx: &mut Ctx<'_>, info: SigInfo) {
    match info.signal.default_action() {
        Default::Ignore | Default::Continue => {}
        Default::Stop => stop(ctx, info.signal),
        Default::Terminate => {
            report::fatal(ctx, &info);
            let status = ExitStatus::Killed(info.signal.number());
            exit::end_process(&ctx.task.process, status);
        }
    }
}

/// Stops the whole process and tells the parent.
fn stop(ctx: &Ctx<'_>, signal: Signal) {
    let process = ctx.process();
    process.stopped.store(u32::from(signal.number()), Ordering::Release);
    for task in process.system.tasks_of(process.pid) {
        task.kick(work::STOP);
    }
    process.system.note_stopped(process.pid, signal.number());
}

fn wait_while_stopped(ctx: &Ctx<'_>) {
    let process = ctx.process();
    let parker = ctx.task.parker();
    loop {
        process.resume.add(&parker);
        let ends = ctx.task.work.load(Ordering::Acquire) & work::EXIT != 0;
        if ends || process.stopped.load(Ordering::Acquire) == 0 {
            break;
        }
        ctx.task.sleep(None);
    }
    process.resume.remove(&parker);
    ctx.task.work.fetch_and(!work::STOP, Ordering::AcqRel);
}

/// Pushes the frame and changes the mask for the handler.
fn enter_handler(ctx: &mut Ctx<'_>, info: SigInfo, action: &Action) {
    ctx.task.carrier().sync_fp();
    let trampoline = ctx.process().vdso.load(Ordering::Relaxed) + crate::vdso::SIGRETURN_OFFSET;
    let (mask, stack) = {
        let mut own = ctx.task.signals.lock();
        ctx.task.work.fetch_and(!work::RESTORE_MASK, Ordering::AcqRel);
        (own.saved_mask.take().unwrap_or(own.mask), own.stack)
    };
    let delivery = Delivery { info, action: *action, mask, stack, trampoline };
    if frame::push(ctx.registers, ctx.memory, &delivery).is_err() {
        // As Linux: a stack that cannot take the frame ends in SIGSEGV, by default if it was that.
        if info.signal == Signal::SIGSEGV {
            let default = Action { handler: Action::DEFAULT, ..*action };
            ctx.process().signals.lock().set_action(Signal::SIGSEGV, default);
        }
        send::force(ctx.task, SigInfo::kernel(Signal::SIGSEGV));
        return;
    }
    let mut blocked = action.mask;
    if !action.has(linux::SA_NODEFER) {
        blocked = blocked.union(SigSet::of(info.signal));
    }
    let current = {
        let mut own = ctx.task.signals.lock();
        if stack.flags & linux::SS_AUTODISARM != 0 && stack.holds(ctx.registers.sp) {
            own.stack = super::AltStack::NONE;
        }
        own.mask
    };
    super::set_mask(ctx.task, current.union(blocked));
}

/// Returns from a handler: `rt_sigreturn`. The registers, x0 among them, are the frame's.
///
/// # Errors
/// Never to the caller: a bad frame becomes `SIGSEGV`.
pub fn sigreturn(ctx: &mut Ctx<'_>) -> Result<u64, Errno> {
    ctx.task.carrier().sync_fp();
    match frame::pop(ctx.registers, ctx.memory) {
        Ok((mask, stack)) => {
            ctx.task.signals.lock().stack = stack;
            super::set_mask(ctx.task, mask);
        }
        Err(_) => send::force(ctx.task, SigInfo::kernel(Signal::SIGSEGV)),
    }
    Ok(ctx.registers.x[0])
}

/// Makes a fault of the program a signal.
pub fn fault_signal(ctx: &mut Ctx<'_>, info: SigInfo) {
    send::force(ctx.task, info);
}
