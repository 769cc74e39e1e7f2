//! memcpy and its family in AArch64 assembly, general registers only.
//!
//! On the target this crate defines `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp` and `strlen`,
//! which the compiler calls; they take the place of compiler-builtins' generic ones, which are weak.
//! Large blocks move 7 bytes an instruction. Nothing here touches FP/SIMD registers, which hold
//! a guest's values. Memory must be Normal: with the MMU off, unaligned accesses and `dc zva` fault.
//!
//! # Invariants
//!
//! - `string.range`: a caller's ranges are mapped, as long as it says, and its own to touch.
//!
//! `self_test` runs on the target; on the host only [`zero_page`] and [`copy_page`] exist, in Rust.
#![cfg_attr(not(test), no_std)]

#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod assembly {
    core::arch::global_asm!(include_str!("copy.S"));
    core::arch::global_asm!(include_str!("set.S"));
    core::arch::global_asm!(include_str!("compare.S"));

    unsafe extern "C" {
        pub(super) fn osv_copy_page(to: *mut u8, from: *const u8);
        pub(super) fn osv_zero_page(page: *mut u8);
    }
}

#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod self_test;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
pub use self_test::{SELF_TEST_BYTES, self_test};

/// Bytes of a page.
const PAGE_BYTES: usize = 4096;

/// Zeroes a page.
///
/// # Safety
/// `page` is page-aligned, and the page is writable Normal memory that nothing refers to.
#[inline]
pub unsafe fn zero_page(page: *mut u8) {
    debug_assert!(page.addr().is_multiple_of(PAGE_BYTES));
    #[cfg(all(target_os = "none", target_arch = "aarch64"))]
    // SAFETY: [string.range] as the caller says.
    unsafe {
        assembly::osv_zero_page(page);
    }
    #[cfg(not(all(target_os = "none", target_arch = "aarch64")))]
    // SAFETY: [string.range] as the caller says.
    unsafe {
        page.write_bytes(0, PAGE_BYTES);
    }
}

/// Copies a page to another.
///
/// # Safety
/// Both are page-aligned Normal memory and distinct; `from` is readable, `to` is writable, and
/// nothing refers to `to`.
#[inline]
pub unsafe fn copy_page(to: *mut u8, from: *const u8) {
    debug_assert!(to.addr().is_multiple_of(PAGE_BYTES) && from.addr().is_multiple_of(PAGE_BYTES));
    #[cfg(all(target_os = "none", target_arch = "aarch64"))]
    // SAFETY: [string.range] as the caller says.
    unsafe {
        assembly::osv_copy_page(to, from);
    }
    #[cfg(not(all(target_os = "none", target_arch = "aarch64")))]
    // SAFETY: [string.range] as the caller says.
    unsafe {
        core::ptr::copy_nonoverlapping(from, to, PAGE_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(4096))]
    struct Page([u8; PAGE_BYTES]);

    #[test]
    fn a_page_is_copied_and_zeroed() {
        let (mut to, from) = (Page([1; PAGE_BYTES]), Page([7; PAGE_BYTES]));
        // SAFETY: [string.range] two aligned pages of this test.
        unsafe { copy_page(to.0.as_mut_ptr(), from.0.as_ptr()) };
        assert!(to.0.iter().all(|byte| *byte == 7));
        // SAFETY: [string.range] an aligned page of this test.
        unsafe { zero_page(to.0.as_mut_ptr()) };
        assert!(to.0.iter().all(|byte| *byte == 0));
    }
}
