//! Attributes of files: from system attributes, or from the fixed record of older file systems.

use super::system::{Attribute, Layouts};
use super::{Filesystem, Node};
use crate::bytes::{View, index, low_u32};
use crate::error::{Malformed, Result};
use crate::object::{Object, SA_KIND, ZNODE_KIND};
use alloc::vec::Vec;

/// Where in a mode the kind begins; the bits are those of directory entries.
const KIND_SHIFT: u32 = 12;
/// Bytes of the fixed record.
const RECORD_BYTES: usize = 264;

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// Returns the kind in a mode.
    const fn of_mode(mode: u64) -> Option<Self> {
        Self::of_entry(mode >> KIND_SHIFT)
    }

    /// Returns the kind of the number in a directory entry; 0 stands for none.
    pub(super) const fn of_entry(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Fifo,
            2 => Self::CharacterDevice,
            4 => Self::Directory,
            6 => Self::BlockDevice,
            8 => Self::File,
            10 => Self::Symlink,
            12 => Self::Socket,
            _ => return None,
        })
    }
}

/// A time: seconds since 1970 and nanoseconds after that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// Nanoseconds.
    pub nanoseconds: u32,
}

/// The attributes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The object's number in its dataset.
    pub object: u64,
    /// The kind of file.
    pub kind: FileKind,
    /// Permissions and the set-id and sticky bits.
    pub permissions: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of a file or target; of a directory the entries and two.
    pub size: u64,
    /// Number of links.
    pub links: u64,
    /// The device's number, of a device file, as it was stored.
    pub device: u64,
    /// Flags of the file system: immutable, append-only and others.
    pub flags: u64,
    /// Tells reuses of one object number apart.
    pub generation: u64,
    /// The directory that the file was last linked into.
    pub parent: u64,
    /// Last access.
    pub accessed: Time,
    /// Last change of the content.
    pub modified: Time,
    /// Last change of content or attributes.
    pub changed: Time,
    /// Creation.
    pub created: Time,
    /// Bytes of each block.
    pub block_bytes: u64,
    /// Bytes on devices, all copies and parity.
    pub used_bytes: u64,
}

/// What else belongs to a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// The hidden directory of extended attributes; 0 for none.
    pub(super) xattr_directory: u64,
    /// The target of a symbolic link.
    target: Option<Vec<u8>>,
    /// Extended attributes as a name-value list.
    pub(super) xattr_list: Option<Vec<u8>>,
}

/// Attributes while they are gathered; the mode still has the kind in it.
#[derive(Default)]
struct Draft {
    mode: u64,
    uid: u64,
    gid: u64,
    size: u64,
    links: u64,
    device: u64,
    flags: u64,
    generation: u64,
    parent: u64,
    times: [Time; 4],
    extra: Extra,
}

impl Draft {
    fn finish(self, object: &Object) -> Result<(Attributes, Extra)> {
        let kind = FileKind::of_mode(self.mode).ok_or(Malformed("file: mode").at(object.place))?;
        let [accessed, modified, changed, created] = self.times;
        let attributes = Attributes {
            object: object.place.object,
            kind,
            permissions: low_u32(self.mode & 0o7777),
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            links: self.links,
            device: self.device,
            flags: self.flags,
            generation: self.generation,
            parent: self.parent,
            accessed,
            modified,
            changed,
            created,
            block_bytes: object.block_bytes(),
            used_bytes: object.dnode.used_bytes,
        };
        Ok((attributes, self.extra))
    }

