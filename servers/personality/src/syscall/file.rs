//! System calls that move bytes: read, write and their relatives, lseek, sendfile.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::{Ctx, fd, tty};
use crate::errno::Errno;
use crate::signal::{SigInfo, Signal, send};
use crate::vfs::abi::read_long;
use crate::vfs::transfer::{Bytes, Guest, Segment, Sink, Source};
use crate::vfs::vnode::{Allocation, Direction, Seek};
use crate::vfs::{Kind, OpenFile};

/// Repeats `attempt` while it gives `EAGAIN`, sleeping until there is something in `direction`.
fn wait_for(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    direction: Direction,
    mut attempt: impl FnMut() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let Some(queue) = file.io().queue(direction) else { return Err(Errno::EAGAIN) };
    let done = ctx.wait_on(&[queue], None, |_| match attempt() {
        Ok(count) => Ok(Some(count)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(error) => Err(error),
    })?;
    Ok(done.unwrap_or(0))
}

/// Reads at the file's offset, waiting if the file waits.
fn read_into(ctx: &mut Ctx<'_>, file: &OpenFile, into: &mut dyn Sink) -> Result<u64, Errno> {
    if !file.is_seekable()
        && let Some(tty) = fd::tty_of(file)
    {
        return tty::read(ctx, file, tty, into).map(|count| count as u64);
    }
    match file.read(into) {
        Err(Errno::EAGAIN) if !file.is_nonblocking() => {
            wait_for(ctx, file, Direction::Input, || file.read(into)).map(|count| count as u64)
        }
        result => result.map(|count| count as u64),
    }
}

/// Writes at the file's offset until all is written, waiting if the file waits.
fn write_from(ctx: &mut Ctx<'_>, file: &OpenFile, from: &mut dyn Source) -> Result<u64, Errno> {
    if !file.is_seekable()
        && let Some(tty) = fd::tty_of(file)
    {
        tty::check_output(ctx, tty)?;
    }
    let mut done = 0;
    let result = match file.write(from) {
        Ok(count) if from.left() == 0 || file.is_seekable() => return Ok(count as u64),
        Ok(count) if file.is_nonblocking() => return Ok(count as u64),
        Ok(count) => {
            done = count;
            write_rest(ctx, file, from, &mut done)
        }
        Err(Errno::EAGAIN) if !file.is_nonblocking() => write_rest(ctx, file, from, &mut done),
        Err(error) => Err(error),
    };
    match result {
        Err(Errno::EPIPE) => {
            send_broken_pipe(ctx);
            if done > 0 { Ok(done as u64) } else { Err(Errno::EPIPE) }
        }
        Err(error) if done == 0 => Err(error),
        _ => Ok(done as u64),
    }
}

/// Writes what is left, sleeping while there is no room.
fn write_rest(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    from: &mut dyn Source,
    done: &mut usize,
) -> Result<(), Errno> {
    while from.left() > 0 {
        match wait_for(ctx, file, Direction::Output, || file.write(from))? {
            0 => break,
            count => *done += count,
        }
    }
    Ok(())
}

fn send_broken_pipe(ctx: &Ctx<'_>) {
    send::to_task(ctx.task, SigInfo::kernel(Signal::SIGPIPE));
}

pub(super) fn read(ctx: &mut Ctx<'_>, [fd, buffer, length, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::file(ctx, fd)?;
    file.check_read()?;
    read_into(ctx, &file, &mut Guest::buffer(ctx.memory, buffer, length)?)
}

pub(super) fn write(ctx: &mut Ctx<'_>, [fd, buffer, length, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::file(ctx, fd)?;
    file.check_write()?;
    write_from(ctx, &file, &mut Guest::buffer(ctx.memory, buffer, length)?)
}

/// An I/O vector: few pieces lie here, many on the heap.
enum Vector {
    Few([Segment; FEW], usize),
    Many(Vec<Segment>),
}

/// Most pieces that need no heap (`UIO_FASTIOV`).
const FEW: usize = linux::UIO_FASTIOV as usize;
/// Most pieces at all.
const MANY: u64 = linux::UIO_MAXIOV as u64;
/// Bytes of `struct iovec`.
const IOVEC_BYTES: usize = 16;

impl Vector {
    fn read(ctx: &Ctx<'_>, address: u64, count: u64) -> Result<Self, Errno> {
        if count > MANY {
            return Err(Errno::EINVAL);
        }
        let count = count as usize;
        let next = |index: usize| {
            let mut bytes = [0; IOVEC_BYTES];
            ctx.memory.read(address.wrapping_add((index * IOVEC_BYTES) as u64), &mut bytes)?;
            let length = read_long(&bytes, 8);
            if length > i64::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            Segment::new(read_long(&bytes, 0), length)
        };
        if count > FEW {
            return (0..count).map(next).collect::<Result<Vec<_>, _>>().map(Vector::Many);
        }
        let mut few = [Segment::default(); FEW];
        for (index, segment) in few.iter_mut().take(count).enumerate() {
            *segment = next(index)?;
        }
        Ok(Vector::Few(few, count))
    }

    fn segments(&self) -> &[Segment] {
        match self {
            Vector::Few(segments, count) => segments.get(..*count).unwrap_or_default(),
            Vector::Many(segments) => segments,
        }
    }
}

pub(super) fn readv(ctx: &mut Ctx<'_>, [fd, vector, count, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::file(ctx, fd)?;
    file.check_read()?;
    let vector = Vector::read(ctx, vector, count)?;
    read_into(ctx, &file, &mut Guest::vector(ctx.memory, vector.segments()))
}

pub(super) fn writev(ctx: &mut Ctx<'_>, [fd, vector, count, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::file(ctx, fd)?;
    file.check_write()?;
    let vector = Vector::read(ctx, vector, count)?;
    write_from(ctx, &file, &mut Guest::vector(ctx.memory, vector.segments()))
}

/// A file to read or write at an offset of the caller's. `ESPIPE` if it has no offsets.
fn positioned(ctx: &Ctx<'_>, fd: u64, offset: u64) -> Result<Arc<OpenFile>, Errno> {
    if offset > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let file = fd::file(ctx, fd)?;
    if !file.is_path() && !file.is_seekable() { Err(Errno::ESPIPE) } else { Ok(file) }
}

pub(super) fn pread64(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, buffer, length, offset, ..] = args;
    let file = positioned(ctx, fd, offset)?;
    file.check_read()?;
    let count = file.io().read_at(offset, &mut Guest::buffer(ctx.memory, buffer, length)?)?;
    Ok(count as u64)
}

