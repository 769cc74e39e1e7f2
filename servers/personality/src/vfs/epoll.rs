//! Sets of files to wait for (`epoll`).
//!
//! A set looks at its members when it is asked; members do not report to it. Edges are told by
//! [`Vnode::activity`]: an edge-triggered member is reported when something happened since it was
//! last reported, or when a bit holds that did not.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_raw_sys::general as raw;

use super::eventfd::{DEVICE, MAGIC, next_inode};
use super::open_file::OpenFile;
use super::vnode::{Direction, FileSystemInfo, Kind, Stat, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;
use crate::wait::WaitQueue;

/// Events that are always looked for.
const ALWAYS: u32 = raw::POLLERR | raw::POLLHUP;
/// Bits of the events word that are not events.
const MODES: u32 = raw::EPOLLET | raw::EPOLLONESHOT | raw::EPOLLWAKEUP | raw::EPOLLEXCLUSIVE;

/// What is to be told about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Events and modes, as in `struct epoll_event`.
    pub events: u32,
    /// The program's own word.
    pub data: u64,
}

/// A member that something can be told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The events that hold.
    pub events: u32,
    /// The program's own word.
    pub data: u64,
}

struct Member {
    file: Weak<OpenFile>,
    interest: Interest,
    /// Events that held when it was last looked at, and its activity then.
    seen: (u32, u64),
    /// A one-shot member that has been reported.
    is_spent: bool,
}

impl Member {
    /// The events to report now, and what to remember.
    fn look(&self, file: &OpenFile) -> (u32, (u32, u64)) {
        let activity = file.io().activity();
        let events = file.io().readiness() & (self.interest.events & !MODES | ALWAYS);
        let is_new = events & !self.seen.0 != 0 || activity != self.seen.1;
        let is_told = self.interest.events & raw::EPOLLET == 0 || is_new;
        let told = if is_told && !self.is_spent { events } else { 0 };
        (told, (events, activity))
    }
}

/// A set of files.
pub struct EpollSet {
    inode: u64,
    /// Members by descriptor and open file: a descriptor may be used again for another file.
    members: Mutex<BTreeMap<(u32, u64), Member>>,
    /// How often members were added or changed.
    generation: AtomicU64,
    /// Woken when the members change.
    changed: WaitQueue,
}

impl Default for EpollSet {
    fn default() -> Self {
        Self {
            inode: next_inode(),
            members: Mutex::new(BTreeMap::new()),
            generation: AtomicU64::new(0),
            changed: WaitQueue::new(),
        }
    }
}

/// The set behind an open file.
#[must_use]
pub fn set_of(file: &OpenFile) -> Option<&EpollSet> {
    let io: &dyn Any = &**file.io();
    io.downcast_ref::<EpollSet>()
}

impl EpollSet {
    /// Adds a member. `EEXIST` if it is one, `ELOOP` for a set that has sets as members.
    pub fn add(&self, fd: u32, file: &Arc<OpenFile>, interest: Interest) -> Result<(), Errno> {
        if let Some(set) = set_of(file)
            && (core::ptr::eq(set, self) || set.has_sets())
        {
            return Err(Errno::ELOOP);
        }
        let mut members = self.members.lock();
        members.retain(|_, member| member.file.strong_count() > 0);
        if members.contains_key(&(fd, file.id())) {
            return Err(Errno::EEXIST);
        }
        let file_id = file.id();
        let file = Arc::downgrade(file);
        let member = Member { file, interest, seen: (0, u64::MAX), is_spent: false };
        members.insert((fd, file_id), member);
        drop(members);
        self.note_change();
        Ok(())
    }

    /// Changes what is to be told about a member, and makes it fresh. `ENOENT`.
    pub fn modify(&self, fd: u32, file: &OpenFile, interest: Interest) -> Result<(), Errno> {
        let mut members = self.members.lock();
        let member = members.get_mut(&(fd, file.id())).ok_or(Errno::ENOENT)?;
        member.interest = interest;
        member.seen = (0, u64::MAX);
        member.is_spent = false;
        drop(members);
        self.note_change();
        Ok(())
    }

    /// Removes a member. `ENOENT`.
    pub fn remove(&self, fd: u32, file: &OpenFile) -> Result<(), Errno> {
        self.members.lock().remove(&(fd, file.id())).map(|_| ()).ok_or(Errno::ENOENT)
    }

