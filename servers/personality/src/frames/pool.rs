//! The real frames: a Memory region mapped linearly, read-write, in the server window.
//!
//! The first frames hold one word for each frame: its reference count, or its place in the
//! free list. Frames that were never used are taken from the front of the untouched rest.
//!
//! # Invariants
//!
//! - `pool.mapped`: `base` to `base + 4096 * total` is mapped read-write as long as the pool is.
//! - `pool.words`: the words lie in the first `reserved` frames, which are never given out, and
//!   are only touched under the lock or, as counts, as atomics.
//! - `pool.range`: a [`Frame`] that callers hold is below `total`; asserted at each access.

use core::sync::atomic::{AtomicU32, Ordering};

use ipc_proto::abi::guest::GuestRecord;

use super::{Frame, Frames, PAGE};
use crate::sync::Mutex;

/// Marks a free frame's word; the lower bits are then the next free frame.
const FREE: u32 = 1 << 31;
/// The end of the free list.
const NONE: u32 = FREE - 1;

struct State {
    /// The first frame of the free list, or [`NONE`].
    first: u32,
    /// The first frame that was never given out.
    untouched: u32,
    /// Frames in the free list.
    listed: u32,
}

/// The frames of one Memory region.
pub struct Pool {
    base: usize,
    total: u32,
    reserved: u32,
    state: Mutex<State>,
}

impl Pool {
    /// Manages `bytes` bytes of memory at `base`.
    ///
    /// # Safety
    ///
    /// The range is mapped read-write for the rest of the program, page-aligned, and nothing
    /// else in this program refers to it.
    #[must_use]
    pub unsafe fn new(base: usize, bytes: usize) -> Pool {
        let total = (bytes / PAGE).min(NONE as usize) as u32;
        let reserved = (total as usize * 4).div_ceil(PAGE) as u32;
        let state = State { first: NONE, untouched: reserved, listed: 0 };
        Pool { base, total, reserved, state: Mutex::new(state) }
    }

    /// Returns the address at which the frame is mapped in the window.
    #[must_use]
    pub fn address(&self, frame: Frame) -> usize {
        assert!(frame.0 >= self.reserved && frame.0 < self.total, "pool.range");
        self.base + frame.0 as usize * PAGE
    }

    /// Takes a frame for good and gives it as a guest's record, zeroed.
    #[must_use]
    pub fn take_record(&self) -> Option<(Frame, &'static mut GuestRecord)> {
        let frame = self.allocate()?;
        let pointer = self.address(frame) as *mut GuestRecord;
        // SAFETY: [pool.mapped] the frame was just taken and is never released, so this is its
        // only reference; any bytes are a record. The kernel writes it only inside `run`, which
        // takes the reference.
        Some((frame, unsafe { &mut *pointer }))
    }

    /// Makes what was written to a frame visible to instruction fetches.
    #[cfg(target_os = "none")]
    pub fn synchronise_code(&self, frame: Frame) {
        let start = self.address(frame);
        let line: u64;
        // SAFETY: reading the cache type register has no effect.
        unsafe {
            core::arch::asm!("mrs {}, ctr_el0", out(reg) line, options(nomem, nostack));
        }
        // CTR_EL0.DminLine and IminLine: log2 of words (Arm ARM D19.2.34).
        let (data, code) = (4_usize << (line >> 16 & 15), 4_usize << (line & 15));
        for address in (start..start + PAGE).step_by(data) {
            // SAFETY: [pool.mapped] cleaning a line changes no content.
            unsafe { core::arch::asm!("dc cvau, {}", in(reg) address, options(nostack)) };
        }
        // SAFETY: a barrier.
        unsafe { core::arch::asm!("dsb ish", options(nostack)) };
        for address in (start..start + PAGE).step_by(code) {
            // SAFETY: [pool.mapped] invalidating a line of the instruction cache changes no content.
            unsafe { core::arch::asm!("ic ivau, {}", in(reg) address, options(nostack)) };
        }
        // SAFETY: barriers.
        unsafe { core::arch::asm!("dsb ish", "isb", options(nostack)) };
    }

    /// Does nothing: the host runs no guests.
    #[cfg(not(target_os = "none"))]
    pub fn synchronise_code(&self, _: Frame) {}

    fn word(&self, frame: Frame) -> &AtomicU32 {
        assert!(frame.0 < self.total, "pool.range");
        // SAFETY: [pool.words] the word lies in the reserved part of a mapped range, and is
        // only ever accessed as an atomic.
        unsafe { &*(self.base as *const AtomicU32).add(frame.0 as usize) }
    }

    fn zero(&self, frame: Frame) {
        // SAFETY: [pool.mapped] the frame is a whole mapped page; it was just taken, so nothing
        // else refers to it.
        unsafe { zero_page(self.address(frame) as *mut u8) }
    }

