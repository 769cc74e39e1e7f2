//! Directories in memory: names, and everything that changes them.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::ops::Bound;

use super::node::{Body, Node};
use crate::errno::Errno;
use crate::vfs::vnode::{Caller, Directory, Entry, New, Removal, RenameMode, Vnode};

/// Position of the first name: 0 is the start, 1 and 2 stand behind `.` and `..`.
const FIRST_POSITION: u64 = 3;
/// Most names of one file.
const LINK_LIMIT: u32 = 65_000;

/// The names in one directory.
pub(super) struct Names {
    by_name: BTreeMap<Arc<[u8]>, Named>,
    /// The names in the order in which they came: what `getdents` goes through. Positions are
    /// never used again, so that a reader misses and repeats nothing.
    by_position: BTreeMap<u64, Arc<[u8]>>,
    next_position: u64,
    /// The directory above; dangling in the top directory.
    parent: Weak<Node>,
    /// The name in the directory above; empty in the top directory.
    name: Arc<[u8]>,
    /// It has no name any more, and takes no new ones.
    is_removed: bool,
}

struct Named {
    node: Arc<Node>,
    position: u64,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            by_name: BTreeMap::new(),
            by_position: BTreeMap::new(),
            next_position: FIRST_POSITION,
            parent: Weak::new(),
            name: Arc::new([]),
            is_removed: false,
        }
    }
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    fn find(&self, name: &[u8]) -> Option<Arc<Node>> {
        self.by_name.get(name).map(|named| named.node.clone())
    }

    /// Adds a name or gives it to another node; tells which node had it.
    fn insert(&mut self, name: &Arc<[u8]>, node: Arc<Node>) -> Option<Arc<Node>> {
        if let Some(named) = self.by_name.get_mut(name) {
            return Some(core::mem::replace(&mut named.node, node));
        }
        let position = self.next_position;
        self.next_position += 1;
        self.by_position.insert(position, name.clone());
        self.by_name.insert(name.clone(), Named { node, position });
        None
    }

    fn remove(&mut self, name: &[u8]) -> Option<Arc<Node>> {
        let named = self.by_name.remove(name)?;
        self.by_position.remove(&named.position);
        Some(named.node)
    }
}

impl Node {
    /// Tells this directory where it is now.
    fn set_location(&self, parent: &Node, name: &Arc<[u8]>) {
        if let Body::Directory(names) = &self.body {
            let mut names = names.lock();
            names.parent = parent.this_weak();
            names.name = name.clone();
        }
    }

    /// Marks an empty directory as removed.
    fn mark_removed(&self) -> Result<(), Errno> {
        let mut names = self.names()?.lock();
        if names.len() > 0 {
            return Err(Errno::ENOTEMPTY);
        }
        names.is_removed = true;
        Ok(())
    }

    /// Adds a name for a node that has a link counted for it.
    fn insert(&self, name: &[u8], node: &Arc<Node>) -> Result<(), Errno> {
        let mut names = self.names()?.lock();
        if names.is_removed {
            return Err(Errno::ENOENT);
        }
        if names.find(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let name: Arc<[u8]> = name.into();
        names.insert(&name, node.clone());
        drop(names);
        node.set_location(self, &name);
        self.touch_modified();
        Ok(())
    }

    /// Tells whether `other` is this directory or lies below it.
    fn contains(&self, other: &Arc<Node>) -> bool {
        let mut at = Some(other.clone());
        while let Some(node) = at {
            if core::ptr::eq(Arc::as_ptr(&node), self) {
                return true;
            }
            at = node.names().ok().and_then(|names| names.lock().parent.upgrade());
        }
        false
    }

    /// Checks that `old` may take the place of `victim`.
    fn check_replace(old: &Node, victim: &Node) -> Result<(), Errno> {
        match (old.is_directory(), victim.is_directory()) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) => victim.mark_removed(),
            (false, false) => Ok(()),
        }
    }

    /// Swaps the names of two nodes.
    fn exchange(
        &self,
        (old_name, old): (&[u8], &Arc<Node>),
        target: &Arc<Node>,
        (new_name, new): (&[u8], &Arc<Node>),
    ) -> Result<(), Errno> {
        let (old_name, new_name): (Arc<[u8]>, Arc<[u8]>) = (old_name.into(), new_name.into());
        self.names()?.lock().insert(&old_name, new.clone());
        target.names()?.lock().insert(&new_name, old.clone());
        new.set_location(self, &old_name);
        old.set_location(target, &new_name);
        let moved = i32::from(old.is_directory()) - i32::from(new.is_directory());
        if moved != 0 && !core::ptr::eq(self, Arc::as_ptr(target)) {
            self.add_link(-moved);
            target.add_link(moved);
        }
        Ok(())
    }

    /// Gives `old` the name in `target`, in place of `victim`.
    fn replace(
        &self,
        (old_name, old): (&[u8], &Arc<Node>),
        target: &Arc<Node>,
        (new_name, victim): (&[u8], Option<&Arc<Node>>),
    ) -> Result<(), Errno> {
        if let Some(victim) = victim {
            Self::check_replace(old, victim)?;
            victim.add_link(if victim.is_directory() { -2 } else { -1 });
        }
        let new_name: Arc<[u8]> = new_name.into();
        // First the new name, then the old one away: at no time has it none.
        target.names()?.lock().insert(&new_name, old.clone());
        self.names()?.lock().remove(old_name);
        old.set_location(target, &new_name);
        if old.is_directory() {
            self.add_link(-1);
            if victim.is_none() {
                target.add_link(1);
            }
        }
        Ok(())
    }
}

