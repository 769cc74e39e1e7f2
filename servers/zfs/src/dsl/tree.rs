//! The tree of datasets: finding them by name, and listing them.

use super::dataset::{Dataset, Directory, Record};
use crate::block::BlockPointer;
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::zap::{Entry, Zap};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest name of a dataset.
const MAX_NAME_BYTES: usize = 256;
/// Begin names that the pool uses for itself.
const INTERNAL: [char; 2] = ['$', '%'];

/// A dataset to walk over.
pub(crate) struct Root {
    pub(crate) object: u64,
    pub(crate) pointer: BlockPointer,
    /// What was born up to this transaction group belongs to the snapshot before.
    pub(crate) since: u64,
}

/// Returns all datasets and snapshots, also those that the pool uses for itself.
pub(crate) fn roots(pool: &Pool) -> Result<Vec<Root>> {
    let mut roots = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting = alloc::vec![pool.root_directory()?];
    while let Some(directory) = waiting.pop() {
        if !seen.insert(directory.object) {
            continue;
        }
        for (_, number) in pool.entries(directory.children)? {
            waiting.push(Directory::read(pool, number)?);
        }
        if directory.head == 0 {
            continue;
        }
        let head = Record::read(pool, directory.head)?;
        let snapshots = pool.entries(head.snapshots)?;
        roots.push(root(directory.head, &head));
        for (_, number) in snapshots {
            roots.push(root(number, &Record::read(pool, number)?));
        }
    }
    Ok(roots)
}

const fn root(object: u64, record: &Record) -> Root {
    Root { object, pointer: record.pointer, since: record.previous_txg }
}

impl Pool {
    /// Returns the dataset of a name such as `pool/home` or `pool/home@monday`.
    ///
    /// # Errors
    ///
    /// There is none, or the tree is damaged.
    pub fn dataset(&self, name: &str) -> Result<Dataset> {
        let (path, snapshot) = match name.split_once('@') {
            Some((path, snapshot)) => (path, Some(snapshot)),
            None => (name, None),
        };
        let mut parts = path.split('/');
        if name.len() > MAX_NAME_BYTES || parts.next() != Some(self.name()) {
            return Err(Error::NoSuchDataset);
        }
        let mut directory = self.root_directory()?;
        for part in parts {
            let object = self.object(directory.children)?;
            let child = Zap::open(self.store(), &object)?.lookup_number(part)?;
            directory = Directory::read(self, child.ok_or(Error::NoSuchDataset)?)?;
        }
        let object = match snapshot {
            None => directory.head,
            Some(snapshot) => {
                let table = Record::read(self, directory.head)?.snapshots;
                let object = self.object(table)?;
                let found = Zap::open(self.store(), &object)?.lookup_number(snapshot)?;
                found.ok_or(Error::NoSuchDataset)?
            }
        };
        Dataset::open(self, name.into(), object, directory)
    }

    /// Returns all file systems and volumes, each followed by its snapshots, sorted by name.
    ///
    /// # Errors
    ///
    /// The tree is damaged.
    pub fn datasets(&self) -> Result<Vec<Dataset>> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting = alloc::vec![(String::from(self.name()), self.root_directory()?)];
        while let Some((name, directory)) = waiting.pop() {
            // A damaged tree must not make a circle.
            if !seen.insert(directory.object) || name.len() > MAX_NAME_BYTES {
                continue;
            }
            for (child, number) in self.children(directory.children)? {
                waiting.push((format!("{name}/{child}"), Directory::read(self, number)?));
            }
            if directory.head == 0 {
                continue;
            }
            let head = Dataset::open(self, name.clone(), directory.head, directory.clone())?;
            let snapshots = self.children(head.record.snapshots)?;
            found.push(head);
            for (snapshot, number) in snapshots {
                let name = format!("{name}@{snapshot}");
                found.push(Dataset::open(self, name, number, directory.clone())?);
            }
        }
        found.sort_by(|a, b| order(a).cmp(&order(b)));
        Ok(found)
    }

    fn root_directory(&self) -> Result<Directory> {
        let number = self.directory_entry("root_dataset")?.ok_or(Error::NoSuchDataset)?;
        Directory::read(self, number)
    }

    /// Returns the names and numbers of a table but those that the pool uses for itself.
    fn children(&self, table: u64) -> Result<Vec<(String, u64)>> {
        let mut entries = self.entries(table)?;
        entries.retain(|(name, _)| !name.starts_with(INTERNAL));
        Ok(entries)
    }

    /// Returns the names and numbers of a table; 0 stands for none.
    fn entries(&self, table: u64) -> Result<Vec<(String, u64)>> {
        if table == 0 {
            return Ok(Vec::new());
        }
        let object = self.object(table)?;
        let mut children = Vec::new();
        for entry in Zap::open(self.store(), &object)?.entries()? {
            let Entry { name, value, .. } = entry?;
            let name = String::from_utf8(name).map_err(|_| Error::NoSuchDataset)?;
            let number = value.number().ok_or(Error::NoSuchDataset)?;
            children.push((name, number));
        }
        Ok(children)
    }
}

/// Snapshots come right behind what they are of, in the order in which they were made.
fn order(dataset: &Dataset) -> (Vec<&str>, bool, u64) {
    (dataset.head_name().split('/').collect(), dataset.is_snapshot, dataset.record.creation_txg)
}
