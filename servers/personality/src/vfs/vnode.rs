//! Vnodes: what every file, directory, pipe and device can do.
//!
//! A file system gives vnodes; the path walk, the open-file table and the system calls use them
//! through [`Vnode`], and directories through [`Directory`]. Every method has a default that gives
//! the error Linux gives for a file that cannot do it, so a vnode implements only what it can.
//!
//! Reads and writes never block: what would block gives `EAGAIN`, and the system call sleeps on
//! [`Vnode::queue`] and tries again.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

pub use super::directory::{Directory, Entry, New, NewKind, Removal, RenameMode};
use super::place::Located;
use super::transfer::{Sink, Source};
use crate::errno::Errno;
use crate::frames::Frame;
use crate::wait::WaitQueue;

/// A point in time since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// The rest, below one thousand million.
    pub nanoseconds: u32,
}

/// What a vnode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A pipe with a name, or one of `pipe2`.
    Fifo,
    /// A socket.
    Socket,
}

/// What `stat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file in it.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Permission, set-id and sticky bits (07777).
    pub permissions: u16,
    /// Number of names.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device file.
    pub rdev: u64,
    /// Size in bytes.
    pub size: u64,
    /// Best size for I/O in bytes.
    pub block_bytes: u32,
    /// Memory or disk in use, in units of 512 bytes.
    pub blocks: u64,
    /// Last read.
    pub accessed: Timestamp,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of content or attributes.
    pub changed: Timestamp,
    /// Creation.
    pub created: Timestamp,
}

impl Stat {
    /// The stat of a fresh file of root's without content.
    #[must_use]
    pub const fn new(kind: Kind, permissions: u16) -> Self {
        let epoch = Timestamp { seconds: 0, nanoseconds: 0 };
        Self {
            device: 0,
            inode: 0,
            kind,
            permissions,
            links: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            size: 0,
            block_bytes: 4096,
            blocks: 0,
            accessed: epoch,
            modified: epoch,
            changed: epoch,
            created: epoch,
        }
    }
}

/// Who asks: decides what `/proc/self` is, who owns a new file, and what is permitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Session.
    pub session: u32,
    /// User for file access.
    pub uid: u32,
    /// Group for file access.
    pub gid: u32,
}

/// Read permission, in the bits of `access`.
pub const MAY_READ: u16 = 4;
/// Write permission.
pub const MAY_WRITE: u16 = 2;
/// Execute or search permission.
pub const MAY_EXECUTE: u16 = 1;

impl Caller {
    /// Checks that the permission bits give the caller all of `wanted`. User 0 may read and write
    /// everything, and execute what somebody may execute. Supplementary groups are not considered.
    pub fn check(&self, stat: &Stat, wanted: u16) -> Result<(), Errno> {
        let bits = if self.uid == 0 {
            let executable = stat.kind == Kind::Directory || stat.permissions & 0o111 != 0;
            if executable { 7 } else { 6 }
        } else if self.uid == stat.uid {
            stat.permissions >> 6
        } else if self.gid == stat.gid {
            stat.permissions >> 3
        } else {
            stat.permissions
        };
        if bits & wanted == wanted { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Checks that the caller owns the file or is user 0.
    pub fn check_owner(&self, stat: &Stat) -> Result<(), Errno> {
        if self.uid == 0 || self.uid == stat.uid { Ok(()) } else { Err(Errno::EPERM) }
    }
}

/// A change of attributes; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New permission bits.
    pub permissions: Option<u16>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New time of the last read.
    pub accessed: Option<Timestamp>,
    /// New time of the last change.
    pub modified: Option<Timestamp>,
}

/// Where the pages of a file are, for mapping them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// It cannot be mapped.
    None,
    /// In page frames, one by one through [`Vnode::page`].
    Frames,
    /// Page-aligned and contiguous in a Memory region that never changes.
    Region {
        /// Which attachment of the region.
        attachment: u64,
        /// Offset of the first byte in it.
        offset: u64,
        /// Bytes of the file; the rest of the last page is not the file's.
        bytes: u64,
    },
}

/// The two directions in which one can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// For something to read.
    Input,
    /// For room to write.
    Output,
}

/// Access that an open file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// May read.
    pub read: bool,
    /// May write.
    pub write: bool,
}

/// What `fallocate` is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Make room, and grow the file to the end of the range.
    Grow,
    /// Make room behind the end, but keep the size.
    KeepSize,
    /// Make the range read as zeros and give its memory back.
    PunchHole,
}

/// What `statfs` and the mount table tell about a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystemInfo {
    /// Linux's magic number for its type.
    pub magic: u32,
    /// Device number, as in [`Stat::device`].
    pub device: u64,
    /// Block size in bytes.
    pub block_bytes: u32,
    /// All blocks.
    pub blocks: u64,
    /// Free blocks.
    pub free_blocks: u64,
    /// All inodes.
    pub files: u64,
    /// Free inodes.
    pub free_files: u64,
    /// The `ST_` flags.
    pub mount_flags: u32,
}

impl FileSystemInfo {
    /// A file system without blocks.
    #[must_use]
    pub const fn empty(magic: u32, device: u64) -> Self {
        Self {
            magic,
            device,
            block_bytes: 4096,
            blocks: 0,
            free_blocks: 0,
            files: 0,
            free_files: 0,
            mount_flags: ST_VALID,
        }
    }
}

