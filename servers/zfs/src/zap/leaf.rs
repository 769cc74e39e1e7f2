//! Leaves of fat ZAPs: a small hash table of chains of 24-byte chunks.

use super::{Entry, Position, Value};
use crate::block::Block;
use crate::bytes::{View, index};
use crate::error::Malformed;
use alloc::vec::Vec;

/// First word of a leaf.
const KIND: u64 = 1 << 63;
/// Marks a leaf.
const MAGIC: u32 = 0x02ab_1eaf;
/// Bytes before the hash table.
const HEADER_BYTES: usize = 48;
/// Bytes of a chunk.
const CHUNK_BYTES: usize = 24;
/// Bytes of a chunk that hold part of a name or value.
const ARRAY_BYTES: usize = 21;
/// Kinds of chunks.
const ENTRY_CHUNK: u8 = 252;
const ARRAY_CHUNK: u8 = 251;
/// Ends a chain.
const END: u16 = 0xffff;

/// A leaf.
pub(super) struct Leaf {
    block: Block,
    /// How many upper bits of the hash all entries share.
    pub(super) prefix_bits: u16,
    /// Slots of the hash table, as a power of two.
    table_shift: u32,
    /// Where the chunks begin.
    chunks_start: usize,
    chunks: usize,
}

/// The stored parts of an entry.
struct Slot {
    value_width: u8,
    next: u16,
    name_chunk: u16,
    name_count: u16,
    value_chunk: u16,
    value_count: u16,
    counter: u32,
    hash: u64,
}

impl Leaf {
    pub(super) fn new(block: Block) -> Result<Self, Malformed> {
        let view = block.view();
        if view.u64(0)? != KIND || view.u32(24)? != MAGIC {
            return Err(Malformed("table: leaf"));
        }
        let table_slots = block.data.len() / 32;
        let table_shift = table_slots.checked_ilog2().ok_or(Malformed("table: size of a leaf"))?;
        let chunks_start = HEADER_BYTES + 2 * table_slots;
        let chunks = block.data.len().saturating_sub(chunks_start) / CHUNK_BYTES;
        let prefix_bits = view.u16(32)?;
        Ok(Self { block, prefix_bits, table_shift, chunks_start, chunks })
    }

    fn chunk(&self, number: u16) -> Result<View<'_>, Malformed> {
        self.block.view().part(self.chunks_start + usize::from(number) * CHUNK_BYTES, CHUNK_BYTES)
    }

    fn slot(&self, number: u16) -> Result<Slot, Malformed> {
        let chunk = self.chunk(number)?;
        if chunk.u8(0)? != ENTRY_CHUNK {
            return Err(Malformed("table: entry of a leaf"));
        }
        Ok(Slot {
            value_width: chunk.u8(1)?,
            next: chunk.u16(2)?,
            name_chunk: chunk.u16(4)?,
            name_count: chunk.u16(6)?,
            value_chunk: chunk.u16(8)?,
            value_count: chunk.u16(10)?,
            counter: chunk.u32(12)?,
            hash: chunk.u64(16)?,
        })
    }

    /// Gathers `len` bytes of a chain of chunks.
    fn array(&self, first: u16, len: usize) -> Result<Vec<u8>, Malformed> {
        if len > self.chunks * ARRAY_BYTES {
            return Err(Malformed("table: length in a leaf"));
        }
        let (mut bytes, mut next) = (Vec::with_capacity(len), first);
        while bytes.len() < len {
            let chunk = self.chunk(next)?;
            if chunk.u8(0)? != ARRAY_CHUNK {
                return Err(Malformed("table: array of a leaf"));
            }
            let part = chunk.part(1, ARRAY_BYTES.min(len - bytes.len()))?;
            bytes.extend_from_slice(part.data);
            next = chunk.u16(22)?;
        }
        Ok(bytes)
    }

    fn name(&self, slot: &Slot, key_width: usize) -> Result<Vec<u8>, Malformed> {
        let mut name = self.array(slot.name_chunk, usize::from(slot.name_count) * key_width)?;
        // Texts are kept with their NUL.
        if key_width == 1 && name.pop() != Some(0) {
            return Err(Malformed("table: name in a leaf"));
        }
        Ok(name)
    }

    fn value(&self, slot: &Slot) -> Result<Value, Malformed> {
        let width = slot.value_width;
        if !matches!(width, 1 | 2 | 4 | 8) {
            return Err(Malformed("table: width of a value"));
        }
        let len = usize::from(slot.value_count) * usize::from(width);
        Ok(Value { width, bytes: self.array(slot.value_chunk, len)? })
    }

    pub(super) fn lookup(
        &self,
        hash: u64,
        key: &[u8],
        key_width: usize,
    ) -> Result<Option<Value>, Malformed> {
        let below = hash.checked_shl(u32::from(self.prefix_bits)).unwrap_or(0);
        let bucket = index(below >> (64 - self.table_shift));
        let mut next = self.block.view().u16(HEADER_BYTES + 2 * bucket)?;
        for _ in 0..=self.chunks {
            if next == END {
                return Ok(None);
            }
            let slot = self.slot(next)?;
            if slot.hash == hash && self.name(&slot, key_width)? == key {
                return self.value(&slot).map(Some);
            }
            next = slot.next;
        }
        Err(Malformed("table: endless chain in a leaf"))
    }

    /// Returns all entries, in no order.
    pub(super) fn entries(&self, key_width: usize) -> Result<Vec<Entry>, Malformed> {
        let mut entries = Vec::new();
        // Each chunk is part of one name or value only, so together they are no longer than this.
        let mut budget = self.chunks * ARRAY_BYTES;
        for bucket in 0..1_usize << self.table_shift {
            let mut next = self.block.view().u16(HEADER_BYTES + 2 * bucket)?;
            while next != END {
                // Each entry takes a chunk, so more of them than chunks are a circle.
                if entries.len() >= self.chunks {
                    return Err(Malformed("table: endless chain in a leaf"));
                }
                let slot = self.slot(next)?;
                let len = usize::from(slot.name_count) * key_width
                    + usize::from(slot.value_count) * usize::from(slot.value_width);
                budget = budget.checked_sub(len).ok_or(Malformed("table: shared chunks"))?;
                entries.push(Entry {
                    name: self.name(&slot, key_width)?,
                    value: self.value(&slot)?,
                    position: Position { hash: slot.hash, counter: slot.counter },
                });
                next = slot.next;
            }
        }
        Ok(entries)
    }
}
