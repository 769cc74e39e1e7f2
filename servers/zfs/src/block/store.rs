//! Reading blocks: all copies in turn, parts put together, verified, decompressed.

use super::cache::Cache;
use super::pointer::{BlockPointer, POINTER_BYTES};
use crate::bytes::{Order, View, index};
use crate::checksum::{self, Checksum, Salt};
use crate::compress::Compression;
use crate::error::{Damage, Error, Place, Result};
use crate::vdev::{Fault, Vdevs};
use alloc::sync::Arc;
use alloc::vec::Vec;
use spin::Mutex;

/// The largest block.
const MAX_BLOCK_BYTES: u64 = 16 << 20;
/// Bytes of the list of parts of a gang block.
const GANG_HEADER_BYTES: usize = 512;
/// Pointers in that list.
const GANG_PARTS: usize = 3;
/// How deep parts of parts may nest.
const MAX_GANG_DEPTH: usize = 8;
/// Embedded content of this kind is data.
const EMBEDDED_DATA: u8 = 0;
/// Embedded content of this kind stands for a redacted block.
const EMBEDDED_REDACTED: u8 = 2;

/// A block's content.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) data: Arc<Vec<u8>>,
    pub(crate) order: Order,
}

impl Block {
    pub(crate) fn view(&self) -> View<'_> {
        View::new(&self.data, self.order)
    }
}

/// The devices of a pool and what was read from them.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) vdevs: Vdevs,
    salt: Salt,
    cache: Mutex<Cache>,
}

impl Store {
    pub(crate) const fn new(vdevs: Vdevs, salt: Salt, cache_bytes: usize) -> Self {
        Self { vdevs, salt, cache: Mutex::new(Cache::new(cache_bytes)) }
    }

    /// Uses this key for keyed checksums from now on.
    pub(crate) const fn set_salt(&mut self, salt: Salt) {
        self.salt = salt;
    }

    /// Reads the block that a pointer leads to; a hole is an error here.
    pub(crate) fn read(&self, pointer: &BlockPointer, place: Place) -> Result<Block> {
        if pointer.is_embedded() {
            return embedded(pointer).map_err(|damage| Error::block(place, damage));
        }
        let key = pointer.identity();
        if let Some(block) = self.cache.lock().lookup(&key) {
            return Ok(block);
        }
        let block = self.fetch(pointer).map_err(|damage| Error::block(place, damage))?;
        self.cache.lock().insert(key, &block);
        Ok(block)
    }

    /// Reads a block that will hardly be asked for again.
    pub(crate) fn read_once(&self, pointer: &BlockPointer, place: Place) -> Result<Block> {
        let block = if pointer.is_embedded() { embedded(pointer) } else { self.fetch(pointer) };
        block.map_err(|damage| Error::block(place, damage))
    }

    fn fetch(&self, pointer: &BlockPointer) -> core::result::Result<Block, Damage> {
        if pointer.is_hole() {
            return Err(Damage::Pointer("a hole where a block must be"));
        }
        if pointer.is_encrypted() {
            return Err(Damage::Encrypted);
        }
        let (logical, physical) = (pointer.logical_bytes(), pointer.physical_bytes());
        if logical > MAX_BLOCK_BYTES || physical > MAX_BLOCK_BYTES {
            return Err(Damage::Pointer("size"));
        }
        let number = pointer.compression();
        let compression = Compression::decode(number).ok_or(Damage::UnknownCompression(number))?;
        let stored = self.stored(pointer, 0)?;
        let data = compression.decompress(stored, index(logical)).ok_or(Damage::Compression)?;
        #[cfg(test)]
        let data = crate::hostile::tamper(data);
        Ok(Block { data: Arc::new(data), order: pointer.order() })
    }

    /// Reads what is stored, before decompression.
    fn stored(
        &self,
        pointer: &BlockPointer,
        depth: usize,
    ) -> core::result::Result<Vec<u8>, Damage> {
        if pointer.is_gang() {
            return self.gang(pointer, depth);
        }
        let checksum = Checksum::decode(pointer.checksum())
            .ok_or(Damage::UnknownChecksum(pointer.checksum()))?;
        let (sum, order) = (pointer.sum(), pointer.order());
        let mut accept = |data: &[u8]| checksum.verify(data, order, &self.salt, &sum);
        // Nothing tells a stale copy from a good one when there is no checksum.
        let unchecked = checksum == Checksum::Off;
        let len = index(pointer.physical_bytes());
        self.copies(pointer, len, unchecked, &mut accept)
    }

    /// Tries all copies; returns the first that is accepted.
    fn copies(
        &self,
        pointer: &BlockPointer,
        len: usize,
        unchecked: bool,
        accept: &mut dyn FnMut(&[u8]) -> bool,
    ) -> core::result::Result<Vec<u8>, Damage> {
        let mut damage = Damage::Unreadable;
        for dva in pointer.dvas().into_iter().filter(|dva| !dva.is_empty()) {
            let birth = pointer.physical_birth();
            match self.vdevs.read(dva.vdev(), dva.offset(), len, birth, unchecked, accept) {
                Ok(data) => return Ok(data),
                Err(Fault::Rejected) => damage = Damage::Checksum,
                Err(Fault::Unreadable) => {}
            }
        }
        Err(damage)
    }

    /// Puts a block together from parts; each part has its own checksum, and so has their list.
    fn gang(&self, pointer: &BlockPointer, depth: usize) -> core::result::Result<Vec<u8>, Damage> {
        if depth > MAX_GANG_DEPTH {
            return Err(Damage::Pointer("parts nested too deep"));
        }
        let [first, ..] = pointer.dvas();
        let verifier = [first.vdev(), first.offset(), pointer.physical_birth(), 0];
        let mut order = Order::Little;
        let mut accept = |data: &[u8]| match checksum::verify_embedded(data, &verifier) {
            Some(found) => {
                order = found;
                true
            }
            None => false,
        };
        let header = self.copies(pointer, GANG_HEADER_BYTES, false, &mut accept)?;
        let limit = index(pointer.physical_bytes());
        let mut whole = Vec::new();
        for part in 0..GANG_PARTS {
            let view = View::new(&header, order);
            let part = BlockPointer::decode(view, part * POINTER_BYTES)
                .map_err(|malformed| Damage::Pointer(malformed.0))?;
            if part.is_hole() {
                continue;
            }
            if part.is_embedded() || whole.len() + index(part.physical_bytes()) > limit {
                return Err(Damage::Pointer("part of a gang block"));
            }
            whole.extend(self.stored(&part, depth + 1)?);
        }
        if whole.len() == limit { Ok(whole) } else { Err(Damage::Pointer("sizes of parts")) }
    }
}

/// Takes the content out of a pointer.
fn embedded(pointer: &BlockPointer) -> core::result::Result<Block, Damage> {
    match pointer.checksum() {
        EMBEDDED_DATA => {}
        EMBEDDED_REDACTED => return Err(Damage::Redacted),
        _ => return Err(Damage::Pointer("kind of embedded content")),
    }
    let (logical, physical) = (pointer.logical_bytes(), index(pointer.physical_bytes()));
    let bytes = pointer.embedded();
    let stored = bytes.get(..physical).ok_or(Damage::Pointer("embedded size"))?;
    if logical > MAX_BLOCK_BYTES {
        return Err(Damage::Pointer("size"));
    }
    let number = pointer.compression();
    let compression = Compression::decode(number).ok_or(Damage::UnknownCompression(number))?;
    let data =
        compression.decompress(stored.to_vec(), index(logical)).ok_or(Damage::Compression)?;
    Ok(Block { data: Arc::new(data), order: pointer.order() })
}
