//! Processes on a fake machine: carriers that run nothing, so that each test is the program.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use linux_raw_sys::general as linux;

use super::tree::{Event, ExitStatus, Wanted, Which};
use super::{NewProcess, Task, clone, exit, wait, work};
use crate::errno::Errno;
use crate::frames::Frames;
use crate::frames::fake::FakeFrames;
use crate::guest_memory::FakeMemory;
use crate::machine::{Carrier, Machine, NoMemory, Translation};
use crate::mm::AddressSpace;
use crate::mm::fake::FakeTranslation;
use crate::mm::layout::Layout;
use crate::random::Random;
use crate::run::blank_record;
use crate::signal::deliver::Restarts;
use crate::signal::{Action, SigInfo, SigSet, Signal, TaskSignals, deliver, send, set_mask};
use crate::sync::Mutex;
use crate::syscall::Ctx;
use crate::system::{Hardware, Parts, System};
use crate::time::{Clock, SECOND};
use crate::vfs::tests::{FakeSource, means};
use crate::vfs::tree::Vfs;
use crate::vfs::{FdTable, FsContext};
use crate::wait::{Deadline, Parker, Woken};

#[derive(Default)]
struct FakeMachine {
    status: AtomicI32,
}

impl Machine for FakeMachine {
    fn now(&self) -> u64 {
        0
    }
    fn make_space(&self) -> Result<Box<dyn Translation>, NoMemory> {
        Ok(Box::new(FakeTranslation::new(2).0))
    }
    fn make_carrier(&self) -> Result<Arc<dyn Carrier>, NoMemory> {
        Ok(Arc::new(FakeCarrier::default()))
    }
    fn yield_now(&self) {}
    fn log(&self, _: core::fmt::Arguments<'_>) {}
    fn finish(&self, status: i32) {
        self.status.store(status, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct FakeCarrier {
    wakes: AtomicUsize,
}

impl Parker for FakeCarrier {
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
    fn sleep(&self, _: Option<Deadline>) -> Woken {
        assert!(self.wakes.swap(0, Ordering::Relaxed) > 0, "a sleep that nothing ends");
        Woken::Called
    }
}

impl Carrier for FakeCarrier {
    fn start(&self, task: Arc<Task>, registers: &GuestRecord) {
        STARTED.with_borrow_mut(|started| started.push((task, *registers)));
    }
    fn release(self: Arc<Self>) {}
    fn run(&self, _: &mut GuestRecord) -> GuestExit {
        GuestExit::Interrupted
    }
    fn sync_fp(&self) {}
    fn enter(&self, _: Option<u64>) {}
}

// What was started, and how: tests run one a thread.
std::thread_local! {
    static STARTED: core::cell::RefCell<Vec<(Arc<Task>, GuestRecord)>> = const {
        core::cell::RefCell::new(Vec::new())
    };
}

struct World {
    machine: Arc<FakeMachine>,
    system: Arc<System>,
    first: Arc<Task>,
    memory: FakeMemory,
}

fn world() -> World {
    let means = means(64);
    let frames: Arc<dyn Frames> = Arc::new(FakeFrames::new(64));
    let cpus = crate::vfs::sysfs::Machine { cpus: 1 };
    let vfs = Vfs::new(means, &[], Arc::new(FakeSource::default()), cpus).expect("room").0;
    let root = vfs.root();
    let machine = Arc::new(FakeMachine::default());
    let system = Arc::new(System::new(Parts {
        machine: machine.clone(),
        frames: frames.clone(),
        clock: Arc::new(Clock::new(SECOND, 0)),
        random: Arc::new(Random::new([0; 32])),
        hardware: Hardware::default(),
        vfs,
        tty: None,
    }));
    let layout = Layout::random([0; 4], 0);
    let translation = Box::new(FakeTranslation::new(1).0);
    let pid = system.with_tree(|tree| tree.next_pid()).expect("the first");
    let process = NewProcess {
        system: system.clone(),
        pid,
        family: [0, pid, pid],
        files: Arc::new(Mutex::new(FdTable::default())),
        fs: Arc::new(Mutex::new(FsContext::new(root))),
        credentials: Default::default(),
        limits: Default::default(),
        signals: Default::default(),
        program: Default::default(),
        vdso: 0,
        space: Arc::new(AddressSpace::new(translation, frames, layout, 0)),
    };
    let carrier = Arc::new(FakeCarrier::default());
    let task = Task::new(process.build(), pid, String::new(), TaskSignals::default(), carrier);
    let first = Arc::new(task);
    system.with_tree(|tree| tree.insert_process(&first));
    World { machine, system, first, memory: FakeMemory::new(0x1000, 0x8000) }
}

impl World {
    fn with<R>(&self, task: &Arc<Task>, body: impl FnOnce(&mut Ctx<'_>) -> R) -> R {
        let mut registers = blank_record();
        registers.sp = 0x8000;
        body(&mut Ctx { task, memory: &self.memory, registers: &mut registers })
    }

    fn clone(&self, parent: &Arc<Task>, flags: u32) -> Arc<Task> {
        let request = clone::Request { flags: u64::from(flags), ..clone::Request::default() };
        let tid = self.with(parent, |ctx| clone::clone(ctx, &request)).expect("room");
        let (task, registers) = STARTED.with_borrow_mut(Vec::pop).expect("a start");
        assert_eq!((u64::from(task.tid), registers.x[0]), (tid, 0));
        task
    }

    fn end(&self, task: &Arc<Task>, status: ExitStatus) {
        exit::end_process(&task.process, status);
        exit::end_task(task, &self.memory, ExitStatus::Exited(0));
    }

    fn wait(&self, which: Which, wanted: Wanted) -> Result<Option<(u32, Event)>, Errno> {
        let found = self.with(&self.first, |ctx| wait::wait(ctx, which, wanted, false))?;
        Ok(found.map(|(process, event)| (process.pid, event)))
    }
}

const THREAD: u32 = linux::CLONE_VM | linux::CLONE_SIGHAND | linux::CLONE_THREAD;
const ENDED: Wanted = Wanted { ended: true, stopped: false, continued: false, keep: false };

#[test]
fn a_child_is_a_zombie_until_it_is_waited_for() {
    let world = world();
    let child = world.clone(&world.first, 0);
    assert_eq!(world.wait(Which::Any, ENDED), Ok(None));
    world.end(&child, ExitStatus::Exited(7));
    let event = Event::Ended(ExitStatus::Exited(7));
    let keep = Wanted { keep: true, ..ENDED };
    assert_eq!(world.wait(Which::Any, keep), Ok(Some((child.tid, event))));
    assert_eq!(world.wait(Which::Process(child.tid + 1), ENDED), Err(Errno::ECHILD));
    assert_eq!(world.wait(Which::Group(1), ENDED), Ok(Some((child.tid, event))));
    assert_eq!(world.wait(Which::Any, ENDED), Err(Errno::ECHILD));
    assert!(world.system.process(child.tid).is_none());
}

#[test]
fn the_end_of_a_child_sends_sigchld() {
    let world = world();
    let handler = Action { handler: 0x4000, ..Action::NONE };
    world.first.process.signals.lock().set_action(Signal::SIGCHLD, handler);
    let child = world.clone(&world.first, 0);
    world.end(&child, ExitStatus::Killed(9));
    assert!(world.first.is_interrupted());
    world.with(&world.first, |ctx| {
        assert_eq!(deliver::handle_work(ctx, None), deliver::Flow::Run);
        assert_eq!((ctx.registers.pc, ctx.registers.x[0]), (0x4000, 17));
        assert_eq!(ctx.memory.read_u32(ctx.registers.x[1] + 16), Ok(child.tid));
    });
    assert!(!world.first.is_interrupted());
}

#[test]
fn a_parent_that_ignores_its_children_never_sees_them() {
    let world = world();
    let ignore = Action { handler: Action::IGNORE, ..Action::NONE };
    world.first.process.signals.lock().set_action(Signal::SIGCHLD, ignore);
    let child = world.clone(&world.first, 0);
    world.end(&child, ExitStatus::Exited(0));
    assert_eq!(world.wait(Which::Any, ENDED), Err(Errno::ECHILD));
}

#[test]
fn orphans_become_children_of_the_first_process() {
    let world = world();
    let child = world.clone(&world.first, 0);
    let grandchild = world.clone(&child, 0);
    let other = world.clone(&child, 0);
    world.end(&other, ExitStatus::Exited(5));
    world.end(&child, ExitStatus::Exited(1));
    assert_eq!(grandchild.process.parent.load(Ordering::Relaxed), 1);
    let mut ended = Vec::new();
    while let Ok(Some((pid, _))) = world.wait(Which::Any, ENDED) {
        ended.push(pid);
    }
    assert_eq!(ended, [child.tid, other.tid]);
    world.end(&grandchild, ExitStatus::Exited(2));
    assert!(matches!(world.wait(Which::Any, ENDED), Ok(Some((_, Event::Ended(_))))));
}

#[test]
fn a_process_ends_with_its_last_thread() {
    let world = world();
    let child = world.clone(&world.first, 0);
    let thread = world.clone(&child, THREAD);
    assert!(Arc::ptr_eq(&thread.process, &child.process));
    exit::end_process(&child.process, ExitStatus::Exited(3));
    assert!(thread.work.load(Ordering::Relaxed) & work::EXIT != 0);
    exit::end_task(&child, &world.memory, ExitStatus::Exited(0));
    assert_eq!(world.wait(Which::Any, ENDED), Ok(None));
    exit::end_task(&thread, &world.memory, ExitStatus::Exited(0));
    let event = Event::Ended(ExitStatus::Exited(3));
    assert_eq!(world.wait(Which::Any, ENDED), Ok(Some((child.tid, event))));
}

#[test]
fn the_end_of_the_first_process_ends_the_system() {
    let world = world();
    world.end(&world.first, ExitStatus::Killed(11));
    assert_eq!(world.machine.status.load(Ordering::Relaxed), 139);
}

#[test]
fn a_stop_and_a_continuation_are_reported_once() {
    let world = world();
    let child = world.clone(&world.first, 0);
    world.system.note_stopped(child.tid, 19);
    let wanted = Wanted { stopped: true, continued: true, ..ENDED };
    assert_eq!(world.wait(Which::Any, wanted), Ok(Some((child.tid, Event::Stopped(19)))));
    assert_eq!(world.wait(Which::Any, wanted), Ok(None));
    child.process.stopped.store(19, Ordering::Relaxed);
    send::to_process(&child.process, SigInfo::kernel(Signal::SIGCONT));
    assert_eq!(child.process.stopped.load(Ordering::Relaxed), 0);
    assert_eq!(world.wait(Which::Any, wanted), Ok(Some((child.tid, Event::Continued))));
}

#[test]
fn a_blocked_signal_waits_and_a_thread_that_takes_it_is_found() {
    let world = world();
    let handler = Action { handler: 0x4000, ..Action::NONE };
    world.first.process.signals.lock().set_action(Signal::SIGUSR1, handler);
    set_mask(&world.first, SigSet::of(Signal::SIGUSR1));
    send::to_process(&world.first.process, SigInfo::kernel(Signal::SIGUSR1));
    assert!(!world.first.is_interrupted());
    let thread = world.clone(&world.first, THREAD);
    set_mask(&thread, SigSet::EMPTY);
    assert!(thread.is_interrupted(), "what is pending for the process is everybody's");
    world.with(&thread, |ctx| {
        assert_eq!(deliver::handle_work(ctx, None), deliver::Flow::Run);
        assert_eq!(ctx.registers.pc, 0x4000);
    });
    set_mask(&world.first, SigSet::EMPTY);
    assert!(!world.first.is_interrupted(), "it was taken");
}

#[test]
fn an_interrupted_call_restarts_only_as_its_signal_says() {
    let world = world();
    let call = deliver::Interrupted { x0: 77, restarts: Restarts::OnRequest };
    let run = |flags: u32, call| {
        let action = Action { handler: 0x4000, flags: u64::from(flags), ..Action::NONE };
        world.first.process.signals.lock().set_action(Signal::SIGUSR1, action);
        send::to_task(&world.first, SigInfo::kernel(Signal::SIGUSR1));
        world.with(&world.first, |ctx| {
            ctx.registers.pc = 0x2004;
            ctx.registers.x[0] = 1;
            deliver::handle_work(ctx, Some(call));
            let frame = ctx.registers.sp;
            deliver::sigreturn(ctx).expect("a frame");
            assert!(frame < 0x8000);
            (ctx.registers.pc, ctx.registers.x[0])
        })
    };
    assert_eq!(run(linux::SA_RESTART, call), (0x2000, 77));
    assert_eq!(run(0, call), (0x2004, 1));
    let never = deliver::Interrupted { restarts: Restarts::Never, ..call };
    assert_eq!(run(linux::SA_RESTART, never), (0x2004, 1));
    let always = deliver::Interrupted { restarts: Restarts::Always, ..call };
    assert_eq!(run(0, always), (0x2000, 77));
}

#[test]
fn a_signal_that_waits_comes_before_a_new_child() {
    let world = world();
    let fork = || {
        let request = clone::Request::default();
        world.with(&world.first, |ctx| clone::clone(ctx, &request))
    };
    let action = Action { handler: 0x4000, ..Action::NONE };
    world.first.process.signals.lock().set_action(Signal::SIGINT, action);
    let group = world.first.process.group.load(Ordering::Relaxed);
    send::to_group(&world.first.process.system, group, SigInfo::kernel(Signal::SIGINT));
    assert_eq!(fork(), Err(Errno::EINTR));
    assert_eq!(world.first.process.system.processes().len(), 1);
    set_mask(&world.first, SigSet::of(Signal::SIGINT));
    assert!(fork().is_ok(), "a blocked one can wait");
}
