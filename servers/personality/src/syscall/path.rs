//! System calls on paths: openat and the making, removing, renaming and linking of files.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::Ordering;

use linux_raw_sys::general as linux;

use super::{Ctx, fd};
use crate::errno::Errno;
use crate::vfs::abi::{self, O_DIRECTORY, O_LARGEFILE, O_NOFOLLOW, O_TMPFILE};
use crate::vfs::open_file::access_of;
use crate::vfs::pipe::Pipe;
use crate::vfs::place::{Located, Place};
use crate::vfs::tree::locate;
use crate::vfs::tty::Tty;
use crate::vfs::vnode::{
    Access, Direction, Directory, LinkTarget, MAY_EXECUTE, MAY_READ, MAY_WRITE, New, NewKind,
    Removal, RenameMode, Stat, Vnode,
};
use crate::vfs::walk::{LastLink, PATH_LIMIT, Walked, Walker};
use crate::vfs::{Caller, FsContext, Kind, OnExec, OpenFile};

/// The descriptor that stands for the working directory, as it arrives in a register.
const AT_FDCWD: i32 = linux::AT_FDCWD;

/// Everything a path of the caller depends on.
pub(super) struct Paths {
    /// Who asks.
    pub(super) caller: Caller,
    /// Where its paths start.
    pub(super) fs: FsContext,
}

impl Paths {
    /// The caller as itself.
    pub(super) fn of(ctx: &Ctx<'_>) -> Self {
        Self { caller: caller(ctx), fs: ctx.process().fs.lock().clone() }
    }

    /// Walks from a directory descriptor.
    pub(super) fn walk(
        &self,
        ctx: &Ctx<'_>,
        directory: u64,
        path: &[u8],
        last: LastLink,
    ) -> Result<Walked, Errno> {
        let mounts = &ctx.system().vfs.mounts;
        let walker = Walker { mounts, root: &self.fs.root, caller: &self.caller };
        // An absolute path does not look at the descriptor at all.
        if directory as i32 == AT_FDCWD || path.starts_with(b"/") {
            return walker.walk(&self.fs.cwd, path, last);
        }
        let start = fd::file(ctx, directory)?;
        walker.walk(&start.located.place, path, last)
    }

    /// Finds an existing file from a directory descriptor.
    pub(super) fn find(
        &self,
        ctx: &Ctx<'_>,
        directory: u64,
        path: &[u8],
        last: LastLink,
    ) -> Result<Place, Errno> {
        self.walk(ctx, directory, path, last)?.target.ok_or(Errno::ENOENT)
    }

    /// Finds what a path and flags of the `AT_` kind mean; an empty path with `AT_EMPTY_PATH` is
    /// the descriptor itself.
    pub(super) fn find_at(
        &self,
        ctx: &Ctx<'_>,
        directory: u64,
        path: &[u8],
        flags: u32,
    ) -> Result<Place, Errno> {
        if path.is_empty() && flags & linux::AT_EMPTY_PATH != 0 {
            return self.descriptor(ctx, directory);
        }
        self.find(ctx, directory, path, last_link(flags))
    }

    /// What a descriptor stands for; the working directory for `AT_FDCWD`.
    pub(super) fn descriptor(&self, ctx: &Ctx<'_>, fd: u64) -> Result<Place, Errno> {
        if fd as i32 == AT_FDCWD {
            return Ok(self.fs.cwd.clone());
        }
        Ok(fd::file(ctx, fd)?.located.place.clone())
    }
}

/// Who makes the system call.
pub(super) fn caller(ctx: &Ctx<'_>) -> Caller {
    ctx.process().caller(ctx.task.tid)
}

/// Reads a path.
pub(super) fn read_path(ctx: &Ctx<'_>, address: u64) -> Result<Vec<u8>, Errno> {
    ctx.memory.read_c_string(address, PATH_LIMIT)
}

/// Whether the flags say to stop at a link.
pub(super) fn last_link(flags: u32) -> LastLink {
    if flags & linux::AT_SYMLINK_NOFOLLOW != 0 { LastLink::Keep } else { LastLink::Follow }
}

