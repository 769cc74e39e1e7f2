//! System calls: thin handlers that take arguments in, call a subsystem and give an errno out.
//!
//! | module | calls |
//! | --- | --- |
//! | [`table`] | the only list: number, name, handler, support level |
//! | [`names`] | names of all calls Linux has, for those we do not |
//! | `mm` `process` `identity` `signal` `time` `futex` `system` | memory, processes, ids, signals, … |
//! | `file` `fd` `dir` `path` `pipe` `poll` `tty` | files, see [`crate::vfs`] |

use alloc::sync::Arc;

use ipc_proto::abi::guest::GuestRecord;

use crate::errno::Errno;
use crate::guest_memory::GuestMemory;
use crate::system::System;
use crate::task::{Process, Task};
use crate::wait::{Deadline, WaitQueue, Woken};

mod attributes;
mod dir;
mod fd;
mod file;
mod futex;
mod identity;
mod lock;
mod mm;
pub mod names;
mod path;
mod pipe;
mod poll;
mod process;
pub mod signal;
mod stat;
pub mod system;
pub mod table;
#[cfg(test)]
mod tests;
pub mod time;
mod timer;
mod tty;

/// What a handler works with: the calling thread, its memory and its registers.
pub struct Ctx<'a> {
    /// The Linux thread that made the call.
    pub task: &'a Arc<Task>,
    /// The memory of its process.
    pub memory: &'a dyn GuestMemory,
    /// Its registers; x0 is written from the handler's result unless the call is `rt_sigreturn`
    /// or a successful `execve`.
    pub registers: &'a mut GuestRecord,
}

/// Carries out one system call.
pub type Handler = fn(&mut Ctx<'_>, [u64; 6]) -> Result<u64, Errno>;

/// How far a call is there.
#[derive(Clone, Copy, Debug)]
pub enum Support {
    /// As programs know it from Linux.
    Full,
    /// With limits: which.
    Partial(&'static str),
    /// Never: what it gives, and why.
    Refuses(Errno, &'static str),
}

/// One row of the table.
pub struct Row {
    /// Linux's number on aarch64.
    pub number: u32,
    /// The name.
    pub name: &'static str,
    /// What carries it out.
    pub handler: Handler,
    /// How far it is there.
    pub support: Support,
    /// Whether `SA_RESTART` restarts it.
    pub restarts: bool,
}

impl Ctx<'_> {
    /// Returns the calling process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.task.process
    }

    /// Returns the whole system.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.task.process.system
    }

    /// Repeats `attempt` until it gives `Some`, sleeping on the queues in between. `Ok(None)` at
    /// the deadline. `attempt` runs at least once, before any check for signals.
    ///
    /// # Errors
    /// What `attempt` gives; `EINTR` when a signal is pending.
    pub fn wait_on<R>(
        &mut self,
        queues: &[&WaitQueue],
        deadline: Option<Deadline>,
        mut attempt: impl FnMut(&mut Self) -> Result<Option<R>, Errno>,
    ) -> Result<Option<R>, Errno> {
        if let Some(value) = attempt(self)? {
            return Ok(Some(value));
        }
        let result = self.sleep_on(queues, deadline, &mut attempt);
        let parker = self.task.parker();
        for queue in queues {
            // Woken, but not by taking what the waker offered: let the next waiter have it.
            if !queue.remove(&parker) && !matches!(result, Ok(Some(_))) {
                queue.wake_one();
            }
        }
        result
    }

    fn sleep_on<R>(
        &mut self,
        queues: &[&WaitQueue],
        deadline: Option<Deadline>,
        attempt: &mut impl FnMut(&mut Self) -> Result<Option<R>, Errno>,
    ) -> Result<Option<R>, Errno> {
        let parker = self.task.parker();
        loop {
            for queue in queues {
                queue.add(&parker);
            }
            if let Some(value) = attempt(self)? {
                return Ok(Some(value));
            }
            if self.task.is_interrupted() {
                return Err(Errno::EINTR);
            }
            if self.task.sleep(deadline) == Woken::TimedOut {
                return attempt(self);
            }
        }
    }
}