    fn note_change(&self) {
        // SeqCst, with the queue's own fence: who waits has seen the old count and is woken.
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.changed.wake_all();
    }

    /// Grows whenever a member is added or changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The open files in the set.
    #[must_use]
    pub fn files(&self) -> Vec<Arc<OpenFile>> {
        self.members.lock().values().filter_map(|member| member.file.upgrade()).collect()
    }

    fn has_sets(&self) -> bool {
        self.files().iter().any(|file| set_of(file).is_some())
    }

    /// Reports at most `limit` members about which there is something to tell.
    #[must_use]
    pub fn collect(&self, limit: usize) -> Vec<Report> {
        let mut reports = Vec::new();
        // Files whose last descriptor went meanwhile are dropped without the lock.
        let mut held = Vec::new();
        for member in self.members.lock().values_mut() {
            if reports.len() == limit {
                break;
            }
            let Some(file) = member.file.upgrade() else { continue };
            let (events, seen) = member.look(&file);
            member.seen = seen;
            if events != 0 {
                member.is_spent |= member.interest.events & raw::EPOLLONESHOT != 0;
                reports.push(Report { events, data: member.interest.data });
            }
            held.push(file);
        }
        reports
    }
}

impl Vnode for EpollSet {
    fn stat(&self) -> Stat {
        Stat { device: DEVICE, inode: self.inode, ..Stat::new(Kind::File, 0o600) }
    }

    fn kind(&self) -> Kind {
        Kind::CharDevice
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.inode)
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(MAGIC, DEVICE)
    }

    fn readiness(&self) -> u32 {
        let ready =
            |member: &Member| member.file.upgrade().is_some_and(|file| member.look(&file).0 != 0);
        if self.members.lock().values().any(ready) { raw::POLLIN | raw::POLLRDNORM } else { 0 }
    }

    fn queue(&self, direction: Direction) -> Option<&WaitQueue> {
        if direction == Direction::Input { Some(&self.changed) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::eventfd::{EventCounter, Taking};
    use crate::vfs::tests::open_vnode;
    use crate::vfs::transfer::Bytes;

    fn add_one(file: &OpenFile) {
        file.write(&mut &1u64.to_le_bytes()[..]).unwrap();
    }

    fn take(file: &OpenFile) {
        file.read(&mut Bytes(&mut [0; 8])).unwrap();
    }

    fn counter() -> Arc<OpenFile> {
        open_vnode(EventCounter::new(0, Taking::All))
    }

    fn told(set: &EpollSet) -> Vec<u64> {
        set.collect(9).into_iter().map(|report| report.data).collect()
    }

    #[test]
    fn level_edge_and_one_shot_differ_in_how_often_they_tell() {
        let set = EpollSet::default();
        let file = counter();
        for (fd, mode) in [(0, 0), (1, raw::EPOLLET), (2, raw::EPOLLONESHOT)] {
            let interest = Interest { events: raw::EPOLLIN | mode, data: u64::from(fd) };
            set.add(fd, &file, interest).unwrap();
        }
        assert_eq!(told(&set), []);
        add_one(&file);
        assert_eq!(told(&set), [0, 1, 2]);
        assert_eq!(told(&set), [0]);
        add_one(&file);
        assert_eq!(told(&set), [0, 1]);
        take(&file);
        assert_eq!(told(&set), []);
        add_one(&file);
        set.modify(2, &file, Interest { events: raw::EPOLLIN, data: 2 }).unwrap();
        assert_eq!(told(&set), [0, 1, 2]);
    }

    #[test]
    fn closed_files_leave_the_set_and_sets_do_not_nest_deeply() {
        let (set, file) = (EpollSet::default(), counter());
        let interest = Interest { events: raw::EPOLLIN, data: 1 };
        set.add(3, &file, interest).unwrap();
        assert_eq!(set.add(3, &file, interest), Err(Errno::EEXIST));
        add_one(&file);
        let inner = open_vnode(Arc::new(set));
        assert_eq!(inner.io().readiness() & raw::POLLIN, raw::POLLIN);
        let outer = open_vnode(Arc::new(EpollSet::default()));
        set_of(&outer).unwrap().add(1, &inner, interest).unwrap();
        assert_eq!(EpollSet::default().add(1, &outer, interest), Err(Errno::ELOOP));
        drop(file);
        assert_eq!(told(set_of(&inner).unwrap()), []);
    }
}
