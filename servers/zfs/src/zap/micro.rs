//! Micro ZAPs: one block of short names with one number each.

use super::{Entry, HASH_BITS, Position, Value, crc, cut};
use crate::block::Block;
use crate::bytes::View;
use crate::error::Malformed;
use alloc::vec::Vec;

/// Bytes of the header and of each entry.
const ENTRY_BYTES: usize = 64;
/// Where an entry's name begins.
const NAME_START: usize = 14;

/// A table in one block.
pub(super) struct Micro {
    block: Block,
    salt: u64,
    pub(super) normalization: u64,
}

/// The stored parts of an entry.
struct Slot<'a> {
    number: u64,
    counter: u32,
    name: &'a [u8],
}

impl Micro {
    pub(super) fn new(block: Block) -> Result<Self, Malformed> {
        let (salt, normalization) = (block.view().u64(8)?, block.view().u64(16)?);
        Ok(Self { block, salt, normalization })
    }

    fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        let order = self.block.order;
        let chunks = self.block.data.chunks_exact(ENTRY_BYTES).skip(1);
        chunks.filter_map(move |chunk| {
            let view = View::new(chunk, order);
            let name = chunk.get(NAME_START..)?;
            let name = name.split(|byte| *byte == 0).next()?;
            let slot = Slot { number: view.u64(0).ok()?, counter: view.u32(8).ok()?, name };
            (!name.is_empty()).then_some(slot)
        })
    }

    pub(super) fn lookup(&self, name: &[u8]) -> Option<Value> {
        self.slots().find(|slot| slot.name == name).map(|slot| Value::from_number(slot.number))
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |slot: Slot<'_>| Entry {
            name: slot.name.to_vec(),
            value: Value::from_number(slot.number),
            position: Position {
                hash: cut(crc(self.salt, slot.name), HASH_BITS),
                counter: slot.counter,
            },
        };
        self.slots().map(entry).collect()
    }
}
