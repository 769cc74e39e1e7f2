//! Calls about memory.

use alloc::sync::Arc;

use ipc_proto::abi::word::Rights;
use linux_raw_sys::general as linux;

use super::Ctx;
use crate::errno::Errno;
use crate::mm::area::{Backing, MappedFile, Vma};
use crate::mm::object::SharedPages;
use crate::mm::space::Placement;
use crate::mm::{AddressSpace, PAGE, page_ceil};
use crate::vfs;

fn space(ctx: &Ctx<'_>) -> Result<Arc<AddressSpace>, Errno> {
    ctx.process().space().ok_or(Errno::ENOMEM)
}

/// Decodes `PROT_` bits; they are those of [`Rights`].
fn access(prot: u64) -> Result<Rights, Errno> {
    let ignored = u64::from(linux::PROT_GROWSDOWN | linux::PROT_GROWSUP | linux::PROT_SEM);
    // PROT_BTI and PROT_MTE (0x10, 0x20) need hardware that is not announced.
    match prot & !ignored {
        bits @ 0..=7 => Ok(Rights(bits as u8)),
        _ => Err(Errno::EINVAL),
    }
}

/// `mmap(address, length, prot, flags, fd, offset)`.
pub(super) fn mmap(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [address, length, prot, flags, fd, offset] = args;
    let flags = flags as u32;
    if length == 0 || offset % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    let access = access(prot)?;
    let is_shared = match flags & linux::MAP_TYPE {
        linux::MAP_PRIVATE => false,
        linux::MAP_SHARED | linux::MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL),
    };
    let placement = if flags & linux::MAP_FIXED_NOREPLACE != 0 {
        Placement::IfFree
    } else if flags & linux::MAP_FIXED != 0 {
        Placement::Replace
    } else {
        Placement::Anywhere
    };
    let is_anonymous = flags & linux::MAP_ANONYMOUS != 0 || is_zero_device(ctx, fd as u32)?;
    let backing = if is_anonymous {
        check_size(ctx, length, access, flags)?;
        if is_shared {
            Backing::Object(Arc::new(SharedPages::new(ctx.system().frames.clone())), 0)
        } else {
            Backing::Anonymous
        }
    } else {
        Backing::File(mapped_file(ctx, fd as u32, access, is_shared)?, offset)
    };
    let vma = Vma {
        is_shared,
        backing,
        grows_down: flags & linux::MAP_GROWSDOWN != 0,
        ..Vma::anonymous(access, "")
    };
    let space = space(ctx)?;
    let at = space.map(address, length, placement, vma)?;
    if flags & linux::MAP_POPULATE != 0 {
        populate(&space, at, length, access);
    }
    Ok(at)
}

/// Tells whether a descriptor is `/dev/zero`, a mapping of which is anonymous memory.
fn is_zero_device(ctx: &Ctx<'_>, fd: u32) -> Result<bool, Errno> {
    let file = ctx.process().fd_table().lock().get(fd)?.clone();
    let vnode = file.vnode();
    Ok(vnode.kind() == vfs::Kind::CharDevice && vnode.stat().rdev == vfs::device::ZERO)
}

/// Refuses what can never be there: more writable memory than the machine has.
fn check_size(ctx: &Ctx<'_>, length: u64, access: Rights, flags: u32) -> Result<(), Errno> {
    let is_reserved = flags & linux::MAP_NORESERVE != 0 || !access.contains(Rights::WRITE);
    if !is_reserved && length / PAGE > ctx.system().frames.total() {
        return Err(Errno::ENOMEM);
    }
    Ok(())
}

/// Checks that a file may be mapped like this.
fn mapped_file(
    ctx: &Ctx<'_>,
    fd: u32,
    access: Rights,
    is_shared: bool,
) -> Result<Arc<MappedFile>, Errno> {
    let file = ctx.process().fd_table().lock().get(fd)?.clone();
    let rights = file.access();
    if file.is_path() {
        return Err(Errno::EBADF);
    }
    let writes_through = is_shared && access.contains(Rights::WRITE);
    if !rights.read || writes_through && !rights.write {
        return Err(Errno::EACCES);
    }
    let backing = file.io().backing();
    match backing {
        vfs::Backing::None => return Err(Errno::ENODEV),
        vfs::Backing::Region { .. } if writes_through => return Err(Errno::EACCES),
        _ => {}
    }
    let is_frames = backing == vfs::Backing::Frames;
    let root = ctx.process().fs.lock().root.clone();
    Ok(Arc::new(MappedFile {
        vnode: file.io().clone(),
        path: file.path(&root),
        may_write: rights.write && is_frames,
    }))
}

