//! Ranges of physical addresses, and sorted lists of them.

use core::ops::Deref;
use heapless::Vec;
use ipc_proto::abi::layout::PAGE_BYTES;

/// A range of physical addresses; never empty, never past the end of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    base: u64,
    bytes: u64,
}

impl Span {
    /// Makes the range; `None` if it is empty or its end overflows.
    #[must_use]
    pub const fn new(base: u64, bytes: u64) -> Option<Span> {
        match base.checked_add(bytes) {
            Some(_) if bytes > 0 => Some(Span { base, bytes }),
            _ => None,
        }
    }

    /// Makes the range from its first address to just before `end`; `None` if it is empty.
    #[must_use]
    pub const fn between(base: u64, end: u64) -> Option<Span> {
        match end.checked_sub(base) {
            Some(bytes) => Span::new(base, bytes),
            None => None,
        }
    }

    /// Returns the first address.
    #[must_use]
    pub const fn base(self) -> u64 {
        self.base
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }

    /// Returns the address behind the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.base + self.bytes
    }

    /// Tells whether `other` lies inside.
    #[must_use]
    pub const fn contains(self, other: Span) -> bool {
        self.base <= other.base && other.end() <= self.end()
    }

    /// Tells whether the two have a byte in common.
    #[must_use]
    pub const fn overlaps(self, other: Span) -> bool {
        self.base < other.end() && other.base < self.end()
    }

    /// Returns the whole pages inside; `None` if there is none.
    #[must_use]
    pub const fn pages_within(self) -> Option<Span> {
        match self.base.checked_next_multiple_of(PAGE_BYTES) {
            Some(base) => Span::between(base, self.end() & !(PAGE_BYTES - 1)),
            None => None,
        }
    }

    /// Returns the pages that the range touches.
    #[must_use]
    pub const fn pages_around(self) -> Span {
        let base = self.base & !(PAGE_BYTES - 1);
        let end = match self.end().checked_next_multiple_of(PAGE_BYTES) {
            Some(end) => end,
            None => !(PAGE_BYTES - 1),
        };
        Span { base, bytes: end - base }
    }
}

/// There is no room for another range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Up to `N` ranges: sorted, disjoint, and none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans<const N: usize>(Vec<Span, N>);

impl<const N: usize> Deref for Spans<N> {
    type Target = [Span];
    fn deref(&self) -> &[Span] {
        &self.0
    }
}

impl<const N: usize> Spans<N> {
    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Spans(Vec::new())
    }

    /// Adds a range, joined with those it touches.
    ///
    /// # Errors
    ///
    /// [`Full`] if it touches none and the list has no room; nothing is added then.
    pub fn add(&mut self, span: Span) -> Result<(), Full> {
        let (mut base, mut end) = (span.base, span.end());
        let touches = |other: &Span| other.base <= span.end() && span.base <= other.end();
        if self.0.is_full() && !self.0.iter().any(touches) {
            return Err(Full);
        }
        self.0.retain(|other| {
            if touches(other) {
                (base, end) = (base.min(other.base), end.max(other.end()));
            }
            !touches(other)
        });
        let place = self.0.partition_point(|other| other.base < base);
        self.0.insert(place, Span { base, bytes: end - base }).map_err(|_| Full)
    }

    /// Takes a range out. If that splits one and there is no room for both parts, the smaller
    /// part is lost.
    pub fn remove(&mut self, span: Span) {
        let mut split = None;
        for other in &mut self.0 {
            if !other.overlaps(span) {
                continue;
            }
            let below = Span::between(other.base, span.base);
            let above = Span::between(span.end(), other.end());
            match (below, above) {
                // Marked by zero bytes, removed below.
                (None, None) => other.bytes = 0,
                (Some(part), None) | (None, Some(part)) => *other = part,
                (Some(below), Some(above)) => {
                    let (kept, second) =
                        if below.bytes >= above.bytes { (below, above) } else { (above, below) };
                    *other = kept;
                    split = Some(second);
                }
            }
        }
        self.0.retain(|other| other.bytes > 0);
        if let Some(part) = split {
            // The parts do not touch anything, so this fails only for want of room.
            let _ = self.add(part);
        }
    }

    /// Takes every range of a list out.
    pub fn remove_all(&mut self, spans: &[Span]) {
        for span in spans {
            self.remove(*span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(base: u64, bytes: u64) -> Span {
        Span::new(base, bytes).unwrap()
    }

    #[test]
    fn a_span_is_never_empty_and_never_wraps() {
        assert_eq!(Span::new(5, 0), None);
        assert_eq!(Span::new(u64::MAX, 2), None);
        assert_eq!(Span::between(5, 4), None);
        assert_eq!(span(1, 4096).pages_within(), None);
        assert_eq!(span(1, 4096).pages_around(), span(0, 8192));
        assert_eq!(span(u64::MAX - 9000, 9000).pages_around().end(), !4095);
    }

    proptest! {
        #[test]
        fn a_list_agrees_with_a_set_of_addresses(
            steps in proptest::collection::vec((any::<bool>(), 0u64..200, 1u64..40), 0..60),
        ) {
            let mut list = Spans::<128>::new();
            let mut set = std::collections::BTreeSet::new();
            for (add, base, bytes) in steps {
                if add {
                    list.add(span(base, bytes)).unwrap();
                    set.extend(base..base + bytes);
                } else {
                    list.remove(span(base, bytes));
                    set.retain(|at| !(base..base + bytes).contains(at));
                }
                prop_assert!(list.windows(2).all(|pair| pair[0].end() < pair[1].base()));
                let flat: std::vec::Vec<u64> = list.iter().flat_map(|s| s.base()..s.end()).collect();
                prop_assert!(flat.iter().eq(set.iter()));
            }
        }

        #[test]
        fn a_full_list_never_holds_what_was_removed(
            holes in proptest::collection::vec((0u64..1000, 1u64..20), 0..40),
        ) {
            let mut list = Spans::<3>::new();
            list.add(span(0, 1000)).unwrap();
            for (base, bytes) in holes {
                list.remove(span(base, bytes));
                prop_assert!(list.iter().all(|left| !left.overlaps(span(base, bytes))));
            }
        }
    }
}