pub(super) fn pwrite64(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, buffer, length, offset, ..] = args;
    let file = positioned(ctx, fd, offset)?;
    file.check_write()?;
    let count = file.write_at(offset, &mut Guest::buffer(ctx.memory, buffer, length)?)?;
    Ok(count as u64)
}

pub(super) fn preadv(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, vector, count, offset, ..] = args;
    let file = positioned(ctx, fd, offset)?;
    file.check_read()?;
    let vector = Vector::read(ctx, vector, count)?;
    let count = file.io().read_at(offset, &mut Guest::vector(ctx.memory, vector.segments()))?;
    Ok(count as u64)
}

pub(super) fn pwritev(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, vector, count, offset, ..] = args;
    let file = positioned(ctx, fd, offset)?;
    file.check_write()?;
    let vector = Vector::read(ctx, vector, count)?;
    let count = file.write_at(offset, &mut Guest::vector(ctx.memory, vector.segments()))?;
    Ok(count as u64)
}

/// Flags of `preadv2` and `pwritev2` that change nothing here: all writes are in memory at once.
const HARMLESS_FLAGS: u64 = (linux::RWF_HIPRI | linux::RWF_DSYNC | linux::RWF_SYNC) as u64;

pub(super) fn preadv2(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [_, _, _, offset, _, flags] = args;
    if flags & !HARMLESS_FLAGS != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if offset == u64::MAX { readv(ctx, args) } else { preadv(ctx, args) }
}

