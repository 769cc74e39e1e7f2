//! What a process' paths start from: its root and working directories and its umask.

use alloc::sync::Arc;

use super::place::Place;
use super::tree::Vfs;

/// The file-system context of a process; `CLONE_FS` shares it.
#[derive(Clone)]
pub struct FsContext {
    /// All files.
    pub vfs: Arc<Vfs>,
    /// The root directory.
    pub root: Place,
    /// The working directory.
    pub cwd: Place,
    /// Permission bits that new files do not get.
    pub umask: u16,
}

impl FsContext {
    /// A context at the root of everything, with the usual umask of a first process.
    #[must_use]
    pub fn new(vfs: Arc<Vfs>) -> Self {
        let root = vfs.root();
        Self { vfs, cwd: root.clone(), root, umask: 0o022 }
    }
}
