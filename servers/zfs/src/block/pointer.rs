//! Block pointers: where a block's copies are and how its content is made of them.

use crate::bytes::{Order, View, low_u8};
use crate::checksum::Sum;
use crate::error::Malformed;

/// Bytes of a stored block pointer.
pub(crate) const POINTER_BYTES: usize = 128;
/// Bytes of content that fit into a pointer.
pub(crate) const EMBEDDED_BYTES: usize = 112;
/// Unit of sizes and offsets in pointers.
const SECTOR_SHIFT: u32 = 9;

/// Where one copy of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dva {
    words: [u64; 2],
}

impl Dva {
    /// Tells whether there is no such copy.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.words[0] == 0 && self.words[1] == 0
    }

    /// Returns the number of the top-level virtual device.
    #[must_use]
    pub const fn vdev(self) -> u64 {
        self.words[0] >> 32 & 0xff_ffff
    }

    /// Returns the offset in bytes behind the labels.
    #[must_use]
    pub const fn offset(self) -> u64 {
        (self.words[1] & !(1 << 63)) << SECTOR_SHIFT
    }

    /// Tells whether this leads to a header that lists the parts of the content.
    #[must_use]
    pub const fn is_gang(self) -> bool {
        self.words[1] >> 63 == 1
    }
}

/// A block pointer: up to three copies, or the content itself, or a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPointer {
    words: [u64; 16],
}

const PROPERTIES: usize = 6;
const PHYSICAL_BIRTH: usize = 9;
const BIRTH: usize = 10;

impl BlockPointer {
    /// Takes a pointer from stored bytes.
    pub(crate) fn decode(view: View<'_>, at: usize) -> Result<Self, Malformed> {
        Ok(Self { words: view.words(at)? })
    }

    const fn bits(&self, from: u32, count: u32) -> u64 {
        self.words[PROPERTIES] >> from & ((1 << count) - 1)
    }

    /// Returns the copies; only of a pointer that does not hold its content itself.
    #[must_use]
    pub const fn dvas(&self) -> [Dva; 3] {
        let [a, b, c, d, e, f, ..] = self.words;
        [Dva { words: [a, b] }, Dva { words: [c, d] }, Dva { words: [e, f] }]
    }

    /// Tells whether the pointer holds the content itself.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        self.bits(39, 1) == 1
    }

    /// Tells whether there is no block: its content is zeros.
    #[must_use]
    pub const fn is_hole(&self) -> bool {
        !self.is_embedded() && self.dvas()[0].is_empty()
    }

    /// Tells whether the copies are lists of parts.
    #[must_use]
    pub const fn is_gang(&self) -> bool {
        !self.is_embedded() && self.dvas()[0].is_gang()
    }

    /// Returns the bytes of content.
    #[must_use]
    pub const fn logical_bytes(&self) -> u64 {
        if self.is_embedded() { self.bits(0, 25) + 1 } else { (self.bits(0, 16) + 1) << 9 }
    }

    /// Returns the bytes that are stored, before parity.
    #[must_use]
    pub const fn physical_bytes(&self) -> u64 {
        if self.is_embedded() { self.bits(25, 7) + 1 } else { (self.bits(16, 16) + 1) << 9 }
    }

    /// Returns the number of the compression algorithm.
    #[must_use]
    pub const fn compression(&self) -> u8 {
        low_u8(self.bits(32, 7))
    }

    /// Returns the number of the checksum algorithm, or of the kind of embedded content.
    #[must_use]
    pub const fn checksum(&self) -> u8 {
        low_u8(self.bits(40, 8))
    }

    /// Returns the kind of object that the block belongs to.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        low_u8(self.bits(48, 8))
    }

    /// Returns the height above the data.
    #[must_use]
    pub const fn level(&self) -> u8 {
        low_u8(self.bits(56, 5))
    }

    /// Tells whether the content is encrypted or authenticated with a key.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        !self.is_embedded() && self.bits(61, 1) == 1
    }

    /// Returns the byte order of the content.
    #[must_use]
    pub const fn order(&self) -> Order {
        if self.bits(63, 1) == 1 { Order::Little } else { Order::Big }
    }

    /// Returns the transaction group in which the pointer was made.
    #[must_use]
    pub const fn birth(&self) -> u64 {
        self.words[BIRTH]
    }

    /// Returns the transaction group in which the copies were written.
    #[must_use]
    pub const fn physical_birth(&self) -> u64 {
        match self.words[PHYSICAL_BIRTH] {
            0 => self.words[BIRTH],
            birth => birth,
        }
    }

    /// Returns the checksum of what is stored.
    #[must_use]
    pub const fn sum(&self) -> Sum {
        let [.., a, b, c, d] = self.words;
        [a, b, c, d]
    }

    /// Returns the content that the pointer holds itself, as stored; the rest is to be cut off.
    pub(crate) fn embedded(&self) -> [u8; EMBEDDED_BYTES] {
        let mut bytes = [0; EMBEDDED_BYTES];
        let words = self.words.iter().enumerate();
        let payload = words.filter(|(at, _)| *at != PROPERTIES && *at != BIRTH);
        bytes.as_chunks_mut::<8>().0.iter_mut().zip(payload).for_each(|(to, (_, word))| {
            *to = word.to_le_bytes();
        });
        bytes
    }

    /// What makes this block's content another than any other block's.
    pub(crate) const fn identity(&self) -> [u64; 4] {
        [self.words[0], self.words[1], self.words[PROPERTIES], self.physical_birth()]
    }
}
