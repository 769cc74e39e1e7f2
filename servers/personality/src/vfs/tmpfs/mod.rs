//! A file system in memory: the root of the tree, `/tmp`, `/dev` and nameless files.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`node`] | one file of any kind: attributes, and the content by kind |
//! | `content` | the bytes of a regular file: frames, holes, and read-only data behind them |
//! | `directory` | names, and everything that changes them |
//!
//! Files take page frames; their number is bounded by the frames there are. Reading does not
//! change the time of last access (`noatime`), so that reads write nothing.
//!
//! # Locks
//!
//! `Shared::tree` is taken by everything that changes directories, before the lock of any
//! directory; the lock of a directory or file is held for one step only, and never two at once.

pub mod node;

mod content;
mod directory;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use self::node::{Body, Node};
use super::device::Devices;
use super::environment::Environment;
use super::vnode::{FileSystemInfo, New, NewKind, ST_VALID};
use crate::errno::Errno;
use crate::frames::{Frames, PAGE};
use crate::sync::Mutex;

/// Linux's magic number for the type (`TMPFS_MAGIC` in linux/magic.h).
pub const MAGIC: u32 = 0x0102_1994;

/// `ST_NOATIME`: reads do not change the time of last access.
const ST_NOATIME: u32 = 0x400;

/// What all files of one file system share.
pub(super) struct Shared {
    /// The device number in `stat`.
    device: u64,
    frames: Arc<dyn Frames>,
    environment: Arc<dyn Environment>,
    devices: Arc<Devices>,
    next_inode: AtomicU64,
    nodes: AtomicU64,
    /// Frames in use by files.
    pages: AtomicU64,
    /// Orders all changes of directories.
    tree: Mutex<()>,
}

impl Shared {
    fn info(&self) -> FileSystemInfo {
        let free = self.frames.free();
        let used = self.pages.load(Ordering::Relaxed);
        FileSystemInfo {
            magic: MAGIC,
            device: self.device,
            block_bytes: PAGE as u32,
            blocks: free + used,
            free_blocks: free,
            files: free + self.nodes.load(Ordering::Relaxed),
            free_files: free,
            mount_flags: ST_VALID | ST_NOATIME,
        }
    }
}

/// What file systems in memory are made of.
#[derive(Clone)]
pub struct Means {
    /// Where the content of files goes.
    pub frames: Arc<dyn Frames>,
    /// Time and randomness.
    pub environment: Arc<dyn Environment>,
    /// What device files lead to.
    pub devices: Arc<Devices>,
}

/// A file system in memory, held by its top directory.
#[derive(Clone)]
pub struct TmpFs {
    root: Arc<Node>,
}

impl TmpFs {
    /// An empty file system whose files have `device` in their stat.
    #[must_use]
    pub fn new(device: u64, permissions: u16, means: &Means) -> Self {
        let Means { frames, environment, devices } = means.clone();
        let shared = Arc::new(Shared {
            device,
            frames,
            environment,
            devices,
            next_inode: AtomicU64::new(1),
            nodes: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            tree: Mutex::new(()),
        });
        let new = New { kind: NewKind::Directory, permissions, uid: 0, gid: 0 };
        Self { root: Node::new(&shared, Body::directory(), &new) }
    }

    /// The top directory.
    #[must_use]
    pub fn root(&self) -> &Arc<Node> {
        &self.root
    }

    /// A regular file without a name (`memfd_create`, shared anonymous memory).
    pub fn nameless_file(&self, permissions: u16, uid: u32, gid: u32) -> Result<Arc<Node>, Errno> {
        let new = New { kind: NewKind::File, permissions, uid, gid };
        let node = Node::new(self.root.shared(), Body::new(&new.kind), &new);
        node.add_link(-1);
        Ok(node)
    }
}