/// A directory in which the caller may change names.
fn writable_directory<'p>(place: &'p Place, caller: &Caller) -> Result<&'p dyn Directory, Errno> {
    let directory = place.vnode.as_directory().ok_or(Errno::ENOTDIR)?;
    caller.check(&place.vnode.stat(), MAY_WRITE | MAY_EXECUTE)?;
    Ok(directory)
}

/// `O_PATH` takes these flags and ignores all others.
const PATH_FLAGS: u32 = O_DIRECTORY | O_NOFOLLOW | linux::O_PATH | linux::O_CLOEXEC;

/// What an `open` asks for.
struct Opening {
    flags: u32,
    mode: u16,
    paths: Paths,
}

impl Opening {
    fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    fn new_file<'k>(&self, kind: NewKind<'k>) -> New<'k> {
        let Caller { uid, gid, .. } = self.paths.caller;
        New { kind, permissions: self.mode & !self.paths.fs.umask, uid, gid }
    }

    fn last(&self) -> LastLink {
        let keeps = self.has(O_NOFOLLOW) || self.has(linux::O_CREAT | linux::O_EXCL);
        if keeps { LastLink::Keep } else { LastLink::Follow }
    }

    /// Finds or makes the file; tells whether it was made.
    fn locate(&self, ctx: &Ctx<'_>, directory: u64, path: &[u8]) -> Result<(Located, bool), Errno> {
        loop {
            let walked = self.paths.walk(ctx, directory, path, self.last())?;
            if walked.target.is_some() {
                self.check_existing(&walked)?;
                return Ok((locate(walked)?, false));
            }
            if !self.has(linux::O_CREAT) {
                return Err(Errno::ENOENT);
            }
            if walked.wants_directory {
                return Err(Errno::EISDIR);
            }
            let parent = writable_directory(&walked.parent, &self.paths.caller)?;
            let name = walked.name_or(Errno::EISDIR)?;
            match parent.create(name, &self.new_file(NewKind::File)) {
                Ok(vnode) => {
                    let place = Place { mount: walked.parent.mount.clone(), vnode };
                    return Ok((locate(Walked { target: Some(place), ..walked })?, true));
                }
                // Another thread made it in between: look again.
                Err(Errno::EEXIST) if !self.has(linux::O_EXCL) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn check_existing(&self, walked: &Walked) -> Result<(), Errno> {
        let vnode = &walked.existing()?.vnode;
        if self.has(linux::O_CREAT | linux::O_EXCL) {
            return Err(Errno::EEXIST);
        }
        let kind = vnode.kind();
        if self.has(O_DIRECTORY) && kind != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if self.has(linux::O_PATH) {
            return Ok(());
        }
        if kind == Kind::Symlink {
            return Err(Errno::ELOOP);
        }
        let Access { read, write } = self.wanted();
        let changes = write || self.has(linux::O_CREAT) || self.has(linux::O_TRUNC);
        if kind == Kind::Directory && changes {
            return Err(Errno::EISDIR);
        }
        let write = write || self.has(linux::O_TRUNC);
        let wanted = if read { MAY_READ } else { 0 } | if write { MAY_WRITE } else { 0 };
        self.paths.caller.check(&vnode.stat(), wanted)
    }

    /// The access to check for; the fourth value of the access mode wants both.
    fn wanted(&self) -> Access {
        match self.flags & linux::O_ACCMODE {
            linux::O_ACCMODE => Access { read: true, write: true },
            _ => access_of(self.flags),
        }
    }

    /// Makes a file without a name in a directory.
    fn nameless(&self, ctx: &Ctx<'_>, directory: u64, path: &[u8]) -> Result<Located, Errno> {
        if !access_of(self.flags).write {
            return Err(Errno::EINVAL);
        }
        let place = self.paths.find(ctx, directory, path, self.last())?;
        let parent = writable_directory(&place, &self.paths.caller)?;
        let vnode = parent.create_nameless(&self.new_file(NewKind::File))?;
        Ok(Located { place: Place { mount: place.mount.clone(), vnode }, location: None })
    }
}

pub(super) fn openat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, flags, mode, ..] = args;
    let path = read_path(ctx, path)?;
    let mut flags = flags as u32;
    if flags & linux::O_PATH != 0 {
        flags &= PATH_FLAGS;
    } else {
        // Every file opened by name has it on a 64-bit system.
        flags |= O_LARGEFILE;
    }
    let opening = Opening { flags, mode: (mode & 0o7777) as u16, paths: Paths::of(ctx) };
    let (located, is_new) = if opening.has(O_TMPFILE) {
        (opening.nameless(ctx, directory, &path)?, true)
    } else {
        opening.locate(ctx, directory, &path)?
    };
    let file = open_located(ctx, &opening.paths.caller, located, flags)?;
    if flags & linux::O_TRUNC != 0 && !is_new && file.vnode().kind() == Kind::File {
        // Files that are made when they are read cannot be cut, and are not asked to be.
        match file.vnode().truncate(0) {
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
    fd::install(ctx, file, OnExec::from_flag(flags, linux::O_CLOEXEC))
}

/// Opens a file that was found, waiting for the other end of a FIFO.
fn open_located(
    ctx: &mut Ctx<'_>,
    caller: &Caller,
    located: Located,
    flags: u32,
) -> Result<Arc<OpenFile>, Errno> {
    if flags & linux::O_PATH != 0 {
        return Ok(OpenFile::new(located, None, flags));
    }
    let device = located.place.vnode.open(caller)?;
    if let Some(device) = &device {
        let device: &dyn Any = &**device;
        if let Some(tty) = device.downcast_ref::<Tty>() {
            take_terminal(ctx, tty, flags);
        } else if let Some(pipe) = device.downcast_ref::<Pipe>() {
            let file_device = located.place.vnode.open(caller)?;
            return open_fifo(ctx, pipe, || OpenFile::new(located, file_device, flags), flags);
        }
    }
    Ok(OpenFile::new(located, device, flags))
}

/// A session's leader without a terminal gets the one that it opens.
fn take_terminal(ctx: &Ctx<'_>, tty: &Tty, flags: u32) {
    let process = ctx.process();
    let session = process.session.load(Ordering::Relaxed);
    let is_leader = session == process.pid;
    if flags & linux::O_NOCTTY == 0 && is_leader && tty.session().is_none() {
        tty.attach(session, process.group.load(Ordering::Relaxed));
    }
}

/// Opens an end of a FIFO: without `O_NONBLOCK` it waits for the other end.
fn open_fifo(
    ctx: &mut Ctx<'_>,
    pipe: &Pipe,
    open: impl FnOnce() -> Arc<OpenFile>,
    flags: u32,
) -> Result<Arc<OpenFile>, Errno> {
    let is_nonblocking = flags & linux::O_NONBLOCK != 0;
    let before = pipe.openings();
    let Access { read, write } = access_of(flags);
    if write && !read && is_nonblocking && pipe.ends().0 == 0 {
        return Err(Errno::ENXIO);
    }
    let file = open();
    if is_nonblocking || read == write {
        return Ok(file);
    }
    let direction = if read { Direction::Input } else { Direction::Output };
    let Some(queue) = pipe.queue(direction) else { return Ok(file) };
    ctx.wait_on(&[queue], None, |_| {
        let ((readers, writers), now) = (pipe.ends(), pipe.openings());
        let came =
            if read { writers > 0 || now.1 != before.1 } else { readers > 0 || now.0 != before.0 };
        Ok(if came { Some(()) } else { None })
    })?;
    Ok(file)
}

/// Makes a directory, node or link: what `mkdirat`, `mknodat` and `symlinkat` share.
fn make(
    ctx: &Ctx<'_>,
    directory: u64,
    path: &[u8],
    kind: NewKind<'_>,
    mode: u64,
) -> Result<u64, Errno> {
    let paths = Paths::of(ctx);
    let walked = paths.walk(ctx, directory, path, LastLink::Keep)?;
    if walked.target.is_some() {
        return Err(Errno::EEXIST);
    }
    if walked.wants_directory && !matches!(kind, NewKind::Directory) {
        return Err(Errno::ENOENT);
    }
    let parent = writable_directory(&walked.parent, &paths.caller)?;
    let permissions = match kind {
        NewKind::Symlink(_) => 0o777,
        NewKind::Directory => (mode & 0o1777) as u16 & !paths.fs.umask,
        _ => (mode & 0o7777) as u16 & !paths.fs.umask,
    };
    let Caller { uid, gid, .. } = paths.caller;
    parent.create(walked.name_or(Errno::EEXIST)?, &New { kind, permissions, uid, gid })?;
    Ok(0)
}

pub(super) fn mkdirat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, mode, ..] = args;
    let path = read_path(ctx, path)?;
    make(ctx, directory, &path, NewKind::Directory, mode)
}

