//! `/proc`: processes and the system as files.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`source`] | what it is told about processes and the system |
//! | `process` | `/proc/PID` and what is below it |
//! | `texts` | the texts of a process' files |
//! | `system` | the texts of the system's files |

pub mod source;

mod process;
mod system;
#[cfg(test)]
mod tests;
mod texts;

use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use self::process::{Item, ProcessNode};
use self::source::ProcessSource;
use super::place::MountTable;
use super::synthetic::{TOP_INODE, Tree};
use super::vnode::{Caller, Directory, Entry, FileSystemInfo, Kind, LinkTarget, Stat, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;

/// Linux's magic number for the type (`PROC_SUPER_MAGIC` in linux/magic.h).
const MAGIC: u32 = 0x9fa0;

/// What all files of the file system share.
struct Shared {
    device: u64,
    source: Arc<dyn ProcessSource>,
    mounts: Arc<MountTable>,
    /// The top directory, for the way up from a process.
    top: Mutex<Weak<ProcTop>>,
}

/// The top directory: processes, and the files of the system.
pub struct ProcTop {
    shared: Arc<Shared>,
    system: Arc<Tree<Arc<Shared>>>,
}

/// Positions of the processes among the entries, above those of the system's files.
const PROCESS_POSITIONS: u64 = 1 << 32;

impl ProcTop {
    /// Makes the file system.
    #[must_use]
    pub fn new(device: u64, source: Arc<dyn ProcessSource>, mounts: Arc<MountTable>) -> Arc<Self> {
        let top = Mutex::new(Weak::new());
        let shared = Arc::new(Shared { device, source, mounts, top });
        let system = Arc::new(Tree {
            device,
            magic: MAGIC,
            files: system::FILES,
            source: shared.clone(),
            top: Mutex::new(None),
        });
        let top = Arc::new(Self { shared, system });
        *top.shared.top.lock() = Arc::downgrade(&top);
        let as_vnode: Arc<dyn Vnode> = top.clone();
        *top.system.top.lock() = Some(Arc::downgrade(&as_vnode));
        top
    }
}

impl Vnode for ProcTop {
    fn stat(&self) -> Stat {
        let (device, inode) = self.identity();
        let links = self.shared.source.pids().len() as u32 + 2;
        Stat { device, inode, links, ..Stat::new(Kind::Directory, 0o555) }
    }

    fn kind(&self) -> Kind {
        Kind::Directory
    }

    fn identity(&self) -> (u64, u64) {
        (self.shared.device, TOP_INODE)
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(MAGIC, self.shared.device)
    }

    fn as_directory(&self) -> Option<&dyn Directory> {
        Some(self)
    }
}

impl Directory for ProcTop {
    fn lookup(&self, name: &[u8], caller: &Caller) -> Result<Arc<dyn Vnode>, Errno> {
        if let Some(link) = CallerLink::by_name(name) {
            return Ok(Arc::new(CallerLink { device: self.shared.device, ..link }));
        }
        match parse_number(name) {
            Some(pid) if self.shared.source.process(pid).is_some() => {
                Ok(Arc::new(ProcessNode::new(&self.shared, Item::Process(pid))))
            }
            Some(_) => Err(Errno::ENOENT),
            None => self.system.directory("").lookup(name, caller),
        }
    }

    fn entries(
        &self,
        after: u64,
        caller: &Caller,
        visit: &mut dyn FnMut(&Entry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let mut stopped = false;
        if after < CALLER_LINK_POSITIONS {
            self.system.directory("").entries(after, caller, &mut |entry| {
                stopped = !visit(entry);
                !stopped
            })?;
        }
        for (index, link) in CallerLink::ALL.iter().enumerate() {
            let next = CALLER_LINK_POSITIONS + index as u64;
            let entry =
                Entry { name: link.name.as_bytes(), inode: link.inode, kind: Kind::Symlink, next };
            if !stopped && next > after {
                stopped = !visit(&entry);
            }
        }
        let mut pids = self.shared.source.pids();
        pids.sort_unstable();
        for pid in pids {
            let next = PROCESS_POSITIONS + u64::from(pid);
            let inode = Item::Process(pid).inode();
            let name = format!("{pid}");
            let entry = Entry { name: name.as_bytes(), inode, kind: Kind::Directory, next };
            if !stopped && next > after {
                stopped = !visit(&entry);
            }
        }
        Ok(())
    }

    fn parent(&self) -> Option<Arc<dyn Vnode>> {
        None
    }

    fn name(&self) -> Option<Vec<u8>> {
        None
    }
}

/// A link in the top directory that leads where the caller belongs.
struct CallerLink {
    name: &'static str,
    inode: u64,
    device: u64,
    target: fn(&Caller) -> Vec<u8>,
}

/// Positions of these links among the entries.
const CALLER_LINK_POSITIONS: u64 = 1 << 16;

impl CallerLink {
    const ALL: [CallerLink; 3] = [
        CallerLink { name: "mounts", inode: 2, device: 0, target: |_| b"self/mounts".to_vec() },
        CallerLink {
            name: "self",
            inode: 3,
            device: 0,
            target: |caller| format!("{}", caller.pid).into_bytes(),
        },
        CallerLink {
            name: "thread-self",
            inode: 4,
            device: 0,
            target: |caller| format!("{}/task/{}", caller.pid, caller.tid).into_bytes(),
        },
    ];

    fn by_name(name: &[u8]) -> Option<CallerLink> {
        Self::ALL.into_iter().find(|link| link.name.as_bytes() == name)
    }
}

impl Vnode for CallerLink {
    fn stat(&self) -> Stat {
        Stat { device: self.device, inode: self.inode, ..Stat::new(Kind::Symlink, 0o777) }
    }

    fn kind(&self) -> Kind {
        Kind::Symlink
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(MAGIC, self.device)
    }

    fn link_target(&self, caller: &Caller) -> Result<LinkTarget, Errno> {
        Ok(LinkTarget::Path((self.target)(caller)))
    }
}

/// A decimal number without leading zeros, as the names of processes and descriptors are.
fn parse_number(name: &[u8]) -> Option<u32> {
    let is_plain =
        name.iter().all(u8::is_ascii_digit) && (name.len() == 1 || name.first() != Some(&b'0'));
    if !is_plain {
        return None;
    }
    core::str::from_utf8(name).ok()?.parse().ok()
}
