//! Guest address spaces of the kernel, recycled.
//!
//! A kit is a VSpace with its page tables, made from an untyped range of its own: the kernel gives
//! memory back only by revoking the whole range. A kit whose tables have not grown much is kept as
//! it is, emptied, for the next process.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::status::SyscallError;
use ipc_proto::abi::syscalls::{MapError, MapListError, ProtectError, UnmapError};
use ipc_proto::abi::word::{MapFlags, Rights};
use ipc_proto::capability::{Cap, kind};
use libosv::cap::{self, untyped, vspace};
use libosv::slots;
use libosv::syscall::{Kernel, Svc, kernel};

use super::Resources;
use crate::frames::Frame;
use crate::frames::pool::Pool;
use crate::machine::{ListEntry, NoMemory, Source, Translation, attachment};
use crate::sync::Mutex;

/// Bytes of the untyped ranges that kits are made from: the VSpace, and two supplies of tables,
/// which is what a small program takes.
const RANGE_BYTES: u64 = 80 << 10;
/// Pages of tables supplied at a time.
const TABLE_PAGES: u64 = 8;
/// Supplies after which a kit is not kept: most of them served places no longer used.
const SUPPLIES_KEPT: usize = 4;
/// Most pages in one call: 1 GiB.
const MOST_PAGES: u64 = (1 << 30) / PAGE_BYTES;
/// Most entries in a mapping list.
const MOST_ENTRIES: usize = 256;

/// A VSpace and what it is made of.
pub struct Kit {
    vspace: Cap<kind::VSpace>,
    ranges: Vec<Cap<kind::Untyped>>,
    tables: Vec<Cap<kind::Tables>>,
}

/// Kits and ranges without a process.
#[derive(Default)]
pub struct Spaces {
    idle: Mutex<Vec<Kit>>,
    ranges: Mutex<Vec<Cap<kind::Untyped>>>,
}

impl Spaces {
    /// Takes an idle kit or makes one.
    ///
    /// # Errors
    /// No memory for it.
    pub(super) fn take(&self, resources: &Resources) -> Result<Kit, NoMemory> {
        if let Some(kit) = self.idle.lock().pop() {
            return Ok(kit);
        }
        let range = self.take_range(resources.untyped)?;
        let made = self.make_kit(resources, range);
        if made.is_err() {
            self.give_back(range);
        }
        made
    }

    fn take_range(&self, untyped: Cap<kind::Untyped>) -> Result<Cap<kind::Untyped>, NoMemory> {
        if let Some(range) = self.ranges.lock().pop() {
            return Ok(range);
        }
        untyped::make_sized::<kind::Untyped>(untyped, RANGE_BYTES).map_err(|_| NoMemory)
    }

    fn make_kit(&self, resources: &Resources, range: Cap<kind::Untyped>) -> Result<Kit, NoMemory> {
        let vspace = untyped::make::<kind::VSpace>(range).map_err(|_| NoMemory)?;
        let mut kit = Kit { vspace, ranges: alloc::vec![range], tables: Vec::new() };
        let result = kit.set_up(resources);
        if result.is_err() {
            // `take` revokes the range, and with it the objects.
            kit.free_slots();
        }
        result.map(|()| kit)
    }

    /// Empties a range for another use.
    fn give_back(&self, range: Cap<kind::Untyped>) {
        if cap::revoke(range).is_ok() {
            self.ranges.lock().push(range);
        }
    }

    /// Takes back the kit of a process that is gone; nothing is mapped in it any more.
    fn recycle(&self, kit: Kit) {
        if kit.tables.len() <= SUPPLIES_KEPT {
            self.idle.lock().push(kit);
            return;
        }
        kit.ranges.iter().for_each(|&range| self.give_back(range));
        kit.free_slots();
    }
}

impl Kit {
    fn set_up(&mut self, resources: &Resources) -> Result<(), NoMemory> {
        let range = self.ranges[0];
        let tables = vspace::supply(self.vspace, range, TABLE_PAGES).map_err(|_| NoMemory)?;
        self.tables.push(tables);
        let (slot, own) = (self.vspace.slot(), resources.vspace.slot());
        kernel().vspace_set_window(slot, own, resources.view).map_err(|_| NoMemory)?;
        for &(index, memory) in &resources.attachments {
            kernel().vspace_attach(slot, index, memory.slot()).map_err(|_| NoMemory)?;
        }
        Ok(())
    }

    /// Gives the slots back that a revocation emptied.
    fn free_slots(&self) {
        slots::free(self.vspace.slot());
        self.tables.iter().for_each(|tables| slots::free(tables.slot()));
    }

    /// Supplies more page tables.
    fn supply(&mut self, untyped: Cap<kind::Untyped>, spaces: &Spaces) -> Result<(), NoMemory> {
        let last = self.ranges[self.ranges.len() - 1];
        let tables = match vspace::supply(self.vspace, last, TABLE_PAGES) {
            Ok(tables) => tables,
            Err(_) => {
                let range = spaces.take_range(untyped)?;
                self.ranges.push(range);
                vspace::supply(self.vspace, range, TABLE_PAGES).map_err(|_| NoMemory)?
            }
        };
        self.tables.push(tables);
        Ok(())
    }
}

