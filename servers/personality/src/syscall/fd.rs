//! System calls on descriptors: close, dup, fcntl, ioctl.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_raw_sys::{general as linux, ioctl as requests};

use super::{Ctx, lock, tty};
use crate::errno::Errno;
use crate::vfs::lock::Owner;
use crate::vfs::pipe::Pipe;
use crate::vfs::tty::Tty;
use crate::vfs::{Kind, OnExec, OpenFile};

/// Gives the open file of a descriptor.
pub(super) fn file(ctx: &Ctx<'_>, fd: u64) -> Result<Arc<OpenFile>, Errno> {
    let table = ctx.process().files.lock();
    let table = table.lock();
    // The upper half of the register is not part of an int.
    table.get(fd as u32).cloned()
}

/// Gives the open file of a descriptor, but none that stands for a path only.
pub(super) fn usable_file(ctx: &Ctx<'_>, fd: u64) -> Result<Arc<OpenFile>, Errno> {
    let file = file(ctx, fd)?;
    if file.is_path() { Err(Errno::EBADF) } else { Ok(file) }
}

/// Gives an open file the lowest free descriptor.
pub(super) fn install(ctx: &Ctx<'_>, file: Arc<OpenFile>, on_exec: OnExec) -> Result<u64, Errno> {
    install_from(ctx, file, 0, on_exec)
}

fn install_from(
    ctx: &Ctx<'_>,
    file: Arc<OpenFile>,
    from: u32,
    on_exec: OnExec,
) -> Result<u64, Errno> {
    let limit = open_limit(ctx);
    let table = ctx.process().fd_table();
    let fd = table.lock().insert(file, from, limit, on_exec)?;
    Ok(u64::from(fd))
}

/// The number of descriptors that the process may have.
pub(super) fn open_limit(ctx: &Ctx<'_>) -> u64 {
    ctx.process().limits.lock().open_files().min(1 << 20)
}

/// Gives up what closing a descriptor of `file` gives up: the process' range locks.
fn release_locks(ctx: &Ctx<'_>, file: &OpenFile) {
    let locks = &ctx.system().vfs.locks;
    if !locks.is_empty() {
        locks.release_all(file.vnode().identity(), Owner::Process(ctx.process().pid));
    }
}

pub(super) fn close(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> Result<u64, Errno> {
    let table = ctx.process().fd_table();
    let file = table.lock().remove(fd as u32)?;
    release_locks(ctx, &file);
    Ok(0)
}

/// `CLOSE_RANGE_UNSHARE` of linux/close_range.h.
const CLOSE_RANGE_UNSHARE: u64 = 2;
/// `CLOSE_RANGE_CLOEXEC` of linux/close_range.h.
const CLOSE_RANGE_CLOEXEC: u64 = 4;

pub(super) fn close_range(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [first, last, flags, ..] = args;
    let (first, last) = (first as u32, last as u32);
    if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let table = if flags & CLOSE_RANGE_UNSHARE != 0 {
        let mut held = ctx.process().files.lock();
        let copy = Arc::new(crate::sync::Mutex::new(held.lock().clone()));
        *held = copy.clone();
        copy
    } else {
        ctx.process().fd_table()
    };
    let numbers: Vec<u32> =
        table.lock().numbers().filter(|fd| (first..=last).contains(fd)).collect();
    for fd in numbers {
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            // A thread that shares the table may have closed it by now.
            let _ = table.lock().set_on_exec(fd, OnExec::Close);
            continue;
        }
        let removed = table.lock().remove(fd);
        if let Ok(file) = removed {
            release_locks(ctx, &file);
        }
    }
    Ok(0)
}

