//! Integers in stored structures: bounds-checked, in the byte order of whoever wrote them.

use crate::error::Malformed;

/// Byte order of stored integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// Makes an integer of eight bytes.
    #[inline]
    pub(crate) const fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// Makes eight bytes of an integer.
    pub(crate) const fn u64_bytes(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// Stored bytes and the order of the integers in them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) order: Order,
}

impl<'a> View<'a> {
    pub(crate) const fn new(data: &'a [u8], order: Order) -> Self {
        Self { data, order }
    }

    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Malformed> {
        let bytes = self.data.get(at..).and_then(|rest| rest.first_chunk::<N>());
        bytes.copied().ok_or(Malformed("structure: too short"))
    }

    pub(crate) fn u8(self, at: usize) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array(at)?))
    }

    pub(crate) fn u16(self, at: usize) -> Result<u16, Malformed> {
        let bytes = self.array(at)?;
        Ok(match self.order {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(crate) fn u32(self, at: usize) -> Result<u32, Malformed> {
        let bytes = self.array(at)?;
        Ok(match self.order {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        })
    }

    pub(crate) fn u64(self, at: usize) -> Result<u64, Malformed> {
        Ok(self.order.u64(self.array(at)?))
    }

    /// Reads `N` consecutive 64-bit integers.
    pub(crate) fn words<const N: usize>(self, at: usize) -> Result<[u64; N], Malformed> {
        let mut words = [0; N];
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.u64(at.saturating_add(index * 8))?;
        }
        Ok(words)
    }

    /// Narrows to `len` bytes from `at`.
    pub(crate) fn part(self, at: usize, len: usize) -> Result<View<'a>, Malformed> {
        let data = at.checked_add(len).and_then(|end| self.data.get(at..end));
        Ok(Self { data: data.ok_or(Malformed("structure: too short"))?, order: self.order })
    }

    /// Narrows to everything from `at`.
    pub(crate) fn rest(self, at: usize) -> Result<View<'a>, Malformed> {
        let data = self.data.get(at..).ok_or(Malformed("structure: too short"))?;
        Ok(Self { data, order: self.order })
    }
}

/// The size as an index; what does not fit is larger than any buffer, so it saturates.
pub(crate) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Zero bytes, `len` of them.
pub(crate) fn zeros(len: usize) -> alloc::vec::Vec<u8> {
    alloc::vec![0; len]
}

/// The lowest bits of a word as a byte.
pub(crate) const fn low_u8(word: u64) -> u8 {
    word.to_le_bytes()[0]
}

/// The lowest bits of a word as a 32-bit integer.
pub(crate) const fn low_u32(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
