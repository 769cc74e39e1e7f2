//! System calls that change attributes: modes, owners, times, sizes; extended attributes.

use linux_raw_sys::general as linux;

use super::path::{caller, read_path, vnode_at};
use super::{Ctx, fd};
use crate::errno::Errno;
use crate::vfs::Caller;
use crate::vfs::Kind;
use crate::vfs::abi::read_long;
use crate::vfs::vnode::{Changes, MAY_WRITE, Stat, Timestamp, Vnode};

const S_ISUID: u16 = linux::S_ISUID as u16;
const S_ISGID: u16 = linux::S_ISGID as u16;

fn change_mode(vnode: &dyn Vnode, caller: &Caller, mode: u64) -> Result<u64, Errno> {
    let stat = vnode.stat();
    caller.check_owner(&stat)?;
    if stat.kind == Kind::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    let permissions = Some((mode & 0o7777) as u16);
    vnode.change(&Changes { permissions, ..Changes::default() }).map(|()| 0)
}

pub(super) fn fchmod(ctx: &mut Ctx<'_>, [fd, mode, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::usable_file(ctx, fd)?;
    change_mode(&**file.vnode(), &caller(ctx), mode)
}

pub(super) fn fchmodat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, mode, ..] = args;
    fchmodat2(ctx, [directory, path, mode, 0, 0, 0])
}

pub(super) fn fchmodat2(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, mode, flags, ..] = args;
    check_flags(flags)?;
    let (vnode, caller) = vnode_at(ctx, directory, path, flags as u32)?;
    change_mode(&*vnode, &caller, mode)
}

fn check_flags(flags: u64) -> Result<(), Errno> {
    let known = linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH;
    if flags as u32 & !known != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

fn change_owner(vnode: &dyn Vnode, caller: &Caller, uid: u64, gid: u64) -> Result<u64, Errno> {
    let wanted = |id: u64| if id as u32 == u32::MAX { None } else { Some(id as u32) };
    let (uid, gid) = (wanted(uid), wanted(gid));
    let stat = vnode.stat();
    let keeps_uid = uid.is_none_or(|uid| uid == stat.uid);
    let own_gid = gid.is_none_or(|gid| gid == stat.gid || gid == caller.gid);
    if caller.uid != 0 && !(caller.uid == stat.uid && keeps_uid && own_gid) {
        return Err(Errno::EPERM);
    }
    let permissions = Some(without_set_ids(&stat));
    vnode.change(&Changes { permissions, uid, gid, ..Changes::default() }).map(|()| 0)
}

/// The permission bits after a change of owner: a program loses its set-id bits.
fn without_set_ids(stat: &Stat) -> u16 {
    if stat.kind == Kind::Directory {
        return stat.permissions;
    }
    let is_group_executable = stat.permissions & 0o010 != 0;
    stat.permissions & !S_ISUID & !if is_group_executable { S_ISGID } else { 0 }
}

pub(super) fn fchown(ctx: &mut Ctx<'_>, [fd, uid, gid, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::usable_file(ctx, fd)?;
    change_owner(&**file.vnode(), &caller(ctx), uid, gid)
}

pub(super) fn fchownat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, uid, gid, flags, ..] = args;
    check_flags(flags)?;
    let (vnode, caller) = vnode_at(ctx, directory, path, flags as u32)?;
    change_owner(&*vnode, &caller, uid, gid)
}

pub(super) fn utimensat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, times, flags, ..] = args;
    check_flags(flags)?;
    let now = ctx.system().vfs.environment().now();
    let (accessed, modified) = if times == 0 {
        (Some(now), Some(now))
    } else {
        let mut bytes = [0; 32];
        ctx.memory.read(times, &mut bytes)?;
        (read_time(&bytes, 0, now)?, read_time(&bytes, 16, now)?)
    };
    let (vnode, caller) = if path == 0 {
        (fd::file(ctx, directory)?.vnode().clone(), caller(ctx))
    } else {
        vnode_at(ctx, directory, path, flags as u32)?
    };
    if accessed.is_none() && modified.is_none() {
        return Ok(0);
    }
    let stat = vnode.stat();
    if accessed == Some(now) && modified == Some(now) {
        // Who may write may also say that it happened now.
        caller.check_owner(&stat).or_else(|_| caller.check(&stat, MAY_WRITE))?;
    } else {
        caller.check_owner(&stat)?;
    }
    vnode.change(&Changes { accessed, modified, ..Changes::default() }).map(|()| 0)
}

