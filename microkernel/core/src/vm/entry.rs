//! Table entries of the VMSAv8-64 stage 1 translation, 4 KiB granule (Arm ARM D8.3).

use crate::store::PhysAddr;
use ipc_proto::abi::word::Rights;

const VALID: u64 = 1;
/// A table at levels 0–2, a page at level 3; without it a block.
const TABLE: u64 = 1 << 1;
const ATTR_SHIFT: u64 = 2;
/// Access from EL0.
const AP_EL0: u64 = 1 << 6;
const AP_READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
/// Bits 55–60 are ours: the attachment that a mapping was made through. (59 and 60 are ignored
/// while TCR_EL1.HWU0nn are 0.)
const ATTACHMENT_SHIFT: u64 = 55;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Index in MAIR_EL1 of device memory (nGnRE).
pub const ATTR_DEVICE: u64 = 0;
/// Index in MAIR_EL1 of normal memory, write-back.
pub const ATTR_NORMAL: u64 = 1;

/// Makes the entry of a table.
#[must_use]
pub const fn table(at: PhysAddr) -> u64 {
    at.0 | TABLE | VALID
}

/// How a page or block is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// What EL0 may do.
    pub access: Rights,
    /// Device registers rather than RAM.
    pub is_device: bool,
    /// The attachment it comes from.
    pub attachment: u8,
}

impl Leaf {
    /// Makes the entry of a page (`level` 3) or block (2).
    #[must_use]
    pub const fn entry(self, at: PhysAddr, level: usize) -> u64 {
        let attr = if self.is_device { ATTR_DEVICE } else { ATTR_NORMAL };
        let write = if self.access.contains(Rights::WRITE) { 0 } else { AP_READ_ONLY };
        let execute = if self.access.contains(Rights::EXECUTE) { 0 } else { UXN };
        let page = if level == 3 { TABLE } else { 0 };
        at.0 | VALID
            | page
            | attr << ATTR_SHIFT
            | AP_EL0
            | write
            | INNER_SHAREABLE
            | ACCESSED
            | NOT_GLOBAL
            | PXN
            | execute
            | (self.attachment as u64) << ATTACHMENT_SHIFT
    }
}

/// Tells whether an entry maps or points to anything.
#[must_use]
pub const fn is_valid(entry: u64) -> bool {
    entry & VALID != 0
}

/// Tells whether a valid entry of `level` points to a table.
#[must_use]
pub const fn is_table(entry: u64, level: usize) -> bool {
    level < 3 && entry & TABLE != 0
}

/// Returns where an entry points to.
#[must_use]
pub const fn address(entry: u64) -> PhysAddr {
    PhysAddr(entry & ADDRESS)
}

/// Returns the attachment of a leaf entry.
#[must_use]
pub const fn attachment(entry: u64) -> u8 {
    (entry >> ATTACHMENT_SHIFT & 63) as u8
}

/// Returns what a leaf entry lets EL0 do.
#[must_use]
pub const fn access(entry: u64) -> Rights {
    let write = if entry & AP_READ_ONLY == 0 { Rights::WRITE } else { Rights::READ };
    let execute = if entry & UXN == 0 { Rights::EXECUTE } else { Rights::READ };
    Rights::READ.union(write).union(execute)
}

/// Returns a leaf entry with another access.
#[must_use]
pub const fn with_access(entry: u64, access: Rights) -> u64 {
    let write = if access.contains(Rights::WRITE) { 0 } else { AP_READ_ONLY };
    let execute = if access.contains(Rights::EXECUTE) { 0 } else { UXN };
    entry & !(AP_READ_ONLY | UXN) | write | execute
}

/// Returns entry `index` of the 512 pages that make up a block.
#[must_use]
pub const fn page_of_block(block: u64, index: u64) -> u64 {
    (block | TABLE) + index * ipc_proto::abi::layout::PAGE_BYTES
}

/// Returns the bytes that one entry of `level` covers.
#[must_use]
pub const fn span(level: usize) -> u64 {
    1 << (39 - 9 * level)
}

/// Returns the index of `address` in a table of `level`.
#[must_use]
pub const fn index(address: u64, level: usize) -> usize {
    (address >> (39 - 9 * level) & 511) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_keeps_what_it_was_made_of() {
        let access = Rights::READ.union(Rights::WRITE);
        let leaf = Leaf { access, is_device: false, attachment: 63 };
        let entry = leaf.entry(PhysAddr(0x1234_5000), 3);
        assert!(is_valid(entry) && !is_table(entry, 3));
        assert_eq!(address(entry), PhysAddr(0x1234_5000));
        assert_eq!(attachment(entry), 63);
        let read_only = with_access(entry, Rights::READ);
        assert_eq!(with_access(read_only, access), entry);
        assert_eq!((super::access(entry), super::access(read_only)), (access, Rights::READ));
    }

    #[test]
    fn a_split_block_maps_the_same_pages() {
        let leaf = Leaf { access: Rights::READ, is_device: true, attachment: 7 };
        let block = leaf.entry(PhysAddr(0x4000_0000), 2);
        assert!(is_valid(block) && !is_table(block, 2));
        assert_eq!(page_of_block(block, 5), leaf.entry(PhysAddr(0x4000_5000), 3));
    }
}
