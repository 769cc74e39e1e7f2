//! Address-space identifiers: a bitmap of those in use. Identifier 0 stands for no space.

/// Most identifiers that any core has (ID_AA64MMFR0_EL1.ASIDBits = 16).
const MOST: usize = 1 << 16;

/// The identifiers in use.
#[derive(Debug)]
pub struct Asids {
    used: [u64; MOST / 64],
    count: usize,
    next: usize,
}

impl Asids {
    /// Creates the allocator for a machine with `bits` (8 or 16) bits of identifier.
    #[must_use]
    pub const fn new(bits: u32) -> Asids {
        let mut used = [0; MOST / 64];
        used[0] = 1;
        Asids { used, count: if bits == 16 { MOST } else { 256 }, next: 0 }
    }

    /// Takes a free identifier, from where the last search ended; `None` if all are in use.
    pub fn allocate(&mut self) -> Option<u16> {
        let words = self.count / 64;
        for step in 0..words {
            let word = (self.next + step) % words;
            let bit = self.used[word].trailing_ones();
            if bit < 64 {
                self.used[word] |= 1 << bit;
                self.next = word;
                return u16::try_from(word * 64 + bit as usize).ok();
            }
        }
        None
    }

    /// Gives an identifier back; the TLBs hold nothing under it any more.
    pub fn free(&mut self, asid: u16) {
        if asid != 0 {
            self.used[usize::from(asid) / 64] &= !(1 << (asid % 64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_but_zero_is_given_once() {
        let mut asids = Asids::new(8);
        let given: std::collections::BTreeSet<u16> =
            core::iter::from_fn(|| asids.allocate()).collect();
        assert_eq!(given.len(), 255);
        assert!(!given.contains(&0));
        asids.free(77);
        assert_eq!(asids.allocate(), Some(77));
    }
}
