//! What must always be true of the kernel's state, checked after every step of the tests.
//!
//! | module | what it checks |
//! | --- | --- |
//! | [`space`] | address spaces: tables, attachments, windows; what their translations are |
//! | [`thread`] | threads: queues, deadlines, bindings |

pub mod space;
pub mod thread;

use crate::Kernel;
use crate::cap::{Cap, Owner};
use crate::machine::Machine;
use crate::object::cspace::CSpace;
use crate::store::{Dying, Header, Ref, SlotRef};
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::word::ObjectKind;
use space::Translations;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

/// An untyped range: first byte, end of the used part, end.
type Untyped = (u64, u64, u64);

/// Everything found from a thread's CSpace by derivation links and CSpaces.
#[derive(Debug, Default)]
struct Found {
    slots: BTreeSet<usize>,
    refs: BTreeMap<usize, (u32, u32)>,
    owners: BTreeSet<usize>,
    objects: Vec<(ObjectKind, Ref<Header>)>,
    untyped: Vec<Untyped>,
    memory: Vec<(u64, u64)>,
}

impl<M: Machine> Kernel<M> {
    /// Checks the invariants of everything that `root` can reach, and of what is dying. Returns
    /// all translations of all address spaces.
    ///
    /// # Panics
    ///
    /// With the name of the invariant that does not hold.
    pub fn check_invariants(&mut self, root: Ref<crate::object::thread::Thread>) -> Translations {
        let mut found = Found::default();
        if let Some(cspace) = self.store.get(root).cspace {
            self.visit_cspace(cspace, &mut found);
        }
        let mut dying = self.dying;
        while let Some(Dying(object)) = dying {
            let header = self.store.header_mut(object);
            dying = header.next_dying;
            assert_eq!(header.refs, 0, "an object that dies has no capability");
            let kind = header.kind;
            found.refs.insert(object.address(), (0, 0));
            found.objects.push((kind, object));
            if kind == ObjectKind::CSpace {
                self.visit_cspace(object.cast(), &mut found);
            }
        }
        for (object, (counted, refs)) in &found.refs {
            assert_eq!(counted, refs, "references of the object at {object:#x}");
        }
        for owner in &found.owners {
            assert!(
                found.refs.contains_key(owner),
                "store.live: a slot of the object at {owner:#x}"
            );
        }
        self.check_untyped(&found);
        self.check_threads(&found.objects);
        self.check_spaces(&found.objects)
    }

    fn visit_cspace(&mut self, cspace: Ref<CSpace>, found: &mut Found) {
        for index in 0..self.store.get(cspace).slots {
            let slot = self.store.slot_behind(cspace, index as usize);
            self.visit_slot(slot, found);
        }
    }

    fn visit_slot(&mut self, first: SlotRef, found: &mut Found) {
        let mut pending = std::vec![first];
        while let Some(slot) = pending.pop() {
            if self.store.slot(slot).is_empty() || !found.slots.insert(slot.address()) {
                continue;
            }
            let place = self.store.slot(slot);
            let (cap, depth, next, prev) = (place.cap, place.depth, place.next, place.prev);
            let rights = place.rights;
            found.owners.extend(match place.owner {
                Owner::CSpace => None,
                Owner::Attachment(vspace, _) | Owner::Window(vspace) => Some(vspace.address()),
                Owner::Thread(thread, _) => Some(thread.address()),
                Owner::Record(guest) => Some(guest.address()),
                Owner::Irq(irq) => Some(irq.address()),
            });
            if let Some(next) = next {
                let below = self.store.slot(next);
                assert!(below.prev == Some(slot), "derivation.order: links");
                if below.floor() > depth && !matches!(cap, Cap::Untyped { .. }) {
                    assert!(rights.contains(below.rights), "derivation.narrow");
                    assert!(below.cap.kind() == cap.kind(), "derivation.order: kinds");
                }
                pending.push(next);
            }
            pending.extend(prev);
            if let Some(object) = cap.object() {
                self.visit_object(object, found);
            }
            match cap {
                Cap::Untyped { base, pages, used } => {
                    let end = base.0 + u64::from(pages) * PAGE_BYTES;
                    assert!(base.0 + used <= end, "untyped.clean");
                    found.untyped.push((base.0, base.0 + used, end));
                }
                Cap::Memory { base, pages, is_device: false } => {
                    found.memory.push((base.0, base.0 + u64::from(pages) * PAGE_BYTES));
                }
                _ => {}
            }
        }
    }

    fn visit_object(&mut self, object: Ref<Header>, found: &mut Found) {
        let Header { refs, kind, .. } = *self.store.header_mut(object);
        let entry = found.refs.entry(object.address()).or_insert((0, refs));
        entry.0 += 1;
        if entry.0 == 1 {
            found.objects.push((kind, object));
            if kind == ObjectKind::CSpace {
                self.visit_cspace(object.cast(), found);
            }
        }
    }

    /// Two ranges are disjoint, or one was made of the other's used part; nothing is in unused
    /// parts.
    fn check_untyped(&self, found: &Found) {
        for (index, &(base, used, end)) in found.untyped.iter().enumerate() {
            for &(other, other_used, other_end) in &found.untyped[index + 1..] {
                let is_fine = end <= other
                    || other_end <= base
                    || base <= other && other_end <= used
                    || other <= base && end <= other_used;
                assert!(is_fine, "untyped.single: {base:#x}..{end:#x} and {other:#x}");
            }
            for &(memory, memory_end) in &found.memory {
                assert!(memory_end <= used || memory >= end, "untyped.clean: memory");
            }
            let address = |at: u64| self.store.address_of(crate::store::PhysAddr(at));
            let unused = address(used)..address(end);
            for (kind, object) in &found.objects {
                assert!(!unused.contains(&object.address()), "untyped.clean: a {kind:?}");
            }
        }
    }
}
