//! System calls that tell about files: stat, statx, access, statfs.

use linux_raw_sys::general as linux;

use super::path::{Paths, caller, last_link, read_path};
use super::{Ctx, fd};
use crate::errno::Errno;
use crate::vfs::abi;
use crate::vfs::place::Place;
use crate::vfs::vnode::FileSystemInfo;

pub(super) fn fstat(ctx: &mut Ctx<'_>, [fd, buffer, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::file(ctx, fd)?;
    ctx.memory.write(buffer, &abi::encode_stat(&file.vnode().stat()))?;
    Ok(0)
}

/// Flags that `newfstatat` and `statx` know.
const STAT_FLAGS: u32 = linux::AT_SYMLINK_NOFOLLOW
    | linux::AT_NO_AUTOMOUNT
    | linux::AT_EMPTY_PATH
    | linux::AT_STATX_SYNC_TYPE;

/// What a path and flags lead to; without a path, with `AT_EMPTY_PATH`, the descriptor.
fn find(ctx: &Ctx<'_>, directory: u64, path: u64, flags: u32) -> Result<Place, Errno> {
    if flags & !STAT_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let path = if path == 0 && flags & linux::AT_EMPTY_PATH != 0 {
        alloc::vec::Vec::new()
    } else {
        read_path(ctx, path)?
    };
    if path.is_empty() && flags & linux::AT_EMPTY_PATH != 0 && directory as i32 != linux::AT_FDCWD {
        return Ok(fd::file(ctx, directory)?.located.place.clone());
    }
    Paths::of(ctx).find_at(ctx, directory, &path, flags)
}

pub(super) fn newfstatat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, buffer, flags, ..] = args;
    let place = find(ctx, directory, path, flags as u32)?;
    ctx.memory.write(buffer, &abi::encode_stat(&place.vnode.stat()))?;
    Ok(0)
}

pub(super) fn statx(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, flags, mask, buffer, ..] = args;
    let sync = flags as u32 & linux::AT_STATX_SYNC_TYPE;
    if mask as u32 & linux::STATX__RESERVED != 0 || sync == linux::AT_STATX_SYNC_TYPE {
        return Err(Errno::EINVAL);
    }
    let place = find(ctx, directory, path, flags as u32)?;
    let record = abi::encode_statx(&place.vnode.stat(), place.mount.id);
    ctx.memory.write(buffer, &record)?;
    Ok(0)
}

pub(super) fn faccessat(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, mode, ..] = args;
    faccessat2(ctx, [directory, path, mode, 0, 0, 0])
}

pub(super) fn faccessat2(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [directory, path, mode, flags, ..] = args;
    let (mode, flags) = (mode as u32, flags as u32);
    const FLAGS: u32 = linux::AT_EACCESS | linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH;
    if mode & !7 != 0 || flags & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_path(ctx, path)?;
    let mut paths = Paths::of(ctx);
    if flags & linux::AT_EACCESS == 0 {
        let credentials = ctx.process().credentials.lock();
        paths.caller.uid = credentials.user.real;
        paths.caller.gid = credentials.group.real;
    }
    let place = if path.is_empty() && flags & linux::AT_EMPTY_PATH != 0 {
        paths.descriptor(ctx, directory)?
    } else {
        paths.find(ctx, directory, &path, last_link(flags))?
    };
    if mode == linux::F_OK {
        return Ok(0);
    }
    // R_OK, W_OK and X_OK are the permission bits.
    paths.caller.check(&place.vnode.stat(), mode as u16).map(|()| 0)
}

fn write_statfs(ctx: &Ctx<'_>, buffer: u64, info: &FileSystemInfo) -> Result<u64, Errno> {
    ctx.memory.write(buffer, &abi::encode_statfs(info))?;
    Ok(0)
}

pub(super) fn statfs(ctx: &mut Ctx<'_>, [path, buffer, ..]: [u64; 6]) -> Result<u64, Errno> {
    let path = read_path(ctx, path)?;
    let place = Paths::of(ctx).find_at(ctx, linux::AT_FDCWD as u64, &path, 0)?;
    write_statfs(ctx, buffer, &place.vnode.file_system())
}

pub(super) fn fstatfs(ctx: &mut Ctx<'_>, [fd, buffer, ..]: [u64; 6]) -> Result<u64, Errno> {
    let file = fd::file(ctx, fd)?;
    write_statfs(ctx, buffer, &file.vnode().file_system())
}

pub(super) fn umask(ctx: &mut Ctx<'_>, [mask, ..]: [u64; 6]) -> Result<u64, Errno> {
    let mut fs = ctx.process().fs.lock();
    Ok(u64::from(core::mem::replace(&mut fs.umask, (mask & 0o777) as u16)))
}

/// Tells whether the caller is privileged, for what only user 0 may do.
pub(super) fn check_privileged(ctx: &Ctx<'_>) -> Result<(), Errno> {
    if caller(ctx).uid == 0 { Ok(()) } else { Err(Errno::EPERM) }
}
