//! The kernel's own page tables, built from a fixed pool before there is any other memory.
//!
//! 4 KiB granule, 48-bit addresses (Arm ARM D8.3). Every mapping is global and for EL1 only.

use crate::span::Span;
use ipc_proto::abi::layout::PAGE_BYTES;

/// One table.
pub type Table = [u64; 512];

const VALID: u64 = 1;
/// A table at levels 0–2, a page at level 3.
const TABLE_OR_PAGE: u64 = 2;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const PRIVILEGED_EXECUTE_NEVER: u64 = 1 << 53;
const USER_EXECUTE_NEVER: u64 = 1 << 54;
const ADDRESS_MASK: u64 = 0x0000_ffff_ffff_f000;

/// Index of device memory (Device-nGnRE) in MAIR_EL1.
pub const DEVICE: u64 = 0;
/// Index of normal write-back memory in MAIR_EL1.
pub const NORMAL: u64 = 1;

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Code: execute and read.
    Code,
    /// Constants: read.
    Constant,
    /// Data: read and write.
    Data,
    /// Device registers: read and write.
    Device,
}

impl Access {
    const fn attributes(self) -> u64 {
        let common = VALID | ACCESSED | INNER_SHAREABLE | USER_EXECUTE_NEVER;
        match self {
            Access::Code => common | NORMAL << 2 | READ_ONLY,
            Access::Constant => common | NORMAL << 2 | READ_ONLY | PRIVILEGED_EXECUTE_NEVER,
            Access::Data => common | NORMAL << 2 | PRIVILEGED_EXECUTE_NEVER,
            Access::Device => common | DEVICE << 2 | PRIVILEGED_EXECUTE_NEVER,
        }
    }
}

/// Why a range was not mapped (in full).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// The pool is used up.
    NoTables,
    /// Something is mapped there.
    Overlap,
    /// An address is not page-aligned.
    Unaligned,
    /// A physical address has more than 48 bits.
    TooHigh,
}

/// Tables under construction; the first one of the pool is the root.
#[derive(Debug)]
pub struct Tables<'a> {
    pool: &'a mut [Table],
    base: u64,
    used: usize,
}

impl<'a> Tables<'a> {
    /// Begins with an empty root table. The pool is zeroed and lies at physical address `base`.
    ///
    /// # Errors
    ///
    /// [`TableError`] if the pool is empty or not page-aligned.
    pub fn new(pool: &'a mut [Table], base: u64) -> Result<Tables<'a>, TableError> {
        if pool.is_empty() {
            return Err(TableError::NoTables);
        }
        if !base.is_multiple_of(PAGE_BYTES) {
            return Err(TableError::Unaligned);
        }
        Ok(Tables { pool, base, used: 1 })
    }

    /// Returns the physical address of the root table.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.base
    }

    /// Maps `span` at `virtual_address`, in blocks as large as the alignment of both allows.
    ///
    /// # Errors
    ///
    /// [`TableError`]; what was mapped before the refusal stays mapped.
    pub fn map(
        &mut self,
        virtual_address: u64,
        span: Span,
        access: Access,
    ) -> Result<(), TableError> {
        let (mut at, mut from) = (virtual_address, span.base());
        if !(at | from | span.bytes()).is_multiple_of(PAGE_BYTES) {
            return Err(TableError::Unaligned);
        }
        if span.end() > ADDRESS_MASK + PAGE_BYTES {
            return Err(TableError::TooHigh);
        }
        while from < span.end() {
            let left = span.end() - from;
            let fits =
                |level: &u32| (at | from) % bytes_at(*level) == 0 && left >= bytes_at(*level);
            // Level 3 always fits: everything is a multiple of the page.
            let level = [1, 2].into_iter().find(fits).unwrap_or(3);
            self.set(at, from, level, access)?;
            at = at.wrapping_add(bytes_at(level));
            from += bytes_at(level);
        }
        Ok(())
    }

    /// Writes one leaf entry.
    fn set(&mut self, at: u64, to: u64, level: u32, access: Access) -> Result<(), TableError> {
        let mut table = 0;
        for above in 0..level {
            table = self.below(table, index_at(at, above))?;
        }
        let entry = self.entry(table, index_at(at, level))?;
        if *entry & VALID != 0 {
            return Err(TableError::Overlap);
        }
        let kind = if level == 3 { TABLE_OR_PAGE } else { 0 };
        *entry = to | access.attributes() | kind;
        Ok(())
    }

