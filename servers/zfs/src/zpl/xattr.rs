//! Extended attributes: in a name-value list with the file, or as files of a hidden directory.

use super::{Filesystem, Node};
use crate::bytes::{index, zeros};
use crate::error::{Error, Malformed, Result};
use crate::nvlist::{List, Value};
use crate::zap::Zap;
use alloc::vec::Vec;

/// Name spaces that stored names carry; names of other systems carry none and are the user's.
const NAME_SPACES: [&[u8]; 4] = [b"user.", b"system.", b"trusted.", b"security."];
/// The longest value.
const MAX_VALUE_BYTES: u64 = 16 << 20;
/// The most attributes of a file.
const MAX_ATTRIBUTES: usize = 1 << 16;

/// Returns a stored name as programs see it.
fn visible(name: &[u8]) -> Vec<u8> {
    let has_space = NAME_SPACES.iter().any(|space| name.starts_with(space));
    if has_space { name.to_vec() } else { [b"user.", name].concat() }
}

impl Filesystem {
    /// Returns the names of a file's extended attributes.
    ///
    /// # Errors
    ///
    /// What holds them is damaged.
    pub fn xattr_names(&self, node: &Node) -> Result<Vec<Vec<u8>>> {
        let list = self.xattr_list(node)?;
        let mut names: Vec<Vec<u8>> = list.pairs().map(|(name, _)| visible(name)).collect();
        if let Some(directory) = self.xattr_directory(node)? {
            let table = Zap::open(self.store(), &directory.object)?;
            for entry in table.entries()?.take(MAX_ATTRIBUTES) {
                names.push(visible(&entry?.name));
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Returns the value of an extended attribute.
    ///
    /// # Errors
    ///
    /// There is none of that name, or what holds it is damaged.
    pub fn xattr(&self, node: &Node, name: &[u8]) -> Result<Vec<u8>> {
        let list = self.xattr_list(node)?;
        let mut pairs = list.pairs();
        if let Some((_, value)) = pairs.find(|(stored, _)| visible(stored) == name) {
            return match value {
                Value::Bytes(bytes) => Ok(bytes.clone()),
                _ => Err(Malformed("extended attribute").at(node.object.place)),
            };
        }
        let directory = self.xattr_directory(node)?.ok_or(Error::NotFound)?;
        let short = name.strip_prefix(b"user.").unwrap_or(name);
        let file = match self.lookup(&directory, name) {
            Err(Error::NotFound) => self.lookup(&directory, short)?,
            other => other?,
        };
        let file = self.node(file)?;
        if file.attributes.size > MAX_VALUE_BYTES {
            return Err(Malformed("extended attribute: size").at(file.object.place));
        }
        let mut value = zeros(index(file.attributes.size));
        self.read(&file, 0, &mut value)?;
        Ok(value)
    }

    fn xattr_list(&self, node: &Node) -> Result<List> {
        match &node.extra.xattr_list {
            Some(bytes) if !bytes.is_empty() => {
                List::decode(bytes).map_err(|error| error.at(node.object.place))
            }
            _ => Ok(List::default()),
        }
    }

    fn xattr_directory(&self, node: &Node) -> Result<Option<Node>> {
        match node.extra.xattr_directory {
            0 => Ok(None),
            number => self.node(number).map(Some),
        }
    }
}
