//! Tests of the file calls as a program makes them: numbers and addresses in, errno out.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use linux_raw_sys::general as linux;

use super::{Ctx, Handler, dir, fd, file, path, pipe, stat};
use crate::errno::Errno;
use crate::frames::fake::FakeFrames;
use crate::guest_memory::{FakeMemory, GuestMemory};
use crate::machine::{Carrier, Machine, NoMemory, Translation};
use crate::mm::AddressSpace;
use crate::mm::fake::FakeTranslation;
use crate::mm::layout::Layout;
use crate::random::Random;
use crate::signal::TaskSignals;
use crate::system::{Hardware, Parts, System};
use crate::task::{NewProcess, Task};
use crate::time::{Clock, SECOND};
use crate::vfs::abi::{O_DIRECTORY, read_half};
use crate::vfs::tests::{FakeSource, means};
use crate::vfs::tree::Vfs;
use crate::vfs::tty::FakeConsole;
use crate::vfs::{FdTable, FsContext, OpenFile};
use crate::wait::{Deadline, Parker, Woken};

mod files;
mod names;
mod waiting;

/// Where the program's memory is.
const BASE: u64 = 0x1_0000;
const SIZE: usize = 1 << 18;
/// Where arguments go, and where results come.
const ARGUMENTS: u64 = BASE;
const RESULTS: u64 = BASE + 0x1_0000;
const AT_FDCWD: u64 = linux::AT_FDCWD as u64;

/// Time that passes only in sleeps.
#[derive(Default)]
struct FakeMachine {
    now: Arc<AtomicU64>,
}

impl Machine for FakeMachine {
    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
    fn make_space(&self) -> Result<Box<dyn Translation>, NoMemory> {
        Err(NoMemory)
    }
    fn make_carrier(&self) -> Result<Arc<dyn Carrier>, NoMemory> {
        Err(NoMemory)
    }
    fn yield_now(&self) {}
    fn log(&self, _: core::fmt::Arguments<'_>) {}
    fn finish(&self, _: i32) {}
}

/// A thread whose sleeps end at their deadline; one without a deadline runs `events` first.
struct FakeCarrier {
    now: Arc<AtomicU64>,
    is_woken: AtomicBool,
    events: crate::sync::Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Parker for FakeCarrier {
    fn wake(&self) {
        self.is_woken.store(true, Ordering::Relaxed);
    }
    fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        let event = self.events.lock().pop();
        if let Some(event) = event {
            event();
        }
        if self.is_woken.swap(false, Ordering::Relaxed) {
            return Woken::Called;
        }
        let deadline = deadline.expect("a sleep that nothing ends");
        self.now.fetch_max(deadline.0, Ordering::Relaxed);
        Woken::TimedOut
    }
}

impl Carrier for FakeCarrier {
    fn start(&self, _: Arc<Task>, _: &GuestRecord) {}
    fn release(self: Arc<Self>) {}
    fn run(&self, _: &mut GuestRecord) -> GuestExit {
        GuestExit::Interrupted
    }
    fn sync_fp(&self) {}
    fn enter(&self, _: Option<u64>) {}
}

/// A process with the console as its descriptors 0 to 2.
struct Program {
    task: Arc<Task>,
    memory: FakeMemory,
    carrier: Arc<FakeCarrier>,
    console: Arc<FakeConsole>,
}

fn program() -> Program {
    let now = Arc::new(AtomicU64::new(0));
    let means = means(500);
    let frames = Arc::new(FakeFrames::new(4));
    let tty = means.devices.tty().clone();
    let hardware = crate::vfs::sysfs::Machine { cpus: 1 };
    let vfs = Vfs::new(means, &[], Arc::new(FakeSource::default()), hardware).unwrap().0;
    let root = vfs.root();
    let system = Arc::new(System::new(Parts {
        machine: Arc::new(FakeMachine { now: now.clone() }),
        frames: frames.clone(),
        clock: Arc::new(Clock::new(SECOND, 0)),
        random: Arc::new(Random::new([0; 32])),
        hardware: Hardware::default(),
        vfs,
        tty: Some(tty.clone()),
    }));
    let space = AddressSpace::new(
        Box::new(FakeTranslation::new(1).0),
        frames,
        Layout::random([0; 4], 0),
        0,
    );
    let process = NewProcess {
        system: system.clone(),
        pid: 1,
        family: [0, 1, 1],
        files: Arc::new(crate::sync::Mutex::new(FdTable::default())),
        fs: Arc::new(crate::sync::Mutex::new(FsContext::new(root))),
        credentials: Default::default(),
        limits: Default::default(),
        signals: Default::default(),
        program: Default::default(),
        vdso: 0,
        space: Arc::new(space),
    }
    .build();
    let events = crate::sync::Mutex::new(Vec::new());
    let carrier = Arc::new(FakeCarrier { now, is_woken: AtomicBool::new(false), events });
    let signals = TaskSignals::default();
    let task = Arc::new(Task::new(process, 1, String::new(), signals, carrier.clone()));
    system.with_tree(|tree| tree.insert_process(&task));
    let console = crate::vfs::tests::console_of(&tty);
    let program = Program { task, memory: FakeMemory::new(BASE, SIZE), carrier, console };
    for _ in 0..3 {
        program.open("/dev/console", linux::O_RDWR).unwrap();
    }
    program
}

impl Program {
    fn call(&self, handler: Handler, arguments: &[u64]) -> Result<u64, Errno> {
        let mut registers = GuestRecord {
            x: [0; 31],
            sp: 0,
            pc: 0,
            pstate: 0,
            tpidr: 0,
            syndrome: 0,
            address: 0,
            reserved: [0; 27],
            v: [0; 32],
            fpcr: 0,
            fpsr: 0,
        };
        let mut ctx = Ctx { task: &self.task, memory: &self.memory, registers: &mut registers };
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        handler(&mut ctx, all)
    }