    /// Takes in one system attribute.
    fn note(
        &mut self,
        attribute: Attribute,
        value: View<'_>,
    ) -> core::result::Result<(), Malformed> {
        match attribute {
            Attribute::Accessed => self.times[0] = time(value, 0)?,
            Attribute::Modified => self.times[1] = time(value, 0)?,
            Attribute::Changed => self.times[2] = time(value, 0)?,
            Attribute::Created => self.times[3] = time(value, 0)?,
            Attribute::Generation => self.generation = value.u64(0)?,
            Attribute::Mode => self.mode = value.u64(0)?,
            Attribute::Size => self.size = value.u64(0)?,
            Attribute::Parent => self.parent = value.u64(0)?,
            Attribute::Links => self.links = value.u64(0)?,
            Attribute::XattrDirectory => self.extra.xattr_directory = value.u64(0)?,
            Attribute::Device => self.device = value.u64(0)?,
            Attribute::Flags => self.flags = value.u64(0)?,
            Attribute::Uid => self.uid = value.u64(0)?,
            Attribute::Gid => self.gid = value.u64(0)?,
            Attribute::Target => self.extra.target = Some(value.data.to_vec()),
            Attribute::XattrList => self.extra.xattr_list = Some(value.data.to_vec()),
        }
        Ok(())
    }

    /// Takes in the fixed record that file systems up to version 4 have.
    fn note_record(&mut self, view: View<'_>) -> core::result::Result<(), Malformed> {
        for (slot, time_at) in self.times.iter_mut().zip([0, 16, 32, 48]) {
            *slot = time(view, time_at)?;
        }
        self.generation = view.u64(64)?;
        self.mode = view.u64(72)?;
        self.size = view.u64(80)?;
        self.parent = view.u64(88)?;
        self.links = view.u64(96)?;
        self.extra.xattr_directory = view.u64(104)?;
        self.device = view.u64(112)?;
        self.flags = view.u64(120)?;
        self.uid = view.u64(128)?;
        self.gid = view.u64(136)?;
        // A short target of a symbolic link follows the record.
        let rest = view.rest(RECORD_BYTES)?.data;
        let is_link = FileKind::of_mode(self.mode) == Some(FileKind::Symlink);
        if is_link && let Some(target) = rest.get(..index(self.size)) {
            self.extra.target = Some(target.to_vec());
        }
        Ok(())
    }
}

fn time(view: View<'_>, at: usize) -> core::result::Result<Time, Malformed> {
    let (seconds, nanoseconds) = (view.u64(at)?.cast_signed(), low_u32(view.u64(at + 8)?));
    Ok(Time { seconds, nanoseconds })
}

impl Filesystem {
    pub(super) fn read_attributes(&self, object: &Object) -> Result<(Attributes, Extra)> {
        let mut draft = Draft::default();
        match (object.dnode.bonus_kind, &self.layouts) {
            (ZNODE_KIND, _) => {
                let record = draft.note_record(object.dnode.bonus_view());
                record.map_err(|error| error.at(object.place))?;
            }
            (SA_KIND, Some(layouts)) => self.read_system(object, layouts, &mut draft)?,
            _ => return Err(Malformed("file: no attributes").at(object.place)),
        }
        draft.finish(object)
    }

    /// Gathers system attributes from the bonus and from the block that continues it.
    fn read_system(&self, object: &Object, layouts: &Layouts, draft: &mut Draft) -> Result<()> {
        let malformed = |error: Malformed| error.at(object.place);
        let mut note = |attribute: Attribute, value: View<'_>| draft.note(attribute, value);
        layouts.visit(object.dnode.bonus_view(), &mut note).map_err(malformed)?;
        let Some(pointer) = object.dnode.spill.filter(|pointer| !pointer.is_hole()) else {
            return Ok(());
        };
        let block = self.store().read(&pointer, object.place)?;
        layouts.visit(block.view(), &mut note).map_err(malformed)
    }

    /// Returns the target of a symbolic link when it is not in the object's blocks.
    pub(super) fn inline_target(&self, node: &Node) -> Result<Option<Vec<u8>>> {
        let Some(target) = &node.extra.target else { return Ok(None) };
        let target = target.get(..index(node.attributes.size));
        let target = target.ok_or(Malformed("symbolic link: length").at(node.object.place))?;
        Ok(Some(target.to_vec()))
    }
}
