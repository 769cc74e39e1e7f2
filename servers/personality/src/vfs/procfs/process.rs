//! `/proc/PID`, the directories below it, and its links.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::texts;
use super::{MAGIC, Shared, parse_number};
use crate::errno::Errno;
use crate::vfs::OpenFile;
use crate::vfs::place::Located;
use crate::vfs::synthetic::{FIRST_POSITION, TextFile};
use crate::vfs::vnode::{Caller, Directory, Entry, FileSystemInfo, Kind, LinkTarget, Stat, Vnode};

/// A directory or link that belongs to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `/proc/PID`.
    Process(u32),
    /// `/proc/PID/fd`.
    Fds(u32),
    /// `/proc/PID/fd/N`.
    Fd(u32, u32),
    /// `/proc/PID/task`.
    Threads(u32),
    /// `/proc/PID/task/TID`.
    Thread(u32, u32),
    /// `/proc/PID/exe` and its like.
    Link(u32, Link),
}

/// The links of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Executable,
    WorkingDirectory,
    Root,
}

const LINKS: [(&str, Link); 3] =
    [("cwd", Link::WorkingDirectory), ("exe", Link::Executable), ("root", Link::Root)];

impl Item {
    pub(super) fn inode(self) -> u64 {
        let (pid, class, number) = match self {
            Item::Process(pid) => (pid, 0, 0),
            Item::Fds(pid) => (pid, 1, 0),
            Item::Fd(pid, fd) => (pid, 2, fd),
            Item::Threads(pid) => (pid, 3, 0),
            Item::Thread(pid, tid) => (pid, 4, tid),
            Item::Link(pid, link) => (pid, 5, link as u32),
        };
        inode(pid, class, number)
    }

    fn pid(self) -> u32 {
        match self {
            Item::Process(pid) | Item::Fds(pid) | Item::Fd(pid, _) => pid,
            Item::Threads(pid) | Item::Thread(pid, _) | Item::Link(pid, _) => pid,
        }
    }

    fn kind(self) -> Kind {
        if matches!(self, Item::Fd(..) | Item::Link(..)) { Kind::Symlink } else { Kind::Directory }
    }

    fn name(self) -> String {
        match self {
            Item::Process(number) | Item::Fd(_, number) | Item::Thread(_, number) => {
                format!("{number}")
            }
            Item::Fds(_) => "fd".into(),
            Item::Threads(_) => "task".into(),
            Item::Link(_, link) => {
                LINKS.iter().find(|(_, one)| *one == link).map_or("", |(name, _)| name).into()
            }
        }
    }

    fn parent(self) -> Option<Item> {
        match self {
            Item::Process(_) => None,
            Item::Fds(pid) | Item::Threads(pid) | Item::Link(pid, _) => Some(Item::Process(pid)),
            Item::Fd(pid, _) => Some(Item::Fds(pid)),
            Item::Thread(pid, _) => Some(Item::Threads(pid)),
        }
    }
}

fn inode(pid: u32, class: u64, number: u32) -> u64 {
    (u64::from(pid) + 1) << 36 | class << 32 | u64::from(number)
}

/// Positions of the entries whose names are numbers, above those with fixed names.
const NUMBER_POSITIONS: u64 = 1 << 32;

/// Class of the inode numbers of text files, behind those of items.
const FILE_CLASS: u64 = 6;

/// An [`Item`] as a file.
pub(super) struct ProcessNode {
    shared: Arc<Shared>,
    item: Item,
}

impl ProcessNode {
    pub(super) fn new(shared: &Arc<Shared>, item: Item) -> Self {
        Self { shared: shared.clone(), item }
    }

    fn open_file(&self, pid: u32, fd: u32) -> Result<Arc<OpenFile>, Errno> {
        let files = self.shared.source.files(pid).ok_or(Errno::ENOENT)?;
        let file = files.lock().get(fd).cloned();
        file.map_err(|_| Errno::ENOENT)
    }

    fn text_file(&self, pid: u32, tid: u32, index: usize) -> Option<Arc<dyn Vnode>> {
        let shared = self.shared.clone();
        let &(_, permissions, generate) = texts::FILES.get(index)?;
        Some(Arc::new(TextFile {
            identity: (shared.device, inode(tid, FILE_CLASS, index as u32)),
            permissions,
            magic: MAGIC,
            generate: Arc::new(move || generate(&shared, pid, tid).ok_or(Errno::ESRCH)),
        }))
    }

    /// The directories and links in this directory whose names are fixed.
    fn fixed(&self) -> Vec<Item> {
        let Item::Process(pid) = self.item else { return Vec::new() };
        let mut items = Vec::from([Item::Fds(pid), Item::Threads(pid)]);
        items.extend(LINKS.map(|(_, link)| Item::Link(pid, link)));
        items
    }

