//! Walks of an address space's tables: find an entry, make the tables to it, split a block.

use super::entry;
use crate::Kernel;
use crate::machine::Machine;
use crate::object::vspace::VSpace;
use crate::store::{PhysAddr, Ref};
use ipc_proto::abi::layout::PAGE_BYTES;

/// The address space has no page left for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTables;

/// Where a walk ended: at the first entry that is not a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The table that holds the entry.
    pub(crate) table: PhysAddr,
    /// Its index there.
    pub(crate) index: usize,
    /// The table's level, 0 to 3.
    pub(crate) level: usize,
    /// The entry.
    pub(crate) entry: u64,
    /// The table above, and the index there.
    pub(crate) above: (PhysAddr, usize),
}

impl Place {
    /// Returns the first address that the entry does not cover.
    pub(crate) fn end(&self, address: u64) -> u64 {
        let span = entry::span(self.level);
        (address & !(span - 1)).saturating_add(span)
    }
}

impl<M: Machine> Kernel<M> {
    /// Walks to `address` as far as there are tables.
    pub(crate) fn walk(&self, vspace: Ref<VSpace>, address: u64) -> Place {
        let mut table = self.store.get(vspace).thread_space.root;
        let mut above = (PhysAddr(0), 0);
        let mut level = 0;
        loop {
            let index = entry::index(address, level);
            let found = if table.is_null() { 0 } else { self.store.entry(table, index) };
            if !(entry::is_valid(found) && entry::is_table(found, level)) {
                return Place { table, index, level, entry: found, above };
            }
            above = (table, index);
            table = entry::address(found);
            level += 1;
        }
    }

    /// Returns the table of `level` (2 or 3) that covers `address`, making what is missing.
    pub(crate) fn make_table(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        level: usize,
    ) -> Result<PhysAddr, NoTables> {
        let mut table = self.store.get(vspace).thread_space.root;
        if table.is_null() {
            return Err(NoTables);
        }
        for above in 0..level {
            let index = entry::index(address, above);
            let found = self.store.entry(table, index);
            if entry::is_valid(found) && entry::is_table(found, above) {
                table = entry::address(found);
                continue;
            }
            let page = self.take_table_page(vspace)?;
            if entry::is_valid(found) {
                self.split_block(table, index, found, page, address);
            } else {
                self.store.zero(page, PAGE_BYTES);
                self.machine.publish_tables();
                self.store.set_entry(table, index, entry::table(page));
                if above == 0 {
                    self.mirror_root_entry(vspace, index, entry::table(page));
                }
            }
            table = page;
        }
        Ok(table)
    }

    /// Replaces a 2 MiB block by a table of its pages, break before make (Arm ARM D8.14.1).
    fn split_block(
        &mut self,
        table: PhysAddr,
        index: usize,
        block: u64,
        page: PhysAddr,
        address: u64,
    ) {
        for part in 0..512 {
            self.store.set_entry(page, part, entry::page_of_block(block, part as u64));
        }
        self.store.set_entry(table, index, 0);
        self.machine.invalidate_page(address & !(entry::span(2) - 1));
        self.store.set_entry(table, index, entry::table(page));
    }

    /// Writes a level-0 entry of a process into the root that its guests see, too.
    pub(crate) fn mirror_root_entry(&mut self, vspace: Ref<VSpace>, index: usize, entry: u64) {
        let VSpace { thread_space, guest_space, .. } = *self.store.get(vspace);
        if guest_space.root != thread_space.root && !guest_space.root.is_null() {
            self.store.set_entry(guest_space.root, index, entry);
        }
    }

    /// Takes a page for a table; its contents are undefined.
    pub(crate) fn take_table_page(&mut self, vspace: Ref<VSpace>) -> Result<PhysAddr, NoTables> {
        let page = self.store.get(vspace).free_pages;
        if page.is_null() {
            return Err(NoTables);
        }
        let next = PhysAddr(self.store.entry(page, 0));
        self.store.get_mut(vspace).free_pages = next;
        Ok(page)
    }

    /// Gives a page of a table back; no walker can reach it any more.
    pub(crate) fn return_table_page(&mut self, vspace: Ref<VSpace>, page: PhysAddr) {
        let next = core::mem::replace(&mut self.store.get_mut(vspace).free_pages, page);
        self.store.set_entry(page, 0, next.0);
    }
}