pub(super) fn mknodat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, mode, device, ..] = args;
    let path = read_path(ctx, path)?;
    let kind = match abi::kind_of_bits(mode as u32).ok_or(Errno::EINVAL)? {
        Kind::File => NewKind::File,
        Kind::Fifo => NewKind::Fifo,
        Kind::Socket => NewKind::Socket,
        Kind::CharDevice => NewKind::CharDevice(device),
        Kind::BlockDevice => NewKind::BlockDevice(device),
        Kind::Directory => return Err(Errno::EPERM),
        Kind::Symlink => return Err(Errno::EINVAL),
    };
    make(ctx, directory, &path, kind, mode)
}

pub(super) fn symlinkat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [target, directory, path, ..] = args;
    let target = read_path(ctx, target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    let path = read_path(ctx, path)?;
    make(ctx, directory, &path, NewKind::Symlink(&target), 0)
}

/// Checks that the caller may take a name away: in a sticky directory only the owner of the file
/// or of the directory may.
fn check_removal(directory: &Stat, file: &Stat, caller: &Caller) -> Result<(), Errno> {
    let is_sticky = u32::from(directory.permissions) & linux::S_ISVTX != 0;
    if is_sticky && caller.uid != directory.uid {
        return caller.check_owner(file);
    }
    Ok(())
}

