//! Mapping calls on a VSpace: `map`, `map_list`, `unmap`, `protect`.
//!
//! Ranges are worked off table by table: one walk for up to 512 pages.

use super::vspace::VSpace;
use crate::Kernel;
use crate::cap::Cap;
use crate::machine::Machine;
use crate::store::{PhysAddr, Ref};
use crate::vm::entry::{self, Leaf};
use crate::vm::walk::NoTables;
use core::ops::Range;
use ipc_proto::abi::layout::{BLOCK_BYTES, PAGE_BYTES, USER_END, WINDOW_BASE};
use ipc_proto::abi::status::SyscallError;
use ipc_proto::abi::syscalls::{MapError, ProtectError, UnmapError};
use ipc_proto::abi::word::{MapFlags, Rights};

/// Pages of a block.
const BLOCK_PAGES: u64 = BLOCK_BYTES / PAGE_BYTES;
/// Most pages in one call: 1 GiB.
const MOST_PAGES: u64 = (1 << 30) / PAGE_BYTES;
/// More removed pages than this, and the whole address space leaves the TLB at once.
const MOST_SINGLE_INVALIDATIONS: u64 = 16;

/// A checked request to map.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct MapPlan {
    vspace: Ref<VSpace>,
    leaf: Leaf,
    from: PhysAddr,
    address: u64,
    pages: u64,
}

/// Tells whether a range of pages lies in the part of `vspace` that is its own to map.
fn is_own_range(vspace: &VSpace, address: u64, pages: u64) -> bool {
    let end = address.checked_add(pages.saturating_mul(PAGE_BYTES));
    let Some(end) = end.filter(|&end| end <= USER_END && address.is_multiple_of(PAGE_BYTES)) else {
        return false;
    };
    end <= WINDOW_BASE || address >= WINDOW_BASE && !vspace.window_table.is_null()
}

impl<M: Machine> Kernel<M> {
    /// Decides whether a mapping may be made; changes nothing.
    pub(crate) fn check_map(
        &self,
        vspace: Ref<VSpace>,
        flags: MapFlags,
        offset: u64,
        address: u64,
        pages: u64,
    ) -> Result<MapPlan, SyscallError<MapError>> {
        let refuse = |error| Err(SyscallError::Refused(error));
        if pages > MOST_PAGES {
            return refuse(MapError::TooMany);
        }
        let state = self.store.get(vspace);
        let slot = state.attachments.get(flags.attachment() as usize);
        let is_open = state.taken >> flags.attachment() & 1 != 0;
        let Some(slot) = slot.filter(|_| is_open) else {
            return refuse(MapError::NotAttached);
        };
        let Cap::Memory { base, pages: most, is_device } = slot.cap else {
            return refuse(MapError::NotAttached);
        };
        if !is_own_range(state, address, pages) {
            return refuse(MapError::BadAddress);
        }
        let end = (offset / PAGE_BYTES).checked_add(pages);
        if !offset.is_multiple_of(PAGE_BYTES) || end.is_none_or(|end| end > u64::from(most)) {
            return refuse(MapError::OutOfRange);
        }
        let access = flags.access();
        if !slot.rights.contains(access) || !access.contains(Rights::READ) {
            return refuse(MapError::MissingAccess);
        }
        if address >= WINDOW_BASE && access.contains(Rights::WRITE.union(Rights::EXECUTE)) {
            return refuse(MapError::WriteExecute);
        }
        let attachment = flags.attachment() as u8;
        let leaf = Leaf { access, is_device, attachment };
        Ok(MapPlan { vspace, leaf, from: base.offset(offset), address, pages })
    }

    /// Carries out a checked mapping. Without a page for a table it stops; what is mapped stays.
    pub(crate) fn commit_map(&mut self, plan: MapPlan) -> Result<(), NoTables> {
        let outcome = self.write_leaves(plan);
        self.machine.publish_tables();
        outcome
    }

