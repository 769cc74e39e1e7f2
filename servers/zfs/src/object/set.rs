//! Object sets: the objects of a dataset, or of the pool's metadata.

use super::dnode::SLOT_BYTES;
use super::{Dnode, Object};
use crate::block::{BlockPointer, Store};
use crate::bytes::index;
use crate::error::{Malformed, Place, Result};
use alloc::vec::Vec;

/// What a set of objects makes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetKind {
    /// The pool's metadata.
    Pool,
    /// A file system.
    Filesystem,
    /// A volume.
    Volume,
    /// Something else.
    Other,
}

/// Where the kind stands.
const KIND_AT: usize = 704;
/// Where the dnodes of objects outside the array are.
const USAGE_AT: [usize; 3] = [1024, 1536, 2048];

/// A set of objects.
#[derive(Clone, Debug)]
pub(crate) struct ObjectSet {
    /// The number of the dataset's object in the pool's metadata; 0 for that metadata.
    pub(crate) dataset: u64,
    pub(crate) kind: SetKind,
    /// The array of dnodes.
    array: Object,
    /// Objects outside the array: what users, groups and projects take up.
    usage: Vec<Object>,
}

impl ObjectSet {
    /// Opens the set that a pointer leads to.
    pub(crate) fn open(store: &Store, dataset: u64, pointer: &BlockPointer) -> Result<Self> {
        let place = Place::object(dataset, 0);
        let block = store.read(pointer, place)?;
        let view = block.view();
        let dnode = Dnode::decode(view).and_then(|dnode| dnode.ok_or(Malformed("object set")));
        let dnode = dnode.map_err(|error| error.at(place))?;
        let kind = match view.u64(KIND_AT).map_err(|error| error.at(place))? {
            1 => SetKind::Pool,
            2 => SetKind::Filesystem,
            3 => SetKind::Volume,
            _ => SetKind::Other,
        };
        let mut usage = Vec::new();
        for at in USAGE_AT {
            // Older sets end before them.
            let Ok(slot) = view.part(at, SLOT_BYTES) else { break };
            let dnode = Dnode::decode(slot).map_err(|error| error.at(place))?;
            usage.extend(dnode.map(|dnode| Object { place, dnode }));
        }
        Ok(Self { dataset, kind, array: Object { place, dnode }, usage })
    }

    /// Returns the array of dnodes.
    pub(crate) const fn array(&self) -> &Object {
        &self.array
    }

    /// Returns the objects that are not in the array.
    pub(crate) fn usage(&self) -> &[Object] {
        &self.usage
    }

    /// Finds an object; an unused number is an error.
    pub(crate) fn object(&self, store: &Store, number: u64) -> Result<Object> {
        let place = Place::object(self.dataset, number);
        let missing = Malformed("object: no such number").at(place);
        let offset = number.checked_mul(SLOT_BYTES as u64).filter(|_| number != 0);
        let offset = offset.ok_or_else(|| missing.clone())?;
        let size = self.array.block_bytes();
        let block = self.array.block(store, offset / size)?.ok_or_else(|| missing.clone())?;
        let slot = block.view().rest(index(offset % size)).map_err(|error| error.at(place))?;
        let dnode = Dnode::decode(slot).map_err(|error| error.at(place))?.ok_or(missing)?;
        Ok(Object { place, dnode })
    }

    /// Returns the place of the set in errors.
    pub(crate) const fn place(&self) -> Place {
        self.array.place
    }
}
