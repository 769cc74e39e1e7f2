//! Everything together: what all processes of this personality share.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use crate::frames::Frames;
use crate::futex::Futexes;
use crate::machine::Machine;
use crate::random::Random;
use crate::signal::{Action, Origin, SigInfo, Signal, send};
use crate::sync::Mutex;
use crate::task::tree::{ExitStatus, Tree};
use crate::task::{Process, Task};
use crate::time::Clock;
use crate::timer::{Due, Timers};
use crate::vdso::Vdso;
use crate::vfs::tree::Vfs;
use crate::vfs::tty::Tty;
use crate::wait::Deadline;
use linux_raw_sys::general as linux;

/// What the machine can do, as programs are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hardware {
    /// `AT_HWCAP`.
    pub hwcap: u64,
    /// `AT_HWCAP2`.
    pub hwcap2: u64,
    /// Number of cores.
    pub cores: u32,
}

/// What a system is put together from.
pub struct Parts {
    /// What lies below.
    pub machine: Arc<dyn Machine>,
    /// Page frames.
    pub frames: Arc<dyn Frames>,
    /// Time.
    pub clock: Arc<Clock>,
    /// Random numbers.
    pub random: Arc<Random>,
    /// The processor.
    pub hardware: Hardware,
    /// Files.
    pub vfs: Vfs,
    /// The terminal, if the system has one.
    pub tty: Option<Arc<Tty>>,
}

/// The whole system.
pub struct System {
    /// What lies below.
    pub machine: Arc<dyn Machine>,
    /// Page frames.
    pub frames: Arc<dyn Frames>,
    /// Time.
    pub clock: Arc<Clock>,
    /// Random numbers.
    pub random: Arc<Random>,
    /// The pages of the vDSO.
    pub vdso: Option<Vdso>,
    /// The processor.
    pub hardware: Hardware,
    /// Sleepers on words of memory.
    pub futexes: Futexes,
    /// Timers of processes.
    pub timers: Timers,
    /// Files.
    pub vfs: Vfs,
    /// The terminal, if the system has one.
    pub tty: Option<Arc<Tty>>,
    /// The name of the machine (`sethostname`).
    pub host_name: Mutex<Vec<u8>>,
    /// Held while a process group is signalled, and while a new process or thread is entered: it
    /// gets the signal itself, or its parent had it before.
    pub entry: Mutex<()>,
    tree: Mutex<Tree>,
}

impl System {
    /// Puts a system together.
    #[must_use]
    pub fn new(parts: Parts) -> System {
        let Parts { machine, frames, clock, random, hardware, vfs, tty } = parts;
        let vdso = Vdso::new(&frames, &clock);
        System {
            machine,
            frames,
            clock,
            random,
            vdso,
            hardware,
            futexes: Futexes::default(),
            timers: Timers::default(),
            vfs,
            tty,
            host_name: Mutex::new(b"osv".to_vec()),
            entry: Mutex::new(()),
            tree: Mutex::new(Tree::default()),
        }
    }

    /// Returns nanoseconds since boot.
    #[must_use]
    pub fn monotonic(&self) -> u64 {
        self.clock.monotonic(self.machine.now())
    }

    /// Sends the signals of timers that are due; gives when to look again.
    pub fn send_due(&self) -> Option<Deadline> {
        let (due, next) = self.timers.take_due(self.monotonic());
        for Due { pid, tid, info } in due {
            match (self.process(pid), self.task(tid)) {
                (_, Some(task)) if tid != 0 => send::to_task(&task, info),
                (Some(process), _) => send::to_process(&process, info),
                _ => {}
            }
        }
        next.map(|next| self.clock.deadline(next))
    }

    /// Sends the signals of the control characters typed at the terminal. What changes the groups
    /// calls it before: the characters were meant for the groups as they were.
    pub fn send_typed(&self) {
        let Some(tty) = &self.tty else { return };
        tty.take_events(|group, number| {
            if let Some(signal) = Signal::new(u64::from(number)) {
                send::to_group(self, group, SigInfo::kernel(signal));
            }
        });
    }

    /// Returns nanoseconds since 1970.
    #[must_use]
    pub fn realtime(&self) -> u64 {
        self.clock.realtime(self.machine.now())
    }

    /// Works on the process tree.
    pub fn with_tree<R>(&self, work: impl FnOnce(&mut Tree) -> R) -> R {
        work(&mut self.tree.lock())
    }

    /// Returns a process, zombies included.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<Arc<Process>> {
        self.with_tree(|tree| tree.process(pid).cloned())
    }

    /// Returns a thread.
    #[must_use]
    pub fn task(&self, tid: u32) -> Option<Arc<Task>> {
        self.with_tree(|tree| tree.task(tid).cloned())
    }

    /// Returns the threads of a process.
    #[must_use]
    pub fn tasks_of(&self, pid: u32) -> Vec<Arc<Task>> {
        self.with_tree(|tree| tree.tasks_of(pid))
    }

    /// Returns all processes, zombies included.
    #[must_use]
    pub fn processes(&self) -> Vec<Arc<Process>> {
        self.with_tree(|tree| tree.processes().cloned().collect())
    }

    /// Tells the parent that a process was stopped.
    pub fn note_stopped(&self, pid: u32, signal: u8) {
        self.with_tree(|tree| tree.note_stopped(pid, signal));
        self.tell_parent(pid, linux::CLD_STOPPED, i32::from(signal));
    }

    /// Tells the parent that a process goes on.
    pub fn note_continued(&self, pid: u32) {
        self.with_tree(|tree| tree.note_continued(pid));
        self.tell_parent(pid, linux::CLD_CONTINUED, i32::from(Signal::SIGCONT.number()));
    }

    /// Tells the parent that a process ended, which takes it out if the parent does not care.
    pub fn note_ended(&self, pid: u32, status: ExitStatus) {
        let Some(process) = self.process(pid) else { return };
        let parent = self.process(process.parent.load(Ordering::Relaxed));
        let Some(parent) = parent else { return };
        let action = parent.signals.lock().action(Signal::SIGCHLD);
        if action.handler == Action::IGNORE || action.has(linux::SA_NOCLDWAIT) {
            self.with_tree(|tree| tree.reap(pid));
        }
        let (code, value) = match status {
            ExitStatus::Exited(status) => (linux::CLD_EXITED, status),
            ExitStatus::Killed(signal) => (linux::CLD_KILLED, signal),
        };
        self.send_child(&parent, &process, code, i32::from(value));
    }

    fn tell_parent(&self, pid: u32, code: u32, value: i32) {
        let Some(process) = self.process(pid) else { return };
        let parent = self.process(process.parent.load(Ordering::Relaxed));
        let Some(parent) = parent else { return };
        if parent.signals.lock().action(Signal::SIGCHLD).has(linux::SA_NOCLDSTOP) {
            parent.child_events.wake_all();
        } else {
            self.send_child(&parent, &process, code, value);
        }
    }

    fn send_child(&self, parent: &Process, child: &Process, code: u32, status: i32) {
        let uid = child.credentials.lock().user.real;
        let origin = Origin::Child { pid: child.pid, uid, status };
        let info = SigInfo { signal: Signal::SIGCHLD, code: code as i32, origin };
        send::to_process(parent, info);
        parent.child_events.wake_all();
    }
}
