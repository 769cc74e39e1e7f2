//! Checks of address spaces, and their translations for a model of the TLB.

use crate::Kernel;
use crate::cap::{Cap, Slot};
use crate::machine::{Machine, Space};
use crate::object::tables::Tables;
use crate::object::vspace::{VSpace, WINDOW_INDEX};
use crate::store::{Header, PhysAddr, Ref};
use crate::vm::entry;
use ipc_proto::abi::layout::{ATTACHMENTS, PAGE_BYTES, WINDOW_BASE};
use ipc_proto::abi::word::{ObjectKind, Rights};
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

/// What TLBs may hold: identifier and address, to entry and the bytes that it covers.
pub type Translations = BTreeMap<(u16, u64), (u64, u64)>;

/// What one walk over a whole space finds.
#[derive(Default)]
struct Walked {
    /// Tables that are the space's own.
    tables: BTreeSet<u64>,
    /// Address, entry and level of each leaf.
    leaves: Vec<(u64, u64, usize)>,
}

impl<M: Machine> Kernel<M> {
    pub(super) fn check_spaces(&self, objects: &[(ObjectKind, Ref<Header>)]) -> Translations {
        let mut all = Translations::new();
        let spaces = objects.iter().filter(|(kind, _)| *kind == ObjectKind::VSpace);
        for (_, vspace) in spaces {
            let vspace = vspace.cast::<VSpace>();
            self.check_attachments(vspace);
            self.check_window(vspace);
            let walked = self.check_tables(vspace);
            let state = self.store.get(vspace);
            let has_window = !state.window_table.is_null();
            for &(address, leaf, level) in &walked.leaves {
                if address < WINDOW_BASE || has_window {
                    check_leaf(state, address, leaf, level);
                }
            }
            for space in [state.thread_space, state.guest_space] {
                let mut seen = Walked::default();
                self.walk_all(space.root, 0, 0, &mut seen);
                for (address, leaf, level) in seen.leaves {
                    let key = (space.asid, address);
                    let old = all.insert(key, (leaf, entry::span(level)));
                    assert!(old.is_none_or(|(old, _)| old == leaf), "an identifier of two spaces");
                }
            }
        }
        all
    }

    fn check_attachments(&self, vspace: Ref<VSpace>) {
        let state = self.store.get(vspace);
        for index in 0..ATTACHMENTS {
            let is_filled = matches!(state.attachments[index as usize].cap, Cap::Memory { .. });
            let is_taken = state.taken >> index & 1 != 0;
            assert!(is_filled || !is_taken, "what is mapped from is attached");
            assert!(is_filled || state.detached_to[index as usize] == 0, "what ends is attached");
        }
    }

    fn check_window(&self, vspace: Ref<VSpace>) {
        let state = self.store.get(vspace);
        if let Some(domain) = state.domain {
            assert!(state.window.cap == Cap::VSpace(domain), "a window and its capability");
            assert!(state.window_table.is_null(), "a window is lent or owned");
            let mut user = self.store.get(domain).first_user;
            while let Some(other) = user.filter(|&other| other != vspace) {
                user = self.store.get(other).next_user;
            }
            assert!(user == Some(vspace), "a domain knows its users");
        }
        let entry_of = |space: Space| match space.root.is_null() {
            true => PhysAddr(0),
            false => entry::address(self.store.entry(space.root, WINDOW_INDEX)),
        };
        let window =
            state.domain.map_or(state.window_table, |domain| self.store.get(domain).window_table);
        let live = if state.thread_space.root.is_null() { PhysAddr(0) } else { window };
        assert_eq!(entry_of(state.thread_space), live, "slot 511");
        let is_strict = state.guest_space != state.thread_space;
        assert!(!is_strict || entry_of(state.guest_space).is_null(), "slot 511 of a guest");
    }

    /// The pages that Tables gave are roots, tables or free: each once, none lost.
    fn check_tables(&self, vspace: Ref<VSpace>) -> Walked {
        let state = self.store.get(vspace);
        let mut given = BTreeSet::new();
        let mut tables = state.tables;
        while let Some(one) = tables {
            let Tables { base, pages, serves, next, .. } = *self.store.get(one);
            assert!(serves == Some(vspace), "tables serve their address space");
            given.extend((0..u64::from(pages)).map(|page| base.0 + page * PAGE_BYTES));
            tables = next;
        }
        let mut free = BTreeSet::new();
        let mut page = state.free_pages;
        while !page.is_null() {
            assert!(free.insert(page.0) && given.contains(&page.0), "free pages are its own");
            page = PhysAddr(self.store.entry(page, 0));
        }
        let mut walked = Walked::default();
        self.walk_all(state.thread_space.root, 0, 0, &mut walked);
        if state.guest_space.root != state.thread_space.root {
            let mut guest = Walked::default();
            self.walk_all(state.guest_space.root, 0, 0, &mut guest);
            let own = |walked: &Walked| -> Vec<(u64, u64, usize)> {
                walked.leaves.iter().copied().filter(|leaf| leaf.0 < WINDOW_BASE).collect()
            };
            assert_eq!(own(&walked), own(&guest), "a guest sees what its thread sees");
            walked.tables.extend(guest.tables);
        }
        if state.window_table.is_null() {
            walked.tables.retain(|table| given.contains(table) || !self.is_lent(state, *table));
        }
        assert!(walked.tables.is_disjoint(&free), "a table is not free");
        let used: BTreeSet<u64> = walked.tables.union(&free).copied().collect();
        assert_eq!(used, given, "every page is a table or free");
        walked
    }

    /// Tells whether a table lies below the window that an address space borrows.
    fn is_lent(&self, state: &VSpace, table: u64) -> bool {
        let Some(domain) = state.domain else { return false };
        let mut window = Walked::default();
        self.walk_all(self.store.get(domain).window_table, 1, WINDOW_BASE, &mut window);
        window.tables.contains(&table)
    }

    fn walk_all(&self, table: PhysAddr, level: usize, base: u64, walked: &mut Walked) {
        if table.is_null() {
            return;
        }
        assert!(walked.tables.insert(table.0), "a table is used once");
        for index in 0..512 {
            let found = self.store.entry(table, index);
            let address = base + index as u64 * entry::span(level);
            if !entry::is_valid(found) {
                continue;
            }
            if entry::is_table(found, level) {
                self.walk_all(entry::address(found), level + 1, address, walked);
            } else {
                walked.leaves.push((address, found, level));
            }
        }
    }
}

/// A mapping lies in its attached Memory and permits no more than that does.
fn check_leaf(state: &VSpace, address: u64, leaf: u64, level: usize) {
    let slot: &Slot = &state.attachments[usize::from(entry::attachment(leaf))];
    let Cap::Memory { base, pages, .. } = slot.cap else {
        panic!("what is mapped at {address:#x} is attached");
    };
    let offset = entry::address(leaf).0.wrapping_sub(base.0);
    let end = offset.saturating_add(entry::span(level));
    assert!(end <= u64::from(pages) * PAGE_BYTES, "what is mapped lies in its Memory");
    let access = entry::access(leaf);
    assert!(slot.rights.contains(access), "a mapping permits what its Memory does");
    let is_writable_code = access.contains(Rights::WRITE.union(Rights::EXECUTE));
    assert!(address < WINDOW_BASE || !is_writable_code, "no writable code in a window");
}
