//! What `/proc` shows of processes: the tree, as [`ProcessSource`].

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use crate::frames::PAGE;
use crate::mm::area::Backing;
use crate::signal::{Action, SIGNALS, SigSet, Signal};
use crate::sync::{Mutex, Once};
use crate::syscall::system::{RELEASE, VERSION};
use crate::system::System;
use crate::task::Process;
use crate::time::SECOND;
use crate::vfs::procfs::source::{MapLine, ProcessInfo, ProcessSource, SystemInfo};
use crate::vfs::{FdTable, FsContext, Located};

/// Clock ticks of `/proc` are 10 ms.
const TICK: u64 = SECOND / 100;

/// The processes of a system that is put together later: files need this before there are any.
#[derive(Default)]
pub struct Processes {
    system: Once<Weak<System>>,
    command_line: Vec<u8>,
}

impl Processes {
    /// Makes a view of no system yet.
    #[must_use]
    pub fn new(command_line: &str) -> Processes {
        Processes { system: Once::new(), command_line: command_line.as_bytes().to_vec() }
    }

    /// Says which system it is.
    pub fn connect(&self, system: &Arc<System>) {
        self.system.call_once(|| Arc::downgrade(system));
    }

    fn system(&self) -> Option<Arc<System>> {
        self.system.get()?.upgrade()
    }

    /// Finds a process by its id or that of one of its threads.
    fn find(&self, pid: u32) -> Option<(Arc<System>, Arc<Process>)> {
        let system = self.system()?;
        let process =
            system.process(pid).or_else(|| system.task(pid).map(|task| task.process.clone()))?;
        Some((system, process))
    }
}

impl ProcessSource for Processes {
    fn pids(&self) -> Vec<u32> {
        let processes = self.system().map(|system| system.processes()).unwrap_or_default();
        processes.iter().map(|process| process.pid).collect()
    }

    fn process(&self, pid: u32) -> Option<ProcessInfo> {
        let (system, process) = self.find(pid)?;
        let tasks = system.tasks_of(process.pid);
        let leader = tasks.first();
        let (virtual_bytes, resident) = process.space().map_or((0, 0), |space| space.usage());
        let state = match leader {
            None => 'Z',
            Some(_) if process.stopped.load(Ordering::Relaxed) != 0 => 'T',
            Some(_) => 'R',
        };
        let name = leader.map(|task| task.name.lock().clone().into_bytes());
        let name = name.unwrap_or_else(|| executable_name(&process));
        let (user, group) = {
            let credentials = process.credentials.lock();
            (credentials.user, credentials.group)
        };
        let (ignored, caught, pending) = {
            let signals = process.signals.lock();
            let select = |wanted: fn(&Action) -> bool| {
                (1..=SIGNALS as u64).filter_map(Signal::new).fold(0, |set, signal| {
                    let is_wanted = wanted(&signals.action(signal));
                    if is_wanted { set | SigSet::of(signal).0 } else { set }
                })
            };
            let ignored = select(|action| action.handler == Action::IGNORE);
            (ignored, select(|action| action.handler > Action::IGNORE), signals.pending.set().0)
        };
        Some(ProcessInfo {
            pid: process.pid,
            parent: process.parent.load(Ordering::Relaxed),
            group: process.group.load(Ordering::Relaxed),
            session: process.session.load(Ordering::Relaxed),
            state,
            name,
            threads: tasks.len() as u32,
            uids: [user.real, user.effective, user.saved, user.file],
            gids: [group.real, group.effective, group.saved, group.file],
            user_ticks: system.clock.monotonic(process.cpu_ticks()) / TICK,
            system_ticks: 0,
            start_ticks: system.clock.monotonic(process.started) / TICK,
            virtual_bytes,
            resident_pages: resident / PAGE as u64,
            pending,
            blocked: leader.map_or(0, |task| task.signals.lock().mask.0),
            ignored,
            caught,
        })
    }

    fn threads(&self, pid: u32) -> Option<Vec<u32>> {
        let (system, process) = self.find(pid)?;
        Some(system.tasks_of(process.pid).iter().map(|task| task.tid).collect())
    }

    fn thread_name(&self, pid: u32, tid: u32) -> Option<Vec<u8>> {
        let task = self.system()?.task(tid).filter(|task| task.process.pid == pid)?;
        let name = task.name.lock().clone();
        Some(name.into_bytes())
    }

    fn arguments(&self, pid: u32) -> Option<Vec<u8>> {
        let (_, process) = self.find(pid)?;
        let arguments = process.program.lock().arguments.clone();
        Some(arguments)
    }

    fn environment(&self, pid: u32) -> Option<Vec<u8>> {
        let (_, process) = self.find(pid)?;
        let environment = process.program.lock().environment.clone();
        Some(environment)
    }

    fn maps(&self, pid: u32) -> Option<Vec<MapLine>> {
        use ipc_proto::abi::word::Rights;
        let (_, process) = self.find(pid)?;
        let mut lines = Vec::new();
        process.space()?.visit_areas(|range, vma| {
            let (offset, identity, name) = match &vma.backing {
                Backing::File(file, offset) => (*offset, file.vnode.identity(), file.path.clone()),
                Backing::Object(..) if vma.label.is_empty() => {
                    (0, (0, 0), b"/dev/zero (deleted)".to_vec())
                }
                _ => (0, (0, 0), vma.label.as_bytes().to_vec()),
            };
            lines.push(MapLine {
                start: range.start,
                end: range.end,
                read: vma.access.contains(Rights::READ),
                write: vma.access.contains(Rights::WRITE),
                execute: vma.access.contains(Rights::EXECUTE),
                shared: vma.is_shared,
                offset,
                identity,
                name,
            });
        });
        Some(lines)
    }

    fn files(&self, pid: u32) -> Option<Arc<Mutex<FdTable>>> {
        self.find(pid).map(|(_, process)| process.fd_table())
    }

    fn fs(&self, pid: u32) -> Option<FsContext> {
        let (_, process) = self.find(pid)?;
        let fs = process.fs.lock().clone();
        Some(fs)
    }

    fn executable(&self, pid: u32) -> Option<Located> {
        let (_, process) = self.find(pid)?;

        process.program.lock().file.clone()
    }

    fn system(&self) -> SystemInfo {
        let Some(system) = Processes::system(self) else { return SystemInfo::default() };
        let processes = system.processes();
        let threads =
            processes.iter().map(|process| system.tasks_of(process.pid).len() as u32).sum();
        let host_name = system.host_name.lock().clone();
        SystemInfo {
            uptime_ns: system.monotonic(),
            idle_ns: 0,
            boot_seconds: system.clock.epoch() / SECOND,
            total_pages: system.frames.total(),
            free_pages: system.frames.free(),
            cpus: system.hardware.cores,
            running: 1,
            threads,
            last_pid: system.with_tree(|tree| tree.last_pid()),
            forks: system.with_tree(|tree| tree.forks()),
            midr: 0,
            features: "fp asimd",
            counter_hz: system.clock.hz(),
            host_name,
            release: RELEASE,
            version: VERSION,
            command_line: self.command_line.clone(),
        }
    }
}

fn executable_name(process: &Process) -> Vec<u8> {
    let file = process.program.lock().file.clone();
    file.and_then(|file| file.location).map(|location| location.name.to_vec()).unwrap_or_default()
}
