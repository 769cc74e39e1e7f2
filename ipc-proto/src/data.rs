//! Byte strings and texts of bounded length, as arguments and results of operations.

use core::fmt;
use core::ops::Deref;
use postcard::experimental::max_size::MaxSize;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// At most `N` bytes, held in place.
#[derive(Clone)]
pub struct Bytes<const N: usize> {
    length: usize,
    content: [u8; N],
}

impl<const N: usize> Bytes<N> {
    /// Makes an empty byte string.
    #[must_use]
    pub const fn new() -> Self {
        Bytes { length: 0, content: [0; N] }
    }

    /// Copies `bytes`; `None` if they are more than `N`.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= N).then(|| Self::prefix(bytes))
    }

    /// Copies the first bytes of `bytes`, as many as fit.
    #[must_use]
    pub fn prefix(bytes: &[u8]) -> Self {
        let mut made = Self::new();
        let _ = made.append(bytes);
        made
    }

    /// Adds the first bytes of `bytes`, as many as fit; returns how many.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let free = self.content.get_mut(self.length..).unwrap_or_default();
        let count = bytes.len().min(free.len());
        if let (Some(to), Some(from)) = (free.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.length += count;
        count
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.content.get(..self.length).unwrap_or_default()
    }
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<const N: usize> PartialEq for Bytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<const N: usize> Eq for Bytes<N> {}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_slice().escape_ascii())
    }
}

impl<const N: usize> MaxSize for Bytes<N> {
    const POSTCARD_MAX_SIZE: usize = length_bytes(N) + N;
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_slice())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Content<const N: usize>;
        impl<const N: usize> Visitor<'_> for Content<N> {
            type Value = Bytes<N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes<N>, E> {
                Bytes::from_slice(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Content)
    }
}

/// A text of at most `N` bytes of UTF-8, held in place.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Text<const N: usize>(Bytes<N>);

impl<const N: usize> Text<N> {
    /// Makes an empty text.
    #[must_use]
    pub const fn new() -> Self {
        Text(Bytes::new())
    }

    /// Copies the beginning of `text`, as many whole characters as fit.
    #[must_use]
    pub fn prefix(text: &str) -> Self {
        let mut made = Self::new();
        let _ = made.append(text);
        made
    }

    /// Formats `arguments`, as many whole characters as fit.
    #[must_use]
    pub fn format(arguments: fmt::Arguments<'_>) -> Self {
        let mut made = Self::new();
        // An error here says that the text was cut, which is what the caller asked for.
        let _ = fmt::write(&mut made, arguments);
        made
    }

    /// Adds the beginning of `text`, as many whole characters as fit; tells whether it was all.
    pub fn append(&mut self, text: &str) -> bool {
        let room = N.saturating_sub(self.0.length);
        let cut = (0..=room.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        let head = text.get(..cut.unwrap_or(0)).unwrap_or_default();
        self.0.append(head.as_bytes());
        head.len() == text.len()
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.append(text) { Ok(()) } else { Err(fmt::Error) }
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<const N: usize> MaxSize for Text<N> {
    const POSTCARD_MAX_SIZE: usize = Bytes::<N>::POSTCARD_MAX_SIZE;
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Content<const N: usize>;
        impl<const N: usize> Visitor<'_> for Content<N> {
            type Value = Text<N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} bytes of text")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<N>, E> {
                let bytes = Bytes::from_slice(text.as_bytes());
                bytes.map(Text).ok_or_else(|| E::invalid_length(text.len(), &self))
            }
        }
        deserializer.deserialize_str(Content)
    }
}

/// Returns how many bytes the varint of a length up to `length` takes.
const fn length_bytes(length: usize) -> usize {
    let mut bytes = 1;
    let mut rest = length >> 7;
    while rest > 0 {
        bytes += 1;
        rest >>= 7;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_byte_string_is_as_long_as_its_bound_says() {
        let full = Bytes::<1024>::prefix(&[7; 2000]);
        let wire = postcard::to_stdvec_for_test(&full);
        assert_eq!(wire.len(), Bytes::<1024>::POSTCARD_MAX_SIZE);
        assert_eq!(postcard::from_bytes::<Bytes<1024>>(&wire).unwrap(), full);
        assert!(postcard::from_bytes::<Bytes<1023>>(&wire).is_err());
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(Text::<4>::prefix("aäöü").as_str(), "aä");
        assert_eq!(Text::<6>::format(format_args!("{}-{}", "abc", "äxy")).as_str(), "abc-ä");
    }

    #[test]
    fn a_text_that_is_not_utf8_is_refused() {
        assert!(postcard::from_bytes::<Text<8>>(&[2, 0xff, 0xfe]).is_err());
    }

    mod postcard {
        pub(super) use ::postcard::from_bytes;
        pub(super) fn to_stdvec_for_test(value: &impl serde::Serialize) -> Vec<u8> {
            let mut space = [0; 4096];
            ::postcard::to_slice(value, &mut space).unwrap().to_vec()
        }
    }
}
