//! The root of the tree: what the boot archives hold, in a file system in memory.
//!
//! As with Linux' initramfs, programs may change everything. File data stays in the archive,
//! where it is mapped and read in place; a page is copied only when it is written. A later
//! archive (an initrd) replaces files of an earlier one.

use alloc::sync::Arc;
use alloc::vec::Vec;

use cpio::{Archive, CpioError, Kind as MemberKind, Member};

use super::tmpfs::TmpFs;
use super::tmpfs::node::Node;
use super::vnode::{Caller, Directory, Kind, New, NewKind, Removal, Timestamp, Vnode};
use crate::errno::Errno;

/// A boot archive in memory.
#[derive(Clone, Copy)]
pub struct BootArchive {
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Which attachment its Memory is, for mapping files in place.
    pub attachment: u64,
    /// Offset of its first byte in that Memory.
    pub offset: u64,
}

/// Why an archive could not be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootfsError {
    /// It is damaged; what came before the damage is in place.
    Damaged(CpioError),
    /// The member whose data starts at `offset` cannot be where its path says.
    BadMember {
        /// Offset of its data in the archive.
        offset: usize,
        /// Why.
        why: Errno,
    },
}

impl core::fmt::Display for BootfsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BootfsError::Damaged(error) => error.fmt(f),
            BootfsError::BadMember { offset, why } => {
                write!(f, "member with data at byte {offset} cannot be placed: {why}")
            }
        }
    }
}

/// Lays the members of an archive out in `fs`.
pub fn populate(fs: &TmpFs, archive: &BootArchive) -> Result<(), BootfsError> {
    // Regular files with several names: the first member with a number makes the file, and the
    // one with the data fills it.
    let mut linked: Vec<(u32, Arc<dyn Vnode>)> = Vec::new();
    for member in Archive(archive.bytes).members() {
        let member = member.map_err(BootfsError::Damaged)?;
        let placed = place_member(fs, archive, &member, &mut linked);
        placed.map_err(|why| BootfsError::BadMember { offset: member.data_offset, why })?;
    }
    Ok(())
}

fn place_member(
    fs: &TmpFs,
    archive: &BootArchive,
    member: &Member<'static>,
    linked: &mut Vec<(u32, Arc<dyn Vnode>)>,
) -> Result<(), Errno> {
    let time = Timestamp { seconds: i64::from(member.modified), nanoseconds: 0 };
    let permissions = (member.mode & 0o7777) as u16;
    let Some((parent, name)) = make_parents(fs, member.path)? else {
        let change = super::vnode::Changes { permissions: Some(permissions), ..Default::default() };
        fs.root().change(&change)?;
        fs.root().set_times(time);
        return Ok(());
    };
    let directory = parent.as_directory().ok_or(Errno::ENOTDIR)?;
    let new = New { kind: new_kind(member)?, permissions, uid: member.user, gid: member.group };
    let is_linked = member.links > 1 && member.kind() == MemberKind::File;
    if let Some((_, vnode)) = linked.iter().find(|(inode, _)| is_linked && *inode == member.inode) {
        remove_existing(directory, name)?;
        directory.link(name, vnode)?;
        return fill(vnode, archive, member, time);
    }
    if member.kind() == MemberKind::Directory && is_directory(directory, name) {
        return Ok(());
    }
    remove_existing(directory, name)?;
    let vnode = directory.create(name, &new)?;
    if is_linked {
        linked.push((member.inode, vnode.clone()));
    }
    fill(&vnode, archive, member, time)
}

/// Gives a fresh file its content and times.
fn fill(
    vnode: &Arc<dyn Vnode>,
    archive: &BootArchive,
    member: &Member<'static>,
    time: Timestamp,
) -> Result<(), Errno> {
    let node: &dyn core::any::Any = &**vnode;
    let node = node.downcast_ref::<Node>().ok_or(Errno::EXDEV)?;
    if member.kind() == MemberKind::File && !member.data.is_empty() {
        let offset = archive.offset + member.data_offset as u64;
        node.set_base(member.data, archive.attachment, offset);
    }
    node.set_times(time);
    Ok(())
}

fn new_kind(member: &Member<'static>) -> Result<NewKind<'static>, Errno> {
    let device = super::abi::make_device(member.device.0, member.device.1);
    Ok(match super::abi::kind_of_bits(member.mode).ok_or(Errno::EINVAL)? {
        Kind::File => NewKind::File,
        Kind::Directory => NewKind::Directory,
        Kind::Symlink => NewKind::Symlink(member.data),
        Kind::Fifo => NewKind::Fifo,
        Kind::Socket => NewKind::Socket,
        Kind::CharDevice => NewKind::CharDevice(device),
        Kind::BlockDevice => NewKind::BlockDevice(device),
    })
}

fn is_directory(directory: &dyn Directory, name: &[u8]) -> bool {
    let found = directory.lookup(name, &Caller::default());
    found.is_ok_and(|vnode| vnode.kind() == Kind::Directory)
}

/// Removes what an earlier member put at a name; a directory with something in it stays in the way.
fn remove_existing(directory: &dyn Directory, name: &[u8]) -> Result<(), Errno> {
    let what = if is_directory(directory, name) { Removal::Directory } else { Removal::File };
    match directory.unlink(name, what) {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

/// A directory, and a name in it.
type Spot<'p> = (Arc<dyn Vnode>, &'p [u8]);

/// Makes the directories above a member; gives the last one and the member's name in it. `None`
/// for the top directory itself. Links are not followed: an archive cannot reach outside of a
/// directory by its own links.
fn make_parents<'p>(fs: &TmpFs, path: &'p [u8]) -> Result<Option<Spot<'p>>, Errno> {
    let mut at: Arc<dyn Vnode> = fs.root().clone();
    let mut names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let Some(mut name) = names.next() else { return Ok(None) };
    for next in names {
        at = make_directory(&at, name, 0o755)?;
        name = next;
    }
    if name == b".." || name.len() > super::walk::NAME_LIMIT {
        return Err(Errno::EINVAL);
    }
    Ok(Some((at, name)))
}

/// Finds a directory, or makes it.
pub fn make_directory(
    at: &Arc<dyn Vnode>,
    name: &[u8],
    permissions: u16,
) -> Result<Arc<dyn Vnode>, Errno> {
    if name == b".." || name.len() > super::walk::NAME_LIMIT {
        return Err(Errno::EINVAL);
    }
    let directory = at.as_directory().ok_or(Errno::ENOTDIR)?;
    match directory.lookup(name, &Caller::default()) {
        Ok(found) if found.kind() == Kind::Directory => Ok(found),
        Ok(_) => Err(Errno::ENOTDIR),
        Err(Errno::ENOENT) => {
            let new = New { kind: NewKind::Directory, permissions, uid: 0, gid: 0 };
            directory.create(name, &new)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
