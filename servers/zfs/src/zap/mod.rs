//! ZAPs: tables from names or numbers to values, small ones in one block, large ones hashed.

mod fat;
mod leaf;
mod micro;

use crate::block::Store;
use crate::bytes::{Order, View};
use crate::error::{Error, Malformed, Result};
use crate::object::Object;
use alloc::string::String;
use alloc::vec::Vec;

/// First word of a table in one block.
const MICRO: u64 = (1 << 63) + 3;
/// First word of the header of a hashed table.
const FAT: u64 = (1 << 63) + 1;
/// Bits of a hash that order entries, unless the table says that it uses more.
const HASH_BITS: u32 = 28;

/// What a name stands for: integers of one width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Bytes of each integer.
    pub(crate) width: u8,
    /// The integers, most significant byte first.
    pub(crate) bytes: Vec<u8>,
}

impl Value {
    /// A single 64-bit integer.
    pub(crate) fn from_number(number: u64) -> Self {
        Self { width: 8, bytes: number.to_be_bytes().to_vec() }
    }

    /// Returns the first of 64-bit integers.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        if self.width != 8 {
            return None;
        }
        View::new(&self.bytes, Order::Big).u64(0).ok()
    }

    /// Returns a text, up to its NUL.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        if self.width != 1 {
            return None;
        }
        let end = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(self.bytes.len());
        String::from_utf8(self.bytes.get(..end)?.to_vec()).ok()
    }

    /// Returns bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        (self.width == 1).then_some(self.bytes.as_slice())
    }

    /// Returns 16-bit integers.
    #[must_use]
    pub(crate) fn shorts(&self) -> Option<Vec<u16>> {
        let (pairs, rest) = self.bytes.as_chunks::<2>();
        let is_shorts = self.width == 2 && rest.is_empty();
        is_shorts.then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
    }
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name without NUL, or 64-bit integers, most significant byte first.
    pub(crate) name: Vec<u8>,
    /// What it stands for.
    pub(crate) value: Value,
    /// Where it stands in the order of the table: the hash's upper bits and a counter.
    position: Position,
}

impl Entry {
    /// Returns a number that continues behind this entry; see [`Zap::entries_from`].
    pub(crate) const fn cookie(&self) -> u64 {
        self.position.cookie() + 1
    }
}

/// Where an entry stands in the order of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    hash: u64,
    /// Tells entries with one hash apart.
    counter: u32,
}

impl Position {
    /// The upper half of the hash, of which only 28 bits count, and the counter's low bits.
    const fn cookie(self) -> u64 {
        (self.hash >> 32) << 28 | (self.counter as u64 & 0xfff_ffff)
    }
}

enum Form {
    Micro(micro::Micro),
    Fat(fat::Fat),
}

/// An open table.
pub(crate) struct Zap<'a> {
    store: &'a Store,
    object: &'a Object,
    form: Form,
}

impl<'a> Zap<'a> {
    /// Opens the table that an object holds.
    pub(crate) fn open(store: &'a Store, object: &'a Object) -> Result<Self> {
        let place = object.place;
        let block = object.block(store, 0)?.ok_or(Malformed("table: header").at(place))?;
        let form = match block.view().u64(0).map_err(|error| error.at(place))? {
            MICRO => Form::Micro(micro::Micro::new(block).map_err(|error| error.at(place))?),
            FAT => Form::Fat(fat::Fat::new(block).map_err(|error| error.at(place))?),
            _ => return Err(Malformed("table: type").at(place)),
        };
        Ok(Self { store, object, form })
    }

    /// Tells whether the hash of a name is that of a normal form of it.
    pub(crate) const fn normalizes(&self) -> bool {
        match &self.form {
            Form::Micro(micro) => micro.normalization != 0,
            Form::Fat(fat) => fat.normalization != 0,
        }
    }

    /// Returns what exactly this name stands for.
    pub(crate) fn lookup(&self, name: &[u8]) -> Result<Option<Value>> {
        // The hash of a table that normalizes is of the normal form: look at everything instead.
        if self.normalizes() {
            let entries = self.entries_from(0)?;
            let mut found = entries.filter(|entry| entry.as_ref().map_or(true, |e| e.name == name));
            return found.next().transpose().map(|entry| entry.map(|entry| entry.value));
        }
        match &self.form {
            Form::Micro(micro) => Ok(micro.lookup(name)),
            Form::Fat(fat) => fat.lookup(self.store, self.object, name),
        }
    }

    /// Returns the number that a name stands for.
    pub(crate) fn lookup_number(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.lookup(name.as_bytes())?.and_then(|value| value.number()))
    }

    /// Returns the number that a name must stand for.
    pub(crate) fn number(&self, name: &'static str) -> Result<u64> {
        self.lookup_number(name)?.ok_or(Error::Malformed { place: self.object.place, what: name })
    }

    /// Returns all entries in the table's order, from a cookie on; 0 is the beginning.
    pub(crate) fn entries_from(&self, cookie: u64) -> Result<Entries<'_>> {
        let start = cookie >> 28 << 32;
        Ok(Entries { zap: self, cookie, next_hash: Some(start), batch: Vec::new().into_iter() })
    }

    /// Returns all entries.
    pub(crate) fn entries(&self) -> Result<Entries<'_>> {
        self.entries_from(0)
    }
}

/// Entries in the table's order.
pub(crate) struct Entries<'a> {
    zap: &'a Zap<'a>,
    cookie: u64,
    /// Where the next leaf begins; `None` behind the last.
    next_hash: Option<u64>,
    batch: alloc::vec::IntoIter<Entry>,
}

impl Entries<'_> {
    /// Takes in the entries of the next leaf.
    fn refill(&mut self, hash: u64) -> Result<()> {
        let (mut entries, next) = match &self.zap.form {
            Form::Micro(micro) => (micro.entries(), None),
            Form::Fat(fat) => fat.leaf_entries(self.zap.store, self.zap.object, hash)?,
        };
        entries.retain(|entry| entry.position.cookie() >= self.cookie);
        entries.sort_by_key(|entry| entry.position);
        // A damaged table of leaves must not lead back.
        self.next_hash = next.filter(|next| *next > hash);
        self.batch = entries.into_iter();
        Ok(())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            if let Some(entry) = self.batch.next() {
                return Some(Ok(entry));
            }
            let hash = self.next_hash.take()?;
            if let Err(error) = self.refill(hash) {
                return Some(Err(error));
            }
        }
    }
}

/// The polynomial of the hash, reflected.
const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;

/// Hashes bytes: a CRC with the table's salt as the starting value.
fn crc(salt: u64, bytes: &[u8]) -> u64 {
    const TABLE: [u64; 256] = crc_table();
    bytes.iter().fold(salt, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        crc >> 8 ^ TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    })
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn crc_table() -> [u64; 256] {
    let (mut table, mut at) = ([0; 256], 0);
    while at < 256 {
        let (mut value, mut bit) = (at as u64, 0);
        while bit < 8 {
            value = value >> 1 ^ if value & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

/// Keeps the bits of a hash that count.
const fn cut(hash: u64, bits: u32) -> u64 {
    hash & !((1 << (64 - bits)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_reflected_ecma_crc() {
        assert_eq!(!crc(!0, b"123456789"), 0x995d_c9bb_df19_39fa);
    }
}
