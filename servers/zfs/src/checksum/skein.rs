//! Skein-512 as a keyed hash with 256 bits of output (Skein 1.3, sections 3.4 and 3.5).

use threefish::Threefish512;

/// Bytes of a block of the underlying cipher.
const BLOCK_BYTES: usize = 64;
/// Tweak: this is the first block of its input.
const FIRST: u64 = 1 << 62;
/// Tweak: this is the last block of its input.
const FINAL: u64 = 1 << 63;
/// Tweak: kinds of input.
const KEY: u64 = 0;
const CONFIGURATION: u64 = 4 << 56;
const MESSAGE: u64 = 48 << 56;
const OUTPUT: u64 = 63 << 56;
/// The configuration's first word: "SHA3" and version 1.
const SCHEMA: u64 = 0x0000_0001_3341_4853;
/// Bits of output.
const OUTPUT_BITS: u64 = 256;

type State = [u64; 8];

/// Hashes `message` under `key`.
pub(super) fn keyed_512_256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut configuration = [0; 32];
    configuration
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip([SCHEMA, OUTPUT_BITS])
        .for_each(|(bytes, word)| *bytes = word.to_le_bytes());
    let keyed = absorb([0; 8], KEY, key);
    let configured = absorb(keyed, CONFIGURATION, &configuration);
    let hashed = absorb(configured, MESSAGE, message);
    let words = absorb(hashed, OUTPUT, &[0; 8]);
    let mut output = [0; 32];
    output
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(words)
        .for_each(|(bytes, word)| *bytes = word.to_le_bytes());
    output
}

/// Unique block iteration: chains all blocks of one input of a kind into the state.
fn absorb(mut state: State, kind: u64, input: &[u8]) -> State {
    let mut rest = input;
    let (mut position, mut first) = (0_u64, FIRST);
    loop {
        let (block, tail) = rest.split_at(rest.len().min(BLOCK_BYTES));
        rest = tail;
        position += block.len() as u64;
        let last = if rest.is_empty() { FINAL } else { 0 };
        state = compress(&state, [position, kind | first | last], block);
        first = 0;
        if rest.is_empty() {
            return state;
        }
    }
}

fn compress(state: &State, tweak: [u64; 2], block: &[u8]) -> State {
    let mut padded = [0; BLOCK_BYTES];
    padded.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
    let mut words: State = [0; 8];
    words.iter_mut().zip(padded.as_chunks::<8>().0).for_each(|(word, bytes)| {
        *word = u64::from_le_bytes(*bytes);
    });
    let message = words;
    Threefish512::new_with_tweak_u64(state, &tweak).encrypt_block_u64(&mut words);
    words.iter_mut().zip(message).for_each(|(word, plain)| *word ^= plain);
    words
}
