//! Where things go in a process' address space, and how random that is.
//!
//! ```text
//! 0x40_0000…        a static program, then its heap (brk)
//! 0x5555_…          a position-independent program, then its heap
//! …                 mmap, from the top down; vDSO and interpreter among them
//! …                 a gap as large as the stack may grow
//! 0xff80_0000_0000  the stack, a little below the server window
//! ```

use ipc_proto::abi::layout::WINDOW_BASE;

use super::PAGE;

/// First address a program can map: below it null pointers fault.
pub const LOWEST: u64 = 0x1_0000;
/// First address that no program can have.
pub const HIGHEST: u64 = WINDOW_BASE;
/// Where position-independent programs go, before randomness.
const PIE_BASE: u64 = 0x5555_5000_0000;
/// Smallest room kept for the stack.
const STACK_GAP_MIN: u64 = 128 << 20;
/// Largest room kept for the stack.
const STACK_GAP_MAX: u64 = HIGHEST / 6;

/// The places of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// End of the stack.
    pub stack_top: u64,
    /// End of the area where mmap looks for room.
    pub mmap_top: u64,
    /// Load bias of a position-independent program.
    pub pie_base: u64,
    /// Distance from the program's end to its heap.
    pub heap_gap: u64,
}

impl Layout {
    /// Chooses places from 32 random bytes.
    #[must_use]
    pub fn random(seed: [u64; 4], stack_limit: u64) -> Layout {
        let pages = |word: u64, bits: u32| (word & ((1 << bits) - 1)) * PAGE;
        let stack_top = HIGHEST - PAGE - pages(seed[0], 22);
        let gap = stack_limit.clamp(STACK_GAP_MIN, STACK_GAP_MAX) & !(PAGE - 1);
        Layout {
            stack_top,
            mmap_top: stack_top - gap - PAGE - pages(seed[1], 18),
            pie_base: PIE_BASE + pages(seed[2], 24),
            heap_gap: PAGE + pages(seed[3], 12),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_their_order_whatever_the_dice_say() {
        for seed in [[0; 4], [u64::MAX; 4], [7, u64::MAX, 0, 9]] {
            for limit in [0, 8 << 20, u64::MAX] {
                let layout = Layout::random(seed, limit);
                assert!(layout.stack_top < HIGHEST && layout.mmap_top < layout.stack_top);
                assert!(layout.stack_top - layout.mmap_top >= STACK_GAP_MIN);
                assert!(layout.pie_base + (1 << 40) < layout.mmap_top);
                for place in [layout.stack_top, layout.mmap_top, layout.pie_base, layout.heap_gap] {
                    assert_eq!(place % PAGE, 0);
                }
            }
        }
    }
}