    /// Takes a frame whose content is anything.
    fn take(&self) -> Option<Frame> {
        let mut state = self.state.lock();
        if state.first != NONE {
            let frame = Frame(state.first);
            state.first = self.word(frame).load(Ordering::Relaxed) & !FREE;
            state.listed -= 1;
            self.word(frame).store(1, Ordering::Relaxed);
            return Some(frame);
        }
        if state.untouched == self.total {
            return None;
        }
        let frame = Frame(state.untouched);
        state.untouched += 1;
        self.word(frame).store(1, Ordering::Relaxed);
        Some(frame)
    }

    fn check(offset: usize, length: usize) {
        assert!(offset <= PAGE && length <= PAGE - offset, "an access stays in its frame");
    }
}

impl Frames for Pool {
    fn allocate(&self) -> Option<Frame> {
        let frame = self.take()?;
        self.zero(frame);
        Some(frame)
    }

    fn allocate_run(&self, most: usize) -> Option<(Frame, usize)> {
        let mut state = self.state.lock();
        let length = most.min((self.total - state.untouched) as usize);
        if length <= 1 {
            drop(state);
            return self.allocate().map(|frame| (frame, 1));
        }
        let first = Frame(state.untouched);
        state.untouched += length as u32;
        drop(state);
        for index in 0..length as u32 {
            let frame = Frame(first.0 + index);
            self.word(frame).store(1, Ordering::Relaxed);
            self.zero(frame);
        }
        Some((first, length))
    }

    fn retain(&self, frame: Frame) {
        // Relaxed: whoever retains holds a reference already, so the frame cannot go away.
        self.word(frame).fetch_add(1, Ordering::Relaxed);
    }

    fn release(&self, frame: Frame) {
        // AcqRel: what others did to the page comes before its next use by a new owner.
        if self.word(frame).fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let mut state = self.state.lock();
        self.word(frame).store(FREE | state.first, Ordering::Relaxed);
        state.first = frame.0;
        state.listed += 1;
    }

    fn count(&self, frame: Frame) -> u32 {
        self.word(frame).load(Ordering::Acquire)
    }

    fn read(&self, frame: Frame, offset: usize, into: &mut [u8]) {
        Self::check(offset, into.len());
        let from = (self.address(frame) + offset) as *const u8;
        // SAFETY: [pool.mapped] the range lies in one mapped frame; `into` is outside the pool.
        // A guest may write at the same time: the bytes are then any mixture, and are only data.
        unsafe { core::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) }
    }

    fn write(&self, frame: Frame, offset: usize, from: &[u8]) {
        Self::check(offset, from.len());
        let into = (self.address(frame) + offset) as *mut u8;
        // SAFETY: [pool.mapped] the range lies in one mapped frame; `from` is outside the pool.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), into, from.len()) }
    }

    fn copy(&self, from: Frame) -> Option<Frame> {
        let copy = self.take()?;
        let source = self.address(from) as *const u8;
        // SAFETY: [pool.mapped] both are whole mapped frames and differ: `copy` was free.
        unsafe {
            core::ptr::copy_nonoverlapping(source, self.address(copy) as *mut u8, PAGE);
        }
        Some(copy)
    }

    fn free(&self) -> u64 {
        let state = self.state.lock();
        u64::from(self.total - state.untouched + state.listed)
    }

    fn total(&self) -> u64 {
        u64::from(self.total - self.reserved)
    }
}

/// Zeroes the page at `page`.
///
/// # Safety
///
/// `page` is the address of a whole, mapped, page-aligned page that nothing else refers to.
unsafe fn zero_page(page: *mut u8) {
    // SAFETY: the caller vouches for the page.
    unsafe { core::ptr::write_bytes(page, 0, PAGE) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn pool(frames: usize) -> (alloc::vec::Vec<u64>, Pool) {
        let mut memory = vec![0xdead_u64; (frames + 1) * PAGE / 8];
        let base = (memory.as_mut_ptr() as usize).next_multiple_of(PAGE);
        // SAFETY: the vector outlives the pool in each test and is used by nothing else.
        let pool = unsafe { Pool::new(base, frames * PAGE) };
        (memory, pool)
    }

    #[test]
    fn every_frame_is_given_once_zeroed_and_again_after_release() {
        let (_memory, pool) = pool(16);
        assert_eq!(pool.total(), 15);
        let (first, length) = pool.allocate_run(4).expect("room");
        assert_eq!((first, length), (Frame(1), 4));
        let rest: vec::Vec<Frame> = core::iter::from_fn(|| pool.allocate()).collect();
        assert_eq!((rest.len(), pool.free()), (11, 0));
        let mut bytes = [1; 8];
        pool.read(rest[3], 4088, &mut bytes);
        assert_eq!(bytes, [0; 8]);
        pool.write(rest[3], 0, b"kept");
        pool.release(rest[0]);
        let copy = pool.copy(rest[3]).expect("one is free");
        assert_eq!(copy, rest[0]);
        pool.read(copy, 0, &mut bytes);
        assert_eq!(&bytes[..4], b"kept");
        pool.retain(copy);
        pool.release(copy);
        assert_eq!((pool.count(copy), pool.free()), (1, 0));
        pool.release(copy);
        assert_eq!(pool.free(), 1);
    }
}
