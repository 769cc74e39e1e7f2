//! Calls about timers.

use linux_raw_sys::general as linux;

use super::Ctx;
use super::time::{read_timespec, write_timespec};
use crate::errno::Errno;
use crate::signal::Signal;
use crate::time::SECOND;
use crate::timer::{Notice, Setting, TimerId};

/// `si_code` of a signal from `timer_create`.
const SI_TIMER: i32 = -2;
/// `sigev_notify`: no signal, a signal, a signal to a thread.
const SIGEV_SIGNAL: u32 = 0;
const SIGEV_NONE: u32 = 1;
const SIGEV_THREAD_ID: u32 = 4;

fn real(ctx: &Ctx<'_>, which: u64) -> Result<TimerId, Errno> {
    match which as u32 {
        linux::ITIMER_REAL => Ok(TimerId { pid: ctx.process().pid, number: TimerId::REAL }),
        // Timers of processor time are not there.
        _ => Err(Errno::EINVAL),
    }
}

fn read_timeval(ctx: &Ctx<'_>, address: u64) -> Result<u64, Errno> {
    let (seconds, micros) = (ctx.memory.read_u64(address)?, ctx.memory.read_u64(address + 8)?);
    if (seconds as i64) < 0 || micros >= 1_000_000 {
        return Err(Errno::EINVAL);
    }
    Ok(seconds.saturating_mul(SECOND).saturating_add(micros * 1000))
}

/// What a setting shows: the interval and the time left.
fn shown(ctx: &Ctx<'_>, setting: Setting) -> [u64; 2] {
    let left = match setting.next {
        0 => 0,
        // A timer that is due but not sent yet has a little left.
        next => next.saturating_sub(ctx.system().monotonic()).max(1),
    };
    [setting.interval, left]
}

fn write_timevals(ctx: &Ctx<'_>, address: u64, setting: Setting) -> Result<(), Errno> {
    for (index, value) in (0..).step_by(16).zip(shown(ctx, setting)) {
        ctx.memory.write_u64(address + index, value / SECOND)?;
        ctx.memory.write_u64(address + index + 8, (value % SECOND).div_ceil(1000).min(999_999))?;
    }
    Ok(())
}

/// `setitimer(which, new, old)`.
pub(super) fn setitimer(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [which, new, old, ..] = args;
    let id = real(ctx, which)?;
    let (interval, value) = match new {
        0 => (0, 0),
        new => (read_timeval(ctx, new)?, read_timeval(ctx, new + 16)?),
    };
    let next = if value == 0 { 0 } else { ctx.system().monotonic().saturating_add(value) };
    let before = ctx.system().timers.set(id, Setting { next, interval }).unwrap_or_default();
    ctx.system().machine.wake_service();
    if old != 0 {
        write_timevals(ctx, old, before)?;
    }
    Ok(0)
}

/// `getitimer(which, value)`.
pub(super) fn getitimer(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let id = real(ctx, args[0])?;
    let setting = ctx.system().timers.get(id).unwrap_or_default();
    write_timevals(ctx, args[1], setting)?;
    Ok(0)
}

/// `timer_create(clock, event, id)`.
pub(super) fn timer_create(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [clock, event, id_address, ..] = args;
    match clock as u32 {
        linux::CLOCK_REALTIME | linux::CLOCK_MONOTONIC | linux::CLOCK_BOOTTIME => {}
        _ => return Err(Errno::EINVAL),
    }
    let default = Notice { signal: Some(Signal::SIGALRM), code: SI_TIMER, value: 0, tid: 0 };
    let notice = if event == 0 { default } else { read_event(ctx, event)? };
    let timers = &ctx.task.process.system.timers;
    let number = timers.create(ctx.process().pid, notice).ok_or(Errno::EAGAIN)?;
    ctx.memory.write_u32(id_address, number as u32)?;
    Ok(0)
}

/// Reads a `struct sigevent`.
fn read_event(ctx: &Ctx<'_>, address: u64) -> Result<Notice, Errno> {
    let value = ctx.memory.read_u64(address)?;
    let number = ctx.memory.read_u32(address + 8)?;
    let signal = Signal::new(u64::from(number)).ok_or(Errno::EINVAL);
    let (signal, tid) = match ctx.memory.read_u32(address + 12)? {
        SIGEV_NONE => (None, 0),
        SIGEV_SIGNAL => (Some(signal?), 0),
        SIGEV_THREAD_ID => {
            let tid = ctx.memory.read_u32(address + 16)?;
            let task = ctx.system().task(tid).ok_or(Errno::EINVAL)?;
            if task.process.pid != ctx.process().pid {
                return Err(Errno::EINVAL);
            }
            (Some(signal?), tid)
        }
        _ => return Err(Errno::EINVAL),
    };
    Ok(Notice { signal, code: SI_TIMER, value, tid })
}

fn made(ctx: &Ctx<'_>, number: u64) -> Result<TimerId, Errno> {
    match number as i32 {
        number if number >= 0 => Ok(TimerId { pid: ctx.process().pid, number }),
        _ => Err(Errno::EINVAL),
    }
}

/// `timer_settime(id, flags, new, old)`.
pub(super) fn timer_settime(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [number, flags, new, old, ..] = args;
    let id = made(ctx, number)?;
    let (interval, value) = (read_timespec(ctx, new)?, read_timespec(ctx, new + 16)?);
    let system = &ctx.task.process.system;
    let next = match (value, flags as u32 & linux::TIMER_ABSTIME != 0) {
        (0, _) => 0,
        (value, false) => system.monotonic().saturating_add(value),
        // An absolute time beyond the time since boot is the time of day's.
        (value, true) if value >= system.clock.epoch() && system.clock.epoch() > 0 => {
            (value - system.clock.epoch()).max(1)
        }
        (value, true) => value,
    };
    let before = system.timers.set(id, Setting { next, interval }).ok_or(Errno::EINVAL)?;
    system.machine.wake_service();
    if old != 0 {
        write_setting(ctx, old, before)?;
    }
    Ok(0)
}

fn write_setting(ctx: &Ctx<'_>, address: u64, setting: Setting) -> Result<(), Errno> {
    let [interval, left] = shown(ctx, setting);
    write_timespec(ctx, address, interval)?;
    write_timespec(ctx, address + 16, left)
}

/// `timer_gettime(id, value)`.
pub(super) fn timer_gettime(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let id = made(ctx, args[0])?;
    let setting = ctx.system().timers.get(id).ok_or(Errno::EINVAL)?;
    write_setting(ctx, args[1], setting)?;
    Ok(0)
}

/// `timer_getoverrun(id)`.
pub(super) fn timer_getoverrun(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let id = made(ctx, args[0])?;
    ctx.system().timers.overruns(id).map(u64::from).ok_or(Errno::EINVAL)
}

/// `timer_delete(id)`.
pub(super) fn timer_delete(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let id = made(ctx, args[0])?;
    if ctx.system().timers.delete(id) { Ok(0) } else { Err(Errno::EINVAL) }
}
