//! The process tree: who is whose parent, which threads a process has, how it ended.
//!
//! # Invariants
//!
//! - `tree.parent`: every process but the first has a living parent here, and stands in its
//!   children.
//! - `tree.zombie`: a process without threads has an exit status and waits for its parent.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::{Process, Task};

/// The first process: orphans become its children.
pub const FIRST: u32 = 1;
/// Process ids are below this, as Linux's default has it.
const MAX_PID: u32 = 32768;
/// Where process ids go on after the highest.
const LOW_PID: u32 = 300;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By `exit` with this status.
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

impl ExitStatus {
    /// Encodes it as `wait4` gives it.
    #[must_use]
    pub const fn to_wait_status(self) -> u32 {
        match self {
            ExitStatus::Exited(status) => (status as u32) << 8,
            ExitStatus::Killed(signal) => signal as u32,
        }
    }

    /// Encodes it as a shell shows it: 128 and the signal for a process that one ended.
    #[must_use]
    pub const fn to_shell_status(self) -> i32 {
        match self {
            ExitStatus::Exited(status) => status as i32,
            ExitStatus::Killed(signal) => 128 + signal as i32,
        }
    }
}

/// What a parent can learn of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It ended.
    Ended(ExitStatus),
    /// It was stopped by this signal.
    Stopped(u8),
    /// It goes on.
    Continued,
}

/// Which events a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Children that ended.
    pub ended: bool,
    /// Children that stopped.
    pub stopped: bool,
    /// Children that go on.
    pub continued: bool,
    /// Whether the event is left for another wait.
    pub keep: bool,
}

/// Which children a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any child.
    Any,
    /// This one.
    Process(u32),
    /// Those of this process group.
    Group(u32),
}

/// What the tree knows of one process.
struct Member {
    process: Arc<Process>,
    children: Vec<u32>,
    tasks: Vec<Arc<Task>>,
    /// Set when the process begins to end, by the first cause.
    ending: Option<ExitStatus>,
    /// A stop that the parent has not seen.
    stopped: Option<u8>,
    /// A continuation that the parent has not seen.
    continued: bool,
}

/// What is left to do after a thread left.
pub enum Left {
    /// Other threads go on.
    Others,
    /// It was the last one: the process is a zombie with this status.
    Last(ExitStatus),
}

/// All processes and threads.
#[derive(Default)]
pub struct Tree {
    members: BTreeMap<u32, Member>,
    tasks: BTreeMap<u32, Arc<Task>>,
    last_pid: u32,
    forks: u64,
}

impl Tree {
    /// Returns the id given last.
    #[must_use]
    pub fn last_pid(&self) -> u32 {
        self.last_pid
    }

    /// Returns how many processes and threads were made.
    #[must_use]
    pub fn forks(&self) -> u64 {
        self.forks
    }

    /// Takes an unused process or thread id; `None` if there is none.
    pub fn next_pid(&mut self) -> Option<u32> {
        for _ in 0..MAX_PID {
            self.last_pid += 1;
            if self.last_pid >= MAX_PID {
                self.last_pid = LOW_PID;
            }
            let pid = self.last_pid;
            let is_used = self.tasks.contains_key(&pid)
                || self.members.contains_key(&pid)
                || self.members.values().any(|member| {
                    member.process.group.load(Ordering::Relaxed) == pid
                        || member.process.session.load(Ordering::Relaxed) == pid
                });
            if !is_used {
                self.forks += 1;
                return Some(pid);
            }
        }
        None
    }

    /// Enters a new process with its first thread.
    pub fn insert_process(&mut self, task: &Arc<Task>) {
        let process = task.process.clone();
        let parent = process.parent.load(Ordering::Relaxed);
        if let Some(parent) = self.members.get_mut(&parent) {
            parent.children.push(process.pid);
        }
        let member = Member {
            process: process.clone(),
            children: Vec::new(),
            tasks: alloc::vec![task.clone()],
            ending: None,
            stopped: None,
            continued: false,
        };
        self.members.insert(process.pid, member);
        self.tasks.insert(task.tid, task.clone());
    }

    /// Enters another thread; `false` if the process is ending.
    pub fn insert_task(&mut self, task: &Arc<Task>) -> bool {
        let Some(member) = self.members.get_mut(&task.process.pid) else { return false };
        if member.ending.is_some() {
            return false;
        }
        member.tasks.push(task.clone());
        self.tasks.insert(task.tid, task.clone());
        true
    }

