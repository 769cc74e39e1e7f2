//! OpenZFS-compatible file system over a block-device trait: the read side.
//!
//! From the devices up:
//!
//! | module | what it is |
//! | --- | --- |
//! | `device` | the trait that devices implement |
//! | `vdev` | virtual devices: single, mirror, RAID-Z; health of devices |
//! | `label` | labels and uberblocks |
//! | `checksum`, `compress` | what block pointers name |
//! | `block` | block pointers, reading of blocks, the cache |
//! | `object` | dnodes, objects and sets of them |
//! | `zap` | tables |
//! | `nvlist` | name-value lists |
//! | `pool` | finding and opening a pool, feature flags |
//! | `dsl` | datasets, snapshots and their properties |
//! | `zpl` | files, directories and attributes of a dataset |
//! | `scrub` | reading everything |
//! | `error` | what can be wrong, and where |
//!
//! Everything on a device is hostile: lengths are checked before memory is taken for them, and
//! whatever is returned was verified by the checksum in its pointer, unless the dataset has none.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate self as zfs;

mod block;
mod bytes;
mod checksum;
mod compress;
mod device;
mod dsl;
mod error;
#[cfg(test)]
mod hostile;
mod label;
pub mod nvlist;
mod object;
mod pool;
mod scrub;
mod vdev;
mod zap;
mod zpl;

pub use block::{BlockPointer, Dva};
pub use bytes::Order;
pub use checksum::{Checksum, Sum};
pub use compress::Compression;
pub use device::{BlockDevice, DeviceError};
pub use dsl::{Dataset, DatasetKind, Property, Source};
pub use error::{Damage, Error, Malformed, Place, Result};
pub use label::Uberblock;
pub use pool::{FEATURES, Feature, FeatureState, Options, Pool, PoolLabel, scan};
pub use scrub::Tally;
pub use vdev::{Damaged, DeviceHealth, Health};
pub use zap::Value;
pub use zpl::{Attributes, DirectoryEntry, FileKind, Filesystem, Node, Time, Volume};
