//! The path walk: from a path to a place, through links and mounts.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::place::{MountTable, Place};
use super::vnode::{Caller, Kind, LinkTarget, MAY_EXECUTE, Vnode};
use crate::errno::Errno;

/// The most bytes in one component of a path (`NAME_MAX`).
pub const NAME_LIMIT: usize = 255;
/// The most bytes in a path, its NUL included (`PATH_MAX`).
pub const PATH_LIMIT: usize = 4096;
/// The most symbolic links that one walk follows.
const LINK_LIMIT: usize = 40;

/// What to do about a symbolic link in the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// Go where it leads.
    Follow,
    /// Stop at the link. A slash behind it follows it all the same.
    Keep,
}

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastName {
    /// A name in the parent directory.
    Name(Vec<u8>),
    /// `.`, or no component at all (`/`).
    Dot,
    /// `..`.
    DotDot,
}

/// Where a path leads.
pub struct Walked {
    /// The directory of the last component.
    pub parent: Place,
    /// The last component.
    pub name: LastName,
    /// What it names, if it exists.
    pub target: Option<Place>,
    /// A slash stood behind the last component: it must be a directory.
    pub wants_directory: bool,
}

impl Walked {
    /// The target; `ENOENT` when there is none.
    pub fn existing(&self) -> Result<&Place, Errno> {
        self.target.as_ref().ok_or(Errno::ENOENT)
    }

    /// The name, where an operation needs one in the parent; `otherwise` for `.`, `..` and `/`.
    pub fn name_or(&self, otherwise: Errno) -> Result<&[u8], Errno> {
        match &self.name {
            LastName::Name(name) => Ok(name),
            LastName::Dot | LastName::DotDot => Err(otherwise),
        }
    }
}

/// Everything a walk depends on.
pub struct Walker<'a> {
    /// The mounts.
    pub mounts: &'a MountTable,
    /// The caller's root directory.
    pub root: &'a Place,
    /// Who walks.
    pub caller: &'a Caller,
}

/// The state of one walk.
struct Walk<'w> {
    walker: &'w Walker<'w>,
    /// The directory reached.
    at: Place,
    links: usize,
}

/// What one component led to.
enum Step {
    /// A place that exists.
    Reached(Place),
    /// Nothing: the name is free.
    Missing,
}

