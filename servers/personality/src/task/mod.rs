//! Processes and threads: what they are, and the tree that they form.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`tree`] | who is whose parent, groups, sessions, exit states |
//! | `clone` `exec` `exit` `wait` | the life of a process |
//! | [`credentials`] | user and group ids |
//! | [`limits`], [`cpu_time`] | resource limits; processor time |

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::machine::Carrier;
use crate::mm::AddressSpace;
use crate::signal::{ProcessSignals, TaskSignals};
use crate::sync::Mutex;
use crate::system::System;
use crate::vfs::{Caller, FdTable, FsContext, Located};
use crate::wait::{Parker, WaitQueue};

pub mod clone;
pub mod cpu_time;
pub mod credentials;
pub mod exec;
pub mod exit;
pub mod limits;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod wait;

use credentials::Credentials;
use limits::Limits;

/// Bits of [`Task::work`]: why a thread must not simply go on running its guest.
pub mod work {
    /// A signal may be pending.
    pub const SIGNAL: u32 = 1;
    /// The process ends.
    pub const EXIT: u32 = 2;
    /// The process is to stop (job control).
    pub const STOP: u32 = 4;
    /// A temporary signal mask must be put back.
    pub const RESTORE_MASK: u32 = 8;
}

/// A Linux process: what its threads share.
pub struct Process {
    /// The whole system.
    pub system: Arc<System>,
    /// The process id, which is its first thread's id.
    pub pid: u32,
    /// The parent's process id; changes when the parent ends.
    pub parent: AtomicU32,
    /// The process group.
    pub group: AtomicU32,
    /// The session.
    pub session: AtomicU32,
    /// The file descriptors.
    pub files: Mutex<Arc<Mutex<FdTable>>>,
    /// Root, working directory and umask.
    pub fs: Arc<Mutex<FsContext>>,
    /// User and group ids.
    pub credentials: Mutex<Credentials>,
    /// Resource limits.
    pub limits: Mutex<Limits>,
    /// Actions and pending signals.
    pub signals: Mutex<ProcessSignals>,
    /// The program it runs and its strings.
    pub program: Mutex<Program>,
    /// Woken when a child changes state.
    pub child_events: WaitQueue,
    /// Woken when a stopped process goes on.
    pub resume: WaitQueue,
    /// The signal that stopped it, 0 while it runs.
    pub stopped: AtomicU32,
    /// Set once a `vfork` child has its own program or is gone.
    pub released: AtomicBool,
    /// Woken with `released`.
    pub release_events: WaitQueue,
    /// Whether it has called `execve` since the fork (for `setpgid`).
    pub has_executed: AtomicBool,
    /// Start time: the counter.
    pub started: u64,
    /// Where the vDSO is mapped.
    pub vdso: AtomicU64,
    /// Processor time of what is gone.
    pub ended: cpu_time::Ended,
    /// Address space; `None` once the process has ended.
    space: Mutex<Option<Arc<AddressSpace>>>,
}

/// What a process runs, for `/proc`.
#[derive(Clone, Default)]
pub struct Program {
    /// The executable file.
    pub file: Option<Located>,
    /// The arguments, each ended by a NUL.
    pub arguments: Vec8,
    /// The environment at the start, each string ended by a NUL.
    pub environment: Vec8,
}

/// Bytes of a path or of strings.
pub type Vec8 = alloc::vec::Vec<u8>;

impl Process {
    /// Returns the address space. A process that has ended has none.
    #[must_use]
    pub fn space(&self) -> Option<Arc<AddressSpace>> {
        self.space.lock().clone()
    }

    /// Puts another address space, or none, in place; gives the old one.
    pub fn replace_space(&self, space: Option<Arc<AddressSpace>>) -> Option<Arc<AddressSpace>> {
        core::mem::replace(&mut *self.space.lock(), space)
    }

    /// Returns who the process is to files; `tid` is its thread.
    #[must_use]
    pub fn caller(&self, tid: u32) -> Caller {
        let credentials = self.credentials.lock();
        let (uid, gid) = (credentials.user.file, credentials.group.file);
        let session = self.session.load(Ordering::Relaxed);
        Caller { pid: self.pid, tid, session, uid, gid }
    }

    /// Returns the table of file descriptors.
    #[must_use]
    pub fn fd_table(&self) -> Arc<Mutex<FdTable>> {
        self.files.lock().clone()
    }
}

