//! Name-value lists in their stored form (XDR): labels, configuration, attributes.
//!
//! Decoding is bounded: each pair takes at least as many stored bytes as it costs to keep, lists
//! nest at most `MAX_DEPTH` deep, and counts are compared with the bytes that are there.

use crate::bytes::{Order, View, index};
use crate::error::Malformed;
use alloc::string::String;
use alloc::vec::Vec;

/// How deep lists may nest.
const MAX_DEPTH: usize = 16;
/// The encoding byte of XDR.
const ENCODING_XDR: u8 = 1;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the name alone says it.
    Flag,
    /// A truth value.
    Boolean(bool),
    /// A signed integer of any width.
    Signed(i64),
    /// An unsigned integer of any width.
    Unsigned(u64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several integers or truth values; signed ones keep their bits.
    Numbers(Vec<u64>),
    /// Several texts.
    Texts(Vec<String>),
    /// A list inside.
    List(List),
    /// Several lists inside.
    Lists(Vec<List>),
}

/// Names and what they stand for, in stored order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    pairs: Vec<(Vec<u8>, Value)>,
}

impl List {
    /// Decodes a list in its outermost form: with the four bytes that name the encoding.
    ///
    /// # Errors
    ///
    /// The bytes are not such a list.
    pub fn decode(data: &[u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder { view: View::new(data, Order::Big), at: 4 };
        if data.first() != Some(&ENCODING_XDR) {
            return Err(Malformed("name-value list: encoding is not XDR"));
        }
        decoder.list(0)
    }

    /// Returns all pairs, in stored order.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.pairs.iter().map(|(name, value)| (name.as_slice(), value))
    }

    /// Returns what a name stands for.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<&Value> {
        self.pairs.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value)
    }

    /// Returns the integer of that name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.lookup(name) {
            Some(Value::Unsigned(value)) => Some(*value),
            _ => None,
        }
    }

    /// Returns the text of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.lookup(name) {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// Returns the list of that name.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<&List> {
        match self.lookup(name) {
            Some(Value::List(value)) => Some(value),
            _ => None,
        }
    }

    /// Returns the lists of that name; none when there is no such name.
    #[must_use]
    pub fn lists(&self, name: &str) -> &[List] {
        match self.lookup(name) {
            Some(Value::Lists(value)) => value,
            _ => &[],
        }
    }
}

struct Decoder<'a> {
    view: View<'a>,
    at: usize,
}

impl Decoder<'_> {
    fn u32(&mut self) -> Result<u32, Malformed> {
        let value = self.view.u32(self.at)?;
        self.at += 4;
        Ok(value)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        let value = self.view.u64(self.at)?;
        self.at += 8;
        Ok(value)
    }

    fn signed(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from(self.u32()?.cast_signed()))
    }

    /// Takes `len` bytes and the padding to a multiple of four.
    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, Malformed> {
        let bytes = self.view.part(self.at, len)?.data.to_vec();
        self.at = self.at.saturating_add(len.saturating_add(3) & !3);
        Ok(bytes)
    }

    fn name(&mut self) -> Result<Vec<u8>, Malformed> {
        let len = index(self.u32()?.into());
        self.bytes(len)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.name()?).map_err(|_| Malformed("name-value list: text"))
    }

    fn list(&mut self, depth: usize) -> Result<List, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("name-value list: nested too deep"));
        }
        let (_version, _flags) = (self.u32()?, self.u32()?);
        let mut pairs = Vec::new();
        loop {
            let start = self.at;
            let (stored, _in_memory) = (index(self.u32()?.into()), self.u32()?);
            if stored == 0 {
                return Ok(List { pairs });
            }
            let name = self.name()?;
            let value = self.value(depth)?;
            if self.at != start.saturating_add(stored) {
                return Err(Malformed("name-value list: size of a pair"));
            }
            pairs.push((name, value));
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        let (kind, count) = (self.u32()?, index(self.u32()?.into()));
        Ok(match kind {
            1 => Value::Flag,
            21 => Value::Boolean(self.u32()? != 0),
            2 | 4 | 6 | 23 => Value::Unsigned(self.u32()?.into()),
            3 | 5 | 22 => Value::Signed(self.signed()?),
            7 | 18 => Value::Signed(self.u64()?.cast_signed()),
            8 | 27 => Value::Unsigned(self.u64()?),
            9 => Value::Text(self.text()?),
            10 => Value::Bytes(self.bytes(count)?),
            11 | 13 | 25 => {
                self.narrow(count, |word| i64::from(word.cast_signed()).cast_unsigned())?
            }
            12 | 14 | 24 | 26 => self.narrow(count, u64::from)?,
            15 | 16 => self.wide(count)?,
            17 => Value::Texts(self.repeat(count, 4, Self::text)?),
            19 => Value::List(self.list(depth + 1)?),
            20 => Value::Lists(self.repeat(count, 16, |decoder| decoder.list(depth + 1))?),
            _ => return Err(Malformed("name-value list: kind of a value")),
        })
    }

    /// An array of at most 32-bit integers; in XDR each takes four bytes after the count.
    fn narrow(&mut self, count: usize, widen: fn(u32) -> u64) -> Result<Value, Malformed> {
        self.counted(count)?;
        Ok(Value::Numbers(self.repeat(count, 4, |decoder| decoder.u32().map(widen))?))
    }

    fn wide(&mut self, count: usize) -> Result<Value, Malformed> {
        self.counted(count)?;
        Ok(Value::Numbers(self.repeat(count, 8, Self::u64)?))
    }

    fn counted(&mut self, count: usize) -> Result<(), Malformed> {
        let again = index(self.u32()?.into());
        if again == count { Ok(()) } else { Err(Malformed("name-value list: count of an array")) }
    }

    /// Decodes `count` items that take at least `least` bytes each.
    fn repeat<T>(
        &mut self,
        count: usize,
        least: usize,
        decode: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let left = self.view.data.len().saturating_sub(self.at);
        if count > left / least {
            return Err(Malformed("name-value list: count of an array"));
        }
        (0..count).map(|_| decode(self)).collect()
    }
}

#[cfg(test)]
mod tests;
