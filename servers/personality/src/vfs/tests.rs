//! What the tests of files share: a whole tree with fakes below it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::bootfs::BootArchive;
use super::device::Devices;
use super::environment::FakeEnvironment;
use super::open_file::OpenFile;
use super::procfs::source::{MapLine, ProcessInfo, ProcessSource, SystemInfo};
use super::sysfs::Machine;
use super::tmpfs::{Means, TmpFs};
use super::transfer::Collected;
use super::tree::Vfs;
use super::tty::{FakeConsole, Tty};
use super::vnode::{Caller, Vnode};
use super::{FdTable, FsContext, Located};
use crate::frames::fake::FakeFrames;
use crate::sync::Mutex;

/// Means with `frames` page frames.
pub fn means(frames: usize) -> Means {
    let environment = Arc::new(FakeEnvironment::default());
    let tty = Arc::new(Tty::new(Arc::new(FakeConsole::default())));
    let devices = Arc::new(Devices::new(environment.clone(), tty));
    Means { frames: Arc::new(FakeFrames::new(frames)), environment, devices }
}

/// The console behind the terminal of [`means`].
pub fn console_of(tty: &Tty) -> Arc<FakeConsole> {
    let console: Arc<dyn core::any::Any + Send + Sync> = tty.console().clone();
    console.downcast().unwrap()
}

/// An open file in memory without a name.
pub fn open_nameless() -> Arc<OpenFile> {
    let fs = TmpFs::new(1, 0o755, &means(1));
    open_vnode(fs.nameless_file(0o600, 0, 0).unwrap())
}

/// An open file that reads and writes a vnode.
pub fn open_vnode(vnode: Arc<dyn Vnode>) -> Arc<OpenFile> {
    let mounts = super::MountTable::new(vnode.clone(), "test");
    let place = super::Place { vnode, mount: mounts.root().mount };
    OpenFile::new(Located { place, location: None }, None, linux_raw_sys::general::O_RDWR)
}

/// A tree with a process 1 that has no open files, over the given archive.
pub fn vfs(archive: &'static [u8]) -> Vfs {
    let source = Arc::new(FakeSource::default());
    let archive = BootArchive { bytes: archive, attachment: 1, offset: 0 };
    let vfs = Vfs::new(means(1000), &[archive], source.clone(), Machine { cpus: 2 }).unwrap().0;
    *source.fs.lock() = Some(FsContext::new(vfs.root()));
    *source.executable.lock() = vfs.find(b"/bin/sh", &Caller::default()).ok();
    vfs
}

/// All bytes of a file.
pub fn read_all(vnode: &Arc<dyn Vnode>) -> Vec<u8> {
    let device = vnode.open(&Caller { pid: 1, tid: 1, ..Caller::default() }).unwrap();
    let mut collected = Collected { bytes: Vec::new(), limit: 1 << 20 };
    device.as_ref().unwrap_or(vnode).read_at(0, &mut collected).unwrap();
    collected.bytes
}

/// Process 1 with two threads.
#[derive(Default)]
pub struct FakeSource {
    /// Its descriptors.
    pub files: Arc<Mutex<FdTable>>,
    /// Where its paths start.
    pub fs: Mutex<Option<FsContext>>,
    /// What it runs.
    pub executable: Mutex<Option<Located>>,
}

impl ProcessSource for FakeSource {
    fn pids(&self) -> Vec<u32> {
        vec![1]
    }
    fn process(&self, pid: u32) -> Option<ProcessInfo> {
        let name = b"init".to_vec();
        (pid == 1).then(|| ProcessInfo { pid, state: 'S', name, threads: 2, ..Default::default() })
    }
    fn threads(&self, pid: u32) -> Option<Vec<u32>> {
        (pid == 1).then(|| vec![7, 1])
    }
    fn thread_name(&self, pid: u32, tid: u32) -> Option<Vec<u8>> {
        (pid == 1 && (tid == 1 || tid == 7)).then(|| format!("thread{tid}").into_bytes())
    }
    fn arguments(&self, pid: u32) -> Option<Vec<u8>> {
        (pid == 1).then(|| b"init\0-x\0".to_vec())
    }
    fn environment(&self, pid: u32) -> Option<Vec<u8>> {
        (pid == 1).then(|| b"A=1\0".to_vec())
    }
    fn maps(&self, pid: u32) -> Option<Vec<MapLine>> {
        let map = MapLine {
            start: 0x40_0000,
            end: 0x40_1000,
            read: true,
            execute: true,
            identity: (1, 9),
            name: b"/bin/sh".to_vec(),
            ..Default::default()
        };
        (pid == 1).then(|| {
            vec![
                map,
                MapLine { start: 0x50_0000, end: 0x50_1000, write: true, ..Default::default() },
            ]
        })
    }
    fn files(&self, pid: u32) -> Option<Arc<Mutex<FdTable>>> {
        (pid == 1).then(|| self.files.clone())
    }
    fn fs(&self, pid: u32) -> Option<FsContext> {
        if pid == 1 { self.fs.lock().clone() } else { None }
    }
    fn executable(&self, pid: u32) -> Option<Located> {
        if pid == 1 { self.executable.lock().clone() } else { None }
    }
    fn system(&self) -> SystemInfo {
        SystemInfo {
            uptime_ns: 12_345_678_901,
            total_pages: 1000,
            free_pages: 250,
            cpus: 2,
            release: "6.1.0",
            version: "#1 SMP",
            features: "fp asimd",
            counter_hz: 62_500_000,
            host_name: b"osv".to_vec(),
            midr: 0x411f_d070,
            ..Default::default()
        }
    }
}
