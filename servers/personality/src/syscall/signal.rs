//! Calls about signals.

use core::sync::atomic::Ordering;

use linux_raw_sys::general as linux;

use super::Ctx;
use crate::errno::Errno;
use crate::signal::{
    Action, AltStack, Origin, SigInfo, SigSet, Signal, deliver, frame, info, send, set_mask,
};
use crate::task::Process;
use crate::task::work;

/// Size of `sigset_t`.
const SET_BYTES: u64 = 8;

fn signal(number: u64) -> Result<Signal, Errno> {
    Signal::new(u64::from(number as u32)).ok_or(Errno::EINVAL)
}

fn check_size(size: u64) -> Result<(), Errno> {
    if size == SET_BYTES { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `rt_sigaction(signal, new, old, size)`.
pub fn rt_sigaction(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [number, new, old, size, ..] = args;
    check_size(size)?;
    let signal = signal(number)?;
    let action = if new == 0 { None } else { Some(read_action(ctx, new)?) };
    if action.is_some() && !SigSet::of(signal).blockable().contains(signal) {
        return Err(Errno::EINVAL);
    }
    let before = {
        let mut signals = ctx.process().signals.lock();
        let before = signals.action(signal);
        if let Some(action) = action {
            signals.set_action(signal, action);
            if action.ignores(signal) {
                signals.pending.discard(SigSet::of(signal));
            }
        }
        before
    };
    if action.is_some_and(|action| action.ignores(signal)) {
        for task in ctx.system().tasks_of(ctx.process().pid) {
            task.signals.lock().pending.discard(SigSet::of(signal));
        }
    }
    if old != 0 {
        for (index, word) in
            [before.handler, before.flags, before.restorer, before.mask.0].into_iter().enumerate()
        {
            ctx.memory.write_u64(old + index as u64 * 8, word)?;
        }
    }
    Ok(0)
}

fn read_action(ctx: &Ctx<'_>, address: u64) -> Result<Action, Errno> {
    let field = |index: u64| ctx.memory.read_u64(address.wrapping_add(index * 8));
    Ok(Action {
        handler: field(0)?,
        flags: field(1)?,
        restorer: field(2)?,
        mask: SigSet(field(3)?).blockable(),
    })
}

/// `rt_sigprocmask(how, new, old, size)`.
pub fn rt_sigprocmask(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [how, new, old, size, ..] = args;
    check_size(size)?;
    let before = ctx.task.signals.lock().mask;
    if new != 0 {
        let set = SigSet(ctx.memory.read_u64(new)?);
        let mask = match how as u32 {
            linux::SIG_BLOCK => before.union(set),
            linux::SIG_UNBLOCK => before.without(set),
            linux::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        set_mask(ctx.task, mask);
    }
    if old != 0 {
        ctx.memory.write_u64(old, before.0)?;
    }
    Ok(0)
}

/// `rt_sigpending(set, size)`.
pub fn rt_sigpending(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    check_size(args[1])?;
    let process = ctx.process().signals.lock().pending.set();
    let (own, mask) = {
        let own = ctx.task.signals.lock();
        (own.pending.set(), own.mask)
    };
    ctx.memory.write_u64(args[0], process.union(own).intersect(mask).0)?;
    Ok(0)
}

/// Puts a mask in place until the call is over and its signal delivered (`ppoll`, `pselect6`,
/// `epoll_pwait`, `rt_sigsuspend`).
pub fn use_mask(ctx: &Ctx<'_>, mask: SigSet) {
    let old = set_mask(ctx.task, mask);
    // A restarted call finds the program's own mask saved already, and keeps it.
    ctx.task.signals.lock().saved_mask.get_or_insert(old);
    ctx.task.work.fetch_or(work::RESTORE_MASK, Ordering::AcqRel);
}

/// `rt_sigsuspend(mask, size)`.
pub fn rt_sigsuspend(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    check_size(args[1])?;
    let mask = SigSet(ctx.memory.read_u64(args[0])?);
    use_mask(ctx, mask);
    ctx.wait_on(&[], None, |_| Ok(None::<()>))?;
    Err(Errno::EINTR)
}

/// `rt_sigtimedwait(set, info, timeout, size)`.
pub fn rt_sigtimedwait(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [set, info_address, timeout, size, ..] = args;
    check_size(size)?;
    let set = SigSet(ctx.memory.read_u64(set)?).blockable();
    let deadline = super::time::read_timeout(ctx, timeout)?;
    ctx.task.waits_for.store(set.0, Ordering::Release);
    let taken = ctx.wait_on(&[], deadline, |ctx| {
        let own = ctx.task.signals.lock().pending.take(set);
        Ok(own.or_else(|| ctx.process().signals.lock().pending.take(set)))
    });
    ctx.task.waits_for.store(0, Ordering::Release);
    let info = taken?.ok_or(Errno::EAGAIN)?;
    if info_address != 0 {
        ctx.memory.write(info_address, &info.to_bytes())?;
    }
    Ok(u64::from(info.signal.number()))
}

/// `rt_sigreturn()`.
pub fn rt_sigreturn(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    deliver::sigreturn(ctx)
}

/// `sigaltstack(new, old)`.
pub fn sigaltstack(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [new, old, ..] = args;
    let sp = ctx.registers.sp;
    let before = ctx.task.signals.lock().stack;
    if new != 0 {
        let (base, flags) = (ctx.memory.read_u64(new)?, ctx.memory.read_u32(new + 8)?);
        let bytes = ctx.memory.read_u64(new + 16)?;
        if before.bytes > 0 && before.holds(sp) {
            return Err(Errno::EPERM);
        }
        let mode = flags & !linux::SS_AUTODISARM;
        let stack = match mode {
            linux::SS_DISABLE => AltStack::NONE,
            0 | linux::SS_ONSTACK if bytes < frame::MIN_STACK => return Err(Errno::ENOMEM),
            0 | linux::SS_ONSTACK => AltStack { base, bytes, flags: flags & linux::SS_AUTODISARM },
            _ => return Err(Errno::EINVAL),
        };
        ctx.task.signals.lock().stack = stack;
    }
    if old != 0 {
        ctx.memory.write_u64(old, before.base)?;
        ctx.memory.write_u32(old + 8, before.shown_flags(sp))?;
        ctx.memory.write_u64(old + 16, before.bytes)?;
    }
    Ok(0)
}

fn own_info(ctx: &Ctx<'_>, signal: Signal, code: i32) -> SigInfo {
    let uid = ctx.process().credentials.lock().user.real;
    SigInfo { signal, code, origin: Origin::Process { pid: ctx.process().pid, uid, value: 0 } }
}

/// Decodes the signal of a `kill`; `None` for 0, which only asks whether the target exists.
fn kill_info(ctx: &Ctx<'_>, number: u64, code: i32) -> Result<Option<SigInfo>, Errno> {
    if number as u32 == 0 {
        return Ok(None);
    }
    Ok(Some(own_info(ctx, signal(number)?, code)))
}

/// `kill(pid, signal)`.
pub fn kill(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let info = kill_info(ctx, args[1], SigInfo::USER)?;
    let system = &ctx.task.process.system;
    let to_each = |is_meant: &dyn Fn(&Process) -> bool| match send::to_each(system, info, is_meant)
    {
        0 => Err(Errno::ESRCH),
        _ => Ok(0),
    };
    let to_group = |group| to_each(&|process| process.group.load(Ordering::Relaxed) == group);
    match args[0] as i32 {
        0 => to_group(ctx.process().group.load(Ordering::Relaxed)),
        -1 => {
            let own = ctx.process().pid;
            to_each(&|process| process.pid > 1 && process.pid != own)
        }
        group if group < 0 => to_group(group.unsigned_abs()),
        pid => {
            let process = system.process(pid as u32).ok_or(Errno::ESRCH)?;
            if let Some(info) = info {
                send::to_process(&process, info);
            }
            Ok(0)
        }
    }
}

fn to_thread(
    ctx: &Ctx<'_>,
    group: Option<u32>,
    tid: u64,
    info: Option<SigInfo>,
) -> Result<u64, Errno> {
    if tid as i32 <= 0 || group.is_some_and(|group| group as i32 <= 0) {
        return Err(Errno::EINVAL);
    }
    let task = ctx.system().task(tid as u32).ok_or(Errno::ESRCH)?;
    if group.is_some_and(|group| task.process.pid != group) {
        return Err(Errno::ESRCH);
    }
    if let Some(info) = info {
        send::to_task(&task, info);
    }
    Ok(0)
}

/// `tkill(tid, signal)`.
pub fn tkill(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let info = kill_info(ctx, args[1], SigInfo::TKILL)?;
    to_thread(ctx, None, args[0], info)
}

/// `tgkill(pid, tid, signal)`.
pub fn tgkill(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let info = kill_info(ctx, args[2], SigInfo::TKILL)?;
    to_thread(ctx, Some(args[0] as u32), args[1], info)
}

/// Reads the `siginfo_t` of a queued signal. Only the system may claim to be the system.
fn queued_info(ctx: &Ctx<'_>, number: u64, address: u64, own: bool) -> Result<SigInfo, Errno> {
    let mut bytes = [0; info::BYTES];
    ctx.memory.read(address, &mut bytes)?;
    let info = SigInfo::queued(signal(number)?, &bytes);
    if !own && (info.code >= 0 || info.code == SigInfo::TKILL) {
        return Err(Errno::EPERM);
    }
    Ok(info)
}

/// `rt_sigqueueinfo(pid, signal, info)`.
pub fn rt_sigqueueinfo(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let is_own = args[0] as u32 == ctx.process().pid;
    let info = queued_info(ctx, args[1], args[2], is_own)?;
    let process = ctx.system().process(args[0] as u32).ok_or(Errno::ESRCH)?;
    send::to_process(&process, info);
    Ok(0)
}

/// `rt_tgsigqueueinfo(pid, tid, signal, info)`.
pub fn rt_tgsigqueueinfo(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let is_own = args[0] as u32 == ctx.process().pid;
    let info = queued_info(ctx, args[2], args[3], is_own)?;
    to_thread(ctx, Some(args[0] as u32), args[1], Some(info))
}