/// A Linux thread.
pub struct Task {
    /// The process it belongs to.
    pub process: Arc<Process>,
    /// The thread id.
    pub tid: u32,
    /// Bits of [`work`]; 0 lets the thread go on at once.
    pub work: AtomicU32,
    /// Pending signals, mask, alternate stack.
    pub signals: Mutex<TaskSignals>,
    /// Where to write 0 and wake a futex when the thread ends; 0: nowhere.
    pub clear_child_tid: AtomicU64,
    /// Where to write the thread id before the thread first runs; 0: nowhere.
    pub set_child_tid: AtomicU64,
    /// Where an interrupted sleep ends, for its restart; 0: none.
    pub sleep_until: AtomicU64,
    /// The signals that `rt_sigtimedwait` waits for.
    pub waits_for: AtomicU64,
    /// Start time: the counter.
    pub started: u64,
    /// Counter ticks spent asleep.
    pub slept: AtomicU64,
    /// The name (`PR_SET_NAME`), at most 15 bytes.
    pub name: Mutex<String>,
    /// The program that the thread of a new system begins with.
    pub initial: Mutex<Option<exec::Request>>,
    carrier: Arc<dyn Carrier>,
}

/// What a new process is made from.
pub struct NewProcess {
    /// The whole system.
    pub system: Arc<System>,
    /// Its id.
    pub pid: u32,
    /// Parent, process group and session.
    pub family: [u32; 3],
    /// The file descriptors.
    pub files: Arc<Mutex<FdTable>>,
    /// Root, working directory and umask.
    pub fs: Arc<Mutex<FsContext>>,
    /// User and group ids.
    pub credentials: Credentials,
    /// Resource limits.
    pub limits: Limits,
    /// Actions.
    pub signals: ProcessSignals,
    /// What it runs.
    pub program: Program,
    /// Where the vDSO is mapped.
    pub vdso: u64,
    /// Address space.
    pub space: Arc<AddressSpace>,
}

impl NewProcess {
    /// Makes the process.
    #[must_use]
    pub fn build(self) -> Arc<Process> {
        let [parent, group, session] = self.family;
        Arc::new(Process {
            pid: self.pid,
            parent: AtomicU32::new(parent),
            group: AtomicU32::new(group),
            session: AtomicU32::new(session),
            files: Mutex::new(self.files),
            fs: self.fs,
            credentials: Mutex::new(self.credentials),
            limits: Mutex::new(self.limits),
            signals: Mutex::new(self.signals),
            program: Mutex::new(self.program),
            child_events: WaitQueue::new(),
            resume: WaitQueue::new(),
            stopped: AtomicU32::new(0),
            released: AtomicBool::new(false),
            release_events: WaitQueue::new(),
            has_executed: AtomicBool::new(false),
            started: self.system.machine.now(),
            vdso: AtomicU64::new(self.vdso),
            ended: cpu_time::Ended::default(),
            space: Mutex::new(Some(self.space)),
            system: self.system,
        })
    }
}

impl Task {
    /// Makes a thread of `process`, to be run by `carrier`.
    #[must_use]
    pub fn new(
        process: Arc<Process>,
        tid: u32,
        name: String,
        signals: TaskSignals,
        carrier: Arc<dyn Carrier>,
    ) -> Task {
        Task {
            started: process.system.machine.now(),
            slept: AtomicU64::new(0),
            process,
            tid,
            work: AtomicU32::new(0),
            signals: Mutex::new(signals),
            clear_child_tid: AtomicU64::new(0),
            set_child_tid: AtomicU64::new(0),
            sleep_until: AtomicU64::new(0),
            waits_for: AtomicU64::new(0),
            name: Mutex::new(name),
            initial: Mutex::new(None),
            carrier,
        }
    }

    /// Returns what the thread sleeps on.
    #[must_use]
    pub fn parker(&self) -> Arc<dyn Parker> {
        self.carrier.clone()
    }

    /// Returns the native thread that runs this one.
    #[must_use]
    pub fn carrier(&self) -> &Arc<dyn Carrier> {
        &self.carrier
    }

    /// Sets bits of [`work`] and interrupts whatever the thread does.
    pub fn kick(&self, bits: u32) {
        // Release pairs with the Acquire of the run loop: it sees why it was kicked.
        self.work.fetch_or(bits, Ordering::Release);
        self.carrier.wake();
    }

    /// Tells whether a blocking call of this thread must end now. Clears a `SIGNAL` bit that
    /// turns out to stand for nothing.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        let bits = self.work.load(Ordering::Acquire) & !work::RESTORE_MASK;
        if bits == 0 {
            return false;
        }
        if bits & (work::EXIT | work::STOP) != 0 {
            return true;
        }
        crate::signal::refresh(self)
    }
}

impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Task({}/{})", self.process.pid, self.tid)
    }
}