    fn write_leaves(&mut self, plan: MapPlan) -> Result<(), NoTables> {
        let MapPlan { vspace, leaf, mut from, mut address, mut pages } = plan;
        while pages > 0 {
            let is_block = pages >= BLOCK_PAGES
                && (address | from.0).is_multiple_of(BLOCK_BYTES)
                && !self.has_level_3(vspace, address);
            let done = if is_block {
                let table = self.make_table(vspace, address, 2)?;
                self.replace(table, entry::index(address, 2), leaf.entry(from, 2), address);
                BLOCK_PAGES
            } else {
                let table = self.make_table(vspace, address, 3)?;
                let count = pages.min(BLOCK_PAGES - entry::index(address, 3) as u64);
                self.replace_pages(table, &MapPlan { from, address, pages: count, ..plan });
                count
            };
            pages -= done;
            address += done * PAGE_BYTES;
            from = from.offset(done * PAGE_BYTES);
        }
        Ok(())
    }

    /// Writes the leaf entries of pages that one table maps.
    fn replace_pages(&mut self, table: PhysAddr, plan: &MapPlan) {
        let MapPlan { vspace, leaf, from, address, pages } = *plan;
        let first = entry::index(address, 3);
        let place = |step: u64| {
            let at = step * PAGE_BYTES;
            (first + step as usize, leaf.entry(from.offset(at), 3), address + at)
        };
        if pages > MOST_SINGLE_INVALIDATIONS {
            let mut stale = 0;
            for (index, leaf, _) in (0..pages).map(place) {
                let old = self.store.entry(table, index);
                stale += u64::from(entry::is_valid(old) && old != leaf);
            }
            if stale > MOST_SINGLE_INVALIDATIONS {
                for step in 0..pages {
                    self.store.set_entry(table, first + step as usize, 0);
                }
                self.invalidate_range_of(vspace, address);
            }
        }
        for (index, leaf, address) in (0..pages).map(place) {
            self.replace(table, index, leaf, address);
        }
    }

    fn has_level_3(&self, vspace: Ref<VSpace>, address: u64) -> bool {
        self.walk(vspace, address).level == 3
    }

    /// Writes a leaf entry; what was mapped there is broken before the new one is made.
    #[inline]
    fn replace(&mut self, table: PhysAddr, index: usize, leaf: u64, address: u64) {
        let old = self.store.entry(table, index);
        if old == leaf {
            return;
        }
        if entry::is_valid(old) {
            self.store.set_entry(table, index, 0);
            self.machine.invalidate_page(address);
        }
        self.store.set_entry(table, index, leaf);
    }

    /// `unmap`.
    pub(crate) fn unmap(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        pages: u64,
    ) -> Result<(), SyscallError<UnmapError>> {
        if pages > MOST_PAGES {
            return Err(SyscallError::Refused(UnmapError::TooMany));
        }
        if !is_own_range(self.store.get(vspace), address, pages) {
            return Err(SyscallError::Refused(UnmapError::BadAddress));
        }
        let removed = self.change(vspace, address, pages, &|_| 0);
        removed.map_err(|NoTables| SyscallError::Refused(UnmapError::NoTables))
    }

    /// `protect`.
    pub(crate) fn protect(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        pages: u64,
        access: Rights,
    ) -> Result<(), SyscallError<ProtectError>> {
        let refuse = |error| Err(SyscallError::Refused(error));
        if pages > MOST_PAGES {
            return refuse(ProtectError::TooMany);
        }
        let state = self.store.get(vspace);
        if !is_own_range(state, address, pages) {
            return refuse(ProtectError::BadAddress);
        }
        if address >= WINDOW_BASE && access.contains(Rights::WRITE.union(Rights::EXECUTE)) {
            return refuse(ProtectError::WriteExecute);
        }
        // Every attachment in use permits it in the common case; else the pages are looked at.
        let permits = |slot: &crate::cap::Slot| slot.is_empty() || slot.rights.contains(access);
        let is_permitted = access.contains(Rights::READ)
            && (state.attachments.iter().all(permits)
                || self.is_access_permitted(vspace, address, pages, access));
        if !is_permitted {
            return refuse(ProtectError::MissingAccess);
        }
        self.change(vspace, address, pages, &|entry| entry::with_access(entry, access))
            .map_err(|NoTables| SyscallError::Refused(ProtectError::NoTables))
    }

