//! VSpace: an EL0 address space. Its tables, its window, and the Memory it maps from.
//!
//! A *domain* has a window of its own: the table below slot 511 of its root. A *process* has
//! slots 0–510 of its own and borrows a domain's window. Where its guests must not see the
//! window (`View::Strict`) it has a second root without slot 511; level-0 entries are written to
//! both, everything below is shared.
//!
//! What is mapped belongs to an *attachment*, a capability derived into the address space; each
//! leaf entry carries the attachment's number, so revoking the Memory finds its mappings.

use super::tables::Tables;
use crate::Kernel;
use crate::cap::{Owner, Slot};
use crate::machine::{Machine, Space};
use crate::store::{Header, Object, PhysAddr, Ref, SlotRef};
use crate::vm::entry;
use crate::vm::walk::NoTables;
use ipc_proto::abi::layout::{ATTACHMENTS, PAGE_BYTES, USER_END, WINDOW_BASE};
use ipc_proto::abi::word::{ObjectKind, View};

/// Index of the window in the level-0 table.
pub(crate) const WINDOW_INDEX: usize = 511;

/// An address space.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct VSpace {
    /// Kind and references.
    pub header: Header,
    /// The TTBR0 values of the two spaces below, as a switch needs them.
    pub roots: (u64, u64),
    /// What its threads see.
    pub thread_space: Space,
    /// What its guests see.
    pub guest_space: Space,
    /// The level-1 table of its own window; null if it has none.
    pub window_table: PhysAddr,
    /// The domain whose window it borrows.
    pub domain: Option<Ref<VSpace>>,
    /// The first address space that borrows this one's window.
    pub first_user: Option<Ref<VSpace>>,
    /// The next that borrows the same window.
    pub next_user: Option<Ref<VSpace>>,
    /// The capability to the domain.
    pub window: Slot,
    /// What its tables are made of.
    pub tables: Option<Ref<Tables>>,
    /// Pages for tables, linked through their first word; null: none.
    pub free_pages: PhysAddr,
    /// Bit n: attachment n may be mapped from. An attachment that ends loses its bit first.
    pub taken: u64,
    /// How far ending each attachment has come.
    pub detached_to: [u64; ATTACHMENTS as usize],
    /// The attachments.
    pub attachments: [Slot; ATTACHMENTS as usize],
}

impl Object for VSpace {
    const KIND: ObjectKind = ObjectKind::VSpace;
    fn new(header: Header) -> Self {
        VSpace {
            header,
            roots: (0, 0),
            thread_space: Space::default(),
            guest_space: Space::default(),
            window_table: PhysAddr(0),
            domain: None,
            first_user: None,
            next_user: None,
            window: Slot::EMPTY,
            tables: None,
            free_pages: PhysAddr(0),
            taken: 0,
            detached_to: [0; ATTACHMENTS as usize],
            attachments: [const { Slot::EMPTY }; ATTACHMENTS as usize],
        }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}

impl VSpace {
    fn set_spaces(&mut self, thread: Space, guest: Space) {
        (self.thread_space, self.guest_space) = (thread, guest);
        self.roots = (thread.ttbr(), guest.ttbr());
    }
}

/// Tables looked at in one step of ending an attachment.
const DETACH_STEP: usize = 16;

impl<M: Machine> Kernel<M> {
    /// Makes an empty root table with an identifier.
    fn make_space(&mut self, vspace: Ref<VSpace>) -> Result<Space, NoTables> {
        let root = self.take_table_page(vspace)?;
        let Some(asid) = self.asids.allocate() else {
            self.return_table_page(vspace, root);
            return Err(NoTables);
        };
        self.store.zero(root, PAGE_BYTES);
        Ok(Space { root, asid })
    }

    /// Makes the window and root of a domain.
    pub(crate) fn make_window(&mut self, vspace: Ref<VSpace>) -> Result<(), NoTables> {
        let window = self.take_table_page(vspace)?;
        let space = match self.make_space(vspace) {
            Ok(space) => space,
            Err(error) => {
                self.return_table_page(vspace, window);
                return Err(error);
            }
        };
        self.store.zero(window, PAGE_BYTES);
        self.store.set_entry(space.root, WINDOW_INDEX, entry::table(window));
        self.machine.publish_tables();
        let state = self.store.get_mut(vspace);
        state.window_table = window;
        state.set_spaces(space, space);
        Ok(())
    }

    /// Makes the roots of a process that borrows the window of `domain`.
    pub(crate) fn borrow_window(
        &mut self,
        vspace: Ref<VSpace>,
        domain: Ref<VSpace>,
        view: View,
    ) -> Result<(), NoTables> {
        let thread_space = self.make_space(vspace)?;
        let guest_space = match view {
            View::Fused => thread_space,
            View::Strict => match self.make_space(vspace) {
                Ok(space) => space,
                Err(error) => {
                    self.asids.free(thread_space.asid);
                    self.return_table_page(vspace, thread_space.root);
                    return Err(error);
                }
            },
        };
        let window = entry::table(self.store.get(domain).window_table);
        self.store.set_entry(thread_space.root, WINDOW_INDEX, window);
        self.machine.publish_tables();
        let next_user = self.store.get_mut(domain).first_user.replace(vspace);
        let state = self.store.get_mut(vspace);
        state.set_spaces(thread_space, guest_space);
        (state.domain, state.next_user) = (Some(domain), next_user);
        Ok(())
    }

