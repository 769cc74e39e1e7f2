//! Edon-R-512 in the version with feedback, and its use with a key in pools.
//!
//! The hash works on 16 words at a time. Its one operation combines two vectors of eight words:
//! each gives eight sums of five words, rotated; each word of the result is the exclusive or of
//! three of the first plus that of three of the second. No maintained crate has it.

/// Bytes of a block.
const BLOCK_BYTES: usize = 128;
/// Where in the last block the length begins.
const LENGTH_AT: usize = 120;
/// Added to the first sum of the first vector; its complement to that of the second.
const OFFSET: u64 = 0xaaaa_aaaa_aaaa_aaaa;

type Vector = [u64; 8];

/// Which words make up sum `i`, as bits, and how far it is rotated.
type Sums = [(u8, u32); 8];

const FIRST: Sums = [
    (0b1001_0111, 0),
    (0b1001_1011, 5),
    (0b1101_0011, 15),
    (0b1110_1100, 22),
    (0b0110_1110, 31),
    (0b0011_1101, 40),
    (0b1110_0011, 50),
    (0b0111_1100, 59),
];
const SECOND: Sums = [
    (0b1010_0111, 0),
    (0b0101_1011, 10),
    (0b0010_1111, 19),
    (0b1101_1100, 29),
    (0b0011_1011, 36),
    (0b1111_0100, 44),
    (0b1110_0110, 48),
    (0b1101_1001, 55),
];
/// Which sums of the first and second vector make up word `i` of the result, as bits.
const MIX: [(u8, u8); 8] = [
    (0b0001_0011, 0b0010_0011),
    (0b1001_0001, 0b1100_0100),
    (0b1100_0010, 0b0000_1011),
    (0b0001_1100, 0b0001_1001),
    (0b1000_0011, 0b0010_0110),
    (0b0110_1000, 0b0101_1000),
    (0b0110_0100, 0b1010_0100),
    (0b0010_1100, 0b1101_0000),
];

/// Hashes `message` under `key`: a block made of the key is hashed before it.
pub(super) fn keyed_256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let once = State::new().finish(key, 0);
    let twice = State::new().finish(&once, 0);
    let mut state = State::new();
    let mut block = [0; BLOCK_BYTES];
    block.iter_mut().zip(once.iter().chain(&twice)).for_each(|(to, from)| *to = *from);
    state.absorb(&block);
    let digest = state.finish(message, BLOCK_BYTES);
    *digest.first_chunk().unwrap_or(&[0; 32])
}

/// The two halves of what has been hashed so far.
struct State {
    low: Vector,
    high: Vector,
}

impl State {
    /// The state before anything: the bytes from 0x80 to 0xff.
    fn new() -> Self {
        let word = |index: u64| 0x8081_8283_8485_8687 + index * 0x0808_0808_0808_0808;
        let [low, high] = [0, 8].map(|first| [0, 1, 2, 3, 4, 5, 6, 7].map(|i| word(first + i)));
        Self { low, high }
    }

    fn absorb(&mut self, block: &[u8; BLOCK_BYTES]) {
        let (mut low, mut high) = ([0; 8], [0; 8]);
        let words = block.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        low.iter_mut().chain(&mut high).zip(words).for_each(|(to, word)| *to = word);
        let reversed = |mut vector: Vector| {
            vector.reverse();
            vector
        };
        let a = combine(&reversed(high), &low);
        let b = combine(&a, &high);
        let a = combine(&self.high, &a);
        let b = combine(&a, &b);
        let a = combine(&a, &self.low);
        let b = combine(&b, &a);
        let a = combine(&reversed(low), &a);
        let b = combine(&a, &b);
        for (state, (word, result)) in self.low.iter_mut().zip(high.iter().zip(a)) {
            *state ^= word ^ result;
        }
        for (state, (word, result)) in self.high.iter_mut().zip(low.iter().zip(b)) {
            *state ^= word ^ result;
        }
    }

    /// Hashes the rest, to which `before` bytes came first, and returns the digest.
    fn finish(mut self, message: &[u8], before: usize) -> [u8; 64] {
        let (blocks, rest) = message.as_chunks::<BLOCK_BYTES>();
        blocks.iter().for_each(|block| self.absorb(block));
        let mut last = [0; BLOCK_BYTES];
        last.iter_mut().zip(rest.iter().chain(&[0x80])).for_each(|(to, from)| *to = *from);
        if rest.len() >= LENGTH_AT {
            self.absorb(&last);
            last = [0; BLOCK_BYTES];
        }
        let bits = ((before + message.len()) as u64) * 8;
        last.iter_mut().skip(LENGTH_AT).zip(bits.to_le_bytes()).for_each(|(to, from)| *to = from);
        self.absorb(&last);
        let mut digest = [0; 64];
        digest.as_chunks_mut::<8>().0.iter_mut().zip(self.high).for_each(|(to, word)| {
            *to = word.to_le_bytes();
        });
        digest
    }
}

/// Combines two vectors.
fn combine(first: &Vector, second: &Vector) -> Vector {
    let (first, second) = (sums(first, &FIRST, OFFSET), sums(second, &SECOND, !OFFSET));
    let mut result = [0; 8];
    for (word, (left, right)) in result.iter_mut().zip(MIX) {
        let left = chosen(&first, left).fold(0, |mixed, word| mixed ^ word);
        let right = chosen(&second, right).fold(0, |mixed, word| mixed ^ word);
        *word = left.wrapping_add(right);
    }
    result
}

fn sums(vector: &Vector, sums: &Sums, offset: u64) -> Vector {
    let mut result = [0; 8];
    for (index, (word, (words, rotation))) in result.iter_mut().zip(sums).enumerate() {
        let start = if index == 0 { offset } else { 0 };
        let sum = chosen(vector, *words).fold(start, u64::wrapping_add);
        *word = sum.rotate_left(*rotation);
    }
    result
}

/// Returns the words whose bits are set.
fn chosen(vector: &Vector, bits: u8) -> impl Iterator<Item = u64> {
    vector.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, word)| *word)
}
