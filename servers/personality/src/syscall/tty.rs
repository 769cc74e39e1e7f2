//! The terminal's requests, and the rules for processes in its background.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use linux_raw_sys::ioctl as requests;

use super::Ctx;
use crate::errno::Errno;
use crate::signal::{Action, SigInfo, Signal, send};
use crate::system::System;
use crate::task::Process;
use crate::vfs::OpenFile;
use crate::vfs::abi::{Record, read_half, read_word};
use crate::vfs::transfer::Sink;
use crate::vfs::tty::{Modes, Tty, WindowSize};
use crate::vfs::vnode::{Direction, Vnode};
use crate::wait::Deadline;

/// Bytes of the kernel's `struct termios`.
const TERMIOS_BYTES: usize = 36;
/// Where the control characters begin in it; the line discipline's number stands before them.
const CHARACTERS: usize = 17;
/// `TCIFLUSH` of `TCFLSH`.
const TCIFLUSH: u64 = 0;
/// `TCIOFLUSH` of `TCFLSH`.
const TCIOFLUSH: u64 = 2;
/// Nanoseconds of a tenth of a second, the unit of `VTIME`.
const TENTH: u64 = 100_000_000;

/// Stops a process in the background that wants to read (`SIGTTIN`) or to change something
/// (`SIGTTOU`): its group is signalled and the call ends with `EINTR`, to be made again. A process
/// that does not want the signal gets `EIO` when it reads and may go on otherwise.
fn check_background(ctx: &Ctx<'_>, tty: &Tty, signal: Signal) -> Result<(), Errno> {
    let process = ctx.process();
    let group = process.group.load(Ordering::Relaxed);
    if !tty.is_background(process.session.load(Ordering::Relaxed), group) {
        return Ok(());
    }
    let is_ignored = process.signals.lock().action(signal).handler == Action::IGNORE;
    let is_blocked = ctx.task.signals.lock().mask.contains(signal);
    if is_ignored || is_blocked {
        return if signal == Signal::SIGTTIN { Err(Errno::EIO) } else { Ok(()) };
    }
    if is_orphaned(ctx.system(), group) {
        return Err(Errno::EIO);
    }
    send::to_group(ctx.system(), group, SigInfo::kernel(signal));
    Err(Errno::EINTR)
}

/// Tells whether nobody would let a stopped group go on: no member has a parent in another group
/// of the same session.
fn is_orphaned(system: &System, group: u32) -> bool {
    let processes = system.processes();
    let place = |process: &Process| {
        let session = process.session.load(Ordering::Relaxed);
        (session, process.group.load(Ordering::Relaxed))
    };
    !processes.iter().any(|member: &Arc<Process>| {
        let parent = member.parent.load(Ordering::Relaxed);
        let (session, own_group) = place(member);
        own_group == group
            && processes.iter().find(|process| process.pid == parent).is_some_and(|parent| {
                let (parent_session, parent_group) = place(parent);
                parent_session == session && parent_group != group
            })
    })
}

/// Checks that the process may write now.
pub(super) fn check_output(ctx: &Ctx<'_>, tty: &Tty) -> Result<(), Errno> {
    if tty.stops_background_output() { check_background(ctx, tty, Signal::SIGTTOU) } else { Ok(()) }
}

/// Reads under the modes, waiting as they say.
pub(super) fn read(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    tty: &Tty,
    into: &mut dyn Sink,
) -> Result<usize, Errno> {
    check_background(ctx, tty, Signal::SIGTTIN)?;
    let result = file.read(into);
    let rule = tty.read_rule();
    let waits = match result {
        Err(Errno::EAGAIN) => !file.is_nonblocking(),
        Ok(0) => rule.minimum == 0 && rule.tenths > 0 && into.room() > 0,
        _ => false,
    };
    if !waits {
        return result;
    }
    let Some(queue) = tty.queue(Direction::Input) else { return result };
    if rule.minimum > 0 && rule.tenths > 0 {
        // The time runs from the first byte on.
        ctx.wait_on(&[queue], None, |_| Ok(if has_input(tty) { Some(()) } else { None }))?;
    }
    let deadline = if rule.tenths > 0 { Some(after_tenths(ctx, rule.tenths)) } else { None };
    let done = ctx.wait_on(&[queue], deadline, |ctx| {
        check_background(ctx, tty, Signal::SIGTTIN)?;
        match file.read(into) {
            Ok(0) if rule.minimum == 0 && rule.tenths > 0 => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error),
        }
    })?;
    match done {
        Some(count) => Ok(count),
        // Time is up: what is there, though it is less than the minimum.
        None => tty.read_now(into),
    }
}

fn has_input(tty: &Tty) -> bool {
    tty.readable_bytes().is_some_and(|count| count > 0)
}

fn after_tenths(ctx: &Ctx<'_>, tenths: u8) -> Deadline {
    let system = ctx.system();
    system.clock.deadline(system.monotonic() + u64::from(tenths) * TENTH)
}