    fn entry(&mut self, table: usize, index: usize) -> Result<&mut u64, TableError> {
        self.pool.get_mut(table).and_then(|table| table.get_mut(index)).ok_or(TableError::NoTables)
    }

    /// Returns the table that an entry points to, after making it if it is missing.
    fn below(&mut self, table: usize, index: usize) -> Result<usize, TableError> {
        let (base, next) = (self.base, self.used);
        let is_room = next < self.pool.len();
        let entry = self.entry(table, index)?;
        if *entry & VALID == 0 {
            if !is_room {
                return Err(TableError::NoTables);
            }
            *entry = (base + next as u64 * PAGE_BYTES) | VALID | TABLE_OR_PAGE;
            self.used += 1;
            return Ok(next);
        }
        if *entry & TABLE_OR_PAGE == 0 {
            return Err(TableError::Overlap);
        }
        usize::try_from(((*entry & ADDRESS_MASK) - base) / PAGE_BYTES)
            .map_err(|_| TableError::NoTables)
    }
}

/// Returns the bytes that an entry at `level` covers.
const fn bytes_at(level: u32) -> u64 {
    1 << (39 - 9 * level)
}

fn index_at(address: u64, level: u32) -> usize {
    usize::try_from(address / bytes_at(level) % 512).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x4400_0000;

    /// Walks the tables as the hardware does: the leaf entry and the physical address.
    fn walk(pool: &[Table], address: u64) -> Option<(u64, u64)> {
        let mut table = 0;
        for level in 0..4 {
            let entry = pool[table][index_at(address, level)];
            if entry & VALID == 0 {
                return None;
            }
            if level == 3 || entry & TABLE_OR_PAGE == 0 {
                let inside = address % bytes_at(level);
                assert_eq!(entry & ADDRESS_MASK & (bytes_at(level) - 1), 0);
                return Some((entry, (entry & ADDRESS_MASK) + inside));
            }
            table = (((entry & ADDRESS_MASK) - BASE) / PAGE_BYTES) as usize;
        }
        unreachable!()
    }

    #[test]
    fn large_ranges_take_few_tables() {
        let mut pool = vec![[0; 512]; 8];
        let mut tables = Tables::new(&mut pool, BASE).unwrap();
        let ram = Span::new(0x4000_0000, (8 << 30) + 0x20_3000).unwrap();
        tables.map(0xffff_0000_4000_0000, ram, Access::Data).unwrap();
        assert_eq!(tables.used, 4);
        let (_, at) = walk(&pool, 0xffff_0000_4000_0000 + 0x1_2345_6789).unwrap();
        assert_eq!(at, 0x4000_0000 + 0x1_2345_6789);
    }

    #[test]
    fn nothing_is_writable_and_executable() {
        for access in [Access::Code, Access::Constant, Access::Data, Access::Device] {
            let bits = access.attributes();
            assert!(bits & (READ_ONLY | PRIVILEGED_EXECUTE_NEVER) != 0);
            assert!(bits & USER_EXECUTE_NEVER != 0);
        }
    }

    proptest! {
        #[test]
        fn a_page_is_mapped_if_and_only_if_it_was_asked_for(
            ranges in proptest::collection::vec((0u64..3000, 1u64..1500, 0u64..3000), 1..6),
        ) {
            let mut pool = vec![[0; 512]; 64];
            let mut tables = Tables::new(&mut pool, BASE).unwrap();
            let mut model = std::collections::BTreeMap::new();
            let window = 0xffff_ffff_8000_0000;
            for (at, pages, from) in ranges {
                let span = Span::new(from * PAGE_BYTES, pages * PAGE_BYTES).unwrap();
                if (at..at + pages).any(|page| model.contains_key(&page)) {
                    continue;
                }
                if tables.map(window + at * PAGE_BYTES, span, Access::Data).is_err() {
                    continue;
                }
                model.extend((0..pages).map(|page| (at + page, from + page)));
            }
            for page in 0..4600 {
                let found = walk(&pool, window + page * PAGE_BYTES).map(|(_, to)| to / PAGE_BYTES);
                prop_assert_eq!(found, model.get(&page).copied());
            }
        }
    }
}
