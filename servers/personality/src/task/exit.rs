//! The end of threads and processes.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use super::tree::{ExitStatus, FIRST, Left};
use super::{Process, Task, work};
use crate::futex;
use crate::guest_memory::GuestMemory;

/// Begins to end a process: all its threads end when they next look. The first status counts.
pub fn end_process(process: &Process, status: ExitStatus) {
    let system = &process.system;
    let tasks = system.with_tree(|tree| tree.begin_end(process.pid, status));
    for task in tasks {
        task.kick(work::EXIT);
    }
}

/// Ends a thread; with the last one the process ends. The thread's own carrier calls this, and
/// has nothing to do afterwards.
pub fn end_task(task: &Arc<Task>, memory: &dyn GuestMemory, status: ExitStatus) {
    clear_child_tid(task, memory);
    // Guest memory is not needed any more, and the address space must be free to go.
    task.carrier().enter(None);
    let process = &task.process;
    process.ended.threads.fetch_add(task.cpu_ticks(), Ordering::Relaxed);
    task.slept.store(u64::MAX, Ordering::Relaxed);
    let system = process.system.clone();
    if let Left::Last(status) = system.with_tree(|tree| last_thread(tree, task, status)) {
        end_last(task, status);
    }
}

/// Decides whether the thread is the last one. Its process keeps the thread in the tree until
/// everything it held is gone, so that a parent never reaps what still lives.
fn last_thread(tree: &mut super::tree::Tree, task: &Arc<Task>, status: ExitStatus) -> Left {
    let others = tree.tasks_of(task.process.pid);
    if others.len() > 1 {
        return tree.remove_task(task, status);
    }
    tree.begin_end(task.process.pid, status);
    Left::Last(tree.ending(task.process.pid).unwrap_or(status))
}

fn end_last(task: &Arc<Task>, status: ExitStatus) {
    let process = &task.process;
    let system = &process.system;
    // Descriptors first: closing may write to memory files, wake readers of pipes.
    let files = core::mem::take(&mut *process.files.lock());
    drop(files);
    system.vfs.locks.release_process(process.pid);
    drop(process.replace_space(None));
    system.timers.delete_all(process.pid, false);
    release_parent(process);
    give_up_terminal(process);
    let zombies = system.with_tree(|tree| {
        let zombies = tree.orphan_children(process.pid);
        tree.remove_task(task, status);
        zombies
    });
    for zombie in zombies {
        if let Some(status) = system.with_tree(|tree| tree.ending(zombie)) {
            system.note_ended(zombie, status);
        }
    }
    if process.pid == FIRST {
        system.machine.finish(status.to_shell_status());
    } else {
        system.note_ended(process.pid, status);
    }
}

/// Lets a parent go on that waits in `vfork`.
pub fn release_parent(process: &Process) {
    process.released.store(true, Ordering::Release);
    process.release_events.wake_all();
}

/// A session leader's end frees its terminal, and hangs up on the foreground group.
fn give_up_terminal(process: &Process) {
    let session = process.session.load(Ordering::Relaxed);
    let Some(tty) = process.system.tty.as_ref().filter(|_| session == process.pid) else { return };
    if tty.session() != Some(session) {
        return;
    }
    let foreground = tty.foreground();
    tty.detach(session);
    if let Some(group) = foreground {
        let hangup = crate::signal::SigInfo::kernel(crate::signal::Signal::SIGHUP);
        crate::signal::send::to_group(&process.system, group, hangup);
    }
}

/// Writes 0 where the program asked for it, and wakes who waits there (`pthread_join`).
pub fn clear_child_tid(task: &Arc<Task>, memory: &dyn GuestMemory) {
    let address = task.clear_child_tid.swap(0, Ordering::Relaxed);
    if address != 0 && memory.write_u32(address, 0).is_ok() {
        futex::wake_address(task, address, 1);
    }
}
