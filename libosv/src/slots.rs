//! Which slots of the program's CSpace are free.

use crate::sync::Mutex;
use alloc::vec::Vec;
use ipc_proto::abi::word::CPtr;

/// A set of slots, some of them taken: one bit each.
#[derive(Debug, Default)]
pub struct Slots {
    first: u32,
    count: u32,
    taken: Vec<u64>,
    /// No word before this one has a free bit.
    hint: usize,
}

impl Slots {
    /// Makes an empty set.
    #[must_use]
    pub const fn new() -> Self {
        Slots { first: 0, count: 0, taken: Vec::new(), hint: 0 }
    }

    /// Makes a set of `count` free slots from `first` on.
    #[must_use]
    pub fn with_range(first: CPtr, count: u32) -> Self {
        let words = count.div_ceil(64) as usize;
        let mut taken = alloc::vec![0; words];
        if let (Some(last), tail @ 1..) = (taken.last_mut(), count % 64) {
            *last = !0 << tail;
        }
        Slots { first: first.0, count, taken, hint: 0 }
    }

    /// Takes a free slot.
    pub fn allocate(&mut self) -> Option<CPtr> {
        let (index, word) =
            self.taken.iter_mut().enumerate().skip(self.hint).find(|(_, word)| **word != !0)?;
        let bit = word.trailing_ones();
        *word |= 1 << bit;
        self.hint = index;
        Some(CPtr(self.first + index as u32 * 64 + bit))
    }

    /// Takes `count` free slots in a row; returns the first.
    pub fn allocate_range(&mut self, count: u32) -> Option<CPtr> {
        let mut run = 0;
        for index in 0..self.count {
            run = if self.is_taken(index) { 0 } else { run + 1 };
            if count > 0 && run == count {
                let from = index + 1 - count;
                (from..=index).for_each(|index| self.set(index, true));
                return Some(CPtr(self.first + from));
            }
        }
        None
    }

    /// Gives a slot back. It must be empty, or it will be found taken when it is filled.
    pub fn free(&mut self, slot: CPtr) {
        if let Some(index) = slot.0.checked_sub(self.first).filter(|index| *index < self.count) {
            self.set(index, false);
            self.hint = self.hint.min(index as usize / 64);
        }
    }

    fn is_taken(&self, index: u32) -> bool {
        self.taken[index as usize / 64] >> (index % 64) & 1 != 0
    }

    fn set(&mut self, index: u32, taken: bool) {
        let word = &mut self.taken[index as usize / 64];
        *word = *word & !(1 << (index % 64)) | u64::from(taken) << (index % 64);
    }
}

/// The program's free slots.
static SLOTS: Mutex<Slots> = Mutex::new(Slots::new());

/// Says which slots are the program's own to fill; done once, at the start.
pub(crate) fn initialise(first: CPtr, count: u32) {
    *SLOTS.lock() = Slots::with_range(first, count);
}

/// Takes a free slot; `None` if there is none left.
#[must_use]
pub fn allocate() -> Option<CPtr> {
    SLOTS.lock().allocate()
}

/// Takes `count` free slots in a row; returns the first.
#[must_use]
pub fn allocate_range(count: u32) -> Option<CPtr> {
    SLOTS.lock().allocate_range(count)
}

/// Gives an empty slot back.
pub fn free(slot: CPtr) {
    SLOTS.lock().free(slot);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_slot_is_given_once() {
        let mut slots = Slots::with_range(CPtr(100), 70);
        let given: BTreeSet<u32> = core::iter::from_fn(|| slots.allocate()).map(|s| s.0).collect();
        assert_eq!(given, (100..170).collect());
    }

    #[test]
    fn a_range_fits_where_slots_were_given_back() {
        let mut slots = Slots::with_range(CPtr(10), 8);
        assert_eq!(slots.allocate_range(8), Some(CPtr(10)));
        assert_eq!(slots.allocate_range(1), None);
        (13..17).for_each(|slot| slots.free(CPtr(slot)));
        assert_eq!(slots.allocate_range(5), None);
        assert_eq!(slots.allocate_range(4), Some(CPtr(13)));
    }

    proptest! {
        #[test]
        fn slots_behave_like_a_set(steps: Vec<(bool, u8)>) {
            let mut slots = Slots::with_range(CPtr(5), 130);
            let mut model: BTreeSet<u32> = (5..135).collect();
            for (take, slot) in steps {
                if take {
                    let expected = model.pop_first();
                    prop_assert_eq!(slots.allocate().map(|slot| slot.0), expected);
                } else {
                    slots.free(CPtr(slot.into()));
                    if (5..135).contains(&slot) {
                        model.insert(slot.into());
                    }
                }
            }
        }
    }
}