pub(super) fn pwritev2(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [_, _, _, offset, _, flags] = args;
    if flags & !HARMLESS_FLAGS != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if offset == u64::MAX { writev(ctx, args) } else { pwritev(ctx, args) }
}

pub(super) fn lseek(ctx: &mut Ctx<'_>, [fd, offset, whence, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::usable_file(ctx, fd)?;
    if !file.is_seekable() {
        return Err(Errno::ESPIPE);
    }
    if file.io().kind() == Kind::CharDevice {
        // The offset of a device means nothing and is always 0.
        return if whence as u32 <= linux::SEEK_MAX { Ok(0) } else { Err(Errno::EINVAL) };
    }
    let mut at = file.offset().lock();
    let distance = offset.cast_signed();
    let base = match whence as u32 {
        linux::SEEK_SET => 0,
        linux::SEEK_CUR => *at,
        linux::SEEK_END => file.io().stat().size,
        linux::SEEK_DATA => {
            *at = file.io().seek_data(offset, Seek::Data)?;
            return Ok(*at);
        }
        linux::SEEK_HOLE => {
            *at = file.io().seek_data(offset, Seek::Hole)?;
            return Ok(*at);
        }
        _ => return Err(Errno::EINVAL),
    };
    let target = base.cast_signed().checked_add(distance).ok_or(Errno::EOVERFLOW)?;
    *at = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
    Ok(*at)
}

/// Bytes that a copy between two files moves at a time.
const COPY_BYTES: usize = 64 * 1024;

/// One end of a copy: a file, and where in it.
struct End<'f> {
    file: &'f OpenFile,
    /// The caller's own offset; the file's is used and moved otherwise.
    offset: Option<u64>,
}

impl End<'_> {
    fn read(&mut self, into: &mut dyn Sink) -> Result<usize, Errno> {
        match self.offset {
            Some(offset) => self.file.io().read_at(offset, into),
            None => {
                // Moved by what is written, not by what is read.
                let offset = *self.file.offset().lock();
                self.file.io().read_at(offset, into)
            }
        }
    }

    fn advance(&mut self, count: u64) {
        match &mut self.offset {
            Some(offset) => *offset += count,
            None => *self.file.offset().lock() += count,
        }
    }
}

