//! Errors: what is wrong and where in the pool it is.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What the operations of this library return.
pub type Result<T> = core::result::Result<T, Error>;

/// Where in the pool something is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The object number of the dataset in the pool's metadata; 0 is that metadata itself.
    pub dataset: u64,
    /// The object in the dataset; 0 is the array of all objects.
    pub object: u64,
    /// Height above the data: 0 is data, more are blocks of pointers.
    pub level: u8,
    /// Number of the block at that level.
    pub block: u64,
}

impl Place {
    /// Names an object as a whole.
    #[must_use]
    pub const fn object(dataset: u64, object: u64) -> Self {
        Self { dataset, object, level: 0, block: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, object, level, block } = self;
        write!(f, "dataset {dataset}, object {object}, level {level}, block {block}")
    }
}

/// Data that does not have the form it must have; the text names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl Malformed {
    /// Adds where that data was found.
    #[must_use]
    pub const fn at(self, place: Place) -> Error {
        Error::Malformed { place, what: self.0 }
    }
}

/// Why a block cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// No copy could be read from its device.
    Unreadable,
    /// Copies were read and none has the checksum in its pointer.
    Checksum,
    /// The block has the right checksum and does not decompress.
    Compression,
    /// The block's pointer says something impossible; the text names the field.
    Pointer(&'static str),
    /// The checksum algorithm is one that this library does not have.
    UnknownChecksum(u8),
    /// The compression algorithm is one that this library does not have.
    UnknownCompression(u8),
    /// The block is encrypted.
    Encrypted,
    /// The block was left out of a redacted dataset.
    Redacted,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("no copy is readable"),
            Self::Checksum => f.write_str("no copy has the right checksum"),
            Self::Compression => f.write_str("the content does not decompress"),
            Self::Pointer(what) => write!(f, "the block pointer is malformed: {what}"),
            Self::UnknownChecksum(id) => write!(f, "checksum {id} is not supported"),
            Self::UnknownCompression(id) => write!(f, "compression {id} is not supported"),
            Self::Encrypted => f.write_str("the block is encrypted"),
            Self::Redacted => f.write_str("the block was redacted"),
        }
    }
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No device carries the label of a pool that fits what was asked for.
    NoPool,
    /// The devices carry more than one pool and none was chosen.
    SeveralPools(Vec<String>),
    /// The pool was destroyed.
    Destroyed,
    /// No uberblock of the pool has a right checksum.
    NoUberblock,
    /// The pool has an on-disk version that is not known.
    UnsupportedVersion(u64),
    /// The pool uses features without which it cannot be read.
    UnsupportedFeatures(Vec<String>),
    /// A kind of virtual device that cannot be read.
    UnsupportedVdev {
        /// The kind, as the configuration names it.
        kind: String,
        /// Its identity.
        guid: u64,
    },
    /// Too many devices of this top-level virtual device are absent.
    MissingVdev {
        /// Its number in the pool.
        id: u64,
        /// Its identity.
        guid: u64,
    },
    /// A block cannot be had.
    Block {
        /// The block.
        place: Place,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A structure inside a good block does not have the form it must have.
    Malformed {
        /// Where it is.
        place: Place,
        /// The structure and field.
        what: &'static str,
    },
    /// The configuration in the labels does not have the form it must have.
    MalformedLabel(&'static str),
    /// There is no dataset of that name.
    NoSuchDataset,
    /// The dataset is not a file system or a snapshot of one.
    NotAFilesystem,
    /// The dataset is not a volume or a snapshot of one.
    NotAVolume,
    /// The dataset is encrypted.
    Encrypted,
    /// The dataset's file-system version is not known.
    UnsupportedFilesystem(u64),
    /// There is no entry, attribute or object of that name.
    NotFound,
    /// The object is not a directory.
    NotADirectory,
    /// The object is a directory.
    IsADirectory,
    /// The object is not a symbolic link.
    NotASymlink,
}

impl Error {
    /// A block that cannot be had.
    pub(crate) const fn block(place: Place, damage: Damage) -> Self {
        Self::Block { place, damage }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool => f.write_str("no device carries the pool"),
            Self::SeveralPools(names) => write!(f, "several pools: {}", names.join(", ")),
            Self::Destroyed => f.write_str("the pool was destroyed"),
            Self::NoUberblock => f.write_str("the pool has no good uberblock"),
            Self::UnsupportedVersion(version) => write!(f, "pool version {version} is not known"),
            Self::UnsupportedFeatures(guids) => {
                write!(f, "the pool uses features that are not supported: {}", guids.join(", "))
            }
            Self::UnsupportedVdev { kind, guid } => {
                write!(f, "virtual devices of kind {kind} are not supported (guid {guid})")
            }
            Self::MissingVdev { id, guid } => {
                write!(f, "too many devices of virtual device {id} (guid {guid}) are missing")
            }
            Self::Block { place, damage } => write!(f, "{place}: {damage}"),
            Self::Malformed { place, what } => write!(f, "{place}: malformed {what}"),
            Self::MalformedLabel(what) => write!(f, "malformed label: {what}"),
            Self::NoSuchDataset => f.write_str("no such dataset"),
            Self::NotAFilesystem => f.write_str("the dataset is not a file system"),
            Self::NotAVolume => f.write_str("the dataset is not a volume"),
            Self::Encrypted => f.write_str("the dataset is encrypted"),
            Self::UnsupportedFilesystem(version) => {
                write!(f, "file-system version {version} is not known")
            }
            Self::NotFound => f.write_str("no such entry"),
            Self::NotADirectory => f.write_str("not a directory"),
            Self::IsADirectory => f.write_str("is a directory"),
            Self::NotASymlink => f.write_str("not a symbolic link"),
        }
    }
}

impl core::error::Error for Error {}
