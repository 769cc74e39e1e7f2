//! Objects: numbered arrays of blocks, gathered in sets.

mod dnode;
mod kind;
mod set;

pub(crate) use dnode::{Dnode, SLOT_BYTES};
pub(crate) use kind::{SA_KIND, ZNODE_KIND};
pub(crate) use set::{ObjectSet, SetKind};

use crate::block::{Block, BlockPointer, POINTER_BYTES, Store};
use crate::bytes::index;
use crate::error::{Error, Malformed, Place, Result};

/// An object: what is known of it, and where.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) place: Place,
    pub(crate) dnode: Dnode,
}

/// What is known of a block of data.
enum Found {
    Data(BlockPointer),
    /// The block is one of so many, from a multiple of that number on, that are not there.
    Hole {
        blocks: u64,
    },
}

impl Object {
    /// Returns the bytes of each of its blocks.
    pub(crate) const fn block_bytes(&self) -> u64 {
        self.dnode.block_bytes
    }

    /// Returns the bytes up to the end of its last block.
    pub(crate) fn bytes(&self) -> u64 {
        self.dnode.max_block.saturating_add(1).saturating_mul(self.block_bytes())
    }

    fn malformed(&self, what: &'static str) -> Error {
        Malformed(what).at(self.place)
    }

    /// Reads a block; `None` when it is a hole or past the end.
    pub(crate) fn block(&self, store: &Store, number: u64) -> Result<Option<Block>> {
        if number > self.dnode.max_block {
            return Ok(None);
        }
        let Found::Data(pointer) = self.walk(store, number)? else { return Ok(None) };
        let block = store.read(&pointer, Place { block: number, ..self.place })?;
        if block.data.len() as u64 != self.block_bytes() {
            return Err(self.malformed("object: size of a block"));
        }
        Ok(Some(block))
    }

    /// Finds the pointer to a block of data.
    fn walk(&self, store: &Store, number: u64) -> Result<Found> {
        let shift = self.dnode.pointers_shift();
        let below = |level: u8| shift.saturating_mul(u32::from(level));
        let above = |level: u8| number.checked_shr(below(level)).unwrap_or(0);
        let span = |level: u8| 1_u64.checked_shl(below(level)).unwrap_or(1 << 63);
        let mut level = self.dnode.levels - 1;
        let Some(mut pointer) = self.dnode.pointer(above(level)) else {
            return Ok(Found::Hole { blocks: 1 << 63 });
        };
        loop {
            if pointer.is_hole() {
                return Ok(Found::Hole { blocks: span(level) });
            }
            let place = Place { level, block: above(level), ..self.place };
            if !pointer.is_embedded() && pointer.level() != level {
                return Err(Malformed("block pointer: level").at(place));
            }
            if level == 0 {
                return Ok(Found::Data(pointer));
            }
            let block = store.read(&pointer, place)?;
            level -= 1;
            let at = index(above(level) & ((1 << shift) - 1)) * POINTER_BYTES;
            pointer = BlockPointer::decode(block.view(), at).map_err(|error| error.at(place))?;
        }
    }

    /// Fills `into` with the bytes from `offset`; holes and what is past the end are zeros.
    pub(crate) fn read(&self, store: &Store, offset: u64, into: &mut [u8]) -> Result<()> {
        let size = self.block_bytes();
        let mut offset = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let within = index(offset % size);
            let len = rest.len().min(index(size) - within);
            let (part, later) = rest.split_at_mut(len);
            match self.block(store, offset / size)? {
                None => part.fill(0),
                Some(block) => {
                    let data = block.view().part(within, len).map_err(|e| e.at(self.place))?;
                    part.copy_from_slice(data.data);
                }
            }
            offset = offset.saturating_add(len as u64);
            rest = later;
        }
        Ok(())
    }

    /// Finds the first block from `number` on that is not a hole.
    pub(crate) fn next_data(&self, store: &Store, number: u64) -> Result<Option<u64>> {
        let mut number = number;
        while number <= self.dnode.max_block {
            match self.walk(store, number)? {
                Found::Data(_) => return Ok(Some(number)),
                Found::Hole { blocks } => number = (number | (blocks - 1)).saturating_add(1),
            }
        }
        Ok(None)
    }
}
