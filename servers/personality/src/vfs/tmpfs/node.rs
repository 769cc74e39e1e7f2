//! One file of the file system in memory: attributes, and the content by kind.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

use super::Shared;
use super::content::Content;
use super::directory::Names;
use crate::errno::Errno;
use crate::frames::{Frame, PAGE};
use crate::sync::Mutex;
use crate::vfs::pipe::Pipe;
use crate::vfs::transfer::{Sink, Source};
use crate::vfs::vnode::{
    Allocation, Backing, Caller, Changes, Directory, FileSystemInfo, Kind, LinkTarget, New,
    NewKind, Seek, Stat, Timestamp, Vnode,
};

/// A file, directory, link or special file in memory.
pub struct Node {
    shared: Arc<Shared>,
    this: Weak<Node>,
    inode: u64,
    attributes: Mutex<Attributes>,
    /// Orders writes of a regular file, so that each append is whole. Held while bytes come from
    /// the program's memory; nothing that a page fault does takes it.
    writing: Mutex<()>,
    pub(super) body: Body,
}

/// What `stat` tells beyond kind and size.
#[derive(Clone, Copy)]
struct Attributes {
    permissions: u16,
    links: u32,
    uid: u32,
    gid: u32,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
    created: Timestamp,
}

/// What a node is and holds.
pub(super) enum Body {
    /// A regular file.
    File(Mutex<Content>),
    /// A directory.
    Directory(Mutex<Names>),
    /// A symbolic link and its target.
    Symlink(Box<[u8]>),
    /// A FIFO; its pipe exists from the first opening on.
    Fifo(Mutex<Weak<Pipe>>),
    /// The name of a socket.
    Socket,
    /// A character device.
    CharDevice(u64),
    /// A block device.
    BlockDevice(u64),
}

impl Body {
    pub(super) fn new(kind: &NewKind<'_>) -> Self {
        match *kind {
            NewKind::File => Body::File(Mutex::new(Content::default())),
            NewKind::Directory => Body::directory(),
            NewKind::Symlink(target) => Body::Symlink(target.into()),
            NewKind::Fifo => Body::Fifo(Mutex::new(Weak::new())),
            NewKind::Socket => Body::Socket,
            NewKind::CharDevice(device) => Body::CharDevice(device),
            NewKind::BlockDevice(device) => Body::BlockDevice(device),
        }
    }

    pub(super) fn directory() -> Self {
        Body::Directory(Mutex::new(Names::default()))
    }
}