/// Copies at most `length` bytes; a partial count wins over an error.
fn copy(
    ctx: &mut Ctx<'_>,
    from: &mut End<'_>,
    to: &mut End<'_>,
    length: u64,
) -> Result<u64, Errno> {
    let mut buffer = vec![0; COPY_BYTES.min(length as usize)];
    let mut done = 0;
    while done < length {
        let limit = ((length - done) as usize).min(buffer.len());
        let room = buffer.get_mut(..limit).unwrap_or_default();
        let count = match from.read(&mut Bytes(room)) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        };
        let mut bytes = buffer.get(..count).unwrap_or_default();
        let result = match to.offset {
            Some(offset) => to.file.write_at(offset, &mut bytes).map(|count| count as u64),
            None => write_from(ctx, to.file, &mut bytes),
        };
        match result {
            Ok(0) => break,
            Ok(written) => {
                from.advance(written);
                if to.offset.is_some() {
                    to.advance(written);
                }
                done += written;
                if written < count as u64 {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Reads the offset at an address that may be null.
fn read_offset(ctx: &Ctx<'_>, address: u64) -> Result<Option<u64>, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let offset = ctx.memory.read_u64(address)?;
    if offset > i64::MAX as u64 { Err(Errno::EINVAL) } else { Ok(Some(offset)) }
}

pub(super) fn sendfile(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [out, input, offset_address, length, ..] = args;
    let (to, from) = (fd::file(ctx, out)?, fd::file(ctx, input)?);
    from.check_read()?;
    to.check_write()?;
    if from.vnode().kind() != Kind::File || to.flags() & linux::O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let mut from = End { file: &from, offset: read_offset(ctx, offset_address)? };
    let mut to = End { file: &to, offset: None };
    let length = length.min(crate::guest_memory::MAX_TRANSFER as u64);
    let count = copy(ctx, &mut from, &mut to, length)?;
    if let Some(offset) = from.offset {
        ctx.memory.write_u64(offset_address, offset)?;
    }
    Ok(count)
}

pub(super) fn copy_file_range(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [input, from_address, output, to_address, length, flags] = args;
    let (from, to) = (fd::file(ctx, input)?, fd::file(ctx, output)?);
    from.check_read()?;
    to.check_write()?;
    if to.flags() & linux::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    let kinds = (from.vnode().kind(), to.vnode().kind());
    if kinds.0 == Kind::Directory || kinds.1 == Kind::Directory {
        return Err(Errno::EISDIR);
    }
    if kinds != (Kind::File, Kind::File) || flags != 0 {
        return Err(Errno::EINVAL);
    }
    let mut source = End { file: &from, offset: read_offset(ctx, from_address)? };
    let mut target = End { file: &to, offset: read_offset(ctx, to_address)? };
    let length = length.min(crate::guest_memory::MAX_TRANSFER as u64);
    if from.vnode().identity() == to.vnode().identity() {
        let start = |end: &End<'_>| end.offset.unwrap_or_else(|| *end.file.offset().lock());
        if start(&source).abs_diff(start(&target)) < length {
            return Err(Errno::EINVAL);
        }
    }
    let count = copy(ctx, &mut source, &mut target, length)?;
    for (end, address) in [(&source, from_address), (&target, to_address)] {
        if let Some(offset) = end.offset {
            ctx.memory.write_u64(address, offset)?;
        }
    }
    Ok(count)
}

pub(super) fn fsync(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::usable_file(ctx, fd)?;
    // Files are in memory: there is nothing more durable to bring them to.
    match file.vnode().kind() {
        Kind::File | Kind::Directory | Kind::BlockDevice => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn sync(_: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(0)
}

pub(super) fn ftruncate(ctx: &mut Ctx<'_>, [fd, size, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::usable_file(ctx, fd)?;
    if size > i64::MAX as u64 || !file.access().write || file.vnode().kind() != Kind::File {
        return Err(Errno::EINVAL);
    }
    file.vnode().truncate(size).map(|()| 0)
}

pub(super) fn fallocate(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, mode, offset, length, ..] = args;
    let file = fd::file(ctx, fd)?;
    file.check_write()?;
    if offset > i64::MAX as u64 || length == 0 || length > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    const PUNCH: u32 = linux::FALLOC_FL_PUNCH_HOLE | linux::FALLOC_FL_KEEP_SIZE;
    let what = match mode as u32 {
        0 => Allocation::Grow,
        linux::FALLOC_FL_KEEP_SIZE => Allocation::KeepSize,
        PUNCH => Allocation::PunchHole,
        _ => return Err(Errno::EOPNOTSUPP),
    };
    match file.vnode().kind() {
        Kind::File => file.vnode().allocate(what, offset, length).map(|()| 0),
        Kind::Directory => Err(Errno::EISDIR),
        Kind::Fifo => Err(Errno::ESPIPE),
        _ => Err(Errno::ENODEV),
    }
}

pub(super) fn fadvise64(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, _, length, advice, ..] = args;
    let file = fd::usable_file(ctx, fd)?;
    if file.vnode().kind() == Kind::Fifo {
        return Err(Errno::ESPIPE);
    }
    let is_known = advice <= u64::from(linux::POSIX_FADV_NOREUSE);
    // Files are in memory: no advice makes them faster.
    if is_known && length.cast_signed() >= 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

pub(super) fn readahead(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::file(ctx, fd)?;
    file.check_read()?;
    if file.vnode().kind() == Kind::File { Ok(0) } else { Err(Errno::EINVAL) }
}
