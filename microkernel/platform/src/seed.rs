//! The boot's random seed, collected from whatever the machine has to give.

/// Folds all sources and the counter into 32 bytes. It loses no randomness, and makes none: a
/// generator must hash it.
#[must_use]
pub fn seed(sources: &[&[u8]], counter: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    let mut state = counter;
    for (index, byte) in sources.iter().flat_map(|source| source.iter()).enumerate() {
        if let Some(place) = seed.get_mut(index % 32) {
            *place ^= *byte;
        }
    }
    for chunk in seed.chunks_exact_mut(8) {
        // Makes the counter's few bits reach all words (SplitMix64, Steele et al. 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        chunk.iter_mut().zip(word.to_le_bytes()).for_each(|(byte, mask)| *byte ^= mask);
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::seed;

    #[test]
    fn every_source_and_the_counter_matter() {
        let base = seed(&[&[1; 32], &[2; 8]], 7);
        assert_ne!(base, seed(&[&[1; 32], &[2; 8]], 8));
        assert_ne!(base, seed(&[&[1; 32], &[3; 8]], 7));
        assert_ne!(base, seed(&[&[0; 32], &[2; 8]], 7));
        assert_ne!(seed(&[], 0), [0; 32]);
    }
}
