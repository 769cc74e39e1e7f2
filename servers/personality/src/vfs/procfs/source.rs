//! What `/proc` is told about processes and the system.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::sync::Mutex;
use crate::vfs::{FdTable, FsContext, Located};

/// A process as its files show it. Times are in clock ticks of 10 ms.
#[derive(Clone, Debug, Default)]
pub struct ProcessInfo {
    /// Process id.
    pub pid: u32,
    /// The parent's.
    pub parent: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// `R`, `S`, `T` or `Z`.
    pub state: char,
    /// Name, at most 15 bytes.
    pub name: Vec<u8>,
    /// Number of threads.
    pub threads: u32,
    /// Real, effective, saved and file-system user id.
    pub uids: [u32; 4],
    /// Real, effective, saved and file-system group id.
    pub gids: [u32; 4],
    /// Time in programs.
    pub user_ticks: u64,
    /// Time in system calls.
    pub system_ticks: u64,
    /// Start after boot.
    pub start_ticks: u64,
    /// Size of the address space in bytes.
    pub virtual_bytes: u64,
    /// Pages in memory.
    pub resident_pages: u64,
    /// Pending signals of the whole process, bit 0 for signal 1.
    pub pending: u64,
    /// Blocked signals.
    pub blocked: u64,
    /// Ignored signals.
    pub ignored: u64,
    /// Caught signals.
    pub caught: u64,
}

/// One mapping of an address space.
#[derive(Clone, Debug, Default)]
pub struct MapLine {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub end: u64,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// Writes reach the file.
    pub shared: bool,
    /// Offset in the file.
    pub offset: u64,
    /// Device and inode number of the file; zeros for none.
    pub identity: (u64, u64),
    /// Path, or a name in brackets; empty for none.
    pub name: Vec<u8>,
}

/// The system as its files show it. Times are in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct SystemInfo {
    /// Since boot.
    pub uptime_ns: u64,
    /// Time that processors had nothing to do, all together.
    pub idle_ns: u64,
    /// Seconds since 1970 at boot.
    pub boot_seconds: u64,
    /// Page frames for programs.
    pub total_pages: u64,
    /// Those of them that are free.
    pub free_pages: u64,
    /// Number of processors.
    pub cpus: u32,
    /// Threads that run.
    pub running: u32,
    /// All threads.
    pub threads: u32,
    /// The process made last.
    pub last_pid: u32,
    /// Processes made since boot.
    pub forks: u64,
    /// The identification register of the processors (MIDR_EL1).
    pub midr: u32,
    /// The names of the processors' features, as in `AT_HWCAP`, with blanks between.
    pub features: &'static str,
    /// Frequency of the counter.
    pub counter_hz: u64,
    /// As `uname` tells it.
    pub host_name: Vec<u8>,
    /// As `uname` tells it.
    pub release: &'static str,
    /// As `uname` tells it.
    pub version: &'static str,
    /// The system's command line.
    pub command_line: Vec<u8>,
}

/// Tells about processes and the system. `None`: there is no such process any more.
pub trait ProcessSource: Send + Sync {
    /// All processes, in any order.
    fn pids(&self) -> Vec<u32>;
    /// One process, or the process of one thread.
    fn process(&self, pid: u32) -> Option<ProcessInfo>;
    /// The threads of a process, in any order.
    fn threads(&self, pid: u32) -> Option<Vec<u32>>;
    /// The name of a thread.
    fn thread_name(&self, pid: u32, tid: u32) -> Option<Vec<u8>>;
    /// Its arguments, each ended by a NUL; none when it has ended.
    fn arguments(&self, pid: u32) -> Option<Vec<u8>>;
    /// Its environment at the start, each string ended by a NUL.
    fn environment(&self, pid: u32) -> Option<Vec<u8>>;
    /// Its mappings, by address.
    fn maps(&self, pid: u32) -> Option<Vec<MapLine>>;
    /// Its descriptors.
    fn files(&self, pid: u32) -> Option<Arc<Mutex<FdTable>>>;
    /// Where its paths start.
    fn fs(&self, pid: u32) -> Option<FsContext>;
    /// The file that it runs.
    fn executable(&self, pid: u32) -> Option<Located>;
    /// The system.
    fn system(&self) -> SystemInfo;
}
