//! Directories: looking names up and listing them.

use super::{FileKind, Filesystem, Node};
use crate::error::{Error, Malformed, Place, Result};
use crate::zap::{Entry, Value, Zap};
use alloc::vec::Vec;

/// The part of an entry's value that is the object's number.
const OBJECT_BITS: u32 = 48;
/// Where in it the kind begins.
const KIND_SHIFT: u32 = 60;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name; `.` and `..` are not stored.
    pub name: Vec<u8>,
    /// The object that it names.
    pub object: u64,
    /// The kind of that, if the directory tells.
    pub kind: Option<FileKind>,
    /// Continues a listing behind this entry; below 2^61 and never 0.
    pub cookie: u64,
}

/// Takes an object's number and kind out of an entry.
fn decode(value: &Value, place: Place) -> Result<(u64, Option<FileKind>)> {
    let number = value.number().ok_or(Malformed("directory: entry").at(place))?;
    Ok((number & ((1 << OBJECT_BITS) - 1), FileKind::of_entry(number >> KIND_SHIFT)))
}

impl Filesystem {
    /// Looks a name up; returns the object's number.
    ///
    /// # Errors
    ///
    /// `directory` is not one, has no such name, or is damaged.
    pub fn lookup(&self, directory: &Node, name: &[u8]) -> Result<u64> {
        let table = self.table(directory)?;
        let value = if self.rules.folds() || table.normalizes() {
            self.lookup_folded(&table, name)?
        } else {
            table.lookup(name)?
        };
        let value = value.ok_or(Error::NotFound)?;
        Ok(decode(&value, directory.object.place)?.0)
    }

    /// Follows a path from the root; links are not followed.
    ///
    /// # Errors
    ///
    /// As for [`Filesystem::lookup`], for any part of the path.
    pub fn find(&self, path: &[u8]) -> Result<Node> {
        let mut node = self.node(self.root)?;
        for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            node = self.node(self.lookup(&node, part)?)?;
        }
        Ok(node)
    }

    /// Looks through all entries for the same name, or one that is the same but for case or form.
    fn lookup_folded(&self, table: &Zap<'_>, name: &[u8]) -> Result<Option<Value>> {
        let mut similar = None;
        for entry in table.entries()? {
            let Entry { name: other, value, .. } = entry?;
            if other == name {
                return Ok(Some(value));
            }
            if similar.is_none() && self.rules.equal(&other, name) {
                similar = Some(value);
            }
        }
        Ok(similar)
    }

    /// Lists at most `limit` entries from a cookie on; 0 is the beginning.
    ///
    /// Entries that stay are listed exactly once even if others come and go in between.
    ///
    /// # Errors
    ///
    /// `directory` is not one, or is damaged.
    pub fn read_directory(
        &self,
        directory: &Node,
        cookie: u64,
        limit: usize,
    ) -> Result<Vec<DirectoryEntry>> {
        let table = self.table(directory)?;
        let place = directory.object.place;
        let entries = table.entries_from(cookie)?.take(limit).map(|entry| {
            let entry = entry?;
            let (object, kind) = decode(&entry.value, place)?;
            let cookie = entry.cookie();
            Ok(DirectoryEntry { name: entry.name, object, kind, cookie })
        });
        entries.collect()
    }

    fn table<'a>(&'a self, directory: &'a Node) -> Result<Zap<'a>> {
        if directory.attributes.kind != FileKind::Directory {
            return Err(Error::NotADirectory);
        }
        Zap::open(self.store(), &directory.object)
    }
}