impl Node {
    pub(super) fn new(shared: &Arc<Shared>, body: Body, new: &New<'_>) -> Arc<Self> {
        let now = shared.environment.now();
        let links = if matches!(body, Body::Directory(_)) { 2 } else { 1 };
        let attributes = Mutex::new(Attributes {
            permissions: new.permissions,
            links,
            uid: new.uid,
            gid: new.gid,
            accessed: now,
            modified: now,
            changed: now,
            created: now,
        });
        let inode = shared.next_inode.fetch_add(1, Ordering::Relaxed);
        shared.nodes.fetch_add(1, Ordering::Relaxed);
        let shared = shared.clone();
        Arc::new_cyclic(|this| Self {
            shared,
            this: this.clone(),
            inode,
            attributes,
            writing: Mutex::new(()),
            body,
        })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// This node as its holders share it. `None` only while the node is being dropped.
    pub(super) fn this(&self) -> Option<Arc<Node>> {
        self.this.upgrade()
    }

    pub(super) fn this_weak(&self) -> Weak<Node> {
        self.this.clone()
    }

    /// The names of a directory.
    pub(super) fn names(&self) -> Result<&Mutex<Names>, Errno> {
        match &self.body {
            Body::Directory(names) => Ok(names),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    fn content(&self) -> Result<&Mutex<Content>, Errno> {
        match &self.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Makes `data` the content of this regular file, in place: `attachment` and `offset` say
    /// where it lies for mapping it.
    pub fn set_base(&self, data: &'static [u8], attachment: u64, offset: u64) {
        if let Body::File(content) = &self.body {
            *content.lock() = Content::with_base(data, attachment, offset);
        }
    }

    /// Sets all times.
    pub fn set_times(&self, time: Timestamp) {
        let mut attributes = self.attributes.lock();
        attributes.accessed = time;
        attributes.modified = time;
        attributes.changed = time;
        attributes.created = time;
    }

    /// Counts a name more (1) or less (-1) and notes the change.
    pub(super) fn add_link(&self, by: i32) {
        let now = self.shared.environment.now();
        let mut attributes = self.attributes.lock();
        attributes.links = attributes.links.saturating_add_signed(by);
        attributes.changed = now;
    }

    /// Notes that the content changed now.
    pub(super) fn touch_modified(&self) {
        let now = self.shared.environment.now();
        let mut attributes = self.attributes.lock();
        attributes.modified = now;
        attributes.changed = now;
    }

    /// Notes that the attributes changed now.
    pub(super) fn touch_changed(&self) {
        let now = self.shared.environment.now();
        self.attributes.lock().changed = now;
    }

    fn write(&self, at: Option<u64>, from: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let content = self.content()?;
        let frames = &*self.shared.frames;
        let _writing = self.writing.lock();
        let result = Content::write(content, frames, &self.shared.pages, at, from);
        if matches!(result, Ok((1.., _))) {
            self.touch_modified();
        }
        result
    }
}

impl Vnode for Node {
    fn stat(&self) -> Stat {
        let attributes = *self.attributes.lock();
        let (size, blocks) = match &self.body {
            Body::File(content) => content.lock().size_and_blocks(),
            Body::Directory(names) => (names.lock().len() as u64 * 20 + 40, 0),
            Body::Symlink(target) => (target.len() as u64, 0),
            _ => (0, 0),
        };
        let rdev = match self.body {
            Body::CharDevice(device) | Body::BlockDevice(device) => device,
            _ => 0,
        };
        Stat {
            device: self.shared.device,
            inode: self.inode,
            kind: self.kind(),
            permissions: attributes.permissions,
            links: attributes.links,
            uid: attributes.uid,
            gid: attributes.gid,
            rdev,
            size,
            block_bytes: PAGE as u32,
            blocks,
            accessed: attributes.accessed,
            modified: attributes.modified,
            changed: attributes.changed,
            created: attributes.created,
        }
    }

    fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Directory(_) => Kind::Directory,
            Body::Symlink(_) => Kind::Symlink,
            Body::Fifo(_) => Kind::Fifo,
            Body::Socket => Kind::Socket,
            Body::CharDevice(_) => Kind::CharDevice,
            Body::BlockDevice(_) => Kind::BlockDevice,
        }
    }

    fn identity(&self) -> (u64, u64) {
        (self.shared.device, self.inode)
    }

    fn file_system(&self) -> FileSystemInfo {
        self.shared.info()
    }

    fn change(&self, changes: &Changes) -> Result<(), Errno> {
        let now = self.shared.environment.now();
        let mut attributes = self.attributes.lock();
        attributes.permissions = changes.permissions.unwrap_or(attributes.permissions);
        attributes.uid = changes.uid.unwrap_or(attributes.uid);
        attributes.gid = changes.gid.unwrap_or(attributes.gid);
        attributes.accessed = changes.accessed.unwrap_or(attributes.accessed);
        attributes.modified = changes.modified.unwrap_or(attributes.modified);
        attributes.changed = now;
        Ok(())
    }

    fn as_directory(&self) -> Option<&dyn Directory> {
        if self.is_directory() { Some(self) } else { None }
    }

    fn link_target(&self, _caller: &Caller) -> Result<LinkTarget, Errno> {
        match &self.body {
            Body::Symlink(target) => Ok(LinkTarget::Path(target.to_vec())),
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(&self, caller: &Caller) -> Result<Option<Arc<dyn Vnode>>, Errno> {
        match &self.body {
            Body::Fifo(pipe) => {
                let mut pipe = pipe.lock();
                let shared = pipe.upgrade().unwrap_or_else(|| Pipe::of_fifo(self.identity()));
                *pipe = Arc::downgrade(&shared);
                Ok(Some(shared))
            }
            Body::CharDevice(number) => self.shared.devices.open(*number, caller).map(Some),
            Body::BlockDevice(_) | Body::Socket => Err(Errno::ENXIO),
            _ => Ok(None),
        }
    }

    fn read_at(&self, offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
        Content::read(self.content()?, &*self.shared.frames, offset, into)
    }

    fn write_at(&self, offset: u64, from: &mut dyn Source) -> Result<usize, Errno> {
        self.write(Some(offset), from).map(|(count, _)| count)
    }

    fn append(&self, from: &mut dyn Source) -> Result<(usize, u64), Errno> {
        self.write(None, from)
    }

    fn truncate(&self, size: u64) -> Result<(), Errno> {
        let mut content = self.content()?.lock();
        content.truncate(&*self.shared.frames, &self.shared.pages, size)?;
        drop(content);
        self.touch_modified();
        Ok(())
    }

    fn allocate(&self, what: Allocation, offset: u64, length: u64) -> Result<(), Errno> {
        let content = self.content().map_err(|_| Errno::ENODEV)?;
        let mut content = content.lock();
        content.allocate(&*self.shared.frames, &self.shared.pages, what, offset, length)?;
        drop(content);
        self.touch_modified();
        Ok(())
    }

    fn seek_data(&self, offset: u64, what: Seek) -> Result<u64, Errno> {
        match &self.body {
            Body::File(content) => content.lock().seek(offset, what),
            _ => Err(Errno::EINVAL),
        }
    }

    fn backing(&self) -> Backing {
        match &self.body {
            Body::File(content) => content.lock().backing(),
            _ => Backing::None,
        }
    }

    fn page(&self, index: u64) -> Result<Frame, Errno> {
        let Body::File(content) = &self.body else { return Err(Errno::ENODEV) };
        content.lock().page(&*self.shared.frames, &self.shared.pages, index)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.nodes.fetch_sub(1, Ordering::Relaxed);
        if let Body::File(content) = &self.body {
            content.lock().clear(&*self.shared.frames, &self.shared.pages);
        }
    }
}
