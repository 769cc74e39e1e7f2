//! Reading everything: every block that the pool's newest state refers to.

use crate::block::{Block, BlockPointer, POINTER_BYTES, Store};
use crate::dsl;
use crate::error::{Damage, Error, Malformed, Place, Result};
use crate::object::{Dnode, Object, ObjectSet, SLOT_BYTES};
use crate::pool::Pool;

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Blocks that were read; holes and blocks inside pointers are not among them.
    pub blocks: u64,
    /// Their content in bytes.
    pub bytes: u64,
    /// Objects in all datasets.
    pub objects: u64,
    /// Encrypted blocks, with all that they lead to: they are not verified.
    pub encrypted: u64,
    /// Blocks and structures that could not be read.
    pub errors: u64,
}

/// A walk over all blocks.
struct Walk<'a> {
    store: &'a Store,
    tally: Tally,
    /// Blocks born up to this transaction group were already seen.
    since: u64,
    report: &'a mut dyn FnMut(Error),
}

impl Pool {
    /// Reads every block of the pool's metadata and of all datasets and snapshots.
    ///
    /// Each block is verified, by one good copy; `report` is told what cannot be read.
    ///
    /// # Errors
    ///
    /// The tree of datasets cannot be read.
    pub fn scrub(&self, report: &mut dyn FnMut(Error)) -> Result<Tally> {
        let store = self.store();
        let mut walk = Walk { store, tally: Tally::default(), since: 0, report };
        walk.set(0, &self.uberblock().root);
        for head in dsl::roots(self)? {
            walk.since = head.since;
            walk.set(head.object, &head.pointer);
        }
        Ok(walk.tally)
    }
}

impl Walk<'_> {
    fn fail(&mut self, error: Error) {
        self.tally.errors += 1;
        (self.report)(error);
    }

    fn set(&mut self, dataset: u64, pointer: &BlockPointer) {
        // A dataset that nothing was written to has no objects.
        if pointer.is_hole() {
            return;
        }
        let place = Place::object(dataset, 0);
        if self.block(pointer, place).is_none() {
            return;
        }
        match ObjectSet::open(self.store, dataset, pointer) {
            Ok(set) => {
                self.object(set.array(), true);
                set.usage().iter().for_each(|object| self.object(object, false));
            }
            Err(error) => self.fail(error),
        }
    }

    /// Reads all blocks of an object; those of the array of dnodes lead to other objects.
    fn object(&mut self, object: &Object, is_array: bool) {
        self.tally.objects += u64::from(!is_array);
        let top = object.dnode.levels - 1;
        for (number, pointer) in object.dnode.pointers().iter().enumerate() {
            let place = Place { level: top, block: number as u64, ..object.place };
            self.tree(object, pointer, place, is_array);
        }
        if let Some(spill) = &object.dnode.spill {
            self.block(spill, object.place);
        }
    }

    fn tree(&mut self, object: &Object, pointer: &BlockPointer, place: Place, is_array: bool) {
        let is_old = pointer.birth() <= self.since;
        if pointer.is_hole() || (is_old && !pointer.is_embedded()) {
            return;
        }
        if !pointer.is_embedded() && pointer.level() != place.level {
            self.fail(Malformed("block pointer: level").at(place));
            return;
        }
        let Some(block) = self.block(pointer, place) else { return };
        if place.level == 0 {
            if is_array {
                self.dnodes(&block, place);
            }
            return;
        }
        let fan_out = 1_u64 << object.dnode.pointers_shift();
        for slot in 0..block.data.len() / POINTER_BYTES {
            let number = place.block.saturating_mul(fan_out).saturating_add(slot as u64);
            let below = Place { level: place.level - 1, block: number, ..place };
            match BlockPointer::decode(block.view(), slot * POINTER_BYTES) {
                Ok(pointer) => self.tree(object, &pointer, below, is_array),
                Err(error) => self.fail(error.at(below)),
            }
        }
    }

    /// Reads the objects whose dnodes are in a block.
    fn dnodes(&mut self, block: &Block, place: Place) {
        let slots = block.data.len() / SLOT_BYTES;
        let mut slot = 0;
        while slot < slots {
            let number = place.block.saturating_mul(slots as u64).saturating_add(slot as u64);
            let place = Place::object(place.dataset, number);
            slot += 1;
            match block.view().rest((slot - 1) * SLOT_BYTES).and_then(Dnode::decode) {
                Ok(None) => {}
                Ok(Some(dnode)) => {
                    slot += dnode.slots - 1;
                    self.object(&Object { place, dnode }, false);
                }
                Err(error) => self.fail(error.at(place)),
            }
        }
    }

    /// Reads one block past the cache.
    fn block(&mut self, pointer: &BlockPointer, place: Place) -> Option<Block> {
        match self.store.read_once(pointer, place) {
            Ok(block) => {
                self.tally.blocks += u64::from(!pointer.is_embedded());
                self.tally.bytes += block.data.len() as u64;
                Some(block)
            }
            // What a redacted dataset lacks is not damage.
            Err(Error::Block { damage: Damage::Redacted, .. }) => None,
            Err(Error::Block { damage: Damage::Encrypted, .. }) => {
                self.tally.encrypted += 1;
                None
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }
}
