//! Places: a vnode together with the mount it is seen through, and the table of mounts.
//!
//! # Invariants
//!
//! - `mount.tree`: every mount but the first has a place it covers, in an older mount; so climbing
//!   from mount to mount ends.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use super::vnode::{Caller, Kind, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;

/// A vnode as seen through a mount: what a path leads to.
#[derive(Clone)]
pub struct Place {
    /// Through which mount.
    pub mount: Arc<Mount>,
    /// The file.
    pub vnode: Arc<dyn Vnode>,
}

impl Place {
    /// Tells whether both are the same file through the same mount.
    #[must_use]
    pub fn is_same(&self, other: &Place) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && is_same_file(&self.vnode, &other.vnode)
    }

    /// The directory above this directory; at the root of a mount, that of the covered place.
    /// `None` at the root of everything and in a removed directory.
    #[must_use]
    pub fn parent(&self) -> Option<Place> {
        let mut at = self.clone();
        loop {
            if let Some(vnode) = at.vnode.as_directory().and_then(|directory| directory.parent()) {
                return Some(Place { mount: at.mount, vnode });
            }
            at = at.mount.covered_by(&at)?;
        }
    }

    /// The name of this directory in the directory above.
    fn name(&self) -> Option<Vec<u8>> {
        let mut at = self.clone();
        loop {
            if let Some(name) = at.vnode.as_directory().and_then(|directory| directory.name()) {
                return Some(name);
            }
            at = at.mount.covered_by(&at)?;
        }
    }

    /// The path of this directory from `root`. `ENOENT` if it was removed; a place outside of
    /// `root` gives its path from the root of everything, with Linux's mark for that.
    pub fn path(&self, root: &Place) -> Result<Vec<u8>, Errno> {
        let mut names = Vec::new();
        let mut at = self.clone();
        let mut prefix: &[u8] = b"";
        while !at.is_same(root) {
            match (at.name(), at.parent()) {
                (Some(name), Some(parent)) => {
                    names.push(name);
                    at = parent;
                }
                _ if at.mount.covers.is_none() && at.is_root_of_mount() => {
                    prefix = b"(unreachable)";
                    break;
                }
                _ => return Err(Errno::ENOENT),
            }
        }
        let mut path = prefix.to_vec();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if names.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }

    fn is_root_of_mount(&self) -> bool {
        is_same_file(&self.vnode, &self.mount.root)
    }
}

/// A name in a directory, by which a file was found.
#[derive(Clone)]
pub struct Location {
    /// The directory.
    pub parent: Place,
    /// The name in it.
    pub name: Arc<[u8]>,
}

/// A place and how it was found.
#[derive(Clone)]
pub struct Located {
    /// The place.
    pub place: Place,
    /// The name by which it was found; none for directories, which know their own, and for files
    /// without a name.
    pub location: Option<Location>,
}

impl Located {
    /// The path from `root`, as the links in `/proc/PID/fd` and the maps show it: with a mark
    /// when the name is gone. Without a name: the kind and number in brackets.
    #[must_use]
    pub fn path(&self, root: &Place) -> Vec<u8> {
        let vnode = &self.place.vnode;
        if vnode.kind() == Kind::Directory {
            return self.place.path(root).unwrap_or_else(|_| b"/ (deleted)".to_vec());
        }
        let Some(Location { parent, name }) = &self.location else {
            return nameless(vnode);
        };
        let Ok(mut path) = parent.path(root) else { return b"/ (deleted)".to_vec() };
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let directory = parent.vnode.as_directory();
        let found = directory.and_then(|at| at.lookup(name, &Caller::default()).ok());
        if !found.is_some_and(|found| is_same_file(&found, vnode)) {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }
}

/// What stands for the path of a file that never had a name.
fn nameless(vnode: &Arc<dyn Vnode>) -> Vec<u8> {
    let inode = vnode.identity().1;
    match vnode.kind() {
        Kind::Fifo => format!("pipe:[{inode}]").into_bytes(),
        Kind::Socket => format!("socket:[{inode}]").into_bytes(),
        Kind::File => format!("/#{inode} (deleted)").into_bytes(),
        _ => format!("anon_inode:[{inode}]").into_bytes(),
    }
}

/// Tells whether two vnodes are one file.
#[must_use]
pub fn is_same_file(one: &Arc<dyn Vnode>, other: &Arc<dyn Vnode>) -> bool {
    // The address of a vnode alone: equal vnodes may have different tables of methods.
    core::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other)) || one.identity() == other.identity()
}

/// A file system at its place in the tree.
pub struct Mount {
    /// Its number, as in `/proc/self/mountinfo`.
    pub id: u32,
    /// What it covers; `None` for the root of everything.
    pub covers: Option<Place>,
    /// Its top directory.
    pub root: Arc<dyn Vnode>,
    /// Name of the file system's type.
    pub type_name: &'static str,
    /// Number of mounts whose covered place lies in this one.
    covered: AtomicU32,
}

impl Mount {
    /// The place that `at`, the root of this mount, covers.
    fn covered_by(&self, at: &Place) -> Option<Place> {
        if at.is_root_of_mount() { self.covers.clone() } else { None }
    }
}

/// All mounts. The first is the root of everything.
pub struct MountTable {
    first: Arc<Mount>,
    /// Mounts by number of the mount and inode that they cover.
    by_covered: Mutex<BTreeMap<(u32, u64), Arc<Mount>>>,
}

impl MountTable {
    /// A table with `root` as the root of everything.
    #[must_use]
    pub fn new(root: Arc<dyn Vnode>, type_name: &'static str) -> Self {
        let covered = AtomicU32::new(0);
        let first = Arc::new(Mount { id: 1, covers: None, root, type_name, covered });
        Self { first, by_covered: Mutex::new(BTreeMap::new()) }
    }

    /// The root of everything.
    #[must_use]
    pub fn root(&self) -> Place {
        self.enter(Place { mount: self.first.clone(), vnode: self.first.root.clone() })
    }

    /// Mounts the file system with top directory `root` over the directory `at`.
    pub fn mount(
        &self,
        at: &Place,
        root: Arc<dyn Vnode>,
        type_name: &'static str,
    ) -> Result<Arc<Mount>, Errno> {
        if at.vnode.kind() != Kind::Directory || root.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let at = self.enter(at.clone());
        let mut by_covered = self.by_covered.lock();
        let id = by_covered.len() as u32 + 2;
        let key = (at.mount.id, at.vnode.identity().1);
        at.mount.covered.fetch_add(1, Ordering::Relaxed);
        let covered = AtomicU32::new(0);
        let mount = Arc::new(Mount { id, covers: Some(at), root, type_name, covered });
        by_covered.insert(key, mount.clone());
        Ok(mount)
    }

    /// The top of what is mounted over `place`, or `place` itself.
    #[must_use]
    pub fn enter(&self, mut place: Place) -> Place {
        // The count is only ever added to, and a mount made at the same time may be missed.
        while place.mount.covered.load(Ordering::Relaxed) != 0 {
            let key = (place.mount.id, place.vnode.identity().1);
            let Some(mount) = self.by_covered.lock().get(&key).cloned() else { break };
            place = Place { vnode: mount.root.clone(), mount };
        }
        place
    }

    /// Tells whether something is mounted over `place`.
    #[must_use]
    pub fn is_covered(&self, place: &Place) -> bool {
        !self.enter(place.clone()).is_same(place)
    }

    /// All mounts in the order they were made.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Mount>> {
        let mut list: Vec<_> = self.by_covered.lock().values().cloned().collect();
        list.push(self.first.clone());
        list.sort_by_key(|mount| mount.id);
        list
    }
}