/// Carries out an `ioctl` on a terminal.
pub(super) fn control(
    ctx: &mut Ctx<'_>,
    tty: &Tty,
    request: u32,
    argument: u64,
) -> Result<u64, Errno> {
    match request {
        requests::TCGETS => write_modes(ctx, tty, argument),
        requests::TCSETS | requests::TCSETSW | requests::TCSETSF => {
            check_background(ctx, tty, Signal::SIGTTOU)?;
            set_modes(ctx, tty, request, argument)
        }
        requests::TIOCGWINSZ => write_window(ctx, tty, argument),
        requests::TIOCSWINSZ => set_window(ctx, tty, argument),
        requests::TIOCGPGRP => {
            let group = own_terminal(ctx, tty)?.1;
            ctx.memory.write_u32(argument, group).map(|()| 0)
        }
        requests::TIOCSPGRP => {
            check_background(ctx, tty, Signal::SIGTTOU)?;
            set_foreground(ctx, tty, argument)
        }
        requests::TIOCGSID => {
            let session = own_terminal(ctx, tty)?.0;
            ctx.memory.write_u32(argument, session).map(|()| 0)
        }
        requests::TIOCSCTTY => take(ctx, tty),
        requests::TIOCNOTTY => give_up(ctx, tty),
        requests::TCFLSH => {
            if argument == TCIFLUSH || argument == TCIOFLUSH {
                tty.flush_input();
            }
            if argument <= TCIOFLUSH { Ok(0) } else { Err(Errno::EINVAL) }
        }
        // tcdrain is TCSBRK with a non-zero argument; a break cannot be sent.
        requests::TCSBRK | requests::TCSBRKP => {
            tty.drain();
            Ok(0)
        }
        requests::TIOCOUTQ => ctx.memory.write_u32(argument, 0).map(|()| 0),
        requests::TIOCGETD => ctx.memory.write_u32(argument, 0).map(|()| 0),
        requests::TCXONC => Ok(0),
        _ => Err(Errno::ENOTTY),
    }
}

fn write_modes(ctx: &Ctx<'_>, tty: &Tty, address: u64) -> Result<u64, Errno> {
    let modes = tty.modes();
    let record: [u8; TERMIOS_BYTES] = Record::default()
        .word(modes.input)
        .word(modes.output)
        .word(modes.control)
        .word(modes.local)
        .skip(1)
        .bytes(&modes.characters)
        .finish();
    ctx.memory.write(address, &record)?;
    Ok(0)
}

fn set_modes(ctx: &Ctx<'_>, tty: &Tty, request: u32, address: u64) -> Result<u64, Errno> {
    let mut bytes = [0; TERMIOS_BYTES];
    ctx.memory.read(address, &mut bytes)?;
    let mut characters = [0; 19];
    characters.copy_from_slice(bytes.get(CHARACTERS..).unwrap_or_default());
    let modes = Modes {
        input: read_word(&bytes, 0),
        output: read_word(&bytes, 4),
        control: read_word(&bytes, 8),
        local: read_word(&bytes, 12),
        characters,
    };
    if request != requests::TCSETS {
        tty.drain();
    }
    if request == requests::TCSETSF {
        tty.flush_input();
    }
    tty.set_modes(&modes);
    Ok(0)
}

fn write_window(ctx: &Ctx<'_>, tty: &Tty, address: u64) -> Result<u64, Errno> {
    let WindowSize { rows, columns } = tty.window();
    let record: [u8; 8] = Record::default().half(rows).half(columns).finish();
    ctx.memory.write(address, &record)?;
    Ok(0)
}

fn set_window(ctx: &Ctx<'_>, tty: &Tty, address: u64) -> Result<u64, Errno> {
    let mut bytes = [0; 8];
    ctx.memory.read(address, &mut bytes)?;
    let size = WindowSize { rows: read_half(&bytes, 0), columns: read_half(&bytes, 2) };
    if tty.set_window(size)
        && let Some(group) = tty.foreground()
    {
        send::to_group(ctx.system(), group, SigInfo::kernel(Signal::SIGWINCH));
    }
    Ok(0)
}

/// Session and foreground group of the terminal. `ENOTTY` unless it controls the caller's session.
fn own_terminal(ctx: &Ctx<'_>, tty: &Tty) -> Result<(u32, u32), Errno> {
    let session = ctx.process().session.load(Ordering::Relaxed);
    match (tty.session(), tty.foreground()) {
        (Some(owner), Some(group)) if owner == session => Ok((owner, group)),
        _ => Err(Errno::ENOTTY),
    }
}

fn set_foreground(ctx: &Ctx<'_>, tty: &Tty, address: u64) -> Result<u64, Errno> {
    let group = ctx.memory.read_u32(address)?;
    let (session, _) = own_terminal(ctx, tty)?;
    if group.cast_signed() < 0 {
        return Err(Errno::EINVAL);
    }
    ctx.system().send_typed();
    let members = ctx.system().processes();
    let mut members =
        members.iter().filter(|process| process.group.load(Ordering::Relaxed) == group).peekable();
    if members.peek().is_none() {
        return Err(Errno::ESRCH);
    }
    if !members.any(|process| process.session.load(Ordering::Relaxed) == session) {
        return Err(Errno::EPERM);
    }
    tty.set_foreground(group);
    Ok(0)
}

/// Makes it the controlling terminal of the caller, who leads a session without one.
fn take(ctx: &Ctx<'_>, tty: &Tty) -> Result<u64, Errno> {
    let process = ctx.process();
    let session = process.session.load(Ordering::Relaxed);
    match tty.session() {
        Some(owner) if owner == session => Ok(0),
        None if session == process.pid => {
            tty.attach(session, process.group.load(Ordering::Relaxed));
            Ok(0)
        }
        _ => Err(Errno::EPERM),
    }
}

/// Gives the controlling terminal up; when the leader does, the foreground group hears of it.
fn give_up(ctx: &Ctx<'_>, tty: &Tty) -> Result<u64, Errno> {
    let (session, group) = own_terminal(ctx, tty)?;
    if session == ctx.process().pid {
        tty.detach(session);
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            send::to_group(ctx.system(), group, SigInfo::kernel(signal));
        }
    }
    Ok(0)
}
