//! Random numbers: ChaCha20, seeded once from what root gives.

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::sync::Mutex;

/// The generator behind `getrandom`, `/dev/urandom`, `AT_RANDOM` and the address layout.
pub struct Random(Mutex<ChaCha20Rng>);

impl Random {
    /// Seeds the generator.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Random {
        Random(Mutex::new(ChaCha20Rng::from_seed(seed)))
    }

    /// Fills `into` with random bytes.
    pub fn fill(&self, into: &mut [u8]) {
        self.0.lock().fill_bytes(into);
    }

    /// Returns four random words.
    #[must_use]
    pub fn words(&self) -> [u64; 4] {
        let mut generator = self.0.lock();
        core::array::from_fn(|_| generator.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_no_byte_twice() {
        let (a, b) = (Random::new([7; 32]), Random::new([7; 32]));
        let (mut first, mut second) = ([0; 32], [0; 32]);
        a.fill(&mut first);
        b.fill(&mut second);
        assert_eq!(first, second);
        b.fill(&mut second);
        assert_ne!(first, second);
    }
}
