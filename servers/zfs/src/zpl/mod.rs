//! File systems: files, directories, links and attributes of a dataset or snapshot.

mod attributes;
mod directory;
mod name;
mod system;
mod volume;
mod xattr;

pub use attributes::{Attributes, FileKind, Time};
pub use directory::DirectoryEntry;
pub use volume::Volume;
pub(crate) use volume::{block_bytes as volume_block_bytes, size as volume_size};

use crate::block::Store;
use crate::bytes::{index, zeros};
use crate::dsl::Dataset;
use crate::error::{Error, Malformed, Result};
use crate::object::{Object, ObjectSet, SetKind};
use crate::pool::Pool;
use crate::zap::Zap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use attributes::Extra;
use name::NameRules;
use system::Layouts;

/// The object that names the others of a file system.
const MASTER: u64 = 1;
/// The newest version of file systems.
const LAST_VERSION: u64 = 5;
/// The first version whose attributes may be system attributes.
const SYSTEM_ATTRIBUTES_VERSION: u64 = 5;
/// The longest target of a symbolic link that is looked at.
const MAX_TARGET_BYTES: u64 = 64 << 10;

/// A file system of a pool, for reading.
#[derive(Debug)]
pub struct Filesystem {
    pool: Arc<Pool>,
    set: ObjectSet,
    version: u64,
    root: u64,
    rules: NameRules,
    layouts: Option<Layouts>,
}

/// A file, directory, link or other object of a file system.
#[derive(Clone, Debug)]
pub struct Node {
    object: Object,
    attributes: Attributes,
    extra: Extra,
}

impl Node {
    /// Returns the attributes.
    #[must_use]
    pub const fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

/// Returns the version of a file system and how it compares names.
pub(crate) fn format(pool: &Pool, set: &ObjectSet) -> Result<(u64, NameRules)> {
    let object = set.object(pool.store(), MASTER)?;
    let master = Zap::open(pool.store(), &object)?;
    let choice = |name: &str| Ok(master.lookup_number(name)?.unwrap_or(0));
    let rules = NameRules {
        form: choice("normalization")?,
        case: choice("casesensitivity")?,
        utf8_only: choice("utf8only")?,
    };
    Ok((master.number("VERSION")?, rules))
}

impl Filesystem {
    /// Opens the file system of a dataset or snapshot.
    ///
    /// # Errors
    ///
    /// The dataset is something else, is encrypted, has a version that is not known, or is
    /// damaged.
    pub fn mount(pool: Arc<Pool>, dataset: &Dataset) -> Result<Self> {
        let set = dataset.open_set(&pool)?;
        if set.kind != SetKind::Filesystem {
            return Err(Error::NotAFilesystem);
        }
        let (version, rules) = format(&pool, &set)?;
        if version == 0 || version > LAST_VERSION {
            return Err(Error::UnsupportedFilesystem(version));
        }
        let store = pool.store();
        let object = set.object(store, MASTER)?;
        let master = Zap::open(store, &object)?;
        let layouts = match master.lookup_number("SA_ATTRS")? {
            Some(number) if version >= SYSTEM_ATTRIBUTES_VERSION => {
                Some(Layouts::read(store, &set, number)?)
            }
            _ => None,
        };
        let root = master.number("ROOT")?;
        drop(master);
        Ok(Self { pool, set, version, root, rules, layouts })
    }

    fn store(&self) -> &Store {
        self.pool.store()
    }

    /// Returns the version of the file system's structures, 1 to 5.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Returns the object number of the root directory.
    #[must_use]
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// Opens an object by its number.
    ///
    /// # Errors
    ///
    /// There is no such object, it is not one with file attributes, or it is damaged.
    pub fn node(&self, number: u64) -> Result<Node> {
        let object = self.set.object(self.store(), number)?;
        let (attributes, extra) = self.read_attributes(&object)?;
        Ok(Node { object, attributes, extra })
    }

    /// Reads from a file into the front of `into`; returns how many bytes there were.
    ///
    /// # Errors
    ///
    /// The object is a directory, or a block of it cannot be had.
    pub fn read(&self, node: &Node, offset: u64, into: &mut [u8]) -> Result<usize> {
        match node.attributes.kind {
            FileKind::Directory => return Err(Error::IsADirectory),
            FileKind::File => {}
            _ => return Ok(0),
        }
        let left = index(node.attributes.size.saturating_sub(offset));
        let len = into.len().min(left);
        let (into, _) = into.split_at_mut(len);
        node.object.read(self.store(), offset, into)?;
        Ok(len)
    }

    /// Returns the first offset from `offset` on whose block is not a hole.
    ///
    /// # Errors
    ///
    /// A block of pointers cannot be had.
    pub fn next_data(&self, node: &Node, offset: u64) -> Result<Option<u64>> {
        let size = node.object.block_bytes();
        let found = node.object.next_data(self.store(), offset / size)?;
        let start = found.map(|block| offset.max(block.saturating_mul(size)));
        Ok(start.filter(|start| *start < node.attributes.size))
    }

    /// Returns the target of a symbolic link.
    ///
    /// # Errors
    ///
    /// The object is not a symbolic link, or a block of it cannot be had.
    pub fn read_link(&self, node: &Node) -> Result<Vec<u8>> {
        if node.attributes.kind != FileKind::Symlink {
            return Err(Error::NotASymlink);
        }
        let bytes = node.attributes.size;
        if bytes > MAX_TARGET_BYTES {
            return Err(Malformed("symbolic link: length").at(node.object.place));
        }
        if let Some(target) = self.inline_target(node)? {
            return Ok(target);
        }
        let mut target = zeros(index(bytes));
        node.object.read(self.store(), 0, &mut target)?;
        Ok(target)
    }
}
