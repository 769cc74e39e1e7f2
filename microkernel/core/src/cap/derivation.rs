//! Derivation: which capability came from which.
//!
//! All slots of one boot-time capability and everything derived from it form a list in tree
//! order: a slot is followed by its descendants, which have a greater depth. Deleting a slot in
//! the middle hands its descendants to its own parent: the slot behind notes how many generations
//! above it are gone ([`Slot::floor`]), so that they do not pass to a sibling of the deleted one.
//!
//! # Invariants
//!
//! - `derivation.order`: a slot's descendants are the slots right after it whose floor is above
//!   its depth.
//! - `derivation.narrow`: a child's rights are a subset of its parent's.

use super::{Cap, Owner, Slot};
use crate::store::{Dying, SlotRef, Store};
use ipc_proto::abi::word::Rights;

/// Puts a boot-time capability, one that comes from no other, into an empty slot.
pub fn insert_original(store: &mut Store, slot: SlotRef, cap: Cap, rights: Rights) {
    let place = store.slot_mut(slot);
    place.cap = cap;
    place.rights = rights;
    place.depth = 0;
}

/// Puts `cap`, derived from the capability in `parent`, into the empty slot `child`. The caller
/// has counted the reference (see [`retain`]).
pub fn insert_child(store: &mut Store, parent: SlotRef, child: SlotRef, cap: Cap, rights: Rights) {
    let behind = store.slot(parent).next.map_or(0, |next| store.slot(next).floor());
    let above = store.slot_mut(parent);
    if behind <= above.depth {
        // Without descendants it may count as less deep, so that a chain of which each link is
        // deleted after the next was made does not get deeper for ever.
        let floor = above.floor();
        above.depth = floor.max(behind);
        above.orphaned = generations(floor, above.depth);
    }
    let next = above.next.replace(child);
    let floor = above.depth.saturating_add(1);
    // Descendants that deleted slots handed up may lie deeper: they stay siblings.
    let depth = floor.max(behind);
    let rights = above.rights.intersect(rights);
    if let Some(next) = next {
        store.slot_mut(next).prev = Some(child);
    }
    let place = store.slot_mut(child);
    place.cap = cap;
    place.rights = rights;
    place.depth = depth;
    place.orphaned = generations(floor, depth);
    place.next = next;
    place.prev = Some(parent);
}

/// Returns how many generations lie between two depths. Too few only lets more be revoked.
fn generations(floor: u32, depth: u32) -> u16 {
    u16::try_from(depth.saturating_sub(floor)).unwrap_or(u16::MAX)
}

/// Counts one more capability to the object of `cap`.
pub fn retain(store: &mut Store, cap: &Cap) {
    if let Some(object) = cap.object() {
        store.header_mut(object).refs += 1;
    }
}

/// Moves a capability to an empty slot; everything derived from it stays so.
pub fn relocate(store: &mut Store, from: SlotRef, to: SlotRef) {
    let owner = store.slot(from).owner;
    let Slot { cap, next, prev, depth, orphaned, rights, .. } =
        core::mem::replace(store.slot_mut(from), Slot::of(owner));
    if let Some(next) = next {
        store.slot_mut(next).prev = Some(to);
    }
    if let Some(prev) = prev {
        store.slot_mut(prev).next = Some(to);
    }
    let place = store.slot_mut(to);
    place.cap = cap;
    place.rights = rights;
    place.depth = depth;
    place.orphaned = orphaned;
    place.next = next;
    place.prev = prev;
}

/// Empties a slot; gives its object if this was the last capability to it.
#[must_use]
pub fn remove(store: &mut Store, slot: SlotRef) -> Option<Dying> {
    let owner: Owner = store.slot(slot).owner;
    let floor = store.slot(slot).floor();
    let Slot { cap, next, prev, .. } = core::mem::replace(store.slot_mut(slot), Slot::of(owner));
    if let Some(next) = next {
        let next = store.slot_mut(next);
        next.prev = prev;
        next.orphaned = generations(next.floor().min(floor), next.depth);
    }
    if let Some(prev) = prev {
        store.slot_mut(prev).next = next;
    }
    let object = cap.object()?;
    let header = store.header_mut(object);
    header.refs = header.refs.saturating_sub(1);
    (header.refs == 0).then_some(Dying(object))
}

/// Returns the first descendant of the capability in `slot`, if it has any.
#[must_use]
pub fn first_descendant(store: &Store, slot: SlotRef) -> Option<SlotRef> {
    let place = store.slot(slot);
    let next = place.next?;
    (store.slot(next).floor() > place.depth).then_some(next)
}
