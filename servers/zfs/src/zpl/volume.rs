//! Volumes: datasets that are one block device.

use crate::dsl::Dataset;
use crate::error::{Error, Result};
use crate::object::{Object, ObjectSet, SetKind};
use crate::pool::Pool;
use crate::zap::Zap;
use alloc::sync::Arc;

/// The object with the content.
const CONTENT: u64 = 1;
/// The object with the properties.
const PROPERTIES: u64 = 2;

/// A volume of a pool, for reading.
#[derive(Debug)]
pub struct Volume {
    pool: Arc<Pool>,
    content: Object,
    size: u64,
}

/// Returns the bytes of the volume that a set of objects makes up.
pub(crate) fn size(pool: &Pool, set: &ObjectSet) -> Result<u64> {
    let object = set.object(pool.store(), PROPERTIES)?;
    Zap::open(pool.store(), &object)?.number("size")
}

/// Returns the bytes of each block of the volume that a set of objects makes up.
pub(crate) fn block_bytes(pool: &Pool, set: &ObjectSet) -> Result<u64> {
    Ok(set.object(pool.store(), CONTENT)?.block_bytes())
}

impl Volume {
    /// Opens the volume of a dataset or snapshot.
    ///
    /// # Errors
    ///
    /// The dataset is something else, is encrypted, or is damaged.
    pub fn open(pool: Arc<Pool>, dataset: &Dataset) -> Result<Self> {
        let set = dataset.open_set(&pool)?;
        if set.kind != SetKind::Volume {
            return Err(Error::NotAVolume);
        }
        let (content, size) = (set.object(pool.store(), CONTENT)?, size(&pool, &set)?);
        Ok(Self { pool, content, size })
    }

    /// Returns the bytes of the volume.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Reads into the front of `into`; returns how many bytes there were.
    ///
    /// # Errors
    ///
    /// A block cannot be had.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let left = crate::bytes::index(self.size.saturating_sub(offset));
        let len = into.len().min(left);
        let (into, _) = into.split_at_mut(len);
        self.content.read(self.pool.store(), offset, into)?;
        Ok(len)
    }
}