/// `ST_VALID`: the flags of `statfs` mean something.
pub const ST_VALID: u32 = 0x20;

/// Where a symbolic link leads.
pub enum LinkTarget {
    /// To a path, relative to the link's directory.
    Path(Vec<u8>),
    /// Straight to a file (the links under `/proc/PID`), which `readlink` shows as a text.
    Place(Located),
}

/// A file of any kind.
pub trait Vnode: Any + Send + Sync {
    /// Tells all attributes.
    fn stat(&self) -> Stat;

    /// Tells what it is. Cheaper than [`Vnode::stat`].
    fn kind(&self) -> Kind;

    /// Device and inode number: the same for two vnodes if and only if they are one file.
    fn identity(&self) -> (u64, u64) {
        let stat = self.stat();
        (stat.device, stat.inode)
    }

    /// Tells about the file system it lies in.
    fn file_system(&self) -> FileSystemInfo;

    /// Changes attributes.
    fn change(&self, _changes: &Changes) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Access as a directory, if it is one.
    fn as_directory(&self) -> Option<&dyn Directory> {
        None
    }

    /// Tells where a symbolic link leads.
    fn link_target(&self, _caller: &Caller) -> Result<LinkTarget, Errno> {
        Err(Errno::EINVAL)
    }

    /// Opens it: gives what does the reading and writing, if that is another vnode (the pipe
    /// behind a FIFO, the device behind a device file).
    fn open(&self, _caller: &Caller) -> Result<Option<Arc<dyn Vnode>>, Errno> {
        Ok(None)
    }

    /// Told when an open file for it exists.
    fn opened(&self, _access: Access) {}

    /// Told when that open file is gone.
    fn closed(&self, _access: Access) {}

    /// Tells whether offsets mean something: `lseek`, `pread`, and an offset that moves.
    fn is_seekable(&self) -> bool {
        matches!(self.kind(), Kind::File | Kind::Directory | Kind::BlockDevice)
    }

    /// Reads from `offset` on into `into`; 0 at the end of the file.
    fn read_at(&self, _offset: u64, _into: &mut dyn Sink) -> Result<usize, Errno> {
        Err(if self.kind() == Kind::Directory { Errno::EISDIR } else { Errno::EINVAL })
    }

    /// Writes at `offset`.
    fn write_at(&self, _offset: u64, _from: &mut dyn Source) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Writes at the end; gives the count and the offset behind the last byte.
    fn append(&self, from: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let end = self.stat().size;
        let count = self.write_at(end, from)?;
        Ok((count, end + count as u64))
    }

    /// Sets the size.
    fn truncate(&self, _size: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Makes room or holes.
    fn allocate(&self, _what: Allocation, _offset: u64, _length: u64) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }

    /// Finds the first data (`data`) or hole (`!data`) at or after `offset`.
    fn seek_data(&self, offset: u64, what: Seek) -> Result<u64, Errno> {
        let size = self.stat().size;
        match what {
            _ if offset >= size => Err(Errno::ENXIO),
            Seek::Data => Ok(offset),
            Seek::Hole => Ok(size),
        }
    }

    /// Tells where its pages are.
    fn backing(&self) -> Backing {
        Backing::None
    }

    /// Gives the frame of page `index`, with a reference for the caller; makes it if it lies in
    /// a hole. Past the end of the file: `EFAULT`, which becomes a bus error.
    fn page(&self, _index: u64) -> Result<Frame, Errno> {
        Err(Errno::ENODEV)
    }

    /// The `POLL` bits that hold now.
    fn readiness(&self) -> u32 {
        use linux_raw_sys::general::{POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};
        POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM
    }

    /// A count that grows with every event worth a poll; tells edges apart.
    fn activity(&self) -> u64 {
        0
    }

    /// Where to wait when a read or write gave `EAGAIN`.
    fn queue(&self, _direction: Direction) -> Option<&WaitQueue> {
        None
    }

    /// Bytes that can be read at once (`FIONREAD`), for streams.
    fn readable_bytes(&self) -> Option<u64> {
        None
    }
}

/// What `lseek` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// Data.
    Data,
    /// A hole.
    Hole,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_bits_are_those_of_the_first_matching_class() {
        let stat = Stat { uid: 5, gid: 6, ..Stat::new(Kind::File, 0o047) };
        let caller = |uid, gid| Caller { uid, gid, ..Caller::default() };
        assert_eq!(caller(5, 6).check(&stat, MAY_READ), Err(Errno::EACCES));
        assert_eq!(caller(1, 6).check(&stat, MAY_READ), Ok(()));
        assert_eq!(caller(1, 6).check(&stat, MAY_WRITE), Err(Errno::EACCES));
        assert_eq!(caller(1, 1).check(&stat, MAY_READ | MAY_EXECUTE), Ok(()));
    }

    #[test]
    fn root_executes_only_what_somebody_may_execute() {
        let root = Caller::default();
        assert_eq!(root.check(&Stat::new(Kind::File, 0), MAY_READ | MAY_WRITE), Ok(()));
        assert_eq!(root.check(&Stat::new(Kind::File, 0o644), MAY_EXECUTE), Err(Errno::EACCES));
        assert_eq!(root.check(&Stat::new(Kind::Directory, 0), MAY_EXECUTE), Ok(()));
    }
}
