//! Making kernel objects out of the memory that root was given, and mapping them.

use crate::error::BootError;
use alloc::vec::Vec;
use ipc_proto::abi::boot_info::{Range, slots};
use ipc_proto::abi::layout::{BLOCK_BYTES, PAGE_BYTES};
use ipc_proto::abi::status::SyscallError;
use ipc_proto::abi::syscalls::{MapError, RetypeError, Stubs, Trap};
use ipc_proto::abi::word::{CPtr, MapFlags, ObjectKind, Rights, Trigger};
use ipc_proto::system::Name;

/// Pages of table memory that an address space is given at a time.
const TABLE_PAGES: u64 = 16;
/// What the pool leaves of the largest range: page tables for it and for root's own mappings.
const RESERVE_BYTES: u64 = 512 << 10;
/// Most pages that one `map` takes: 1 GiB.
const MAP_PAGES: u64 = (1 << 30) / PAGE_BYTES;

/// The source of kernel objects.
#[derive(Debug)]
pub struct Objects<T> {
    /// The kernel.
    pub kernel: Stubs<T>,
    /// Takes a free slot of root's CSpace.
    allocate_slot: fn() -> Option<CPtr>,
    /// The untyped ranges, the smallest first: what is left of the largest is the pool.
    untyped: Vec<CPtr>,
    /// Device ranges.
    devices: Vec<Range>,
    /// Bytes of RAM that root was given.
    pub ram: u64,
}

impl<T: Trap> Objects<T> {
    /// Takes charge of the ranges that the kernel gave root.
    pub fn new(
        kernel: Stubs<T>,
        memory: &[Range],
        allocate_slot: fn() -> Option<CPtr>,
    ) -> Objects<T> {
        let mut ranges: Vec<&Range> = memory.iter().filter(|range| !range.is_device).collect();
        ranges.sort_by_key(|range| range.bytes);
        let untyped = ranges.iter().map(|range| CPtr(range.slot)).collect();
        let ram = ranges.iter().map(|range| range.bytes).sum();
        let devices = memory.iter().filter(|range| range.is_device).copied().collect();
        Objects { kernel, allocate_slot, untyped, devices, ram }
    }

    /// Returns the bytes that no object was made of yet.
    pub fn free_bytes(&self) -> u64 {
        self.untyped.iter().filter_map(|&slot| self.kernel.size(slot).ok()).sum()
    }

    /// Takes a free slot.
    ///
    /// # Errors
    /// If there is none.
    pub fn slot(&self) -> Result<CPtr, BootError> {
        let none = || BootError::Refused("a slot", "root's CSpace is full".into());
        (self.allocate_slot)().ok_or_else(none)
    }

