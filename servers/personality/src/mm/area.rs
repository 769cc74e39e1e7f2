//! What an area of a process' address space is.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc_proto::abi::word::Rights;

use super::object::SharedPages;
use super::vma::Payload;
use crate::vfs::Vnode;

/// An area's access and content. `PROT_READ`, `PROT_WRITE` and `PROT_EXEC` have the bits of
/// [`Rights`].
#[derive(Clone)]
pub struct Vma {
    /// What the program may do.
    pub access: Rights,
    /// Whether writes are seen by others (`MAP_SHARED`).
    pub is_shared: bool,
    /// Whether it grows at its lower end (a stack).
    pub grows_down: bool,
    /// Whether a fork leaves it out (`MADV_DONTFORK`).
    pub is_private_to_parent: bool,
    /// What `/proc/PID/maps` calls it, for areas without a file.
    pub label: &'static str,
    /// Where pages come from.
    pub backing: Backing,
}

/// Where the pages of an area come from.
#[derive(Clone)]
pub enum Backing {
    /// Zeroed frames.
    Anonymous,
    /// Shared anonymous memory, from this offset in bytes.
    Object(Arc<SharedPages>, u64),
    /// A file, from this offset in bytes.
    File(Arc<MappedFile>, u64),
}

/// A file that is mapped.
pub struct MappedFile {
    /// The file.
    pub vnode: Arc<dyn Vnode>,
    /// Its path, for `/proc/PID/maps`.
    pub path: Vec<u8>,
    /// Whether a shared mapping may become writable.
    pub may_write: bool,
}

impl Vma {
    /// An anonymous private area.
    #[must_use]
    pub const fn anonymous(access: Rights, label: &'static str) -> Vma {
        Vma {
            access,
            is_shared: false,
            grows_down: false,
            is_private_to_parent: false,
            label,
            backing: Backing::Anonymous,
        }
    }

    /// Returns the hardware's access: Linux lets a program read what it may write or execute.
    #[must_use]
    pub const fn hardware_access(&self) -> Rights {
        if self.access.0 == 0 { self.access } else { self.access.union(Rights::READ) }
    }

    /// Tells whether the program may write.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.access.contains(Rights::WRITE)
    }
}

impl Payload for Vma {
    fn advance(&self, bytes: u64) -> Vma {
        let mut part = self.clone();
        match &mut part.backing {
            Backing::Anonymous => {}
            Backing::Object(_, offset) | Backing::File(_, offset) => *offset += bytes,
        }
        part
    }

    fn continues_in(&self, bytes: u64, next: &Vma) -> bool {
        self.access == next.access
            && self.is_shared == next.is_shared
            && self.grows_down == next.grows_down
            && self.is_private_to_parent == next.is_private_to_parent
            && self.label == next.label
            && match (&self.backing, &next.backing) {
                (Backing::Anonymous, Backing::Anonymous) => true,
                (Backing::Object(a, from), Backing::Object(b, to)) => {
                    Arc::ptr_eq(a, b) && from + bytes == *to
                }
                (Backing::File(a, from), Backing::File(b, to)) => {
                    (Arc::ptr_eq(a, b) || Arc::ptr_eq(&a.vnode, &b.vnode)) && from + bytes == *to
                }
                _ => false,
            }
    }
}
