//! The tree as programs find it at the start: the boot archives, and what is mounted over them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::bootfs::{self, BootArchive, BootfsError};
use super::device;
use super::environment::Environment;
use super::lock::LockTable;
use super::place::{Located, Location, MountTable, Place};
use super::procfs::ProcTop;
use super::procfs::source::ProcessSource;
use super::sysfs::{self, Machine};
use super::tmpfs::{Means, TmpFs};
use super::vnode::{Caller, Kind, New, NewKind, Vnode};
use super::walk::{LastLink, Walked, Walker};
use crate::errno::Errno;

/// All files of the system.
pub struct Vfs {
    /// The mounts.
    pub mounts: Arc<MountTable>,
    /// Advisory locks.
    pub locks: Arc<LockTable>,
    /// What file systems in memory are made of.
    pub means: Means,
    /// Where files without a name are (`memfd_create`).
    nameless: TmpFs,
}

/// The device numbers of the file systems; the major number 0 is that of devices without a disk.
mod device_number {
    pub(super) const ROOT: u64 = 1;
    pub(super) const DEV: u64 = 5;
    pub(super) const PROC: u64 = 20;
    pub(super) const SYS: u64 = 21;
    pub(super) const SHM: u64 = 22;
    pub(super) const TMP: u64 = 23;
    pub(super) const RUN: u64 = 24;
    pub(super) const NAMELESS: u64 = 25;
}

/// Directories that programs expect, with their permission bits.
const DIRECTORIES: [(&str, u16); 11] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

/// Links in `/dev`.
const DEV_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

impl Vfs {
    /// Builds the tree from the archives, the later ones over the earlier. A damaged archive is
    /// laid out as far as it goes, and its error is given beside the tree.
    pub fn new(
        means: Means,
        archives: &[BootArchive],
        source: Arc<dyn ProcessSource>,
        machine: Machine,
    ) -> Result<(Self, Vec<BootfsError>), Errno> {
        let root = TmpFs::new(device_number::ROOT, 0o755, &means);
        let errors = archives.iter().filter_map(|one| bootfs::populate(&root, one).err()).collect();
        for (path, permissions) in DIRECTORIES {
            make_directories(&root, path, permissions)?;
        }
        let root: Arc<dyn Vnode> = root.root().clone();
        let mounts = Arc::new(MountTable::new(root, "rootfs"));
        let nameless = TmpFs::new(device_number::NAMELESS, 0o755, &means);
        let vfs = Self { mounts, locks: Arc::new(LockTable::new()), means, nameless };
        vfs.mount_all(source, machine)?;
        Ok((vfs, errors))
    }

    fn mount_all(&self, source: Arc<dyn ProcessSource>, machine: Machine) -> Result<(), Errno> {
        let memory = |number, permissions| -> Arc<dyn Vnode> {
            TmpFs::new(number, permissions, &self.means).root().clone()
        };
        self.mount("/dev", make_dev(&self.means)?, "devtmpfs")?;
        self.mount("/dev/shm", memory(device_number::SHM, 0o1777), "tmpfs")?;
        self.mount("/tmp", memory(device_number::TMP, 0o1777), "tmpfs")?;
        self.mount("/run", memory(device_number::RUN, 0o755), "tmpfs")?;
        let proc = ProcTop::new(device_number::PROC, source, self.mounts.clone());
        self.mount("/proc", proc, "proc")?;
        self.mount("/sys", Arc::new(sysfs::top(device_number::SYS, machine)), "sysfs")
    }

    /// Mounts a file system over the directory with that path.
    pub fn mount(
        &self,
        path: &str,
        root: Arc<dyn Vnode>,
        type_name: &'static str,
    ) -> Result<(), Errno> {
        let at = self.find(path.as_bytes(), &Caller::default())?;
        self.mounts.mount(&at.place, root, type_name).map(|_| ())
    }

    /// The root of everything.
    #[must_use]
    pub fn root(&self) -> Place {
        self.mounts.root()
    }

    /// Finds a file by its path from the root of everything.
    pub fn find(&self, path: &[u8], caller: &Caller) -> Result<Located, Errno> {
        let root = self.root();
        let walker = Walker { mounts: &self.mounts, root: &root, caller };
        locate(walker.walk(&root, path, LastLink::Follow)?)
    }

    /// Makes a file without a name, as memory to share (`memfd_create`, shared mappings).
    pub fn nameless_file(&self, caller: &Caller) -> Result<Located, Errno> {
        let vnode = self.nameless.nameless_file(0o777, caller.uid, caller.gid)?;
        Ok(self.without_name(vnode))
    }

    /// A vnode that no path leads to (a pipe, a counter), as something to open.
    #[must_use]
    pub fn without_name(&self, vnode: Arc<dyn Vnode>) -> Located {
        let mount = self.root().mount;
        Located { place: Place { mount, vnode }, location: None }
    }

    /// Time and randomness.
    #[must_use]
    pub fn environment(&self) -> &dyn Environment {
        &*self.means.environment
    }
}

/// What an existing walk led to, with its name if it needs one. `ENOENT`.
pub fn locate(walked: Walked) -> Result<Located, Errno> {
    let place = walked.target.ok_or(Errno::ENOENT)?;
    let location = match walked.name {
        super::walk::LastName::Name(name) if place.vnode.kind() != Kind::Directory => {
            Some(Location { parent: walked.parent, name: name.into() })
        }
        _ => None,
    };
    Ok(Located { place, location })
}

fn make_directories(fs: &TmpFs, path: &str, permissions: u16) -> Result<(), Errno> {
    let mut at: Arc<dyn Vnode> = fs.root().clone();
    for name in path.split('/') {
        at = match bootfs::make_directory(&at, name.as_bytes(), permissions) {
            Ok(directory) => directory,
            // An archive may have a link or a file there; it knows best.
            Err(Errno::ENOTDIR) => return Ok(()),
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

fn make_dev(means: &Means) -> Result<Arc<dyn Vnode>, Errno> {
    let fs = TmpFs::new(device_number::DEV, 0o755, means);
    let directory = fs.root().as_directory().ok_or(Errno::ENOTDIR)?;
    let make = |name: &str, kind, permissions| {
        directory.create(name.as_bytes(), &New { kind, permissions, uid: 0, gid: 0 })
    };
    for (name, number, permissions) in device::NODES {
        make(name, NewKind::CharDevice(number), permissions)?;
    }
    for (name, target) in DEV_LINKS {
        make(name, NewKind::Symlink(target.as_bytes()), 0o777)?;
    }
    make("shm", NewKind::Directory, 0o1777)?;
    Ok(fs.root().clone())
}
