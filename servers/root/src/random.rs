//! Randomness for servers and their places: ChaCha20, from the machine's seed.

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// The source of all randomness that root gives away.
#[derive(Debug)]
pub struct Random(ChaCha20Rng);

impl Random {
    /// Starts from the machine's seed and the time, in case the machine had none to give.
    #[must_use]
    pub fn new(mut seed: [u8; 32], counter: u64) -> Random {
        for (byte, time) in seed.iter_mut().zip(counter.to_le_bytes()) {
            *byte ^= time;
        }
        Random(ChaCha20Rng::from_seed(seed))
    }

    /// Returns the next word.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a seed for a server.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}