/// The node behind a vnode of the same file system.
fn node_of<'a>(vnode: &'a Arc<dyn Vnode>, like: &Node) -> Result<&'a Node, Errno> {
    let node = (&**vnode as &dyn Any).downcast_ref::<Node>().ok_or(Errno::EXDEV)?;
    if Arc::ptr_eq(node.shared(), like.shared()) { Ok(node) } else { Err(Errno::EXDEV) }
}

impl Directory for Node {
    fn lookup(&self, name: &[u8], _caller: &Caller) -> Result<Arc<dyn Vnode>, Errno> {
        match self.names()?.lock().find(name) {
            Some(node) => Ok(node),
            None => Err(Errno::ENOENT),
        }
    }

    fn entries(
        &self,
        after: u64,
        _caller: &Caller,
        visit: &mut dyn FnMut(&Entry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let names = self.names()?.lock();
        for (&position, name) in names.by_position.range((Bound::Excluded(after), Bound::Unbounded))
        {
            let Some(named) = names.by_name.get(name) else { continue };
            let (_, inode) = named.node.identity();
            let entry = Entry { name, inode, kind: named.node.kind(), next: position };
            if !visit(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn parent(&self) -> Option<Arc<dyn Vnode>> {
        let names = self.names().ok()?.lock();
        if names.is_removed { None } else { Some(names.parent.upgrade()?) }
    }

    fn name(&self) -> Option<Vec<u8>> {
        let names = self.names().ok()?.lock();
        if names.is_removed || names.name.is_empty() { None } else { Some(names.name.to_vec()) }
    }

    fn create(&self, name: &[u8], new: &New<'_>) -> Result<Arc<dyn Vnode>, Errno> {
        let tree = self.shared().tree.lock();
        if self.names()?.lock().find(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let node = Node::new(self.shared(), Body::new(&new.kind), new);
        self.insert(name, &node)?;
        if node.is_directory() {
            self.add_link(1);
        }
        drop(tree);
        Ok(node)
    }

    fn create_nameless(&self, new: &New<'_>) -> Result<Arc<dyn Vnode>, Errno> {
        let node = Node::new(self.shared(), Body::new(&new.kind), new);
        node.add_link(-1);
        Ok(node)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Vnode>) -> Result<(), Errno> {
        let node = node_of(target, self)?;
        if node.is_directory() {
            return Err(Errno::EPERM);
        }
        if node.stat().links >= LINK_LIMIT {
            return Err(Errno::EMLINK);
        }
        let _tree = self.shared().tree.lock();
        self.insert(name, &node.this().ok_or(Errno::ENOENT)?)?;
        node.add_link(1);
        Ok(())
    }

    fn unlink(&self, name: &[u8], what: Removal) -> Result<(), Errno> {
        let _tree = self.shared().tree.lock();
        let node = self.names()?.lock().find(name).ok_or(Errno::ENOENT)?;
        match (what, node.is_directory()) {
            (Removal::File, true) => return Err(Errno::EISDIR),
            (Removal::Directory, false) => return Err(Errno::ENOTDIR),
            (Removal::Directory, true) => {
                node.mark_removed()?;
                node.add_link(-2);
                self.add_link(-1);
            }
            (Removal::File, false) => node.add_link(-1),
        }
        self.names()?.lock().remove(name);
        self.touch_modified();
        Ok(())
    }

    fn rename(
        &self,
        name: &[u8],
        target: &Arc<dyn Vnode>,
        target_name: &[u8],
        mode: RenameMode,
    ) -> Result<(), Errno> {
        let target = node_of(target, self)?.this().ok_or(Errno::ENOENT)?;
        let _tree = self.shared().tree.lock();
        let old = self.names()?.lock().find(name).ok_or(Errno::ENOENT)?;
        let (victim, is_removed) = {
            let names = target.names()?.lock();
            (names.find(target_name), names.is_removed)
        };
        if is_removed {
            return Err(Errno::ENOENT);
        }
        if old.is_directory() && old.contains(&target) {
            return Err(Errno::EINVAL);
        }
        match (mode, &victim) {
            (RenameMode::KeepTarget, Some(_)) => return Err(Errno::EEXIST),
            (RenameMode::Exchange, None) => return Err(Errno::ENOENT),
            (_, Some(victim)) if Arc::ptr_eq(victim, &old) => return Ok(()),
            (RenameMode::Exchange, Some(new)) => {
                let this = self.this().ok_or(Errno::ENOENT)?;
                if new.is_directory() && new.contains(&this) {
                    return Err(Errno::EINVAL);
                }
                self.exchange((name, &old), &target, (target_name, new))?;
                new.touch_changed();
            }
            _ => self.replace((name, &old), &target, (target_name, victim.as_ref()))?,
        }
        old.touch_changed();
        self.touch_modified();
        target.touch_modified();
        Ok(())
    }
}
