//! Which frame stands behind which page of an address space.
//!
//! A shadow of the hardware's tables: 64 pages to a leaf, leaves in a sorted map. Kept so that a
//! fault can tell a first touch from copy-on-write, and so that fork and teardown need not ask
//! the kernel.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Range;

use crate::frames::Frame;

/// Pages of a leaf: few, so that a program that touches a page here and there costs little.
const LEAF_PAGES: u64 = 64;
/// Bytes that a leaf covers.
const LEAF_BYTES: u64 = LEAF_PAGES * 4096;

/// What stands behind one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing was touched yet.
    None,
    /// A page of a Memory region, mapped in place; never writable.
    Region,
    /// A frame that this address space holds a reference to.
    Frame {
        /// The frame.
        frame: Frame,
        /// Whether the hardware lets the guest write (copy-on-write is over, or does not apply).
        is_writable: bool,
    },
}

const REGION: u32 = 1 << 31;
const WRITABLE: u32 = 1 << 30;
const PRESENT: u32 = 1 << 29;
const FRAME: u32 = PRESENT - 1;

impl Entry {
    fn pack(self) -> u32 {
        match self {
            Entry::None => 0,
            Entry::Region => REGION,
            Entry::Frame { frame, is_writable } => {
                PRESENT | frame.0 & FRAME | if is_writable { WRITABLE } else { 0 }
            }
        }
    }

    fn unpack(word: u32) -> Entry {
        if word == 0 {
            Entry::None
        } else if word & REGION != 0 {
            Entry::Region
        } else {
            Entry::Frame { frame: Frame(word & FRAME), is_writable: word & WRITABLE != 0 }
        }
    }
}

type Leaf = [u32; LEAF_PAGES as usize];

/// The pages of one address space, by address.
#[derive(Default)]
pub struct Pages {
    leaves: BTreeMap<u64, Box<Leaf>>,
    /// Pages that are frames.
    resident: u64,
}

fn position(address: u64) -> (u64, usize) {
    (address / LEAF_BYTES, (address / 4096 % LEAF_PAGES) as usize)
}

impl Pages {
    /// Returns what stands behind the page at `address`.
    #[must_use]
    pub fn get(&self, address: u64) -> Entry {
        let (leaf, index) = position(address);
        self.leaves.get(&leaf).map_or(Entry::None, |leaf| Entry::unpack(leaf[index]))
    }

    /// Puts `entry` behind the page at `address`; gives what was there.
    pub fn set(&mut self, address: u64, entry: Entry) -> Entry {
        let (leaf, index) = position(address);
        let leaf = self.leaves.entry(leaf).or_insert_with(|| Box::new([0; LEAF_PAGES as usize]));
        let old = Entry::unpack(core::mem::replace(&mut leaf[index], entry.pack()));
        self.resident += u64::from(matches!(entry, Entry::Frame { .. }));
        self.resident -= u64::from(matches!(old, Entry::Frame { .. }));
        old
    }

    /// Returns how many pages from `address` on, at most `most`, have nothing behind them; never
    /// looks beyond the leaf.
    #[must_use]
    pub fn count_empty(&self, address: u64, most: u64) -> u64 {
        let (leaf, index) = position(address);
        let most = most.min(LEAF_PAGES - index as u64);
        match self.leaves.get(&leaf) {
            None => most,
            Some(leaf) => {
                let range = &leaf[index..index + most as usize];
                range.iter().take_while(|&&word| word == 0).count() as u64
            }
        }
    }

    /// Visits the pages in `range` that have something behind them, in order; `change` may
    /// replace it.
    pub fn visit(&mut self, range: Range<u64>, mut change: impl FnMut(u64, Entry) -> Entry) {
        if range.is_empty() {
            return;
        }
        let mut resident = self.resident;
        for (&number, leaf) in
            self.leaves.range_mut(range.start / LEAF_BYTES..=(range.end - 1) / LEAF_BYTES)
        {
            let base = number * LEAF_BYTES;
            let first = range.start.saturating_sub(base) / 4096;
            let last = ((range.end - base).div_ceil(4096)).min(LEAF_PAGES);
            for index in first as usize..last as usize {
                if leaf[index] == 0 {
                    continue;
                }
                let old = Entry::unpack(leaf[index]);
                let new = change(base + index as u64 * 4096, old);
                resident += u64::from(matches!(new, Entry::Frame { .. }));
                resident -= u64::from(matches!(old, Entry::Frame { .. }));
                leaf[index] = new.pack();
            }
        }
        self.resident = resident;
    }

    /// Returns the number of frames held.
    #[must_use]
    pub fn resident(&self) -> u64 {
        self.resident
    }

    /// Forgets everything; the caller has released the frames.
    pub fn clear(&mut self) {
        self.leaves.clear();
        self.resident = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kept_across_leaves() {
        let mut pages = Pages::default();
        let frame = |n| Entry::Frame { frame: Frame(n), is_writable: n % 2 == 0 };
        for n in 0..1030 {
            assert_eq!(pages.set(0x40_0000 + n * 4096, frame(n as u32)), Entry::None);
        }
        assert_eq!(pages.resident(), 1030);
        assert_eq!(pages.get(0x40_0000 + 513 * 4096), frame(513));
        let mut seen = 0;
        pages.visit(0x40_0000 + 500 * 4096..0x40_0000 + 600 * 4096, |address, entry| {
            assert_eq!(entry, frame(((address - 0x40_0000) / 4096) as u32));
            seen += 1;
            Entry::None
        });
        assert_eq!((seen, pages.resident()), (100, 930));
        assert_eq!(pages.count_empty(0x40_0000 + 500 * 4096, 64), 12);
        assert_eq!(pages.count_empty(0x40_0000 + 512 * 4096, 100), 64);
        assert_eq!(pages.set(0x1000, Entry::Region), Entry::None);
        assert_eq!(pages.resident(), 930);
    }
}
