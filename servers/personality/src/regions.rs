//! The memory regions that root maps for the personality.
//!
//! # Invariants
//!
//! - `regions.mapped`: a region in the start info is mapped with the access its name stands for
//!   for the life of the program, and nothing else in the program lies in it.

use ipc_proto::start::Region;

use crate::frames::pool::Pool;

/// Returns the bytes of an archive.
#[must_use]
pub fn archive(region: &Region<'_>) -> &'static [u8] {
    let start = core::ptr::with_exposed_provenance(region.address as usize);
    // SAFETY: [regions.mapped] the region is mapped readable, and no one changes an archive.
    unsafe { core::slice::from_raw_parts(start, region.bytes as usize) }
}

/// Makes a pool of the first `bytes` bytes of a region. Called once.
#[must_use]
pub fn pool(region: &Region<'_>, bytes: u64) -> Pool {
    let bytes = bytes.min(region.bytes) as usize;
    // SAFETY: [regions.mapped] the region is mapped read-write and is this pool's alone.
    unsafe { Pool::new(region.address as usize, bytes) }
}

/// Reads the seconds since 1970 off a PL031 real-time clock (its data register is the first).
#[must_use]
pub fn read_clock(region: &Region<'_>) -> u64 {
    let register = core::ptr::with_exposed_provenance::<u32>(region.address as usize);
    // SAFETY: [regions.mapped] the device's registers are mapped; reading this one has no effect.
    u64::from(unsafe { register.read_volatile() })
}