    /// The directories and links whose names are numbers.
    fn numbered(&self) -> Vec<Item> {
        match self.item {
            Item::Fds(pid) => {
                let files = self.shared.source.files(pid);
                let numbers = files.map(|files| files.lock().numbers().collect::<Vec<_>>());
                numbers.unwrap_or_default().into_iter().map(|fd| Item::Fd(pid, fd)).collect()
            }
            Item::Threads(pid) => {
                let mut threads = self.shared.source.threads(pid).unwrap_or_default();
                threads.sort_unstable();
                threads.into_iter().map(|tid| Item::Thread(pid, tid)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The process and thread whose text files stand in this directory.
    fn owner_of_files(&self) -> Option<(u32, u32)> {
        match self.item {
            Item::Process(pid) => Some((pid, pid)),
            Item::Thread(pid, tid) => Some((pid, tid)),
            _ => None,
        }
    }
}

impl Vnode for ProcessNode {
    fn stat(&self) -> Stat {
        let permissions = match self.item {
            Item::Fds(_) => 0o500,
            Item::Fd(pid, fd) => {
                let access = self.open_file(pid, fd).map(|file| file.access());
                access.map_or(0, |access| {
                    (u16::from(access.read) * 0o500) | (u16::from(access.write) * 0o300)
                })
            }
            Item::Link(..) => 0o777,
            _ => 0o555,
        };
        let owner = self.shared.source.process(self.item.pid()).unwrap_or_default();
        Stat {
            device: self.shared.device,
            inode: self.item.inode(),
            links: if self.item.kind() == Kind::Directory { 2 } else { 1 },
            uid: owner.uids[1],
            gid: owner.gids[1],
            size: if matches!(self.item, Item::Fd(..)) { 64 } else { 0 },
            ..Stat::new(self.item.kind(), permissions)
        }
    }

    fn kind(&self) -> Kind {
        self.item.kind()
    }

    fn identity(&self) -> (u64, u64) {
        (self.shared.device, self.item.inode())
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(MAGIC, self.shared.device)
    }

    fn as_directory(&self) -> Option<&dyn Directory> {
        if self.item.kind() == Kind::Directory { Some(self) } else { None }
    }

    fn link_target(&self, _caller: &Caller) -> Result<LinkTarget, Errno> {
        let source = &self.shared.source;
        let directory = |place| Located { place, location: None };
        let located = match self.item {
            Item::Fd(pid, fd) => self.open_file(pid, fd)?.located.clone(),
            Item::Link(pid, Link::Executable) => source.executable(pid).ok_or(Errno::ENOENT)?,
            Item::Link(pid, Link::WorkingDirectory) => {
                directory(source.fs(pid).ok_or(Errno::ENOENT)?.cwd)
            }
            Item::Link(pid, Link::Root) => directory(source.fs(pid).ok_or(Errno::ENOENT)?.root),
            _ => return Err(Errno::EINVAL),
        };
        Ok(LinkTarget::Place(located))
    }
}

impl Directory for ProcessNode {
    fn lookup(&self, name: &[u8], _caller: &Caller) -> Result<Arc<dyn Vnode>, Errno> {
        if let Some((pid, tid)) = self.owner_of_files() {
            let found = texts::FILES.iter().position(|(file, ..)| file.as_bytes() == name);
            if let Some(index) = found {
                return self.text_file(pid, tid, index).ok_or(Errno::ENOENT);
            }
        }
        let by_name = |item: &Item| item.name().as_bytes() == name;
        let item = match (self.item, parse_number(name)) {
            (Item::Fds(pid), Some(fd)) => self.open_file(pid, fd).map(|_| Item::Fd(pid, fd))?,
            _ => {
                let mut items = self.fixed().into_iter().chain(self.numbered());
                items.find(by_name).ok_or(Errno::ENOENT)?
            }
        };
        Ok(Arc::new(ProcessNode::new(&self.shared, item)))
    }

    fn entries(
        &self,
        after: u64,
        _caller: &Caller,
        visit: &mut dyn FnMut(&Entry<'_>) -> bool,
    ) -> Result<(), Errno> {
        if self.shared.source.process(self.item.pid()).is_none() {
            return Err(Errno::ENOENT);
        }
        let mut position = FIRST_POSITION - 1;
        if let Some((_, tid)) = self.owner_of_files() {
            for (index, (name, ..)) in texts::FILES.iter().enumerate() {
                position += 1;
                let inode = inode(tid, FILE_CLASS, index as u32);
                let name = name.as_bytes();
                let entry = Entry { name, inode, kind: Kind::File, next: position };
                if position > after && !visit(&entry) {
                    return Ok(());
                }
            }
        }
        let fixed = self.fixed().into_iter().map(|item| {
            position += 1;
            (item, position)
        });
        let fixed: Vec<_> = fixed.collect();
        // Numbered items keep their position however many others come and go.
        let numbered = self.numbered().into_iter().map(|item| {
            let number = item.inode() & 0xffff_ffff;
            (item, NUMBER_POSITIONS + number)
        });
        for (item, next) in fixed.into_iter().chain(numbered) {
            let name = item.name();
            let (inode, kind) = (item.inode(), item.kind());
            let entry = Entry { name: name.as_bytes(), inode, kind, next };
            if next > after && !visit(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn parent(&self) -> Option<Arc<dyn Vnode>> {
        match self.item.parent() {
            Some(item) => Some(Arc::new(ProcessNode::new(&self.shared, item))),
            None => self.shared.top.lock().upgrade().map(|top| top as Arc<dyn Vnode>),
        }
    }

    fn name(&self) -> Option<Vec<u8>> {
        Some(self.item.name().into_bytes())
    }
}
