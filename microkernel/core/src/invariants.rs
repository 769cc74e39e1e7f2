//! What must always be true of the kernel's state, checked after every step of the tests.

use crate::Kernel;
use crate::cap::Cap;
use crate::machine::Machine;
use crate::object::cspace::CSpace;
use crate::object::thread::{State, Thread};
use crate::store::{Ref, SlotRef};
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

/// Everything found from a thread's CSpace by derivation links and CSpaces.
#[derive(Debug, Default)]
struct Found {
    slots: BTreeSet<usize>,
    refs: BTreeMap<usize, (u32, u32)>,
    threads: Vec<Ref<Thread>>,
    untyped: Vec<(u64, u64)>,
}

impl<M: Machine> Kernel<M> {
    /// Checks the invariants of everything that `root` can reach.
    ///
    /// # Panics
    ///
    /// With the name of the invariant that does not hold.
    pub fn check_invariants(&mut self, root: Ref<Thread>) {
        let mut found = Found::default();
        if let Some(cspace) = self.store.get(root).cspace {
            self.visit_cspace(cspace, &mut found);
        }
        for (object, (counted, refs)) in &found.refs {
            assert_eq!(counted, refs, "references of the object at {object:#x}");
        }
        for thread in &found.threads {
            self.check_thread(*thread);
        }
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
            if let Some(next) = next {
                let below = self.store.slot(next);
                assert!(below.prev == Some(slot), "derivation.order: links");
                if below.depth > depth && !matches!(cap, Cap::Untyped { .. }) {
                    assert!(rights.contains(below.rights), "derivation.narrow");
                }
                pending.push(next);
            }
            pending.extend(prev);
            if let Some(object) = cap.object() {
                let refs = self.store.header_mut(object).refs;
                let entry = found.refs.entry(object.address()).or_insert((0, refs));
                entry.0 += 1;
                if entry.0 == 1 {
                    match cap {
                        Cap::CSpace(cspace) => self.visit_cspace(cspace, found),
                        Cap::Thread(thread) => found.threads.push(thread),
                        _ => {}
                    }
                }
            }
            if let Cap::Untyped { base, pages, used } = cap {
                assert!(used <= u64::from(pages) * 4096, "untyped.clean");
                found.untyped.push((base.0, used));
            }
        }
    }

    fn check_thread(&self, thread: Ref<Thread>) {
        let state = self.store.get(thread);
        let is_current = self.cpu().current == Some(thread);
        match state.state {
            State::Ready => {
                assert!(is_current != state.is_queued, "a ready thread runs or is queued");
            }
            State::Called(reply) => {
                assert!(self.store.get(reply).caller == Some(thread), "reply.caller");
                assert!(!state.is_queued, "a waiting thread is not queued");
            }
            State::Receiving(_) => {
                let reply = state.reply.expect("a receiver has a Reply");
                assert!(self.store.get(reply).receiver == Some(thread), "reply.receiver");
                assert!(!state.is_queued, "a waiting thread is not queued");
            }
            _ => assert!(!state.is_queued, "a waiting thread is not queued"),
        }
        if let Some(current) = self.cpu().current {
            let highest = self.cpu().ready.highest();
            let priority = self.store.get(current).priority;
            assert!(highest.is_none_or(|other| other <= priority), "the highest priority runs");
        }
    }
}
