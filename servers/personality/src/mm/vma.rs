//! A sorted map of areas: which address ranges are in use, and for what.
//!
//! Knows nothing of pages or files: the payload says how to split itself and what it merges with.
//!
//! # Invariants
//!
//! - `vma.sorted`: areas do not overlap and are not empty.
//! - `vma.merged`: no two neighbours could be one area.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

/// What an area stands for.
pub trait Payload: Clone {
    /// Returns the payload of the part that begins `bytes` after the area's start.
    #[must_use]
    fn advance(&self, bytes: u64) -> Self;
    /// Tells whether `next` goes on where an area of `bytes` bytes with this payload ends.
    fn continues_in(&self, bytes: u64, next: &Self) -> bool;
}

#[derive(Clone, Debug)]
struct Area<T> {
    end: u64,
    payload: T,
}

/// The map.
#[derive(Clone, Debug)]
pub struct VmaMap<T> {
    areas: BTreeMap<u64, Area<T>>,
}

impl<T> Default for VmaMap<T> {
    fn default() -> Self {
        VmaMap { areas: BTreeMap::new() }
    }
}

impl<T: Payload> VmaMap<T> {
    /// Returns the area that holds `address`.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<(Range<u64>, &T)> {
        let (&start, area) = self.areas.range(..=address).next_back()?;
        (address < area.end).then_some((start..area.end, &area.payload))
    }

    /// Returns the first area that ends after `address`: the one that holds it, or the next.
    #[must_use]
    pub fn find_from(&self, address: u64) -> Option<(Range<u64>, &T)> {
        self.find(address).or_else(|| {
            let (&start, area) = self.areas.range(address..).next()?;
            Some((start..area.end, &area.payload))
        })
    }

    /// Visits all areas, or those that touch `range`, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Range<u64>, &T)> {
        self.areas.iter().map(|(&start, area)| (start..area.end, &area.payload))
    }

    /// Visits the areas that touch `range`, each cut to it.
    pub fn overlapping(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, &T)> {
        let first = self.find(range.start).map_or(range.start, |(area, _)| area.start);
        self.areas.range(first..range.end.max(first)).map(move |(&start, area)| {
            (start.max(range.start)..area.end.min(range.end), &area.payload)
        })
    }

    /// Tells whether nothing lies in `range`.
    #[must_use]
    pub fn is_free(&self, range: &Range<u64>) -> bool {
        self.find_from(range.start).is_none_or(|(area, _)| area.start >= range.end)
    }

    /// Tells whether every address of `range` lies in an area.
    #[must_use]
    pub fn is_covered(&self, range: &Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            match self.find(at) {
                Some((area, _)) => at = area.end,
                None => return false,
            }
        }
        true
    }

    /// Puts an area in; what lay in the range before is replaced. Gives what was replaced.
    pub fn insert(&mut self, range: Range<u64>, payload: T) -> Vec<(Range<u64>, T)> {
        if range.is_empty() {
            return Vec::new();
        }
        let replaced = self.remove(range.clone());
        self.areas.insert(range.start, Area { end: range.end, payload });
        self.merge(range);
        replaced
    }

    /// Takes out whatever lies in `range`; gives the parts taken out.
    pub fn remove(&mut self, range: Range<u64>) -> Vec<(Range<u64>, T)> {
        if range.is_empty() || self.is_free(&range) {
            return Vec::new();
        }
        self.split(range.start);
        self.split(range.end);
        let starts: Vec<u64> = self.areas.range(range).map(|(&start, _)| start).collect();
        let mut removed = Vec::with_capacity(starts.len());
        for start in starts {
            if let Some(area) = self.areas.remove(&start) {
                removed.push((start..area.end, area.payload));
            }
        }
        removed
    }

    /// Changes the payload of whatever lies in `range`, splitting and merging as needed.
    pub fn update(&mut self, range: Range<u64>, mut change: impl FnMut(&mut T)) {
        if range.is_empty() {
            return;
        }
        self.split(range.start);
        self.split(range.end);
        for (_, area) in self.areas.range_mut(range.clone()) {
            change(&mut area.payload);
        }
        self.merge(range);
    }

    /// Moves the start of the area that begins at `start` down to `to`; the room must be free.
    pub fn extend_down(&mut self, start: u64, to: u64) {
        if let Some(area) = self.areas.remove(&start) {
            self.areas.insert(to, area);
        }
    }

    /// Finds the highest free range of `bytes` bytes inside `within`.
    #[must_use]
    pub fn find_gap(&self, within: Range<u64>, bytes: u64) -> Option<u64> {
        let mut top = within.end;
        for (area, _) in self.iter().rev() {
            if area.start >= top {
                continue;
            }
            if area.end <= within.start {
                break;
            }
            if top.saturating_sub(area.end) >= bytes {
                break;
            }
            top = area.start;
        }
        let start = top.checked_sub(bytes)?;
        (start >= within.start && self.is_free(&(start..top))).then_some(start)
    }

    /// Returns the number of areas.
    #[must_use]
    pub fn count(&self) -> usize {
        self.areas.len()
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.areas.clear();
    }

    /// Makes a border at `address` if it lies inside an area.
    fn split(&mut self, address: u64) {
        let Some((&start, area)) = self.areas.range_mut(..address).next_back() else { return };
        if area.end <= address {
            return;
        }
        let payload = area.payload.advance(address - start);
        let end = core::mem::replace(&mut area.end, address);
        self.areas.insert(address, Area { end, payload });
    }

    /// Joins neighbours in and around `range`.
    fn merge(&mut self, range: Range<u64>) {
        let from = self.areas.range(..range.start).next_back().map_or(range.start, |(&s, _)| s);
        let mut starts: Vec<u64> = self.areas.range(from..range.end).map(|(&s, _)| s).collect();
        starts.extend(self.areas.range(range.end..).next().map(|(&s, _)| s));
        let Some((&first, rest)) = starts.split_first() else { return };
        let mut current = first;
        for &start in rest {
            if self.can_join(current, start) {
                if let Some(next) = self.areas.remove(&start)
                    && let Some(area) = self.areas.get_mut(&current)
                {
                    area.end = next.end;
                }
            } else {
                current = start;
            }
        }
    }

    fn can_join(&self, first: u64, second: u64) -> bool {
        match (self.areas.get(&first), self.areas.get(&second)) {
            (Some(a), Some(b)) => {
                a.end == second && a.payload.continues_in(a.end - first, &b.payload)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A color, and where in a file the area begins; as a file mapping has it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Color(u8, u64);

    impl Payload for Color {
        fn advance(&self, bytes: u64) -> Color {
            Color(self.0, self.1 + bytes)
        }
        fn continues_in(&self, bytes: u64, next: &Color) -> bool {
            self.0 == next.0 && self.1 + bytes == next.1
        }
    }

    const SIZE: u64 = 64;

    #[derive(Clone, Debug)]
    enum Action {
        Insert(u64, u64, u8, u64),
        Remove(u64, u64),
        Paint(u64, u64, u8),
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let range = || (0..SIZE, 1..16u64);
        let action = prop_oneof![
            (range(), 0..3u8, 0..4u64).prop_map(|((s, l), c, o)| Action::Insert(s, l, c, o * 8)),
            range().prop_map(|(s, l)| Action::Remove(s, l)),
            (range(), 0..3u8).prop_map(|((s, l), c)| Action::Paint(s, l, c)),
        ];
        prop::collection::vec(action, 1..40)
    }

    /// The naive model: one cell an address.
    type Model = Vec<Option<Color>>;

    fn apply(map: &mut VmaMap<Color>, model: &mut Model, action: &Action) {
        let clip = |start: u64, length: u64| start..(start + length).min(SIZE);
        match *action {
            Action::Insert(start, length, color, offset) => {
                map.insert(clip(start, length), Color(color, offset));
                for at in clip(start, length) {
                    model[at as usize] = Some(Color(color, offset + at - start));
                }
            }
            Action::Remove(start, length) => {
                let removed: u64 =
                    map.remove(clip(start, length)).iter().map(|(r, _)| r.end - r.start).sum();
                let mut expected = 0;
                for at in clip(start, length) {
                    expected += u64::from(model[at as usize].take().is_some());
                }
                assert_eq!(removed, expected);
            }
            Action::Paint(start, length, color) => {
                map.update(clip(start, length), |payload| payload.0 = color);
                for cell in
                    model[start as usize..(start + length).min(SIZE) as usize].iter_mut().flatten()
                {
                    cell.0 = color;
                }
            }
        }
    }

    fn compare(map: &VmaMap<Color>, model: &Model) {
        for at in 0..SIZE {
            let found = map.find(at).map(|(range, payload)| payload.advance(at - range.start));
            assert_eq!(found, model[at as usize], "address {at}");
        }
        let areas: Vec<_> = map.iter().collect();
        for pair in areas.windows(2) {
            let ((a, first), (b, second)) = (&pair[0], &pair[1]);
            assert!(a.end <= b.start && a.start < a.end, "vma.sorted");
            let joined = a.end == b.start && first.continues_in(a.end - a.start, second);
            assert!(!joined, "vma.merged");
        }
        for bytes in [1, 3, 9] {
            let naive = (0..=SIZE - bytes)
                .rev()
                .find(|&start| (start..start + bytes).all(|at| model[at as usize].is_none()));
            assert_eq!(map.find_gap(0..SIZE, bytes), naive, "gap of {bytes}");
        }
    }

    proptest! {
        #[test]
        fn the_map_agrees_with_one_cell_an_address(actions in actions()) {
            let mut map = VmaMap::default();
            let mut model: Model = vec![None; SIZE as usize];
            for action in &actions {
                apply(&mut map, &mut model, action);
                compare(&map, &model);
            }
        }
    }
}