pub(super) fn dup(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> Result<u64, Errno> {
    install(ctx, file(ctx, fd)?, OnExec::Keep)
}

pub(super) fn dup3(ctx: &mut Ctx<'_>, [old, new, flags, ..]: [u64; 6]) -> Result<u64, Errno> {
    let (flags, new) = (flags as u32, new as u32);
    if flags & !linux::O_CLOEXEC != 0 || old as u32 == new {
        return Err(Errno::EINVAL);
    }
    let limit = open_limit(ctx);
    let table = ctx.process().fd_table();
    let mut locked = table.lock();
    let file = locked.get(old as u32)?.clone();
    let on_exec = OnExec::from_flag(flags, linux::O_CLOEXEC);
    let replaced = locked.replace(new, file, limit, on_exec)?;
    drop(locked);
    if let Some(file) = replaced {
        release_locks(ctx, &file);
    }
    Ok(u64::from(new))
}

pub(super) fn fcntl(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, command, argument, ..] = args;
    let file = file(ctx, fd)?;
    let table = ctx.process().fd_table();
    match command as u32 {
        linux::F_DUPFD => duplicate(ctx, file, argument, OnExec::Keep),
        linux::F_DUPFD_CLOEXEC => duplicate(ctx, file, argument, OnExec::Close),
        linux::F_GETFD => {
            let on_exec = table.lock().on_exec(fd as u32)?;
            Ok(if on_exec == OnExec::Close { u64::from(linux::FD_CLOEXEC) } else { 0 })
        }
        linux::F_SETFD => {
            let on_exec = OnExec::from_flag(argument as u32, linux::FD_CLOEXEC);
            table.lock().set_on_exec(fd as u32, on_exec).map(|()| 0)
        }
        linux::F_GETFL => Ok(u64::from(file.flags())),
        _ if file.is_path() => Err(Errno::EBADF),
        linux::F_SETFL => {
            file.set_flags(argument as u32);
            Ok(0)
        }
        linux::F_GETLK | linux::F_OFD_GETLK => lock::get(ctx, &file, command as u32, argument),
        linux::F_SETLK | linux::F_SETLKW | linux::F_OFD_SETLK | linux::F_OFD_SETLKW => {
            lock::set(ctx, &file, command as u32, argument)
        }
        // Asynchronous notification is not there; the owner is taken and never told.
        linux::F_SETOWN | linux::F_SETSIG | linux::F_GETOWN | linux::F_GETSIG => Ok(0),
        linux::F_GETPIPE_SZ => Ok(pipe_of(&file)?.capacity() as u64),
        linux::F_SETPIPE_SZ => Ok(pipe_of(&file)?.set_capacity(argument as u32 as usize)? as u64),
        _ => Err(Errno::EINVAL),
    }
}

fn duplicate(ctx: &Ctx<'_>, file: Arc<OpenFile>, from: u64, on_exec: OnExec) -> Result<u64, Errno> {
    if from >= open_limit(ctx) {
        return Err(Errno::EINVAL);
    }
    install_from(ctx, file, from as u32, on_exec)
}

/// The pipe behind an open file. `EBADF` for anything else.
fn pipe_of(file: &OpenFile) -> Result<&Pipe, Errno> {
    let io: &dyn Any = &**file.io();
    io.downcast_ref::<Pipe>().ok_or(Errno::EBADF)
}

/// The terminal behind an open file.
pub(super) fn tty_of(file: &OpenFile) -> Option<&Tty> {
    if file.io().kind() != Kind::CharDevice {
        return None;
    }
    let io: &dyn Any = &**file.io();
    io.downcast_ref::<Tty>()
}

pub(super) fn ioctl(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, request, argument, ..] = args;
    let file = usable_file(ctx, fd)?;
    let table = ctx.process().fd_table();
    match request as u32 {
        requests::FIOCLEX => table.lock().set_on_exec(fd as u32, OnExec::Close).map(|()| 0),
        requests::FIONCLEX => table.lock().set_on_exec(fd as u32, OnExec::Keep).map(|()| 0),
        requests::FIONBIO => {
            let wanted = ctx.memory.read_u32(argument)? != 0;
            let flags = file.flags() & !linux::O_NONBLOCK;
            file.set_flags(if wanted { flags | linux::O_NONBLOCK } else { flags });
            Ok(0)
        }
        requests::FIONREAD => {
            let count = readable_bytes(&file)?;
            ctx.memory.write_u32(argument, count.min(0x7fff_ffff) as u32)?;
            Ok(0)
        }
        requests::FICLONE | requests::FICLONERANGE if file.vnode().kind() == Kind::File => {
            Err(Errno::EOPNOTSUPP)
        }
        request => match tty_of(&file) {
            Some(tty) => tty::control(ctx, tty, request, argument),
            None => Err(Errno::ENOTTY),
        },
    }
}

/// What `FIONREAD` tells. `ENOTTY` for what is neither a stream nor a file.
fn readable_bytes(file: &OpenFile) -> Result<u64, Errno> {
    if let Some(count) = file.io().readable_bytes() {
        return Ok(count);
    }
    if file.vnode().kind() != Kind::File {
        return Err(Errno::ENOTTY);
    }
    let offset = *file.offset().lock();
    Ok(file.io().stat().size.saturating_sub(offset))
}