    /// Makes an object of `kind` for `user`, in a new slot of root's.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn make(&self, user: &Name, kind: ObjectKind, argument: u64) -> Result<CPtr, BootError> {
        let slot = self.slot()?;
        for &untyped in &self.untyped {
            match self.kernel.retype(untyped, kind, argument, CPtr::NULL, slot, 1) {
                Err(SyscallError::Refused(RetypeError::NotEnoughMemory)) => {}
                result => return result.map(|()| slot).map_err(BootError::refused("retype")),
            }
        }
        let is_sized = matches!(kind, ObjectKind::Memory | ObjectKind::Untyped);
        Err(BootError::NoMemory(user.clone(), if is_sized { argument } else { PAGE_BYTES }))
    }

    /// Makes one Memory of all that the largest range has left; gives its slot and bytes.
    ///
    /// # Errors
    /// If nothing is left.
    pub fn make_pool(&self, user: &Name) -> Result<(CPtr, u64), BootError> {
        let none = || BootError::NoMemory(user.clone(), BLOCK_BYTES);
        let largest = *self.untyped.last().ok_or_else(none)?;
        let left = self.kernel.size(largest).map_err(BootError::refused("size"))?;
        let slot = self.slot()?;
        let reserve = RESERVE_BYTES + (left >> 30) * 2 * PAGE_BYTES;
        let left = left.saturating_sub(reserve);
        let whole = left - left % BLOCK_BYTES;
        // The Memory starts at a multiple of its alignment, which may cost one block.
        for bytes in [whole, whole.saturating_sub(BLOCK_BYTES)] {
            if bytes > 0 {
                let made =
                    self.kernel.retype(largest, ObjectKind::Memory, bytes, CPtr::NULL, slot, 1);
                match made {
                    Err(SyscallError::Refused(RetypeError::NotEnoughMemory)) => {}
                    result => {
                        let result = result.map_err(BootError::refused("retype"));
                        return result.map(|()| (slot, bytes));
                    }
                }
            }
        }
        Err(none())
    }

    /// Derives the Memory of `bytes` bytes of device registers at physical address `base`.
    ///
    /// # Errors
    /// If no device range holds it.
    pub fn device(&self, user: &Name, base: u64, bytes: u64) -> Result<CPtr, BootError> {
        let holds = |range: &&Range| base >= range.base && base - range.base < range.bytes;
        let range = self.devices.iter().find(holds);
        let range = range.ok_or_else(|| BootError::NoMemory(user.clone(), bytes))?;
        let slot = self.slot()?;
        let rights = Rights::READ.union(Rights::WRITE);
        let offset = base - range.base;
        let source = CPtr(range.slot);
        let derived = self.kernel.derive_memory(source, CPtr::NULL, slot, offset, bytes, rights);
        derived.map(|()| slot).map_err(BootError::refused("derive_memory"))
    }

    /// Claims an interrupt line.
    ///
    /// # Errors
    /// If there is no memory for it, or the kernel refuses.
    pub fn claim_irq(&self, user: &Name, line: u64, trigger: Trigger) -> Result<CPtr, BootError> {
        let slot = self.slot()?;
        let none = || BootError::NoMemory(user.clone(), PAGE_BYTES);
        let untyped = *self.untyped.last().ok_or_else(none)?;
        let own = CPtr::NULL;
        let claimed = self.kernel.irq_claim(slots::IRQ_CONTROL, untyped, line, trigger, own, slot);
        claimed.map(|()| slot).map_err(BootError::refused("irq_claim"))
    }

    /// Makes an address space with a window of its own.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn make_domain(&self, name: &Name) -> Result<CPtr, BootError> {
        let vspace = self.make(name, ObjectKind::VSpace, 0)?;
        self.supply(name, vspace, TABLE_PAGES)?;
        let made = self.kernel.vspace_make_window(vspace);
        made.map(|()| vspace).map_err(BootError::refused("vspace_make_window"))
    }

    /// Gives an address space `pages` more pages for its tables.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn supply(&self, user: &Name, vspace: CPtr, pages: u64) -> Result<(), BootError> {
        let tables = self.make(user, ObjectKind::Tables, pages)?;
        self.kernel.vspace_supply(vspace, tables).map_err(BootError::refused("vspace_supply"))
    }

    /// Attaches `memory` to `vspace` under `index`.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn attach(&self, vspace: CPtr, index: u64, memory: CPtr) -> Result<(), BootError> {
        let attached = self.kernel.vspace_attach(vspace, index, memory);
        attached.map_err(BootError::refused("vspace_attach"))
    }

    /// Maps what `mapping` says, and gives the address space tables when it lacks them.
    ///
    /// # Errors
    /// If there is no memory for tables, or the kernel refuses.
    pub fn map(&self, user: &Name, mapping: Mapping) -> Result<(), BootError> {
        let flags = MapFlags::new(mapping.attachment, mapping.access);
        let (mut done, pages) = (0, mapping.bytes.div_ceil(PAGE_BYTES));
        while done < pages {
            let count = MAP_PAGES.min(pages - done);
            let (offset, address) =
                (mapping.offset + done * PAGE_BYTES, mapping.address + done * PAGE_BYTES);
            match self.kernel.map(mapping.vspace, flags, offset, address, count) {
                Ok(()) => done += count,
                Err(SyscallError::Refused(MapError::NoTables)) => {
                    self.supply(user, mapping.vspace, TABLE_PAGES)?;
                }
                Err(error) => return Err(BootError::refused("map")(error)),
            }
        }
        Ok(())
    }
}

/// A range to map.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// The address space.
    pub vspace: CPtr,
    /// The attachment of the Memory.
    pub attachment: u64,
    /// The access.
    pub access: Rights,
    /// Where in the Memory.
    pub offset: u64,
    /// Where in the address space.
    pub address: u64,
    /// How many bytes; rounded up to pages.
    pub bytes: u64,
}