    /// Ends the loan of a window: slot 511 of `vspace` is empty afterwards.
    pub(crate) fn return_window(&mut self, vspace: Ref<VSpace>) {
        let state = self.store.get_mut(vspace);
        let (domain, next) = (state.domain.take(), state.next_user.take());
        let space = state.thread_space;
        let Some(domain) = domain else { return };
        if !space.root.is_null() {
            self.store.set_entry(space.root, WINDOW_INDEX, 0);
            self.machine.invalidate_space(space.asid);
        }
        if self.store.get(domain).first_user == Some(vspace) {
            self.store.get_mut(domain).first_user = next;
            return;
        }
        let mut user = self.store.get(domain).first_user;
        while let Some(other) = user {
            user = self.store.get(other).next_user;
            if user == Some(vspace) {
                self.store.get_mut(other).next_user = next;
            }
        }
    }

    /// Takes all tables from an address space: nothing is mapped in it afterwards, and nothing
    /// can be until it is set up anew.
    pub(crate) fn drop_tables(&mut self, vspace: Ref<VSpace>) {
        while let Some(user) = self.store.get(vspace).first_user {
            self.return_window(user);
        }
        let state = self.store.get_mut(vspace);
        let (thread, guest) = (state.thread_space, state.guest_space);
        state.set_spaces(Space::default(), Space::default());
        state.window_table = PhysAddr(0);
        state.free_pages = PhysAddr(0);
        let mut tables = state.tables.take();
        self.refresh_current_in(vspace);
        self.release_asid(thread.asid);
        if guest.asid != thread.asid {
            self.release_asid(guest.asid);
        }
        while let Some(one) = tables {
            let one = self.store.get_mut(one);
            one.serves = None;
            tables = one.next.take();
        }
    }

    fn release_asid(&mut self, asid: u16) {
        if asid != 0 {
            self.machine.invalidate_space(asid);
            self.asids.free(asid);
        }
    }

    /// Tells the machine if the address space of the current thread changed its roots.
    fn refresh_current_in(&mut self, vspace: Ref<VSpace>) {
        if let Some(current) = self.cpu().current
            && self.store.get(current).vspace == Some(vspace)
        {
            self.store.get_mut(current).in_guest = self.machine.is_in_guest();
            self.refresh_current(current);
        }
    }

    /// Gives the pages of `tables` to `vspace`.
    pub(crate) fn supply(&mut self, vspace: Ref<VSpace>, tables: Ref<Tables>) {
        let next = self.store.get_mut(vspace).tables.replace(tables);
        let state = self.store.get_mut(tables);
        (state.serves, state.next) = (Some(vspace), next);
        let (base, pages) = (state.base, state.pages);
        for page in (0..u64::from(pages)).rev() {
            self.return_table_page(vspace, base.offset(page * PAGE_BYTES));
        }
    }

    /// Returns the slot of an attachment.
    pub(crate) fn attachment_slot(&self, vspace: Ref<VSpace>, index: u64) -> Option<SlotRef> {
        let slot = self.store.get(vspace).attachments.get(usize::try_from(index).ok()?)?;
        Some(self.store.slot_ref(slot))
    }

    /// Says where the slots inside a new address space lie.
    pub(crate) fn adopt_vspace_slots(&mut self, vspace: Ref<VSpace>) {
        let state = self.store.get_mut(vspace);
        state.window.owner = Owner::Window(vspace);
        for (index, slot) in state.attachments.iter_mut().enumerate() {
            slot.owner = Owner::Attachment(vspace, index as u8);
        }
    }

    /// Does a part of removing the mappings of an attachment; `true` when none is left. Nothing
    /// can be mapped from it from the first part on.
    pub(crate) fn detach_step(&mut self, vspace: Ref<VSpace>, attachment: u8) -> bool {
        let state = self.store.get_mut(vspace);
        state.taken &= !(1 << attachment);
        let mut address = state.detached_to[usize::from(attachment)];
        // What lies in a borrowed window is mapped through the domain's attachments.
        let end = if state.window_table.is_null() { WINDOW_BASE } else { USER_END };
        let mut removed = false;
        for _ in 0..DETACH_STEP {
            if address >= end {
                break;
            }
            let place = self.walk(vspace, address);
            if place.level == 3 {
                for index in 0..512 {
                    let found = self.store.entry(place.table, index);
                    if entry::is_valid(found) && entry::attachment(found) == attachment {
                        self.store.set_entry(place.table, index, 0);
                        removed = true;
                    }
                }
                address = (address & !(entry::span(2) - 1)) + entry::span(2);
                continue;
            }
            if entry::is_valid(place.entry) && entry::attachment(place.entry) == attachment {
                self.store.set_entry(place.table, place.index, 0);
                removed = true;
            }
            address = place.end(address);
        }
        if removed {
            self.machine.invalidate_all();
        }
        let is_done = address >= end;
        let progress = if is_done { 0 } else { address };
        self.store.get_mut(vspace).detached_to[usize::from(attachment)] = progress;
        is_done
    }

    /// Takes an address space apart: its last capability is gone.
    pub(crate) fn reap_vspace(&mut self, vspace: Ref<VSpace>) {
        self.return_window(vspace);
        self.drop_tables(vspace);
        self.store.get_mut(vspace).taken = 0;
        for index in 0..ATTACHMENTS {
            if let Some(slot) = self.attachment_slot(vspace, index) {
                self.remove_cap(slot);
            }
        }
        let window = self.store.slot_ref(&self.store.get(vspace).window);
        self.remove_cap(window);
    }
}
