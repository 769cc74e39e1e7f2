//! A dataset's records: its own, and that of its directory in the tree.

use crate::block::BlockPointer;
use crate::error::{Error, Malformed, Result};
use crate::object::{ObjectSet, SetKind};
use crate::pool::Pool;
use crate::zap::Zap;
use alloc::string::String;

/// Flag of a dataset: its objects are not consistent (an interrupted receive).
const INCONSISTENT: u64 = 1;
/// Flag of a snapshot: it goes when its last user does.
const DEFER_DESTROY: u64 = 1 << 3;
/// In a directory's table: the object with the encryption keys.
const CRYPTO_KEY: &str = "com.datto:crypto_key_obj";
/// Kinds of objects whose blocks are a table because their first byte says so.
const ZAP_FLAG: u8 = 0x80;

/// What a dataset is, or is a snapshot of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetKind {
    /// A file system.
    Filesystem,
    /// A volume.
    Volume,
    /// It cannot be told: its first block cannot be read. Mounting it says why.
    Unknown,
}

/// The record of a directory of the tree.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) object: u64,
    pub(super) head: u64,
    pub(super) parent: u64,
    pub(super) origin: u64,
    pub(super) children: u64,
    pub(super) used: u64,
    pub(super) compressed: u64,
    pub(super) uncompressed: u64,
    pub(super) properties: u64,
    /// Used by the head, by snapshots, by children, reserved for children, reserved for the head.
    pub(super) breakdown: [u64; 5],
}

impl Directory {
    pub(super) fn read(pool: &Pool, number: u64) -> Result<Self> {
        let object = pool.object(number)?;
        let words: core::result::Result<[u64; 18], Malformed> = object.dnode.bonus_view().words(0);
        let [
            _,
            head,
            parent,
            origin,
            children,
            used,
            compressed,
            uncompressed,
            _,
            _,
            properties,
            _,
            _,
            a,
            b,
            c,
            d,
            e,
        ] = words.map_err(|error| error.at(object.place))?;
        let breakdown = [a, b, c, d, e];
        Ok(Self {
            object: number,
            head,
            parent,
            origin,
            children,
            used,
            compressed,
            uncompressed,
            properties,
            breakdown,
        })
    }

    /// Returns a number from the directory's own table, which not every directory has.
    pub(super) fn field(&self, pool: &Pool, name: &str) -> Result<Option<u64>> {
        let object = pool.object(self.object)?;
        if object.dnode.kind & ZAP_FLAG == 0 {
            return Ok(None);
        }
        Zap::open(pool.store(), &object)?.lookup_number(name)
    }
}

/// The record of a dataset.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) previous: u64,
    pub(super) snapshots: u64,
    pub(super) creation_time: u64,
    pub(super) creation_txg: u64,
    pub(super) deadlist: u64,
    pub(super) referenced: u64,
    pub(super) compressed: u64,
    pub(super) uncompressed: u64,
    pub(super) unique: u64,
    pub(super) guid: u64,
    pub(super) flags: u64,
    pub(super) pointer: BlockPointer,
    pub(super) previous_txg: u64,
    pub(super) clones: u64,
    pub(super) properties: u64,
    pub(super) holds: u64,
}

impl Record {
    pub(super) fn read(pool: &Pool, number: u64) -> Result<Self> {
        let object = pool.object(number)?;
        let decode = || -> core::result::Result<Self, Malformed> {
            let view = object.dnode.bonus_view();
            let [_, previous, previous_txg, _, snapshots, _, creation_time, creation_txg] =
                view.words(0)?;
            let [deadlist, referenced, compressed, uncompressed, unique, _, guid, flags] =
                view.words(64)?;
            let pointer = BlockPointer::decode(view, 128)?;
            let [clones, properties, holds] = view.words(256)?;
            Ok(Self {
                previous,
                snapshots,
                creation_time,
                creation_txg,
                deadlist,
                referenced,
                compressed,
                uncompressed,
                unique,
                guid,
                flags,
                pointer,
                previous_txg,
                clones,
                properties,
                holds,
            })
        };
        decode().map_err(|error| error.at(object.place))
    }

    pub(super) const fn is_deferred(&self) -> bool {
        self.flags & DEFER_DESTROY != 0
    }
}

/// A file system, volume or snapshot.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(super) name: String,
    /// Its object in the pool's metadata.
    pub(super) object: u64,
    pub(super) kind: DatasetKind,
    pub(super) is_snapshot: bool,
    pub(super) record: Record,
    pub(super) directory: Directory,
}

impl Dataset {
    pub(super) fn open(
        pool: &Pool,
        name: String,
        object: u64,
        directory: Directory,
    ) -> Result<Self> {
        let record = Record::read(pool, object)?;
        let is_snapshot = object != directory.head;
        let kind = match pool.object_set(object, &record.pointer).map(|set| set.kind) {
            Ok(SetKind::Filesystem) => DatasetKind::Filesystem,
            Ok(SetKind::Volume) => DatasetKind::Volume,
            _ => DatasetKind::Unknown,
        };
        Ok(Self { name, object, kind, is_snapshot, record, directory })
    }

    /// Returns the full name, with `@` before that of a snapshot.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the dataset is.
    #[must_use]
    pub const fn kind(&self) -> DatasetKind {
        self.kind
    }

    /// Tells whether it is a snapshot.
    #[must_use]
    pub const fn is_snapshot(&self) -> bool {
        self.is_snapshot
    }

    /// Returns its identity.
    #[must_use]
    pub const fn guid(&self) -> u64 {
        self.record.guid
    }

    /// Returns the object number by which errors name the dataset.
    #[must_use]
    pub const fn object(&self) -> u64 {
        self.object
    }

    /// Returns the name of the file system or volume that a snapshot is of.
    pub(super) fn head_name(&self) -> &str {
        self.name.split('@').next().unwrap_or_default()
    }

    /// Tells whether the dataset's objects cannot be relied on: a receive was interrupted.
    #[must_use]
    pub const fn is_inconsistent(&self) -> bool {
        self.record.flags & INCONSISTENT != 0
    }

    /// Opens the dataset's objects.
    pub(crate) fn open_set(&self, pool: &Pool) -> Result<ObjectSet> {
        if self.directory.field(pool, CRYPTO_KEY)?.is_some() {
            return Err(Error::Encrypted);
        }
        pool.object_set(self.object, &self.record.pointer)
    }
}
