//! Calls about the system as a whole.

use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::Ctx;
use crate::errno::Errno;
use crate::frames::PAGE;
use crate::time::SECOND;

/// The release that `uname` tells: the Linux whose behaviour programs can expect.
pub const RELEASE: &str = "6.1.0-osv";
/// The version that `uname` tells.
pub const VERSION: &str = "#1 SMP OSv microkernel";

/// Bytes of each field of `struct new_utsname`.
const FIELD: usize = 65;

/// `uname(names)`.
pub fn uname(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let host = ctx.system().host_name.lock().clone();
    let fields: [&[u8]; 6] =
        [b"Linux", &host, RELEASE.as_bytes(), VERSION.as_bytes(), b"aarch64", b"(none)"];
    let mut bytes = [0; FIELD * 6];
    for (slot, field) in bytes.chunks_exact_mut(FIELD).zip(fields) {
        let count = field.len().min(FIELD - 1);
        slot[..count].copy_from_slice(&field[..count]);
    }
    ctx.memory.write(args[0], &bytes)?;
    Ok(0)
}

/// `sethostname(name, length)`.
pub fn sethostname(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    if args[1] >= FIELD as u64 {
        return Err(Errno::EINVAL);
    }
    let name = ctx.memory.read_bytes(args[0], args[1] as usize)?;
    *ctx.system().host_name.lock() = name;
    Ok(0)
}

/// `sysinfo(info)`.
pub fn sysinfo(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let system = ctx.system();
    let processes = system.processes().len() as u64;
    let (total, free) = (system.frames.total(), system.frames.free());
    let mut bytes = Vec::with_capacity(112);
    let mut put = |word: u64| bytes.extend_from_slice(&word.to_le_bytes());
    put(system.monotonic() / SECOND);
    (0..3).for_each(|_| put(0));
    put(total * PAGE as u64);
    put(free * PAGE as u64);
    // Shared and buffer memory, swap and free swap.
    (0..4).for_each(|_| put(0));
    put(processes & 0xffff);
    // High memory and free high memory; the unit of all sizes.
    (0..2).for_each(|_| put(0));
    put(1);
    ctx.memory.write(args[0], &bytes)?;
    Ok(0)
}

/// `getrandom(buffer, length, flags)`.
pub fn getrandom(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [address, length, flags, ..] = args;
    if flags as u32 & !(linux::GRND_NONBLOCK | linux::GRND_RANDOM | linux::GRND_INSECURE) != 0 {
        return Err(Errno::EINVAL);
    }
    let length = length.min(crate::guest_memory::MAX_TRANSFER as u64);
    let mut bytes = [0; 256];
    let mut done = 0;
    while done < length {
        let count = (length - done).min(bytes.len() as u64) as usize;
        ctx.system().random.fill(&mut bytes[..count]);
        if let Err(error) = ctx.memory.write(address.wrapping_add(done), &bytes[..count]) {
            return if done > 0 { Ok(done) } else { Err(error) };
        }
        done += count as u64;
    }
    Ok(length)
}