impl Walker<'_> {
    /// Walks `path` from `start`, the directory for relative paths. The last component need not
    /// exist; everything before must.
    ///
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`, and what a directory reports.
    pub fn walk(&self, start: &Place, path: &[u8], last: LastLink) -> Result<Walked, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_LIMIT {
            return Err(Errno::ENAMETOOLONG);
        }
        let at = if path.starts_with(b"/") { self.root } else { start };
        if at.vnode.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let mut walk = Walk { walker: self, at: at.clone(), links: 0 };
        walk.run(path, last)
    }

    /// Walks to an existing place.
    pub fn find(&self, start: &Place, path: &[u8], last: LastLink) -> Result<Place, Errno> {
        self.walk(start, path, last)?.target.ok_or(Errno::ENOENT)
    }
}

impl Walk<'_> {
    fn run(&mut self, path: &[u8], last: LastLink) -> Result<Walked, Errno> {
        // A link puts its target before what is left of the path; only then is the path copied.
        let mut replaced: Vec<u8>;
        let mut rest = path;
        loop {
            let (name, behind) = split_component(rest);
            let is_last = behind.iter().all(|&byte| byte == b'/');
            let wants_directory = !behind.is_empty();
            let walked = |parent, name, target| Walked { parent, name, target, wants_directory };
            match name {
                b"" => return Ok(walked(self.at.clone(), LastName::Dot, Some(self.at.clone()))),
                b"." | b".." => {
                    let from = self.at.clone();
                    self.check_search()?;
                    if name == b".." {
                        self.climb()?;
                    }
                    if is_last {
                        let last = if name == b".." { LastName::DotDot } else { LastName::Dot };
                        return Ok(walked(from, last, Some(self.at.clone())));
                    }
                    rest = behind;
                    continue;
                }
                _ => {}
            }
            let reached = match self.step(name)? {
                Step::Missing if is_last => {
                    return Ok(walked(self.at.clone(), LastName::Name(name.to_vec()), None));
                }
                Step::Missing => return Err(Errno::ENOENT),
                Step::Reached(place) => place,
            };
            let kind = reached.vnode.kind();
            if kind == Kind::Symlink && !(is_last && !wants_directory && last == LastLink::Keep) {
                match self.follow(&reached.vnode)? {
                    LinkTarget::Place(found) if is_last => {
                        let (parent, name) = match found.location {
                            Some(at) => (at.parent, LastName::Name(at.name.to_vec())),
                            None => (self.at.clone(), LastName::Dot),
                        };
                        return finish(walked(parent, name, Some(found.place)));
                    }
                    LinkTarget::Place(found) => self.enter(found.place)?,
                    LinkTarget::Path(mut target) => {
                        if target.starts_with(b"/") {
                            self.at = self.walker.root.clone();
                        }
                        target.extend_from_slice(behind);
                        replaced = target;
                        rest = &replaced;
                        continue;
                    }
                }
            } else if is_last {
                let name = LastName::Name(name.to_vec());
                return finish(walked(self.at.clone(), name, Some(reached)));
            } else {
                self.enter(reached)?;
            }
            rest = behind;
        }
    }

    /// Looks a name up in the directory reached.
    fn step(&self, name: &[u8]) -> Result<Step, Errno> {
        if name.len() > NAME_LIMIT {
            return Err(Errno::ENAMETOOLONG);
        }
        self.check_search()?;
        let directory = self.at.vnode.as_directory().ok_or(Errno::ENOTDIR)?;
        match directory.lookup(name, self.walker.caller) {
            Ok(vnode) => {
                let place = Place { mount: self.at.mount.clone(), vnode };
                let may_be_covered = place.vnode.kind() == Kind::Directory;
                let mounts = self.walker.mounts;
                Ok(Step::Reached(if may_be_covered { mounts.enter(place) } else { place }))
            }
            Err(Errno::ENOENT) => Ok(Step::Missing),
            Err(error) => Err(error),
        }
    }

    /// Checks the permission to search the directory reached.
    fn check_search(&self) -> Result<(), Errno> {
        if self.walker.caller.uid == 0 {
            return Ok(());
        }
        self.walker.caller.check(&self.at.vnode.stat(), MAY_EXECUTE)
    }

    /// Goes into a place that the path goes on from.
    fn enter(&mut self, place: Place) -> Result<(), Errno> {
        if place.vnode.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.at = place;
        Ok(())
    }

    /// Goes to the directory above, but not above the caller's root.
    fn climb(&mut self) -> Result<(), Errno> {
        if self.at.is_same(self.walker.root) {
            return Ok(());
        }
        if let Some(parent) = self.at.parent() {
            self.at = parent;
        }
        Ok(())
    }

    /// Counts a link and reads where it leads.
    fn follow(&mut self, link: &Arc<dyn Vnode>) -> Result<LinkTarget, Errno> {
        self.links += 1;
        if self.links > LINK_LIMIT {
            return Err(Errno::ELOOP);
        }
        match link.link_target(self.walker.caller)? {
            LinkTarget::Path(path) if path.is_empty() => Err(Errno::ENOENT),
            target => Ok(target),
        }
    }
}

/// Checks that what a slash follows is a directory.
fn finish(walked: Walked) -> Result<Walked, Errno> {
    match &walked.target {
        Some(place) if walked.wants_directory && place.vnode.kind() != Kind::Directory => {
            Err(Errno::ENOTDIR)
        }
        _ => Ok(walked),
    }
}

/// Splits the first component off; slashes before it are dropped, those behind it are kept.
fn split_component(path: &[u8]) -> (&[u8], &[u8]) {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    let path = path.get(start..).unwrap_or_default();
    let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    path.split_at(end)
}

#[cfg(test)]
mod tests;
