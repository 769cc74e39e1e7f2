//! Page frames: the memory behind anonymous pages, tmpfs files and page caches, counted.
//!
//! | module | what it is |
//! | --- | --- |
//! | `pool` | the real frames: one Memory region that root gave, mapped linearly in the window |
//! | `fake` | frames on the heap, for host tests |

#[cfg(test)]
pub mod fake;
#[expect(unsafe_code, reason = "frames are reached through the linear mapping of the pool")]
pub mod pool;

/// Size of a page in bytes.
pub const PAGE: usize = 4096;

/// A page frame by its number: its offset in the pool divided by the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(pub u32);

impl Frame {
    /// Returns the frame's offset in the pool, in bytes.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.0 as u64 * PAGE as u64
    }
}

/// A store of page frames with reference counts. Counts start at 1; the frame is free again
/// when `release` takes the last reference.
pub trait Frames: Send + Sync {
    /// Takes a frame, zeroed, with count 1. `None` when there is no memory left.
    fn allocate(&self) -> Option<Frame>;

    /// Takes up to `most` frames in a row, zeroed, with count 1 each: the first and how many.
    fn allocate_run(&self, most: usize) -> Option<(Frame, usize)>;

    /// Adds a reference.
    fn retain(&self, frame: Frame);

    /// Takes a reference away.
    fn release(&self, frame: Frame);

    /// Returns the number of references.
    fn count(&self, frame: Frame) -> u32;

    /// Copies from the frame. `offset + into.len()` is at most the page size.
    fn read(&self, frame: Frame, offset: usize, into: &mut [u8]);

    /// Copies to the frame. `offset + from.len()` is at most the page size.
    fn write(&self, frame: Frame, offset: usize, from: &[u8]);

    /// Takes a new frame with count 1 that holds a copy of `from`.
    fn copy(&self, from: Frame) -> Option<Frame>;

    /// Returns the number of free frames.
    fn free(&self) -> u64;

    /// Returns the number of all frames.
    fn total(&self) -> u64;
}
