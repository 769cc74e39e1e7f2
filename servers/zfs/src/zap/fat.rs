//! Fat ZAPs: a header, a table of leaves by the upper bits of the hash, and the leaves.

use super::leaf::Leaf;
use super::{Entry, HASH_BITS, Value, crc, cut};
use crate::block::{Block, Store};
use crate::bytes::index;
use crate::error::{Error, Malformed, Result};
use crate::object::Object;
use alloc::vec::Vec;

/// Second word of the header.
const MAGIC: u64 = 0x0002_f52a_b2ab;
/// Flag: 48 bits of the hash count.
const HASH64: u64 = 1;
/// Flag: the keys are integers of 64 bits.
const INTEGER_KEYS: u64 = 2;
/// Flag: the first integer of a key is its hash.
const PREHASHED_KEYS: u64 = 4;
/// The largest table of leaves, as a power of two of entries.
const MAX_TABLE_SHIFT: u64 = 40;

/// A hashed table.
pub(super) struct Fat {
    header: Block,
    table_block: u64,
    table_blocks: u64,
    table_shift: u64,
    salt: u64,
    pub(super) normalization: u64,
    flags: u64,
}

impl Fat {
    pub(super) fn new(header: Block) -> core::result::Result<Self, Malformed> {
        let view = header.view();
        if view.u64(8)? != MAGIC {
            return Err(Malformed("table: magic"));
        }
        let [table_block, table_blocks, table_shift] = view.words(16)?;
        let (salt, normalization, flags) = (view.u64(80)?, view.u64(88)?, view.u64(96)?);
        // A table inside the header takes its second half.
        let embedded_shift = (header.data.len() / 2 / 8).checked_ilog2().map_or(0, u64::from);
        if table_shift > MAX_TABLE_SHIFT || (table_blocks == 0 && table_shift > embedded_shift) {
            return Err(Malformed("table: size of the table of leaves"));
        }
        Ok(Self { header, table_block, table_blocks, table_shift, salt, normalization, flags })
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let hash = if self.flags & INTEGER_KEYS == 0 {
            crc(self.salt, key)
        } else {
            // Integers count from their least significant byte.
            let (words, _) = key.as_chunks::<8>();
            let first = words.first().map_or(0, |word| u64::from_be_bytes(*word));
            let all = words
                .iter()
                .fold(self.salt, |hash, word| crc(hash, &u64::from_be_bytes(*word).to_le_bytes()));
            if self.flags & PREHASHED_KEYS != 0 { first } else { all }
        };
        cut(hash, if self.flags & HASH64 != 0 { 48 } else { HASH_BITS })
    }

    /// Returns the block of the leaf for a hash.
    fn leaf_number(&self, store: &Store, object: &Object, hash: u64) -> Result<u64> {
        let slot = match self.table_shift {
            0 => 0,
            shift => hash >> (64 - shift),
        };
        let malformed = |error: Malformed| error.at(object.place);
        if self.table_blocks == 0 {
            let at = self.header.data.len() / 2 + index(slot) * 8;
            return self.header.view().u64(at).map_err(malformed);
        }
        let missing = Malformed("table: table of leaves").at(object.place);
        let per_block = object.block_bytes() / 8;
        let number =
            self.table_block.checked_add(slot / per_block).ok_or_else(|| missing.clone())?;
        if slot / per_block >= self.table_blocks {
            return Err(missing);
        }
        let block = object.block(store, number)?.ok_or(missing)?;
        block.view().u64(index(slot % per_block) * 8).map_err(malformed)
    }

    fn leaf(&self, store: &Store, object: &Object, hash: u64) -> Result<Leaf> {
        let number = self.leaf_number(store, object, hash)?;
        let missing = || Error::from_malformed("table: leaf", object);
        let block = object.block(store, number)?.ok_or_else(missing)?;
        Leaf::new(block).map_err(|error| error.at(object.place))
    }

    pub(super) fn lookup(
        &self,
        store: &Store,
        object: &Object,
        key: &[u8],
    ) -> Result<Option<Value>> {
        let hash = self.hash(key);
        let leaf = self.leaf(store, object, hash)?;
        let key_width = if self.flags & INTEGER_KEYS == 0 { 1 } else { 8 };
        leaf.lookup(hash, key, key_width).map_err(|error| error.at(object.place))
    }

    /// Returns the entries of the leaf for a hash, and where the next leaf begins.
    pub(super) fn leaf_entries(
        &self,
        store: &Store,
        object: &Object,
        hash: u64,
    ) -> Result<(Vec<Entry>, Option<u64>)> {
        let leaf = self.leaf(store, object, hash)?;
        let key_width = if self.flags & INTEGER_KEYS == 0 { 1 } else { 8 };
        let entries = leaf.entries(key_width).map_err(|error| error.at(object.place))?;
        // Several slots of the table may lead to one leaf; its prefix tells which.
        let bits = u32::from(leaf.prefix_bits);
        let next = match bits {
            0 => None,
            _ if u64::from(bits) > self.table_shift => {
                return Err(Error::from_malformed("table: prefix of a leaf", object));
            }
            _ => ((hash >> (64 - bits)) + 1).checked_shl(64 - bits).filter(|next| *next > hash),
        };
        Ok((entries, next))
    }
}

impl Error {
    const fn from_malformed(what: &'static str, object: &Object) -> Self {
        Malformed(what).at(object.place)
    }
}
