//! The global allocator: talc, over the heap that the program was started with.
//!
//! # Invariants
//!
//! - `heap.claimed`: a range is claimed once, is mapped readable and writable for the life of
//!   the program, and nothing but the allocator uses it.

use crate::sync::SpinThenYield;
use talc::TalcLock;
use talc::source::Manual;

/// The lock of the allocator.
type Lock = spin::mutex::SpinMutex<(), SpinThenYield>;

#[cfg_attr(target_os = "none", global_allocator)]
static HEAP: TalcLock<Lock, Manual> = TalcLock::new(Manual);

/// Gives `bytes` bytes at `address` to the allocator; returns whether they are enough to use.
///
/// # Safety
/// The range is mapped readable and writable from now on, and nothing else uses it.
pub unsafe fn claim(address: *mut u8, bytes: usize) -> bool {
    if bytes == 0 {
        return false;
    }
    // SAFETY: [heap.claimed] the caller says so.
    unsafe { HEAP.lock().claim(address, bytes) }.is_some()
}

/// Memory of the image for the first heap of a program that is started without one.
#[repr(C, align(4096))]
pub struct Arena<const BYTES: usize>(core::cell::UnsafeCell<[u8; BYTES]>);

// SAFETY: [heap.claimed] only the allocator looks at the content, behind its lock.
unsafe impl<const BYTES: usize> Sync for Arena<BYTES> {}

impl<const BYTES: usize> core::fmt::Debug for Arena<BYTES> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Arena of {BYTES} bytes")
    }
}

impl<const BYTES: usize> Arena<BYTES> {
    /// Makes a zeroed arena.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made in statics only")]
    pub const fn new() -> Self {
        Arena(core::cell::UnsafeCell::new([0; BYTES]))
    }

    /// Returns address and length.
    #[must_use]
    pub const fn range(&'static self) -> (*mut u8, usize) {
        (self.0.get().cast(), BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::alloc::{GlobalAlloc, Layout};

    #[test]
    fn what_is_claimed_can_be_allocated() {
        static ARENA: Arena<65536> = Arena::new();
        let (address, bytes) = ARENA.range();
        // SAFETY: [heap.claimed] only this test uses the arena, and claims it once.
        assert!(unsafe { claim(address, bytes) });
        let layout = Layout::from_size_align(4096, 4096).unwrap();
        // SAFETY: the layout has a size.
        let block = unsafe { HEAP.alloc(layout) };
        assert!(!block.is_null() && block.addr() % 4096 == 0);
        // SAFETY: the block came from this allocator with this layout.
        unsafe { HEAP.dealloc(block, layout) };
    }
}