/// Touches every page; what cannot be had now is had later.
fn populate(space: &AddressSpace, at: u64, length: u64, access: Rights) {
    use crate::mm::FaultKind;
    let kind = if access.contains(Rights::WRITE) { FaultKind::Write } else { FaultKind::Read };
    for page in 0..length.div_ceil(PAGE) {
        if space.fault(at + page * PAGE, kind).is_err() {
            return;
        }
    }
}

/// `munmap(address, length)`.
pub(super) fn munmap(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    space(ctx)?.unmap(args[0], args[1])?;
    Ok(0)
}

/// `mprotect(address, length, prot)`.
pub(super) fn mprotect(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    space(ctx)?.protect(args[0], args[1], access(args[2])?)?;
    Ok(0)
}

/// `brk(end)`.
pub(super) fn brk(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let limit = {
        let limits = ctx.process().limits.lock();
        limits.get(linux::RLIMIT_DATA).map_or(u64::MAX, |limit| limit.soft)
    };
    let most = ctx.system().frames.total() * PAGE;
    Ok(space(ctx)?.brk(args[0], limit.min(most)))
}

/// `mremap(old, old_length, new_length, flags, new)`.
pub(super) fn mremap(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [old, old_bytes, new_bytes, flags, to, _] = args;
    let flags = flags as u32;
    let is_fixed = flags & linux::MREMAP_FIXED != 0;
    let may_move = flags & linux::MREMAP_MAYMOVE != 0;
    let unknown = flags & !(linux::MREMAP_FIXED | linux::MREMAP_MAYMOVE);
    if unknown != 0 || is_fixed && !may_move {
        return Err(Errno::EINVAL);
    }
    space(ctx)?.remap(old, old_bytes, new_bytes, may_move, is_fixed.then_some(to))
}

/// `madvise(address, length, advice)`.
pub(super) fn madvise(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [address, length, advice, ..] = args;
    let space = space(ctx)?;
    if address % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    if length == 0 {
        return Ok(0);
    }
    let end = page_ceil(length).and_then(|length| address.checked_add(length));
    let range = address..end.ok_or(Errno::EINVAL)?;
    match advice as u32 {
        linux::MADV_DONTNEED | linux::MADV_FREE | linux::MADV_REMOVE => {
            space.discard(address, length)?;
        }
        linux::MADV_DONTFORK => space.update(range, |vma| vma.is_private_to_parent = true),
        linux::MADV_DOFORK => space.update(range, |vma| vma.is_private_to_parent = false),
        linux::MADV_POPULATE_READ => populate(&space, address, length, Rights::READ),
        linux::MADV_POPULATE_WRITE => populate(&space, address, length, Rights::WRITE),
        linux::MADV_NORMAL..=linux::MADV_WILLNEED
        | linux::MADV_MERGEABLE
        | linux::MADV_UNMERGEABLE
        | linux::MADV_HUGEPAGE
        | linux::MADV_NOHUGEPAGE
        | linux::MADV_DONTDUMP
        | linux::MADV_DODUMP
        | linux::MADV_COLD
        | linux::MADV_PAGEOUT => {
            if !space.is_covered(address, length) {
                return Err(Errno::ENOMEM);
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `msync(address, length, flags)`: shared pages are the file's own.
pub(super) fn msync(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    covered(ctx, args[0], args[1])
}

/// `mlock`, `mlock2`, `munlock`: memory never leaves.
pub(super) fn mlock(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    covered(ctx, args[0] & !(PAGE - 1), args[1])
}

/// `mlockall`, `munlockall`: memory never leaves.
pub(super) fn mlockall(_: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(0)
}

fn covered(ctx: &Ctx<'_>, address: u64, length: u64) -> Result<u64, Errno> {
    if !address.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    if length > 0 && !space(ctx)?.is_covered(address, length) {
        return Err(Errno::ENOMEM);
    }
    Ok(0)
}

/// `mincore(address, length, vector)`: everything mapped counts as resident.
pub(super) fn mincore(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    covered(ctx, args[0], args[1])?;
    for page in 0..args[1].div_ceil(PAGE) {
        ctx.memory.write(args[2].wrapping_add(page), &[1])?;
    }
    Ok(0)
}