    fn is_access_permitted(
        &self,
        vspace: Ref<VSpace>,
        address: u64,
        pages: u64,
        access: Rights,
    ) -> bool {
        let end = address + pages * PAGE_BYTES;
        let mut at = address;
        while at < end {
            let place = self.walk(vspace, at);
            if entry::is_valid(place.entry) {
                let index = usize::from(entry::attachment(place.entry));
                let slot = self.store.get(vspace).attachments.get(index);
                if !slot.is_some_and(|slot| slot.rights.contains(access)) {
                    return false;
                }
            }
            at = place.end(at);
        }
        true
    }

    /// Rewrites every leaf entry of a range; 0 removes it. Tables that become empty because the
    /// range covers them go back to the address space. Without a page for a table it stops; what
    /// was changed stays so, and has left the TLBs.
    fn change(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        pages: u64,
        rewrite: &dyn Fn(u64) -> u64,
    ) -> Result<(), NoTables> {
        let mut stale = 0;
        let end = address + pages * PAGE_BYTES;
        let outcome = self.change_entries(vspace, address..end, rewrite, &mut stale);
        if stale > MOST_SINGLE_INVALIDATIONS {
            self.invalidate_range_of(vspace, address);
        }
        self.machine.publish_tables();
        outcome
    }

    fn change_entries(
        &mut self,
        vspace: Ref<VSpace>,
        Range { start: mut at, end }: Range<u64>,
        rewrite: &dyn Fn(u64) -> u64,
        stale: &mut u64,
    ) -> Result<(), NoTables> {
        while at < end {
            let place = self.walk(vspace, at);
            if !entry::is_valid(place.entry) && place.level < 3 {
                at = place.end(at);
                continue;
            }
            if place.level < 3 {
                let is_whole = at.is_multiple_of(BLOCK_BYTES) && end - at >= BLOCK_BYTES;
                if !is_whole {
                    self.make_table(vspace, at, 3)?;
                    continue;
                }
                self.store.set_entry(place.table, place.index, rewrite(place.entry));
                self.note_stale(at, stale);
                at += BLOCK_BYTES;
                continue;
            }
            let count = (BLOCK_PAGES - place.index as u64).min((end - at) / PAGE_BYTES);
            let mut left = 0;
            for step in 0..count {
                let index = place.index + step as usize;
                let old = self.store.entry(place.table, index);
                if entry::is_valid(old) {
                    let new = rewrite(old);
                    left |= new;
                    if new != old {
                        self.store.set_entry(place.table, index, new);
                        self.note_stale(at + step * PAGE_BYTES, stale);
                    }
                }
            }
            if count == BLOCK_PAGES && left == 0 {
                let (above, index) = place.above;
                self.store.set_entry(above, index, 0);
                self.machine.invalidate_page(at);
                self.return_table_page(vspace, place.table);
            }
            at += count * PAGE_BYTES;
        }
        Ok(())
    }

    /// Empties the TLBs of an address space; of all of them where a window is concerned.
    fn invalidate_range_of(&mut self, vspace: Ref<VSpace>, address: u64) {
        if address >= WINDOW_BASE {
            return self.machine.invalidate_all();
        }
        let VSpace { thread_space, guest_space, .. } = *self.store.get(vspace);
        self.machine.invalidate_space(thread_space.asid);
        if guest_space.asid != thread_space.asid {
            self.machine.invalidate_space(guest_space.asid);
        }
    }

    /// Removes a page from the TLBs, or leaves it to the end when there are many.
    fn note_stale(&mut self, address: u64, stale: &mut u64) {
        *stale += 1;
        if *stale <= MOST_SINGLE_INVALIDATIONS {
            self.machine.invalidate_page(address);
        }
    }
}