/// A guest address space of the kernel.
pub struct NativeSpace {
    vspace: Cap<kind::VSpace>,
    kit: Mutex<Option<Kit>>,
    untyped: Cap<kind::Untyped>,
    pool: Arc<Pool>,
    spaces: Arc<Spaces>,
}

impl NativeSpace {
    /// Wraps a kit, which goes back to `spaces` in the end.
    #[must_use]
    pub fn new(
        kit: Kit,
        untyped: Cap<kind::Untyped>,
        pool: Arc<Pool>,
        spaces: Arc<Spaces>,
    ) -> NativeSpace {
        NativeSpace { vspace: kit.vspace, kit: Mutex::new(Some(kit)), untyped, pool, spaces }
    }

    #[cold]
    fn supply(&self) -> Result<(), NoMemory> {
        match self.kit.lock().as_mut() {
            Some(kit) => kit.supply(self.untyped, &self.spaces),
            None => Err(NoMemory),
        }
    }

    /// Makes what was written to frames visible to instruction fetches.
    fn synchronise(&self, source: Source, pages: u64, access: Rights) {
        if source.attachment == attachment::POOL && access.contains(Rights::EXECUTE) {
            let first = (source.offset / PAGE_BYTES) as u32;
            (0..pages as u32).for_each(|page| self.pool.synchronise_code(Frame(first + page)));
        }
    }

    fn map_list_part(&self, entries: &[ListEntry]) -> Result<(), NoMemory> {
        loop {
            Svc.with_buffer(|buffer| {
                for (slot, entry) in buffer.chunks_exact_mut(16).zip(entries) {
                    let flags = u64::from(entry.access.0 & 7) | entry.source.attachment << 3;
                    slot[..8].copy_from_slice(&(entry.address | flags).to_le_bytes());
                    slot[8..].copy_from_slice(&entry.source.offset.to_le_bytes());
                }
            })
            .ok_or(NoMemory)?;
            match kernel().map_list(self.vspace.slot(), entries.len() as u64) {
                Ok(()) => return Ok(()),
                Err(SyscallError::Refused(MapListError::NoTables)) => self.supply()?,
                Err(error) => panic!("the kernel refused a mapping list: {error}"),
            }
        }
    }
}

impl Translation for NativeSpace {
    fn map(
        &self,
        address: u64,
        pages: u64,
        source: Source,
        access: Rights,
    ) -> Result<(), NoMemory> {
        self.synchronise(source, pages, access);
        let flags = MapFlags::new(source.attachment, access);
        let mut done = 0;
        while done < pages {
            let count = (pages - done).min(MOST_PAGES);
            let (at, offset) = (address + done * PAGE_BYTES, source.offset + done * PAGE_BYTES);
            match kernel().map(self.vspace.slot(), flags, offset, at, count) {
                Ok(()) => done += count,
                Err(SyscallError::Refused(MapError::NoTables)) => self.supply()?,
                Err(error) => panic!("the kernel refused to map {source:?} at {at:#x}: {error}"),
            }
        }
        Ok(())
    }

    fn map_list(&self, entries: &[ListEntry]) -> Result<(), NoMemory> {
        entries.iter().for_each(|entry| self.synchronise(entry.source, 1, entry.access));
        entries.chunks(MOST_ENTRIES).try_for_each(|part| self.map_list_part(part))
    }

    fn unmap(&self, address: u64, pages: u64) {
        let mut done = 0;
        while done < pages {
            let count = (pages - done).min(MOST_PAGES);
            match kernel().unmap(self.vspace.slot(), address + done * PAGE_BYTES, count) {
                Ok(()) => done += count,
                // Splitting a block takes a table.
                Err(SyscallError::Refused(UnmapError::NoTables)) if self.supply().is_ok() => {}
                Err(error) => panic!("the kernel refused to unmap {address:#x}: {error}"),
            }
        }
    }

    fn protect(&self, address: u64, pages: u64, access: Rights) {
        let mut done = 0;
        while done < pages {
            let count = (pages - done).min(MOST_PAGES);
            let at = address + done * PAGE_BYTES;
            match kernel().protect(self.vspace.slot(), at, count, access) {
                Ok(()) => done += count,
                Err(SyscallError::Refused(ProtectError::NoTables)) if self.supply().is_ok() => {}
                Err(error) => panic!("the kernel refused to protect {at:#x}: {error}"),
            }
        }
    }

    fn id(&self) -> u64 {
        u64::from(self.vspace.slot().0)
    }
}

impl Drop for NativeSpace {
    fn drop(&mut self) {
        if let Some(kit) = self.kit.lock().take() {
            self.spaces.recycle(kit);
        }
    }
}
