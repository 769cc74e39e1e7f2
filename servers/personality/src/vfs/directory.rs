//! Directories: what a vnode that holds names can do besides.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::vnode::{Caller, Kind, Vnode};
use crate::errno::Errno;

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Inode number of what it names.
    pub inode: u64,
    /// What it names.
    pub kind: Kind,
    /// Where to go on after it.
    pub next: u64,
}

/// What to make in a directory.
#[derive(Clone, Copy, Debug)]
pub enum NewKind<'a> {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to this path.
    Symlink(&'a [u8]),
    /// A FIFO.
    Fifo,
    /// A socket's name.
    Socket,
    /// A character device.
    CharDevice(u64),
    /// A block device.
    BlockDevice(u64),
}

/// A file to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// What.
    pub kind: NewKind<'a>,
    /// Permission bits, umask applied.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What `unlinkat` may remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Anything but a directory.
    File,
    /// An empty directory.
    Directory,
}

/// What a rename does about an existing target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// Replaces it.
    Replace,
    /// Fails.
    KeepTarget,
    /// Swaps the two.
    Exchange,
}

/// A directory. Names are single components, never empty, `.` or `..`.
pub trait Directory {
    /// Finds a name.
    fn lookup(&self, name: &[u8], caller: &Caller) -> Result<Arc<dyn Vnode>, Errno>;

    /// Visits the entries behind position `after` in order, until `visit` refuses. Position 0 is
    /// the start; `.` and `..` are not among them, their positions are 1 and 2.
    fn entries(
        &self,
        after: u64,
        caller: &Caller,
        visit: &mut dyn FnMut(&Entry<'_>) -> bool,
    ) -> Result<(), Errno>;

    /// The directory above; `None` in the root of a file system and in a removed directory.
    fn parent(&self) -> Option<Arc<dyn Vnode>>;

    /// The name in the directory above.
    fn name(&self) -> Option<Vec<u8>>;

    /// Makes a file. `EEXIST` if the name is taken.
    fn create(&self, _name: &[u8], new: &New<'_>) -> Result<Arc<dyn Vnode>, Errno> {
        // What Linux gives for a directory without the operation: vfs_create and the others.
        Err(if matches!(new.kind, NewKind::File) { Errno::EACCES } else { Errno::EPERM })
    }

    /// Makes a file without a name.
    fn create_nameless(&self, _new: &New<'_>) -> Result<Arc<dyn Vnode>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Gives a file another name.
    fn link(&self, _name: &[u8], _target: &Arc<dyn Vnode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Removes a name.
    fn unlink(&self, _name: &[u8], _what: Removal) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Moves a name into `target`, a directory of the same file system.
    fn rename(
        &self,
        _name: &[u8],
        _target: &Arc<dyn Vnode>,
        _target_name: &[u8],
        _mode: RenameMode,
    ) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
}
