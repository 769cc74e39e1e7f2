//! System calls on directories: getdents64, getcwd, chdir, chroot.

use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::path::{Paths, caller, read_path};
use super::stat::check_privileged;
use super::{Ctx, fd};
use crate::errno::Errno;
use crate::vfs::abi::entry_type;
use crate::vfs::place::Place;
use crate::vfs::vnode::{Entry, MAY_EXECUTE};
use crate::vfs::{Caller, Kind, OpenFile};

/// Bytes of `struct linux_dirent64` before the name.
const HEADER_BYTES: usize = 19;
/// Most bytes that one call gives, however large the buffer is.
const BATCH_LIMIT: usize = 32 * 1024;

/// Entries in the form of `getdents64`.
struct Batch {
    bytes: Vec<u8>,
    limit: usize,
    /// Where to go on.
    position: u64,
}

impl Batch {
    /// Appends an entry; `false` if it does not fit.
    fn push(&mut self, entry: &Entry<'_>) -> bool {
        // The name ends with a NUL, the record at a multiple of eight.
        let length = (HEADER_BYTES + entry.name.len() + 1).next_multiple_of(8);
        if self.bytes.len() + length > self.limit {
            return false;
        }
        let end = self.bytes.len() + length;
        self.bytes.extend_from_slice(&entry.inode.to_le_bytes());
        self.bytes.extend_from_slice(&entry.next.to_le_bytes());
        self.bytes.extend_from_slice(&(length as u16).to_le_bytes());
        self.bytes.push(entry_type(entry.kind));
        self.bytes.extend_from_slice(entry.name);
        self.bytes.resize(end, 0);
        self.position = entry.next;
        true
    }

    /// Appends what comes behind the position: `.`, `..`, and the directory's entries.
    fn fill(&mut self, place: &Place, caller: &Caller) -> Result<(), Errno> {
        let directory = place.vnode.as_directory().ok_or(Errno::ENOTDIR)?;
        let parent = place.parent();
        let parent = parent.as_ref().unwrap_or(place);
        for (next, name, vnode) in [(1, &b"."[..], &place.vnode), (2, b"..", &parent.vnode)] {
            let inode = vnode.identity().1;
            let entry = Entry { name, inode, kind: Kind::Directory, next };
            if self.position < next && !self.push(&entry) {
                return Ok(());
            }
        }
        directory.entries(self.position, caller, &mut |entry| self.push(entry))
    }
}

pub(super) fn getdents64(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [fd, buffer, size, ..] = args;
    let file = fd::usable_file(ctx, fd)?;
    if file.vnode().kind() != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    let (bytes, before, after) = read_batch(&file, &caller(ctx), size as u32 as usize)?;
    ctx.memory.write(buffer, &bytes)?;
    let mut offset = file.offset().lock();
    // Unless another thread has read on or gone back in between.
    if *offset == before {
        *offset = after;
    }
    Ok(bytes.len() as u64)
}

/// Collects entries from the file's offset on; gives that offset and the one behind them.
fn read_batch(file: &OpenFile, caller: &Caller, size: usize) -> Result<(Vec<u8>, u64, u64), Errno> {
    let before = *file.offset().lock();
    let mut batch = Batch { bytes: Vec::new(), limit: size.min(BATCH_LIMIT), position: before };
    let mut refused = false;
    batch.fill(&file.located.place, caller)?;
    if batch.bytes.is_empty() {
        // Nothing came: is there something that did not fit?
        let mut more = Batch { bytes: Vec::new(), limit: usize::MAX, position: before };
        more.fill(&file.located.place, caller)?;
        refused = !more.bytes.is_empty();
    }
    if refused { Err(Errno::EINVAL) } else { Ok((batch.bytes, before, batch.position)) }
}

pub(super) fn getcwd(ctx: &mut Ctx<'_>, [buffer, size, ..]: [u64; 6]) -> Result<u64, Errno> {
    let fs = ctx.process().fs.lock().clone();
    let mut path = fs.cwd.path(&fs.root)?;
    path.push(0);
    if path.len() as u64 > size {
        return Err(Errno::ERANGE);
    }
    ctx.memory.write(buffer, &path)?;
    Ok(path.len() as u64)
}

/// Checks that the caller may go into a place.
fn check_enterable(place: &Place, caller: &Caller) -> Result<(), Errno> {
    if place.vnode.kind() != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    caller.check(&place.vnode.stat(), MAY_EXECUTE)
}

/// The directory at a path, into which the caller may go.
fn enterable(ctx: &Ctx<'_>, path: u64) -> Result<Place, Errno> {
    let path = read_path(ctx, path)?;
    let paths = Paths::of(ctx);
    let place = paths.find_at(ctx, linux::AT_FDCWD as u64, &path, 0)?;
    check_enterable(&place, &paths.caller)?;
    Ok(place)
}

pub(super) fn chdir(ctx: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> Result<u64, Errno> {
    let place = enterable(ctx, path)?;
    ctx.process().fs.lock().cwd = place;
    Ok(0)
}

pub(super) fn fchdir(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> Result<u64, Errno> {
    let place = fd::file(ctx, fd)?.located.place.clone();
    check_enterable(&place, &caller(ctx))?;
    ctx.process().fs.lock().cwd = place;
    Ok(0)
}

pub(super) fn chroot(ctx: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> Result<u64, Errno> {
    let place = enterable(ctx, path)?;
    check_privileged(ctx)?;
    ctx.process().fs.lock().root = place;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::abi::{read_half, read_long};

    #[test]
    fn entries_are_packed_as_linux_does() {
        let mut batch = Batch { bytes: Vec::new(), limit: 64, position: 0 };
        let entry = |name, next| Entry { name, inode: 5, kind: Kind::File, next };
        assert!(batch.push(&entry(b"abcd", 3)));
        assert!(batch.push(&entry(b"abcde", 4)));
        assert!(!batch.push(&entry(b"x", 5)));
        assert_eq!(batch.bytes.len(), 24 + 32);
        assert_eq!((read_long(&batch.bytes, 0), read_long(&batch.bytes, 8)), (5, 3));
        assert_eq!((read_half(&batch.bytes, 16), batch.bytes[18]), (24, 8));
        assert_eq!(&batch.bytes[19..24], b"abcd\0");
        assert_eq!((read_half(&batch.bytes, 40), batch.position), (32, 4));
    }
}
