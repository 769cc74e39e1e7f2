//! Sending signals: to a thread, a process, a process group.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use super::{Action, SigInfo, SigSet, Signal};
use crate::system::System;
use crate::task::{Process, Task, work};

/// The signals that stop a process by default.
const STOPS: SigSet = SigSet(
    SigSet::of(Signal::SIGSTOP).0
        | SigSet::of(Signal::SIGTSTP).0
        | SigSet::of(Signal::SIGTTIN).0
        | SigSet::of(Signal::SIGTTOU).0,
);

/// Sends a signal to a process: any of its threads that does not block it takes it.
pub fn to_process(process: &Process, info: SigInfo) {
    let tasks = process.system.tasks_of(process.pid);
    prepare(process, &tasks, info.signal);
    let mut signals = process.signals.lock();
    let set = SigSet::of(info.signal);
    let blocked = |task: &Arc<Task>| task.signals.lock().mask.contains(info.signal);
    let taker = tasks.iter().find(|task| !blocked(task));
    if taker.is_some() && signals.action(info.signal).ignores(info.signal) {
        return;
    }
    signals.pending.push(info);
    drop(signals);
    match taker {
        Some(task) => task.kick(work::SIGNAL),
        // Blocked by all: whoever unblocks it, or waits for it, finds it. Waiters must look.
        None => tasks.iter().filter(|task| waits_for(task, set)).for_each(|t| t.kick(0)),
    }
}

/// Sends a signal to one thread.
pub fn to_task(task: &Arc<Task>, info: SigInfo) {
    let tasks = task.process.system.tasks_of(task.process.pid);
    prepare(&task.process, &tasks, info.signal);
    let signals = task.process.signals.lock();
    let mut own = task.signals.lock();
    let is_blocked = own.mask.contains(info.signal);
    if !is_blocked && signals.action(info.signal).ignores(info.signal) {
        return;
    }
    own.pending.push(info);
    drop(own);
    drop(signals);
    task.kick(if is_blocked { 0 } else { work::SIGNAL });
}

/// Sends a signal that a thread caused itself and cannot put off: a blocked or ignored one ends
/// the process.
pub fn force(task: &Arc<Task>, info: SigInfo) {
    let mut signals = task.process.signals.lock();
    let mut own = task.signals.lock();
    let set = SigSet::of(info.signal);
    let action = signals.action(info.signal);
    if own.mask.contains(info.signal) || action.handler == Action::IGNORE {
        signals.set_action(info.signal, Action { handler: Action::DEFAULT, ..action });
        own.mask = own.mask.without(set);
    }
    own.pending.push(info);
    // Only the thread itself calls this: no need to wake it.
    task.work.fetch_or(work::SIGNAL, Ordering::AcqRel);
}

/// Sends a signal to every process of a group; gives how many there were.
pub fn to_group(system: &System, group: u32, info: SigInfo) -> usize {
    to_each(system, Some(info), |process| process.group.load(Ordering::Relaxed) == group)
}

/// Sends a signal, if given, to every process that `is_meant`; gives how many there were. A child
/// that is made meanwhile gets it too, or its parent before it.
pub fn to_each(
    system: &System,
    info: Option<SigInfo>,
    is_meant: impl Fn(&Process) -> bool,
) -> usize {
    let _entry = system.entry.lock();
    let mut members = system.processes();
    members.retain(|process| is_meant(process));
    if let Some(info) = info {
        members.iter().for_each(|process| to_process(process, info));
    }
    members.len()
}

/// What sending does at once: `SIGCONT` lets a stopped process go on and takes back stop
/// signals, these take back `SIGCONT`, and `SIGKILL` reaches stopped threads too.
fn prepare(process: &Process, tasks: &[Arc<Task>], signal: Signal) {
    let discard = |set| {
        process.signals.lock().pending.discard(set);
        tasks.iter().for_each(|task| task.signals.lock().pending.discard(set));
    };
    if signal == Signal::SIGCONT {
        discard(STOPS);
        go_on(process, tasks);
    } else if STOPS.contains(signal) {
        discard(SigSet::of(Signal::SIGCONT));
    } else if signal == Signal::SIGKILL {
        go_on(process, tasks);
    }
}

/// Ends a stop.
fn go_on(process: &Process, tasks: &[Arc<Task>]) {
    if process.stopped.swap(0, Ordering::AcqRel) == 0 {
        return;
    }
    for task in tasks {
        task.work.fetch_and(!work::STOP, Ordering::AcqRel);
    }
    process.resume.wake_all();
    process.system.note_continued(process.pid);
}

/// Tells whether a thread sits in `rt_sigtimedwait` for one of these.
fn waits_for(task: &Task, set: SigSet) -> bool {
    !SigSet(task.waits_for.load(Ordering::Acquire)).intersect(set).is_empty()
}
