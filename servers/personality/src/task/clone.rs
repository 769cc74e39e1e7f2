//! New processes and threads: `fork`, `vfork`, `clone`.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::general as linux;

use super::{NewProcess, Process, Task, work};
use crate::errno::Errno;
use crate::machine::NoMemory;
use crate::mm::AddressSpace;
use crate::signal::{AltStack, Pending, TaskSignals};
use crate::sync::Mutex;
use crate::syscall::Ctx;

/// What `clone` is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// The `CLONE_` flags, without the exit signal.
    pub flags: u64,
    /// Stack pointer of the child; 0: the caller's.
    pub stack: u64,
    /// Thread pointer, with `CLONE_SETTLS`.
    pub thread_pointer: u64,
    /// Where the parent finds the id, with `CLONE_PARENT_SETTID`.
    pub parent_tid: u64,
    /// Where the child finds it, or where its end is noted.
    pub child_tid: u64,
}

impl Request {
    fn has(&self, flag: u32) -> bool {
        self.flags & u64::from(flag) != 0
    }

    /// Flags that must come together; flags that are not there.
    fn check(&self) -> Result<(), Errno> {
        let namespaces = linux::CLONE_NEWNS
            | linux::CLONE_NEWCGROUP
            | linux::CLONE_NEWUTS
            | linux::CLONE_NEWIPC
            | linux::CLONE_NEWUSER
            | linux::CLONE_NEWPID
            | linux::CLONE_NEWNET;
        let is_incomplete = self.has(linux::CLONE_THREAD) && !self.has(linux::CLONE_SIGHAND)
            || self.has(linux::CLONE_SIGHAND) && !self.has(linux::CLONE_VM);
        if is_incomplete || self.has(namespaces) || self.has(linux::CLONE_PIDFD) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// Makes a thread or a process; gives its id.
///
/// A signal that waits comes first, and the call again after it (`EINTR`, which the program does not
/// see): what the handler does is then in the child too, and a signal to the whole group misses
/// nobody.
///
/// # Errors
/// `EINTR`, `EINVAL`, `EAGAIN`, `ENOMEM`.
pub fn clone(ctx: &mut Ctx<'_>, request: &Request) -> Result<u64, Errno> {
    request.check()?;
    let is_thread = request.has(linux::CLONE_THREAD);
    if !is_thread {
        ctx.system().send_typed();
    }
    if ctx.task.is_interrupted() {
        return Err(Errno::EINTR);
    }
    let system = ctx.task.process.system.clone();
    let tid = system.with_tree(|tree| tree.next_pid()).ok_or(Errno::EAGAIN)?;
    let process =
        if is_thread { ctx.task.process.clone() } else { make_process(ctx, request, tid)? };
    let carrier = system.machine.make_carrier().map_err(|NoMemory| Errno::EAGAIN)?;
    let name = ctx.task.name.lock().clone();
    let task = Task::new(process.clone(), tid, name, child_signals(ctx.task, request), carrier);
    let task = Arc::new(task);
    if let Err(error) = enter(ctx.task, &task) {
        task.carrier().clone().release();
        return Err(error);
    }
    note_ids(ctx, request, &task);
    ctx.task.carrier().sync_fp();
    let mut registers = *ctx.registers;
    registers.x[0] = 0;
    if request.stack != 0 {
        registers.sp = request.stack;
    }
    if request.has(linux::CLONE_SETTLS) {
        registers.tpidr = request.thread_pointer;
    }
    task.carrier().start(task.clone(), &registers);
    if request.has(linux::CLONE_VFORK) {
        wait_for_release(ctx, &process);
    }
    Ok(u64::from(tid))
}

/// Enters a new thread, of a new process or of its parent's, into the tree.
fn enter(parent: &Task, task: &Arc<Task>) -> Result<(), Errno> {
    let system = &task.process.system;
    let _entry = system.entry.lock();
    if parent.is_interrupted() {
        return Err(Errno::EINTR);
    }
    system.with_tree(|tree| {
        if task.tid == task.process.pid {
            tree.insert_process(task);
            return Ok(());
        }
        if tree.insert_task(task) { Ok(()) } else { Err(Errno::EAGAIN) }
    })
}

fn make_process(ctx: &Ctx<'_>, request: &Request, pid: u32) -> Result<Arc<Process>, Errno> {
    let parent = ctx.process();
    let system = parent.system.clone();
    let space = parent.space().ok_or(Errno::ENOMEM)?;
    let space = if request.has(linux::CLONE_VM) {
        space
    } else {
        Arc::new(fork_space(&system, &space).map_err(|NoMemory| Errno::ENOMEM)?)
    };
    let files = parent.fd_table();
    let files = if request.has(linux::CLONE_FILES) {
        files
    } else {
        let copy = files.lock().clone();
        Arc::new(Mutex::new(copy))
    };
    let fs = if request.has(linux::CLONE_FS) {
        parent.fs.clone()
    } else {
        let copy = parent.fs.lock().clone();
        Arc::new(Mutex::new(copy))
    };
    let load = |field: &AtomicU32| field.load(Ordering::Relaxed);
    let father = if request.has(linux::CLONE_PARENT) { load(&parent.parent) } else { parent.pid };
    let new = NewProcess {
        pid,
        family: [father, load(&parent.group), load(&parent.session)],
        files,
        fs,
        credentials: parent.credentials.lock().clone(),
        limits: parent.limits.lock().clone(),
        signals: parent.signals.lock().forked(),
        program: parent.program.lock().clone(),
        vdso: parent.vdso.load(Ordering::Relaxed),
        space,
        system,
    };
    Ok(new.build())
}

fn fork_space(
    system: &crate::system::System,
    space: &AddressSpace,
) -> Result<AddressSpace, NoMemory> {
    space.fork(system.machine.make_space()?)
}

/// The mask goes on; the alternate stack only where the memory is not shared, or with `vfork`.
fn child_signals(task: &Task, request: &Request) -> TaskSignals {
    let own = task.signals.lock();
    let keeps = !request.has(linux::CLONE_VM) || request.has(linux::CLONE_VFORK);
    TaskSignals {
        pending: Pending::default(),
        mask: own.mask,
        saved_mask: None,
        stack: if keeps { own.stack } else { AltStack::NONE },
    }
}

/// Writes the ids where the program wants them. A bad address is ignored, as in Linux.
fn note_ids(ctx: &Ctx<'_>, request: &Request, task: &Task) {
    if request.has(linux::CLONE_PARENT_SETTID) {
        let _ = ctx.memory.write_u32(request.parent_tid, task.tid);
    }
    if request.has(linux::CLONE_CHILD_SETTID) {
        task.set_child_tid.store(request.child_tid, Ordering::Relaxed);
    }
    if request.has(linux::CLONE_CHILD_CLEARTID) {
        task.clear_child_tid.store(request.child_tid, Ordering::Relaxed);
    }
}

/// Waits until a `vfork` child has a program of its own or is gone; only an end interrupts.
fn wait_for_release(ctx: &Ctx<'_>, child: &Process) {
    let parker = ctx.task.parker();
    loop {
        child.release_events.add(&parker);
        let ends = ctx.task.work.load(Ordering::Acquire) & work::EXIT != 0;
        if ends || child.released.load(Ordering::Acquire) {
            break;
        }
        ctx.task.sleep(None);
    }
    child.release_events.remove(&parker);
}