pub(super) fn unlinkat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, flags, ..] = args;
    let what = match flags as u32 {
        0 => Removal::File,
        linux::AT_REMOVEDIR => Removal::Directory,
        _ => return Err(Errno::EINVAL),
    };
    let path = read_path(ctx, path)?;
    let paths = Paths::of(ctx);
    let walked = paths.walk(ctx, directory, &path, LastLink::Keep)?;
    let name = match what {
        Removal::File => walked.name_or(Errno::EISDIR)?,
        Removal::Directory if path.ends_with(b"..") => return Err(Errno::ENOTEMPTY),
        Removal::Directory if path.ends_with(b"/") => walked.name_or(Errno::EBUSY)?,
        Removal::Directory => walked.name_or(Errno::EINVAL)?,
    };
    let victim = walked.existing()?;
    let parent = writable_directory(&walked.parent, &paths.caller)?;
    check_removal(&walked.parent.vnode.stat(), &victim.vnode.stat(), &paths.caller)?;
    if !Arc::ptr_eq(&victim.mount, &walked.parent.mount) {
        return Err(if what == Removal::File { Errno::EISDIR } else { Errno::EBUSY });
    }
    parent.unlink(name, what).map(|()| 0)
}

pub(super) fn renameat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [old_directory, old, new_directory, new, ..] = args;
    renameat2(ctx, [old_directory, old, new_directory, new, 0, 0])
}