/// Reads a `struct timespec` of `utimensat`; `None` to leave a time as it is.
fn read_time(bytes: &[u8], at: usize, now: Timestamp) -> Result<Option<Timestamp>, Errno> {
    let nanoseconds = read_long(bytes, at + 8);
    match nanoseconds {
        _ if nanoseconds == u64::from(linux::UTIME_NOW) => Ok(Some(now)),
        _ if nanoseconds == u64::from(linux::UTIME_OMIT) => Ok(None),
        0..1_000_000_000 => {
            let seconds = read_long(bytes, at).cast_signed();
            Ok(Some(Timestamp { seconds, nanoseconds: nanoseconds as u32 }))
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn truncate(ctx: &mut Ctx<'_>, [path, size, ..]: [u64; 6]) -> Result<u64, Errno> {
    if size > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let (vnode, caller) = vnode_at(ctx, linux::AT_FDCWD as u64, path, 0)?;
    match vnode.kind() {
        Kind::File => {}
        Kind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    caller.check(&vnode.stat(), MAY_WRITE)?;
    vnode.truncate(size).map(|()| 0)
}

/// Checks a path for a call on its extended attributes, of which no file here has any.
fn check_path(ctx: &Ctx<'_>, path: u64, flags: u32) -> Result<(), Errno> {
    vnode_at(ctx, linux::AT_FDCWD as u64, path, flags).map(|_| ())
}

/// Says what reading an attribute gives: none in the name spaces that files in memory know.
fn absent(ctx: &Ctx<'_>, name: u64) -> Result<u64, Errno> {
    let name = read_path(ctx, name)?;
    let known = [&b"trusted."[..], b"security.", b"system.posix_acl_"];
    let is_known = known.iter().any(|prefix| name.starts_with(prefix));
    Err(if is_known { Errno::ENODATA } else { Errno::EOPNOTSUPP })
}

pub(super) fn getxattr(ctx: &mut Ctx<'_>, [path, name, ..]: [u64; 6]) -> Result<u64, Errno> {
    check_path(ctx, path, 0)?;
    absent(ctx, name)
}

pub(super) fn lgetxattr(ctx: &mut Ctx<'_>, [path, name, ..]: [u64; 6]) -> Result<u64, Errno> {
    check_path(ctx, path, linux::AT_SYMLINK_NOFOLLOW)?;
    absent(ctx, name)
}

pub(super) fn fgetxattr(ctx: &mut Ctx<'_>, [fd, name, ..]: [u64; 6]) -> Result<u64, Errno> {
    fd::usable_file(ctx, fd)?;
    absent(ctx, name)
}

pub(super) fn listxattr(ctx: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> Result<u64, Errno> {
    check_path(ctx, path, 0).map(|()| 0)
}

pub(super) fn llistxattr(ctx: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> Result<u64, Errno> {
    check_path(ctx, path, linux::AT_SYMLINK_NOFOLLOW).map(|()| 0)
}

pub(super) fn flistxattr(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> Result<u64, Errno> {
    fd::usable_file(ctx, fd).map(|_| 0)
}

pub(super) fn setxattr(ctx: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> Result<u64, Errno> {
    check_path(ctx, path, 0)?;
    Err(Errno::EOPNOTSUPP)
}

pub(super) fn lsetxattr(ctx: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> Result<u64, Errno> {
    check_path(ctx, path, linux::AT_SYMLINK_NOFOLLOW)?;
    Err(Errno::EOPNOTSUPP)
}

pub(super) fn fsetxattr(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> Result<u64, Errno> {
    fd::usable_file(ctx, fd)?;
    Err(Errno::EOPNOTSUPP)
}

pub(super) fn removexattr(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    getxattr(ctx, args)
}

pub(super) fn lremovexattr(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    lgetxattr(ctx, args)
}

pub(super) fn fremovexattr(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    fgetxattr(ctx, args)
}
