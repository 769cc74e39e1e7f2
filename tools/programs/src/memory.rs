//! Raw memory: mappings, and single accesses that the compiler must not move or drop.

use core::arch::asm;

use linux_raw_sys::general::*;

use crate::call;
use crate::syscall::{Fd, Result};

/// Bytes in a page.
pub const PAGE: usize = 4096;
/// Protection of ordinary data.
pub const READ_WRITE: u32 = PROT_READ | PROT_WRITE;
/// Flags of a private anonymous mapping.
pub const PRIVATE: u32 = MAP_PRIVATE | MAP_ANONYMOUS;

/// Maps memory or a file; returns the address.
pub fn map(
    hint: usize,
    bytes: usize,
    protection: u32,
    flags: u32,
    fd: Fd,
    offset: i64,
) -> Result<usize> {
    Ok(call!(__NR_mmap, hint, bytes, protection, flags, fd, offset)? as usize)
}

/// Maps fresh private memory anywhere.
pub fn map_pages(pages: usize) -> usize {
    map(0, pages * PAGE, READ_WRITE, PRIVATE, -1, 0).expect("mmap of fresh memory")
}

/// Unmaps a range.
pub fn unmap(address: usize, bytes: usize) -> Result {
    call!(__NR_munmap, address, bytes)
}

/// Changes the protection of a range.
pub fn protect(address: usize, bytes: usize, protection: u32) -> Result {
    call!(__NR_mprotect, address, bytes, protection)
}

/// Moves the program break; returns where it is afterwards.
pub fn brk(address: usize) -> usize {
    call!(__NR_brk, address).expect("brk never fails") as usize
}

/// Reads a value at `address` with one access.
#[inline(always)]
pub fn peek<T: Copy>(address: usize) -> T {
    // SAFETY: the crate header: these programs touch any address, and expect the faults.
    unsafe { core::ptr::with_exposed_provenance::<T>(address).read_volatile() }
}

/// Writes a value at `address` with one access.
#[inline(always)]
pub fn poke<T: Copy>(address: usize, value: T) {
    // SAFETY: as in `peek`.
    unsafe { core::ptr::with_exposed_provenance_mut::<T>(address).write_volatile(value) }
}

/// The bytes at `address`, which must be mapped and stay so.
pub fn bytes(address: usize, len: usize) -> &'static mut [u8] {
    // SAFETY: as in `peek`; callers hold one such slice at a time.
    unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(address), len) }
}

/// Calls the code at `address` as a function without arguments.
pub fn call_code(address: usize) -> u64 {
    let answer;
    // SAFETY: callers have put a function there, or expect the fault.
    unsafe {
        asm!("blr {}", in(reg) address, lateout("x0") answer, clobber_abi("C"));
    }
    answer
}

/// Makes freshly written code of one page visible to instruction fetches.
pub fn synchronise_code(address: usize) {
    for line in (address..address + PAGE).step_by(16) {
        // SAFETY: cache maintenance by address changes no data.
        unsafe { asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", in(reg) line, options(nostack)) };
    }
    // SAFETY: barriers change no data.
    unsafe { asm!("dsb ish", "isb", options(nostack)) };
}