    /// Returns a process, zombies included.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Arc<Process>> {
        self.members.get(&pid).map(|member| &member.process)
    }

    /// Returns a thread.
    #[must_use]
    pub fn task(&self, tid: u32) -> Option<&Arc<Task>> {
        self.tasks.get(&tid)
    }

    /// Returns the threads of a process.
    #[must_use]
    pub fn tasks_of(&self, pid: u32) -> Vec<Arc<Task>> {
        self.members.get(&pid).map(|member| member.tasks.clone()).unwrap_or_default()
    }

    /// Visits all processes, zombies included.
    pub fn processes(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.members.values().map(|member| &member.process)
    }

    /// Returns the children of a process.
    #[must_use]
    pub fn children_of(&self, pid: u32) -> &[u32] {
        self.members.get(&pid).map_or(&[], |member| &member.children)
    }

    /// Returns how a process ends or ended; `None` while it runs.
    #[must_use]
    pub fn ending(&self, pid: u32) -> Option<ExitStatus> {
        self.members.get(&pid).and_then(|member| member.ending)
    }

    /// Notes that a process begins to end; the first status counts. Gives its threads.
    pub fn begin_end(&mut self, pid: u32, status: ExitStatus) -> Vec<Arc<Task>> {
        let Some(member) = self.members.get_mut(&pid) else { return Vec::new() };
        member.ending.get_or_insert(status);
        member.tasks.clone()
    }

    /// Makes a process that has one thread left forget that it was ending (after `execve` has
    /// ended the other threads).
    pub fn cancel_end(&mut self, pid: u32) {
        if let Some(member) = self.members.get_mut(&pid) {
            member.ending = None;
        }
    }

    /// Takes a thread out. `status` is the process' if it was the last and nobody else set one.
    pub fn remove_task(&mut self, task: &Arc<Task>, status: ExitStatus) -> Left {
        self.tasks.remove(&task.tid);
        let Some(member) = self.members.get_mut(&task.process.pid) else {
            return Left::Last(status);
        };
        member.tasks.retain(|other| !Arc::ptr_eq(other, task));
        if !member.tasks.is_empty() {
            return Left::Others;
        }
        Left::Last(*member.ending.get_or_insert(status))
    }

    /// Gives the children of an ended process to the first one; tells which of them are zombies.
    pub fn orphan_children(&mut self, pid: u32) -> Vec<u32> {
        let Some(member) = self.members.get_mut(&pid) else { return Vec::new() };
        let children = core::mem::take(&mut member.children);
        for child in &children {
            if let Some(child) = self.members.get(child) {
                child.process.parent.store(FIRST, Ordering::Relaxed);
            }
        }
        if let Some(first) = self.members.get_mut(&FIRST) {
            first.children.extend(&children);
        }
        children.into_iter().filter(|child| self.is_zombie(*child)).collect()
    }

    fn is_zombie(&self, pid: u32) -> bool {
        self.members.get(&pid).is_some_and(|member| member.tasks.is_empty())
    }

    /// Tells whether a process is a zombie.
    #[must_use]
    pub fn has_ended(&self, pid: u32) -> bool {
        self.is_zombie(pid)
    }

    /// Takes a zombie out of the tree.
    pub fn reap(&mut self, pid: u32) {
        let Some(member) = self.members.remove(&pid) else { return };
        let parent = member.process.parent.load(Ordering::Relaxed);
        if let Some(parent) = self.members.get_mut(&parent) {
            parent.children.retain(|&child| child != pid);
        }
    }

    /// Notes a stop for the parent.
    pub fn note_stopped(&mut self, pid: u32, signal: u8) {
        if let Some(member) = self.members.get_mut(&pid) {
            (member.stopped, member.continued) = (Some(signal), false);
        }
    }

    /// Notes a continuation for the parent.
    pub fn note_continued(&mut self, pid: u32) {
        if let Some(member) = self.members.get_mut(&pid) {
            (member.stopped, member.continued) = (None, true);
        }
    }

    /// Looks for an event of a child. `Err` if there is no child to wait for, `Ok(None)` if none
    /// has an event yet. A zombie is taken out unless the event is kept.
    ///
    /// # Errors
    /// There is no such child.
    pub fn wait(
        &mut self,
        parent: u32,
        which: Which,
        wanted: Wanted,
    ) -> Result<Option<(Arc<Process>, Event)>, NoChild> {
        let matching: Vec<u32> = self
            .children_of(parent)
            .iter()
            .copied()
            .filter(|&pid| self.matches(pid, which))
            .collect();
        if matching.is_empty() {
            return Err(NoChild);
        }
        for pid in matching {
            let Some(event) = self.event_of(pid, wanted) else { continue };
            let Some(process) = self.process(pid).cloned() else { continue };
            if matches!(event, Event::Ended(_)) && !wanted.keep {
                self.reap(pid);
            }
            return Ok(Some((process, event)));
        }
        Ok(None)
    }

    fn matches(&self, pid: u32, which: Which) -> bool {
        match which {
            Which::Any => true,
            Which::Process(wanted) => pid == wanted,
            Which::Group(group) => self
                .process(pid)
                .is_some_and(|process| process.group.load(Ordering::Relaxed) == group),
        }
    }

    fn event_of(&mut self, pid: u32, wanted: Wanted) -> Option<Event> {
        let member = self.members.get_mut(&pid)?;
        if member.tasks.is_empty() {
            return member.ending.filter(|_| wanted.ended).map(Event::Ended);
        }
        if wanted.stopped
            && let Some(signal) = member.stopped
        {
            if !wanted.keep {
                member.stopped = None;
            }
            return Some(Event::Stopped(signal));
        }
        if wanted.continued && member.continued {
            member.continued = wanted.keep;
            return Some(Event::Continued);
        }
        None
    }
}

/// There is no child to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChild;
