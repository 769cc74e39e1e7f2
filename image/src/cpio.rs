//! Writer of cpio archives in the "newc" format: bootfs and initrd overlays.
//!
//! The data of a file of a page or more starts at a page boundary, so that it can be mapped
//! from where it lies: the name in front of it is padded with NUL bytes. Readers take a name
//! to end at its first NUL, so any tool for cpio archives reads the result.
//!
//! The same entries always give the same bytes: they are sorted by path, and times are zero.

use crate::PAGE_BYTES;
use std::collections::BTreeMap;

const HEADER_BYTES: usize = 110;
const TRAILER: &str = "TRAILER!!!";

/// What an entry of an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its content.
        data: Vec<u8>,
        /// May be executed.
        is_executable: bool,
    },
    /// A symbolic link to this path.
    Link(String),
}

/// An archive to be: entries by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Puts `entry` at `path` (a leading `/` is dropped), in place of what was there, and makes
    /// the directories above it.
    pub fn insert(&mut self, path: &str, entry: Entry) {
        let path = path.trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            self.entries.entry(path[..end].to_owned()).or_insert(Entry::Directory);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Returns whether there is an entry at `path`.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_start_matches('/'))
    }

    /// Returns the archive's bytes, a multiple of the page size.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, (path, entry)) in self.entries.iter().enumerate() {
            let inode = u32::try_from(number).unwrap_or(u32::MAX) + 1;
            match entry {
                Entry::Directory => push(&mut out, path, inode, 0o040_755, &[]),
                Entry::File { data, is_executable: true } => {
                    push(&mut out, path, inode, 0o100_755, data);
                }
                Entry::File { data, is_executable: false } => {
                    push(&mut out, path, inode, 0o100_644, data);
                }
                Entry::Link(target) => push(&mut out, path, inode, 0o120_777, target.as_bytes()),
            }
        }
        push(&mut out, TRAILER, 0, 0, &[]);
        out.resize(out.len().next_multiple_of(PAGE_BYTES), 0);
        out
    }
}

/// Appends one member.
fn push(out: &mut Vec<u8>, path: &str, inode: u32, mode: u32, data: &[u8]) {
    let alignment = if data.len() >= PAGE_BYTES { PAGE_BYTES } else { 4 };
    let name_start = out.len() + HEADER_BYTES;
    let data_start = (name_start + path.len() + 1).next_multiple_of(alignment);
    let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
    let (data_bytes, name_bytes) = (data.len(), data_start - name_start);
    // Magic, inode, mode, user, group, links, time, data bytes, device and special device (two
    // numbers each), name bytes, checksum: all but the magic in eight hexadecimal digits.
    let header = format!(
        "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{links:08x}{0:08x}{data_bytes:08x}\
         {0:08x}{0:08x}{0:08x}{0:08x}{name_bytes:08x}{0:08x}",
        0
    );
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(path.as_bytes());
    out.resize(data_start, 0);
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::cpio::Kind;
    use proptest::prelude::*;

    fn file(data: &[u8]) -> Entry {
        Entry::File { data: data.to_vec(), is_executable: true }
    }

    #[test]
    fn what_is_written_is_read_back_in_path_order_with_directories() {
        let mut archive = Archive::default();
        archive.insert("/tools/deep/hello", file(b"hello"));
        archive.insert("bin/sh", Entry::Link("busybox".into()));
        let bytes = archive.encode();
        let members: Vec<_> = ::cpio::Archive(&bytes).members().map(Result::unwrap).collect();
        let seen: Vec<_> = members.iter().map(|m| (m.path, m.kind(), m.data)).collect();
        assert_eq!(
            seen,
            [
                (&b"bin"[..], Kind::Directory, &b""[..]),
                (b"bin/sh", Kind::Symlink, b"busybox"),
                (b"tools", Kind::Directory, b""),
                (b"tools/deep", Kind::Directory, b""),
                (b"tools/deep/hello", Kind::File, b"hello"),
            ]
        );
        assert!(archive.contains("/bin/sh") && !archive.contains("/bin/ls"));
        assert_eq!(bytes.len() % PAGE_BYTES, 0);
    }

    #[test]
    fn an_entry_replaces_what_was_at_its_path() {
        let mut archive = Archive::default();
        archive.insert("a", file(b"old"));
        archive.insert("/a", file(b"new"));
        let bytes = archive.encode();
        assert_eq!(::cpio::Archive(&bytes).members().count(), 1);
        assert_eq!(::cpio::Archive(&bytes).find(b"a").unwrap().unwrap().data, b"new");
    }

    proptest! {
        #[test]
        fn files_of_a_page_or_more_start_at_a_page(sizes in prop::collection::vec(0usize..9000, 1..8)) {
            let mut archive = Archive::default();
            for (number, size) in sizes.iter().enumerate() {
                archive.insert(&format!("d/{number}"), file(&vec![number as u8; *size]));
            }
            let bytes = archive.encode();
            for member in ::cpio::Archive(&bytes).members() {
                let member = member.unwrap();
                if member.data.len() >= PAGE_BYTES {
                    prop_assert_eq!(member.data_offset % PAGE_BYTES, 0);
                }
            }
            prop_assert_eq!(::cpio::Archive(&bytes).members().count(), sizes.len() + 1);
        }
    }
}
