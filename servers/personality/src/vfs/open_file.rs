//! Open files: a vnode with an offset and flags, shared by descriptors.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_raw_sys::general as raw;

use super::lock::{LockTable, Owner};
use super::place::{Located, Place};
use super::transfer::{Sink, Source};
use super::vnode::{Access, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;

/// Flags that `F_SETFL` changes.
pub const SETTABLE: u32 =
    raw::O_APPEND | raw::O_NONBLOCK | raw::FASYNC | super::abi::O_DIRECT | raw::O_NOATIME;
/// Flags that end with the opening and are not remembered.
const TRANSIENT: u32 = raw::O_CREAT | raw::O_EXCL | raw::O_NOCTTY | raw::O_TRUNC | raw::O_CLOEXEC;

/// An open file.
pub struct OpenFile {
    /// Where it is; its attributes are those of this vnode.
    pub located: Located,
    /// What does the reading and writing, if not the vnode itself.
    device: Option<Arc<dyn Vnode>>,
    /// Tells it apart from all other open files: the owner of its `flock`.
    id: u64,
    flags: AtomicU32,
    is_seekable: bool,
    /// The offset of the next read or write; the lock makes a read and its step one.
    offset: Mutex<u64>,
    /// Where it may hold locks, which go with it.
    locks: Mutex<Option<Arc<LockTable>>>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl OpenFile {
    /// An open file on `located` with the flags of `open`; `device` does the reading and writing
    /// if given.
    #[must_use]
    pub fn new(located: Located, device: Option<Arc<dyn Vnode>>, flags: u32) -> Arc<Self> {
        let is_path = flags & raw::O_PATH != 0;
        let device = if is_path { None } else { device };
        let is_seekable = device.as_ref().unwrap_or(&located.place.vnode).is_seekable();
        let file = Self {
            located,
            device,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            flags: AtomicU32::new(flags & !TRANSIENT),
            is_seekable,
            offset: Mutex::new(0),
            locks: Mutex::new(None),
        };
        if !is_path {
            file.io().opened(file.access());
        }
        Arc::new(file)
    }

    /// The vnode that it was opened as.
    #[must_use]
    pub fn vnode(&self) -> &Arc<dyn Vnode> {
        &self.located.place.vnode
    }

    /// The vnode that reads and writes.
    #[must_use]
    pub fn io(&self) -> &Arc<dyn Vnode> {
        self.device.as_ref().unwrap_or(&self.located.place.vnode)
    }

    /// The path from `root`.
    #[must_use]
    pub fn path(&self, root: &Place) -> Vec<u8> {
        self.located.path(root)
    }

    /// Its number among all open files.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The flags as `F_GETFL` tells them.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Sets the flags that can be changed.
    pub fn set_flags(&self, flags: u32) {
        // Two racing changes leave one of both, as in Linux; the other bits never change.
        let kept = self.flags.load(Ordering::Relaxed) & !SETTABLE;
        self.flags.store(kept | flags & SETTABLE, Ordering::Relaxed);
    }

    /// What it may be used for.
    #[must_use]
    pub fn access(&self) -> Access {
        access_of(self.flags.load(Ordering::Relaxed))
    }

    /// Tells whether it stands for a path only (`O_PATH`).
    #[must_use]
    pub fn is_path(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & raw::O_PATH != 0
    }

    /// Tells whether calls give `EAGAIN` instead of waiting.
    #[must_use]
    pub fn is_nonblocking(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & raw::O_NONBLOCK != 0
    }

    /// Tells whether it has an offset.
    #[must_use]
    pub fn is_seekable(&self) -> bool {
        self.is_seekable
    }

    /// The offset, for `lseek` and `getdents`.
    #[must_use]
    pub fn offset(&self) -> &Mutex<u64> {
        &self.offset
    }

    /// Notes that it may hold locks in `table`, to be given up with it.
    pub fn note_locks(&self, table: &Arc<LockTable>) {
        *self.locks.lock() = Some(table.clone());
    }

    /// `EBADF` unless it may be read.
    pub fn check_read(&self) -> Result<(), Errno> {
        if self.access().read { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// `EBADF` unless it may be written.
    pub fn check_write(&self) -> Result<(), Errno> {
        if self.access().write { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// Reads at the offset and moves it. Does not wait.
    pub fn read(&self, into: &mut dyn Sink) -> Result<usize, Errno> {
        if !self.is_seekable {
            return self.io().read_at(0, into);
        }
        let mut offset = self.offset.lock();
        let count = self.io().read_at(*offset, into)?;
        *offset += count as u64;
        Ok(count)
    }

    /// Writes at the offset, or at the end, and moves it. Does not wait.
    pub fn write(&self, from: &mut dyn Source) -> Result<usize, Errno> {
        if !self.is_seekable {
            return self.io().write_at(0, from);
        }
        let mut offset = self.offset.lock();
        if self.flags.load(Ordering::Relaxed) & raw::O_APPEND != 0 {
            let (count, end) = self.io().append(from)?;
            *offset = end;
            return Ok(count);
        }
        let count = self.io().write_at(*offset, from)?;
        *offset += count as u64;
        Ok(count)
    }

    /// Writes at `offset`; as in Linux at the end all the same when the file is opened to append.
    pub fn write_at(&self, offset: u64, from: &mut dyn Source) -> Result<usize, Errno> {
        if self.flags.load(Ordering::Relaxed) & raw::O_APPEND != 0 {
            return self.io().append(from).map(|(count, _)| count);
        }
        self.io().write_at(offset, from)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if !self.is_path() {
            self.io().closed(self.access());
        }
        if let Some(table) = self.locks.lock().take() {
            let file = self.vnode().identity();
            table.release_all(file, Owner::OpenFile(self.id));
            table.release_all(file, Owner::Whole(self.id));
        }
    }
}

/// The access that the flags of `open` ask for.
#[must_use]
pub fn access_of(flags: u32) -> Access {
    if flags & raw::O_PATH != 0 {
        return Access { read: false, write: false };
    }
    match flags & raw::O_ACCMODE {
        raw::O_RDONLY => Access { read: true, write: false },
        raw::O_WRONLY => Access { read: false, write: true },
        raw::O_RDWR => Access { read: true, write: true },
        // The fourth value: Linux wants both permissions and gives neither.
        _ => Access { read: false, write: false },
    }
}
