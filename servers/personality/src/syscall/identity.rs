//! Calls about user and group ids.

use alloc::vec::Vec;

use super::Ctx;
use crate::errno::Errno;
use crate::task::credentials::{Credentials, Ids};

const MAX_GROUPS: usize = 65536;

fn get(ctx: &Ctx<'_>, pick: impl FnOnce(&Credentials) -> u32) -> Result<u64, Errno> {
    Ok(u64::from(pick(&ctx.process().credentials.lock())))
}

/// `getuid()`.
pub(super) fn getuid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    get(ctx, |credentials| credentials.user.real)
}

/// `geteuid()`.
pub(super) fn geteuid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    get(ctx, |credentials| credentials.user.effective)
}

/// `getgid()`.
pub(super) fn getgid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    get(ctx, |credentials| credentials.group.real)
}

/// `getegid()`.
pub(super) fn getegid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    get(ctx, |credentials| credentials.group.effective)
}

/// Which of the two sets of ids.
type Pick = fn(&mut Credentials) -> &mut Ids;
const USER: Pick = |credentials| &mut credentials.user;
const GROUP: Pick = |credentials| &mut credentials.group;

fn set(ctx: &Ctx<'_>, pick: Pick, ids: [u32; 3]) -> Result<u64, Errno> {
    let mut credentials = ctx.process().credentials.lock();
    let is_privileged = credentials.user.effective == 0;
    if pick(&mut credentials).set(ids, is_privileged) { Ok(0) } else { Err(Errno::EPERM) }
}

/// All ids with privileges, else the effective one.
fn set_all(ctx: &Ctx<'_>, pick: Pick, id: u32) -> Result<u64, Errno> {
    if id == Ids::KEEP {
        return Err(Errno::EINVAL);
    }
    let is_privileged = ctx.process().credentials.lock().user.effective == 0;
    set(ctx, pick, if is_privileged { [id; 3] } else { [Ids::KEEP, id, Ids::KEEP] })
}

/// Real and effective id; the saved one follows if the real one is set or the effective one is
/// another than the real one was.
fn set_two(ctx: &Ctx<'_>, pick: Pick, real: u32, effective: u32) -> Result<u64, Errno> {
    let old = *pick(&mut ctx.process().credentials.lock());
    let follows = real != Ids::KEEP || effective != Ids::KEEP && effective != old.real;
    let new_effective = if effective == Ids::KEEP { old.effective } else { effective };
    let saved = if follows { new_effective } else { Ids::KEEP };
    set(ctx, pick, [real, effective, saved])
}

fn read(ctx: &Ctx<'_>, pick: Pick, addresses: &[u64]) -> Result<u64, Errno> {
    let ids = *pick(&mut ctx.process().credentials.lock());
    for (address, id) in addresses.iter().zip([ids.real, ids.effective, ids.saved]) {
        ctx.memory.write_u32(*address, id)?;
    }
    Ok(0)
}

/// `setuid(id)`.
pub(super) fn setuid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set_all(ctx, USER, args[0] as u32)
}

/// `setgid(id)`.
pub(super) fn setgid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set_all(ctx, GROUP, args[0] as u32)
}

/// `setreuid(real, effective)`.
pub(super) fn setreuid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set_two(ctx, USER, args[0] as u32, args[1] as u32)
}

/// `setregid(real, effective)`.
pub(super) fn setregid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set_two(ctx, GROUP, args[0] as u32, args[1] as u32)
}

/// `setresuid(real, effective, saved)`.
pub(super) fn setresuid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set(ctx, USER, [args[0] as u32, args[1] as u32, args[2] as u32])
}

/// `setresgid(real, effective, saved)`.
pub(super) fn setresgid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set(ctx, GROUP, [args[0] as u32, args[1] as u32, args[2] as u32])
}

/// `getresuid(real, effective, saved)`.
pub(super) fn getresuid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    read(ctx, USER, &args[..3])
}

/// `getresgid(real, effective, saved)`.
pub(super) fn getresgid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    read(ctx, GROUP, &args[..3])
}

fn set_file(ctx: &Ctx<'_>, pick: Pick, id: u32) -> Result<u64, Errno> {
    let mut credentials = ctx.process().credentials.lock();
    let is_privileged = credentials.user.effective == 0;
    let ids = pick(&mut credentials);
    let old = ids.file;
    if id != Ids::KEEP && (is_privileged || ids.holds(id)) {
        ids.file = id;
    }
    Ok(u64::from(old))
}

/// `setfsuid(id)`: gives the old one, whether it changed or not.
pub(super) fn setfsuid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set_file(ctx, USER, args[0] as u32)
}

/// `setfsgid(id)`.
pub(super) fn setfsgid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    set_file(ctx, GROUP, args[0] as u32)
}

/// `getgroups(size, list)`.
pub(super) fn getgroups(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let groups = ctx.process().credentials.lock().groups.clone();
    let size = args[0] as i32;
    if size < 0 || size > 0 && (size as usize) < groups.len() {
        return Err(Errno::EINVAL);
    }
    if size > 0 {
        let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
        ctx.memory.write(args[1], &bytes)?;
    }
    Ok(groups.len() as u64)
}

/// `setgroups(size, list)`.
pub(super) fn setgroups(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let count = args[0] as u32 as usize;
    if count > MAX_GROUPS {
        return Err(Errno::EINVAL);
    }
    if ctx.process().credentials.lock().user.effective != 0 {
        return Err(Errno::EPERM);
    }
    let bytes = ctx.memory.read_bytes(args[1], count * 4)?;
    let groups =
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    ctx.process().credentials.lock().groups = groups.collect();
    Ok(0)
}