pub(super) fn renameat2(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [old_directory, old, new_directory, new, flags, ..] = args;
    let mode = match flags as u32 {
        0 => RenameMode::Replace,
        linux::RENAME_NOREPLACE => RenameMode::KeepTarget,
        linux::RENAME_EXCHANGE => RenameMode::Exchange,
        _ => return Err(Errno::EINVAL),
    };
    let (old, new) = (read_path(ctx, old)?, read_path(ctx, new)?);
    let paths = Paths::of(ctx);
    let from = paths.walk(ctx, old_directory, &old, LastLink::Keep)?;
    let to = paths.walk(ctx, new_directory, &new, LastLink::Keep)?;
    let old_name = from.name_or(Errno::EBUSY)?;
    let in_the_way = if mode == RenameMode::KeepTarget { Errno::EEXIST } else { Errno::EBUSY };
    let new_name = to.name_or(in_the_way)?;
    let moved = from.existing()?;
    if !Arc::ptr_eq(&from.parent.mount, &to.parent.mount) {
        return Err(Errno::EXDEV);
    }
    let wants_directory = from.wants_directory || to.wants_directory;
    if wants_directory && moved.vnode.kind() != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    let is_mount = |place: &Place| !Arc::ptr_eq(&place.mount, &from.parent.mount);
    if is_mount(moved) || to.target.as_ref().is_some_and(is_mount) {
        return Err(Errno::EBUSY);
    }
    let directory = writable_directory(&from.parent, &paths.caller)?;
    writable_directory(&to.parent, &paths.caller)?;
    check_removal(&from.parent.vnode.stat(), &moved.vnode.stat(), &paths.caller)?;
    if let Some(victim) = &to.target {
        check_removal(&to.parent.vnode.stat(), &victim.vnode.stat(), &paths.caller)?;
    }
    directory.rename(old_name, &to.parent.vnode, new_name, mode).map(|()| 0)
}

pub(super) fn linkat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [old_directory, old, new_directory, new, flags, ..] = args;
    let flags = flags as u32;
    if flags & !(linux::AT_SYMLINK_FOLLOW | linux::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let (old, new) = (read_path(ctx, old)?, read_path(ctx, new)?);
    let paths = Paths::of(ctx);
    // The default is the other way round than everywhere else.
    let no_follow =
        if flags & linux::AT_SYMLINK_FOLLOW == 0 { linux::AT_SYMLINK_NOFOLLOW } else { 0 };
    let from = paths.find_at(ctx, old_directory, &old, flags & linux::AT_EMPTY_PATH | no_follow)?;
    let to = paths.walk(ctx, new_directory, &new, LastLink::Keep)?;
    if to.target.is_some() {
        return Err(Errno::EEXIST);
    }
    if to.wants_directory {
        return Err(Errno::ENOENT);
    }
    if !Arc::ptr_eq(&from.mount, &to.parent.mount) {
        return Err(Errno::EXDEV);
    }
    let directory = writable_directory(&to.parent, &paths.caller)?;
    directory.link(to.name_or(Errno::EEXIST)?, &from.vnode).map(|()| 0)
}

pub(super) fn readlinkat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, buffer, size, ..] = args;
    if size as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_path(ctx, path)?;
    let paths = Paths::of(ctx);
    let place = if path.is_empty() {
        let place = paths.descriptor(ctx, directory)?;
        if place.vnode.kind() == Kind::Symlink { place } else { return Err(Errno::ENOENT) }
    } else {
        paths.find(ctx, directory, &path, LastLink::Keep)?
    };
    let text = match place.vnode.link_target(&paths.caller)? {
        LinkTarget::Path(path) => path,
        LinkTarget::Place(located) => located.path(&paths.fs.root),
    };
    let text = text.get(..size as usize).unwrap_or(&text);
    ctx.memory.write(buffer, text)?;
    Ok(text.len() as u64)
}

/// A vnode that a path or descriptor leads to, and who asks.
pub(super) fn vnode_at(
    ctx: &Ctx<'_>,
    directory: u64,
    path: u64,
    flags: u32,
) -> Result<(Arc<dyn Vnode>, Caller), Errno> {
    let path = read_path(ctx, path)?;
    let paths = Paths::of(ctx);
    let place = paths.find_at(ctx, directory, &path, flags)?;
    Ok((place.vnode, paths.caller))
}
