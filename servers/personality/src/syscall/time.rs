//! Calls about time.

use core::sync::atomic::Ordering;

use linux_raw_sys::general as linux;

use super::Ctx;
use crate::errno::Errno;
use crate::time::SECOND;
use crate::wait::Deadline;

/// Returns what a clock shows, in nanoseconds.
fn read_clock(ctx: &Ctx<'_>, clock: u32) -> Result<u64, Errno> {
    let system = ctx.system();
    match clock {
        linux::CLOCK_REALTIME | linux::CLOCK_REALTIME_COARSE | linux::CLOCK_TAI => {
            Ok(system.realtime())
        }
        linux::CLOCK_MONOTONIC
        | linux::CLOCK_MONOTONIC_RAW
        | linux::CLOCK_MONOTONIC_COARSE
        | linux::CLOCK_BOOTTIME => Ok(system.monotonic()),
        linux::CLOCK_PROCESS_CPUTIME_ID => Ok(system.clock.monotonic(ctx.process().cpu_ticks())),
        linux::CLOCK_THREAD_CPUTIME_ID => Ok(system.clock.monotonic(ctx.task.cpu_ticks())),
        _ => Err(Errno::EINVAL),
    }
}

/// Reads a `struct timespec` as nanoseconds.
///
/// # Errors
/// `EFAULT`, `EINVAL`.
pub fn read_timespec(ctx: &Ctx<'_>, address: u64) -> Result<u64, Errno> {
    let (seconds, nanoseconds) = (ctx.memory.read_u64(address)?, ctx.memory.read_u64(address + 8)?);
    if (seconds as i64) < 0 || nanoseconds >= SECOND {
        return Err(Errno::EINVAL);
    }
    Ok(seconds.saturating_mul(SECOND).saturating_add(nanoseconds))
}

/// Writes nanoseconds as a `struct timespec`.
///
/// # Errors
/// `EFAULT`.
pub fn write_timespec(ctx: &Ctx<'_>, address: u64, nanoseconds: u64) -> Result<(), Errno> {
    ctx.memory.write_u64(address, nanoseconds / SECOND)?;
    ctx.memory.write_u64(address + 8, nanoseconds % SECOND)
}

/// Reads a relative timeout; a null pointer is none.
///
/// # Errors
/// `EFAULT`, `EINVAL`.
pub fn read_timeout(ctx: &Ctx<'_>, address: u64) -> Result<Option<Deadline>, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let wait = read_timespec(ctx, address)?;
    Ok(Some(after(ctx, wait)))
}

/// Returns the deadline that is so many nanoseconds away.
#[must_use]
pub fn after(ctx: &Ctx<'_>, nanoseconds: u64) -> Deadline {
    let system = ctx.system();
    system.clock.deadline(system.monotonic().saturating_add(nanoseconds))
}

/// `clock_gettime(clock, time)`.
pub fn clock_gettime(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let now = read_clock(ctx, args[0] as u32)?;
    write_timespec(ctx, args[1], now)?;
    Ok(0)
}

/// `clock_getres(clock, resolution)`.
pub fn clock_getres(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    read_clock(ctx, args[0] as u32)?;
    if args[1] != 0 {
        write_timespec(ctx, args[1], 1)?;
    }
    Ok(0)
}

fn set_realtime(ctx: &Ctx<'_>, nanoseconds: u64) -> Result<u64, Errno> {
    if ctx.process().credentials.lock().user.effective != 0 {
        return Err(Errno::EPERM);
    }
    let system = ctx.system();
    system.clock.set_realtime(system.machine.now(), nanoseconds);
    if let Some(vdso) = &system.vdso {
        vdso.update(&system.frames, &system.clock);
    }
    Ok(0)
}

/// `clock_settime(clock, time)`.
pub fn clock_settime(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let time = read_timespec(ctx, args[1])?;
    match args[0] as u32 {
        linux::CLOCK_REALTIME => set_realtime(ctx, time),
        _ => Err(Errno::EINVAL),
    }
}

/// `gettimeofday(time, zone)`.
pub fn gettimeofday(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    if args[0] != 0 {
        let now = ctx.system().realtime();
        ctx.memory.write_u64(args[0], now / SECOND)?;
        ctx.memory.write_u64(args[0] + 8, now % SECOND / 1000)?;
    }
    if args[1] != 0 {
        ctx.memory.write_u64(args[1], 0)?;
    }
    Ok(0)
}

/// `settimeofday(time, zone)`.
pub fn settimeofday(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    if args[0] == 0 {
        return Ok(0);
    }
    let (seconds, micros) = (ctx.memory.read_u64(args[0])?, ctx.memory.read_u64(args[0] + 8)?);
    if micros >= 1_000_000 {
        return Err(Errno::EINVAL);
    }
    set_realtime(ctx, seconds.saturating_mul(SECOND).saturating_add(micros * 1000))
}

/// `nanosleep(request, remaining)`.
pub fn nanosleep(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    sleep(ctx, u64::from(linux::CLOCK_MONOTONIC), false, args[0], args[1])
}

/// `clock_nanosleep(clock, flags, request, remaining)`.
pub fn clock_nanosleep(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [clock, flags, request, remaining, ..] = args;
    if clock as u32 == linux::CLOCK_THREAD_CPUTIME_ID {
        return Err(Errno::EOPNOTSUPP);
    }
    sleep(ctx, clock, flags as u32 & linux::TIMER_ABSTIME != 0, request, remaining)
}

fn sleep(
    ctx: &mut Ctx<'_>,
    clock: u64,
    is_absolute: bool,
    request: u64,
    remaining: u64,
) -> Result<u64, Errno> {
    let wanted = read_timespec(ctx, request)?;
    let now = ctx.system().monotonic();
    // A sleep that no handler ended goes on to where it would have ended.
    let restarted = ctx.task.sleep_until.swap(0, Ordering::Relaxed);
    let end = if restarted != 0 {
        restarted
    } else if is_absolute {
        now.saturating_add(wanted.saturating_sub(read_clock(ctx, clock as u32)?))
    } else {
        read_clock(ctx, clock as u32)?;
        now.saturating_add(wanted)
    };
    let deadline = ctx.system().clock.deadline(end);
    let result =
        ctx.wait_on(&[], Some(deadline), |ctx| Ok((ctx.system().monotonic() >= end).then_some(())));
    if let Err(error) = result {
        ctx.task.sleep_until.store(end, Ordering::Relaxed);
        if !is_absolute && remaining != 0 {
            let left = end.saturating_sub(ctx.system().monotonic());
            write_timespec(ctx, remaining, left)?;
        }
        return Err(error);
    }
    Ok(0)
}
