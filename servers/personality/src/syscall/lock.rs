//! Advisory locks: the lock commands of fcntl, and flock.

use alloc::sync::Arc;

use linux_raw_sys::general as linux;

use super::{Ctx, fd};
use crate::errno::Errno;
use crate::vfs::OpenFile;
use crate::vfs::abi::{Record, read_half, read_long};
use crate::vfs::lock::{Lock, LockTable, Owner, Sharing};

/// Bytes of `struct flock`.
const FLOCK_BYTES: usize = 32;

/// What a program asks for in a `struct flock`.
struct Request {
    start: u64,
    end: u64,
    /// `None` to unlock.
    sharing: Option<Sharing>,
}

fn table(ctx: &Ctx<'_>) -> Arc<LockTable> {
    ctx.system().vfs.locks.clone()
}

fn read_request(ctx: &Ctx<'_>, file: &OpenFile, address: u64) -> Result<Request, Errno> {
    let mut bytes = [0; FLOCK_BYTES];
    ctx.memory.read(address, &mut bytes)?;
    let sharing = match u32::from(read_half(&bytes, 0)) {
        linux::F_RDLCK => Some(Sharing::Shared),
        linux::F_WRLCK => Some(Sharing::Exclusive),
        linux::F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    let base = match u32::from(read_half(&bytes, 2)) {
        linux::SEEK_SET => 0,
        linux::SEEK_CUR => *file.offset().lock(),
        linux::SEEK_END => file.vnode().stat().size,
        _ => return Err(Errno::EINVAL),
    };
    let (start, length) = (read_long(&bytes, 8).cast_signed(), read_long(&bytes, 16).cast_signed());
    let start = base.cast_signed().checked_add(start).ok_or(Errno::EOVERFLOW)?;
    // A negative length reaches back from the start; 0 means to the end, however far.
    let (start, end) = match length {
        0 => (start, i64::MAX),
        1.. => (start, start.checked_add(length).ok_or(Errno::EOVERFLOW)?),
        _ => (start.checked_add(length).ok_or(Errno::EINVAL)?, start),
    };
    if start < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Request { start: start as u64, end: end as u64, sharing })
}

fn owner(ctx: &Ctx<'_>, file: &OpenFile, command: u32) -> Owner {
    match command {
        linux::F_OFD_GETLK | linux::F_OFD_SETLK | linux::F_OFD_SETLKW => Owner::OpenFile(file.id()),
        _ => Owner::Process(ctx.process().pid),
    }
}

pub(super) fn get(
    ctx: &Ctx<'_>,
    file: &OpenFile,
    command: u32,
    address: u64,
) -> Result<u64, Errno> {
    let request = read_request(ctx, file, address)?;
    let sharing = request.sharing.ok_or(Errno::EINVAL)?;
    let owner = owner(ctx, file, command);
    let wanted = Lock { start: request.start, end: request.end, owner, sharing };
    let Some(held) = table(ctx).find_conflict(file.vnode().identity(), &wanted) else {
        ctx.memory.write(address, &(linux::F_UNLCK as u16).to_le_bytes())?;
        return Ok(0);
    };
    let kind = if held.sharing == Sharing::Shared { linux::F_RDLCK } else { linux::F_WRLCK };
    let length = if held.end == i64::MAX as u64 { 0 } else { held.end - held.start };
    let pid = if let Owner::Process(pid) = held.owner { pid } else { u32::MAX };
    let record: [u8; FLOCK_BYTES] = Record::default()
        .half(kind as u16)
        .half(linux::SEEK_SET as u16)
        .skip(4)
        .long(held.start)
        .long(length)
        .word(pid)
        .finish();
    ctx.memory.write(address, &record)?;
    Ok(0)
}

pub(super) fn set(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    command: u32,
    address: u64,
) -> Result<u64, Errno> {
    let request = read_request(ctx, file, address)?;
    match request.sharing {
        Some(Sharing::Shared) => file.check_read()?,
        Some(Sharing::Exclusive) => file.check_write()?,
        None => {}
    }
    let owner = owner(ctx, file, command);
    if matches!(owner, Owner::OpenFile(_)) {
        file.note_locks(&table(ctx));
    }
    let sharing = request.sharing.unwrap_or(Sharing::Exclusive);
    let lock = Lock { start: request.start, end: request.end, owner, sharing };
    let waits = matches!(command, linux::F_SETLKW | linux::F_OFD_SETLKW);
    apply(ctx, file, lock, request.sharing.is_some(), waits)
}

/// Takes or gives up a lock, waiting for it if wanted.
fn apply(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    lock: Lock,
    is_taken: bool,
    waits: bool,
) -> Result<u64, Errno> {
    let table = table(ctx);
    let identity = file.vnode().identity();
    if !is_taken {
        table.release(identity, &lock);
        return Ok(0);
    }
    if !waits {
        return table.acquire(identity, lock).map(|()| 0);
    }
    let taken = ctx.wait_on(&[&table.released], None, |_| match table.acquire(identity, lock) {
        Ok(()) => Ok(Some(0)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(error) => Err(error),
    })?;
    Ok(taken.unwrap_or(0))
}

pub(super) fn flock(ctx: &mut Ctx<'_>, [fd, operation, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::usable_file(ctx, fd)?;
    let operation = operation as u32;
    let sharing = match operation & !linux::LOCK_NB {
        linux::LOCK_SH => Some(Sharing::Shared),
        linux::LOCK_EX => Some(Sharing::Exclusive),
        linux::LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    file.note_locks(&table(ctx));
    let lock = Lock {
        start: 0,
        end: i64::MAX as u64,
        owner: Owner::Whole(file.id()),
        sharing: sharing.unwrap_or(Sharing::Exclusive),
    };
    apply(ctx, &file, lock, sharing.is_some(), operation & linux::LOCK_NB == 0)
}
