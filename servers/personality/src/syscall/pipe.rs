//! System calls that make files without a place: pipes, counters, files in memory.

use alloc::sync::Arc;

use linux_raw_sys::general as linux;

use super::path::caller;
use super::{Ctx, fd};
use crate::errno::Errno;
use crate::vfs::abi::{O_DIRECT, O_LARGEFILE};
use crate::vfs::eventfd::{EventCounter, Taking};
use crate::vfs::pipe::Pipe;
use crate::vfs::{OnExec, OpenFile, Vnode};

pub(super) fn pipe2(ctx: &mut Ctx<'_>, [address, flags, ..]: [u64; 6]) -> Result<u64, Errno> {
    let flags = flags as u32;
    // Packets (O_DIRECT) are not there: each read takes what there is.
    if flags & !(linux::O_CLOEXEC | linux::O_NONBLOCK) != 0 {
        return Err(if flags & O_DIRECT != 0 { Errno::EOPNOTSUPP } else { Errno::EINVAL });
    }
    let vfs = &ctx.system().vfs;
    let caller = caller(ctx);
    let pipe = Pipe::new(vfs.environment().now(), caller.uid, caller.gid);
    let status = flags & linux::O_NONBLOCK;
    let open = |access| OpenFile::new(vfs.without_name(pipe.clone()), None, access | status);
    let on_exec = OnExec::from_flag(flags, linux::O_CLOEXEC);
    let input = fd::install(ctx, open(linux::O_RDONLY), on_exec)?;
    let output = fd::install(ctx, open(linux::O_WRONLY), on_exec);
    let written = output.and_then(|output| {
        let [a, b] = [input as u32, output as u32].map(u32::to_le_bytes);
        let mut pair = [0; 8];
        pair[..4].copy_from_slice(&a);
        pair[4..].copy_from_slice(&b);
        ctx.memory.write(address, &pair).map(|()| 0)
    });
    if written.is_err() {
        let table = ctx.process().fd_table();
        for end in [Ok(input), output].into_iter().flatten() {
            // Dropped after the lock; another thread may have closed it by now.
            let removed = table.lock().remove(end as u32);
            drop(removed);
        }
    }
    written
}

/// Opens a vnode that no path leads to.
pub(super) fn install_nameless(
    ctx: &Ctx<'_>,
    vnode: Arc<dyn Vnode>,
    flags: u32,
) -> Result<u64, Errno> {
    let vfs = &ctx.system().vfs;
    let file = OpenFile::new(vfs.without_name(vnode), None, flags);
    fd::install(ctx, file, OnExec::from_flag(flags, linux::O_CLOEXEC))
}

pub(super) fn eventfd2(ctx: &mut Ctx<'_>, [count, flags, ..]: [u64; 6]) -> Result<u64, Errno> {
    let flags = flags as u32;
    if flags & !(linux::EFD_SEMAPHORE | linux::EFD_CLOEXEC | linux::EFD_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let taking = if flags & linux::EFD_SEMAPHORE != 0 { Taking::One } else { Taking::All };
    let counter = EventCounter::new(u64::from(count as u32), taking);
    // EFD_CLOEXEC and EFD_NONBLOCK are the flags of open.
    let flags = flags & (linux::O_CLOEXEC | linux::O_NONBLOCK);
    install_nameless(ctx, counter, flags | linux::O_RDWR)
}

/// Most bytes of a name given to `memfd_create`.
const NAME_LIMIT: usize = 249;

pub(super) fn memfd_create(ctx: &mut Ctx<'_>, [name, flags, ..]: [u64; 6]) -> Result<u64, Errno> {
    let flags = flags as u32;
    if flags & !(linux::MFD_CLOEXEC | linux::MFD_ALLOW_SEALING) != 0 {
        return Err(Errno::EINVAL);
    }
    ctx.memory.read_c_string(name, NAME_LIMIT + 1).map_err(|error| match error {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        error => error,
    })?;
    let vfs = &ctx.system().vfs;
    let status = linux::O_RDWR | O_LARGEFILE;
    let file = OpenFile::new(vfs.nameless_file(&caller(ctx))?, None, status);
    fd::install(ctx, file, OnExec::from_flag(flags, linux::MFD_CLOEXEC))
}