    /// Puts a string at an address and gives the address.
    fn string(&self, at: u64, text: &str) -> u64 {
        self.memory.write(at, text.as_bytes()).unwrap();
        self.memory.write(at + text.len() as u64, &[0]).unwrap();
        at
    }

    /// Calls with a path as the second argument, behind the working directory.
    fn at(&self, handler: Handler, path: &str, rest: &[u64]) -> Result<u64, Errno> {
        let mut arguments = vec![AT_FDCWD, self.string(ARGUMENTS, path)];
        arguments.extend(rest);
        self.call(handler, &arguments)
    }

    /// Calls with two paths behind the working directory.
    fn two(&self, handler: Handler, one: &str, other: &str, flags: u32) -> Result<u64, Errno> {
        let one = self.string(ARGUMENTS, one);
        let other = self.string(ARGUMENTS + 0x2000, other);
        self.call(handler, &[AT_FDCWD, one, AT_FDCWD, other, u64::from(flags)])
    }

    fn open(&self, path: &str, flags: u32) -> Result<u64, Errno> {
        self.at(path::openat, path, &[u64::from(flags), 0o666])
    }

    fn create(&self, path: &str) -> u64 {
        self.open(path, linux::O_RDWR | linux::O_CREAT).unwrap()
    }

    fn write(&self, fd: u64, text: &str) -> Result<u64, Errno> {
        let at = self.string(ARGUMENTS, text);
        self.call(file::write, &[fd, at, text.len() as u64])
    }

    fn read(&self, fd: u64, length: u64) -> Result<String, Errno> {
        let count = self.call(file::read, &[fd, RESULTS, length])?;
        Ok(self.result(count))
    }

    fn result(&self, count: u64) -> String {
        String::from_utf8(self.memory.read_bytes(RESULTS, count as usize).unwrap()).unwrap()
    }

    fn seek(&self, fd: u64, offset: i64, whence: u32) -> Result<u64, Errno> {
        self.call(file::lseek, &[fd, offset as u64, u64::from(whence)])
    }

    fn mode(&self, path: &str) -> Result<u32, Errno> {
        let nofollow = u64::from(linux::AT_SYMLINK_NOFOLLOW);
        self.at(stat::newfstatat, path, &[RESULTS, nofollow])?;
        Ok(self.memory.read_u32(RESULTS + 16).unwrap())
    }

    fn pipe(&self) -> [u64; 2] {
        self.call(pipe::pipe2, &[RESULTS, 0]).unwrap();
        [0, 4].map(|at| u64::from(self.memory.read_u32(RESULTS + at).unwrap()))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let fd = self.open(path, O_DIRECTORY).unwrap();
        let mut names = Vec::new();
        loop {
            // A small buffer, so that it takes several calls.
            let count = self.call(dir::getdents64, &[fd, RESULTS, 64]).unwrap();
            if count == 0 {
                self.call(fd::close, &[fd]).unwrap();
                return names;
            }
            let bytes = self.memory.read_bytes(RESULTS, count as usize).unwrap();
            let mut at = 0;
            while at < bytes.len() {
                let length = usize::from(read_half(&bytes, at + 16));
                let name = bytes[at + 19..at + length].split(|&byte| byte == 0).next().unwrap();
                names.push(String::from_utf8(name.to_vec()).unwrap());
                at += length;
            }
        }
    }

    /// Does `event` when the program next sleeps.
    fn when_asleep(&self, event: impl FnOnce() + Send + 'static) {
        self.carrier.events.lock().push(Box::new(event));
    }

    fn file(&self, fd: u64) -> Arc<OpenFile> {
        self.task.process.fd_table().lock().get(fd as u32).unwrap().clone()
    }
}
