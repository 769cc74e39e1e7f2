//! What a process' paths start from: its root and working directories and its umask.

use super::place::Place;

/// The file-system context of a process; `CLONE_FS` shares it.
#[derive(Clone)]
pub struct FsContext {
    /// The root directory.
    pub root: Place,
    /// The working directory.
    pub cwd: Place,
    /// Permission bits that new files do not get.
    pub umask: u16,
}

impl FsContext {
    /// A context at `root`, with the usual umask of a first process.
    #[must_use]
    pub fn new(root: Place) -> Self {
        Self { cwd: root.clone(), root, umask: 0o022 }
    }
}
