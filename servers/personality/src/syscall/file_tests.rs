//! Tests of the file calls as a program makes them: numbers and addresses in, errno out.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl as requests;

use super::{Ctx, Handler, attributes, dir, fd, file, lock, path, pipe, poll, stat};
use crate::errno::Errno;
use crate::frames::fake::FakeFrames;
use crate::guest_memory::{FakeMemory, GuestMemory};
use crate::machine::{Carrier, Machine, NoMemory, Translation};
use crate::mm::AddressSpace;
use crate::mm::fake::FakeTranslation;
use crate::mm::layout::Layout;
use crate::random::Random;
use crate::signal::{Signal, TaskSignals};
use crate::system::{Hardware, Parts, System};
use crate::task::{NewProcess, Task};
use crate::time::{Clock, SECOND};
use crate::vfs::abi::{O_DIRECTORY, O_NOFOLLOW, O_TMPFILE, read_half, read_long, read_word};
use crate::vfs::tests::{FakeSource, means};
use crate::vfs::tree::Vfs;
use crate::vfs::tty::FakeConsole;
use crate::vfs::{FdTable, FsContext, OnExec, OpenFile};
use crate::wait::{Deadline, Parker, Woken};

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

#[test]
fn a_file_is_made_written_and_read() {
    let p = program();
    let fd = p.create("/tmp/file");
    assert_eq!(fd, 3);
    assert_eq!(p.write(fd, "hello"), Ok(5));
    assert_eq!(p.seek(fd, 1, linux::SEEK_SET), Ok(1));
    assert_eq!(p.read(fd, 100).as_deref(), Ok("ello"));
    assert_eq!(p.read(fd, 100).as_deref(), Ok(""));
    assert_eq!(p.seek(fd, -2, linux::SEEK_END), Ok(3));
    assert_eq!(p.seek(fd, -9, linux::SEEK_CUR), Err(Errno::EINVAL));
    assert_eq!(p.mode("/tmp/file"), Ok(0o100_644));
    let appending = p.open("/tmp/file", linux::O_WRONLY | linux::O_APPEND).unwrap();
    assert_eq!(p.write(appending, "!"), Ok(1));
    assert_eq!(p.read(appending, 1), Err(Errno::EBADF));
    assert_eq!(p.call(file::pread64, &[fd, RESULTS, 9, 4]), Ok(2));
    assert_eq!(p.result(2), "o!");
    p.open("/tmp/file", linux::O_WRONLY | linux::O_TRUNC).unwrap();
    assert_eq!(p.seek(fd, 0, linux::SEEK_END), Ok(0));
}

#[test]
fn opening_gives_linux_errors() {
    let p = program();
    p.create("/tmp/file");
    p.two(path::linkat, "/tmp/file", "/tmp/link", 0).unwrap();
    let target = p.string(ARGUMENTS, "file");
    let name = p.string(ARGUMENTS + 0x2000, "/tmp/symlink");
    p.call(path::symlinkat, &[target, AT_FDCWD, name]).unwrap();
    for (path, flags, error) in [
        ("/tmp/none", 0, Errno::ENOENT),
        ("/none/none", linux::O_CREAT, Errno::ENOENT),
        ("/tmp/file", linux::O_CREAT | linux::O_EXCL, Errno::EEXIST),
        ("/tmp/symlink", linux::O_CREAT | linux::O_EXCL, Errno::EEXIST),
        ("/tmp/symlink", O_NOFOLLOW, Errno::ELOOP),
        ("/tmp/file", O_DIRECTORY, Errno::ENOTDIR),
        ("/tmp/file/", 0, Errno::ENOTDIR),
        ("/tmp/new/", linux::O_CREAT, Errno::EISDIR),
        ("/tmp", linux::O_WRONLY, Errno::EISDIR),
        ("/tmp", linux::O_CREAT, Errno::EISDIR),
        ("/proc/none", linux::O_CREAT, Errno::EACCES),
        ("", 0, Errno::ENOENT),
    ] {
        assert_eq!(p.open(path, flags), Err(error), "{path} {flags:o}");
    }
    assert_eq!(p.call(path::openat, &[99, p.string(ARGUMENTS, "x"), 0]), Err(Errno::EBADF));
    assert_eq!(p.call(path::openat, &[AT_FDCWD, 8, 0]), Err(Errno::EFAULT));
    let only_path = p.open("/tmp/symlink", linux::O_PATH | O_NOFOLLOW).unwrap();
    assert_eq!(p.read(only_path, 1), Err(Errno::EBADF));
    assert_eq!(
        p.call(fd::ioctl, &[only_path, u64::from(requests::TCGETS), RESULTS]),
        Err(Errno::EBADF)
    );
    let empty = p.string(ARGUMENTS, "");
    assert_eq!(p.call(path::readlinkat, &[only_path, empty, RESULTS, 99]), Ok(4));
    assert_eq!(p.result(4), "file");
}

#[test]
fn bad_addresses_give_what_was_done_before_them() {
    let p = program();
    let fd = p.create("/tmp/file");
    p.write(fd, &"x".repeat(10_000)).unwrap();
    assert_eq!(p.call(file::write, &[fd, 16, 1]), Err(Errno::EFAULT));
    let end = BASE + SIZE as u64;
    p.seek(fd, 0, linux::SEEK_SET).unwrap();
    // Whole pages fit before the end of memory, the next does not.
    assert_eq!(p.call(file::read, &[fd, end - 5000, 10_000]), Ok(4096));
    assert_eq!(p.call(file::read, &[fd, end - 100, 10_000]), Err(Errno::EFAULT));
    assert_eq!(p.seek(fd, 0, linux::SEEK_CUR), Ok(4096));
}

#[test]
fn vectors_are_one_transfer() {
    let p = program();
    let fd = p.create("/tmp/file");
    for (index, (address, length)) in
        [(RESULTS, 3u64), (RESULTS + 3, 0), (RESULTS + 8, 4)].into_iter().enumerate()
    {
        p.memory.write_u64(ARGUMENTS + index as u64 * 16, address).unwrap();
        p.memory.write_u64(ARGUMENTS + index as u64 * 16 + 8, length).unwrap();
    }
    p.memory.write(RESULTS, b"abc-----defg").unwrap();
    assert_eq!(p.call(file::writev, &[fd, ARGUMENTS, 3]), Ok(7));
    assert_eq!(p.call(file::pread64, &[fd, RESULTS + 100, 20, 0]), Ok(7));
    p.memory.write(RESULTS, &[b'-'; 12]).unwrap();
    assert_eq!(p.call(file::preadv, &[fd, ARGUMENTS, 3, 1]), Ok(6));
    assert_eq!(p.result(12), "bcd-----efg-");
    assert_eq!(p.call(file::readv, &[fd, ARGUMENTS, 1025]), Err(Errno::EINVAL));
}

#[test]
fn names_are_made_moved_and_removed() {
    let p = program();
    assert_eq!(p.at(path::mkdirat, "/tmp/d", &[0o777]), Ok(0));
    assert_eq!(p.at(path::mkdirat, "/tmp/d/", &[0o777]), Err(Errno::EEXIST));
    assert_eq!(p.at(path::mkdirat, "/tmp/e/", &[0o777]), Ok(0));
    assert_eq!(p.mode("/tmp/d"), Ok(0o040_755));
    p.create("/tmp/d/one");
    p.create("/tmp/d/two");
    assert_eq!(p.names("/tmp/d"), [".", "..", "one", "two"]);
    assert_eq!(p.two(path::renameat, "/tmp/d/one", "/tmp/three", 0), Ok(0));
    let keep = linux::RENAME_NOREPLACE;
    assert_eq!(p.two(path::renameat2, "/tmp/three", "/tmp/d/two", keep), Err(Errno::EEXIST));
    assert_eq!(p.two(path::renameat2, "/tmp/d", "/root/d", 0), Err(Errno::EXDEV));
    assert_eq!(p.two(path::renameat2, "/tmp", "/other", 0), Err(Errno::EBUSY));
    assert_eq!(p.two(path::renameat2, "/tmp/three/", "/tmp/x", 0), Err(Errno::ENOTDIR));
    let remove = u64::from(linux::AT_REMOVEDIR);
    for (path, flags, expected) in [
        ("/tmp/d", 0, Err(Errno::EISDIR)),
        ("/tmp/d", remove, Err(Errno::ENOTEMPTY)),
        ("/tmp/d/.", remove, Err(Errno::EINVAL)),
        ("/tmp/d/..", remove, Err(Errno::ENOTEMPTY)),
        ("/", remove, Err(Errno::EBUSY)),
        ("/tmp", remove, Err(Errno::EBUSY)),
        ("/tmp/three", remove, Err(Errno::ENOTDIR)),
        ("/tmp/three/", 0, Err(Errno::ENOTDIR)),
        ("/tmp/d/two", 0, Ok(0)),
        ("/tmp/d/two", 0, Err(Errno::ENOENT)),
        ("/tmp/d", remove, Ok(0)),
        ("/proc/meminfo", 0, Err(Errno::EPERM)),
    ] {
        assert_eq!(p.at(path::unlinkat, path, &[flags]), expected, "{path}");
    }
    assert_eq!(p.names("/tmp"), [".", "..", "e", "three"]);
}

#[test]
fn the_working_directory_follows_its_directory() {
    let p = program();
    p.at(path::mkdirat, "/tmp/d", &[0o777]).unwrap();
    let enter = p.string(ARGUMENTS, "/tmp/d");
    p.call(dir::chdir, &[enter]).unwrap();
    p.create("file");
    p.two(path::renameat, "/tmp/d", "/tmp/moved", 0).unwrap();
    assert_eq!(p.call(dir::getcwd, &[RESULTS, 100]), Ok(11));
    assert_eq!(p.result(10), "/tmp/moved");
    assert_eq!(p.call(dir::getcwd, &[RESULTS, 10]), Err(Errno::ERANGE));
    assert_eq!(p.mode("file"), Ok(0o100_644));
    p.at(path::unlinkat, "/tmp/moved/file", &[0]).unwrap();
    p.at(path::unlinkat, "/tmp/moved", &[u64::from(linux::AT_REMOVEDIR)]).unwrap();
    assert_eq!(p.call(dir::getcwd, &[RESULTS, 100]), Err(Errno::ENOENT));
    assert_eq!(p.open("new", linux::O_CREAT), Err(Errno::ENOENT));
}

#[test]
fn descriptors_are_duplicated_and_closed() {
    let p = program();
    let fd = p.create("/tmp/file");
    assert_eq!(p.call(fd::dup, &[fd]), Ok(4));
    assert_eq!(p.call(fd::dup3, &[fd, 9, u64::from(linux::O_CLOEXEC)]), Ok(9));
    assert_eq!(p.call(fd::dup3, &[fd, fd, 0]), Err(Errno::EINVAL));
    assert_eq!(p.call(fd::dup3, &[50, 9, 0]), Err(Errno::EBADF));
    let fcntl = |fd, command, argument| p.call(fd::fcntl, &[fd, u64::from(command), argument]);
    assert_eq!(fcntl(9, linux::F_GETFD, 0), Ok(1));
    assert_eq!(fcntl(4, linux::F_GETFD, 0), Ok(0));
    assert_eq!(fcntl(fd, linux::F_DUPFD, 6), Ok(6));
    assert_eq!(fcntl(fd, linux::F_DUPFD, 1 << 30), Err(Errno::EINVAL));
    assert_eq!(fcntl(fd, linux::F_GETFL, 0), Ok(0o400_002));
    fcntl(fd, linux::F_SETFL, u64::from(linux::O_APPEND | linux::O_WRONLY)).unwrap();
    assert_eq!(fcntl(4, linux::F_GETFL, 0), Ok(0o402_002));
    assert_eq!(fcntl(99, linux::F_GETFD, 0), Err(Errno::EBADF));
    assert_eq!(p.call(fd::close_range, &[4, u64::from(u32::MAX), 0]), Ok(0));
    assert_eq!(p.call(fd::close, &[6]), Err(Errno::EBADF));
    assert_eq!(p.call(fd::close, &[fd]), Ok(0));
    assert_eq!(p.open("/dev/null", 0), Ok(3));
}

#[test]
fn a_pipe_blocks_until_the_other_end_acts() {
    let p = program();
    let [input, output] = p.pipe();
    let writer = p.file(output);
    p.when_asleep(move || assert_eq!(writer.write(&mut &b"late"[..]), Ok(4)));
    assert_eq!(p.read(input, 10).as_deref(), Ok("late"));
    // A large write goes on as the reader takes.
    let reader = p.file(input);
    for _ in 0..3 {
        let reader = reader.clone();
        p.when_asleep(move || {
            let mut sink = crate::vfs::transfer::Collected { bytes: Vec::new(), limit: 60_000 };
            reader.read(&mut sink).unwrap();
        });
    }
    assert_eq!(p.call(file::write, &[output, BASE, 200_000]), Ok(200_000));
    drop(reader);
    assert_eq!(p.seek(input, 0, linux::SEEK_CUR), Err(Errno::ESPIPE));
    p.call(fd::close, &[input]).unwrap();
    assert_eq!(p.write(output, "x"), Err(Errno::EPIPE));
    assert!(p.task.signals.lock().pending.set().contains(Signal::SIGPIPE));
}

#[test]
fn a_signal_ends_a_wait() {
    let p = program();
    let [input, _output] = p.pipe();
    let task = p.task.clone();
    p.when_asleep(move || {
        let info = crate::signal::SigInfo::kernel(Signal::SIGTERM);
        crate::signal::send::to_task(&task, info);
    });
    assert_eq!(p.read(input, 1), Err(Errno::EINTR));
}

#[test]
fn a_fifo_opens_when_both_ends_are_there() {
    let p = program();
    p.at(path::mknodat, "/tmp/fifo", &[u64::from(linux::S_IFIFO | 0o644)]).unwrap();
    let nonblocking = linux::O_NONBLOCK;
    assert_eq!(p.open("/tmp/fifo", linux::O_WRONLY | nonblocking), Err(Errno::ENXIO));
    let input = p.open("/tmp/fifo", nonblocking).unwrap();
    assert_eq!(p.read(input, 1).as_deref(), Ok(""));
    let output = p.open("/tmp/fifo", linux::O_WRONLY).unwrap();
    assert_eq!(p.write(output, "abc"), Ok(3));
    assert_eq!(p.read(input, 9).as_deref(), Ok("abc"));
    assert_eq!(p.read(input, 9), Err(Errno::EAGAIN));
}

#[test]
fn polling_tells_what_is_ready_and_when_time_is_up() {
    let p = program();
    let [input, output] = p.pipe();
    let entry = |at: u64, fd: i32, events: u32| {
        p.memory.write_u32(ARGUMENTS + at * 8, fd as u32).unwrap();
        p.memory.write_u32(ARGUMENTS + at * 8 + 4, events | 0xffff_0000).unwrap();
    };
    entry(0, input as i32, linux::POLLIN);
    entry(1, output as i32, linux::POLLOUT);
    entry(2, -1, linux::POLLIN);
    entry(3, 77, linux::POLLIN);
    let told = || {
        let bytes = p.memory.read_bytes(ARGUMENTS, 32).unwrap();
        [6, 14, 22, 30].map(|at| u32::from(read_half(&bytes, at)))
    };
    assert_eq!(p.call(poll::ppoll, &[ARGUMENTS, 4, 0, 0, 0]), Ok(2));
    assert_eq!(told(), [0, linux::POLLOUT, 0, linux::POLLNVAL]);
    p.memory.write_u64(RESULTS, 0).unwrap();
    p.memory.write_u64(RESULTS + 8, 5_000_000).unwrap();
    assert_eq!(p.call(poll::ppoll, &[ARGUMENTS, 1, RESULTS, 0, 0]), Ok(0));
    assert!(p.task.process.system.monotonic() >= 5_000_000);
    assert_eq!(p.memory.read_u64(RESULTS + 8), Ok(0));
    let writer = p.file(output);
    p.when_asleep(move || assert_eq!(writer.write(&mut &b"x"[..]), Ok(1)));
    assert_eq!(p.call(poll::ppoll, &[ARGUMENTS, 1, 0, 0, 0]), Ok(1));
    assert_eq!(told()[0], linux::POLLIN);
}

#[test]
fn select_marks_ready_descriptors() {
    let p = program();
    let [input, output] = p.pipe();
    p.memory.write_u64(ARGUMENTS, 1 << input | 1 << output).unwrap();
    p.memory.write_u64(ARGUMENTS + 8, 1 << output).unwrap();
    let select = |count| p.call(poll::pselect6, &[count, ARGUMENTS, ARGUMENTS + 8, 0, 0, 0]);
    assert_eq!(select(output + 1), Ok(1));
    assert_eq!(p.memory.read_u64(ARGUMENTS), Ok(0));
    assert_eq!(p.memory.read_u64(ARGUMENTS + 8), Ok(1 << output));
    p.memory.write_u64(ARGUMENTS, 1 << 40).unwrap();
    assert_eq!(select(64), Err(Errno::EBADF));
}

#[test]
fn epoll_tells_the_programs_own_word() {
    let p = program();
    let [input, output] = p.pipe();
    let set = p.call(poll::epoll_create1, &[0]).unwrap();
    p.memory.write_u32(ARGUMENTS, linux::EPOLLIN).unwrap();
    p.memory.write_u64(ARGUMENTS + 8, 0x1234_5678_9abc).unwrap();
    let add = u64::from(linux::EPOLL_CTL_ADD);
    assert_eq!(p.call(poll::epoll_ctl, &[set, add, input, ARGUMENTS]), Ok(0));
    assert_eq!(p.call(poll::epoll_ctl, &[set, add, set, ARGUMENTS]), Err(Errno::EINVAL));
    let regular = p.create("/tmp/file");
    p.memory.write_u32(ARGUMENTS, linux::EPOLLIN).unwrap();
    assert_eq!(p.call(poll::epoll_ctl, &[set, add, regular, ARGUMENTS]), Err(Errno::EPERM));
    assert_eq!(p.call(poll::epoll_pwait, &[set, RESULTS, 4, 10, 0, 8]), Ok(0));
    let writer = p.file(output);
    p.when_asleep(move || assert_eq!(writer.write(&mut &b"x"[..]), Ok(1)));
    assert_eq!(p.call(poll::epoll_pwait, &[set, RESULTS, 4, u64::MAX, 0, 8]), Ok(1));
    let event = p.memory.read_bytes(RESULTS, 16).unwrap();
    assert_eq!((read_word(&event, 0), read_long(&event, 8)), (linux::EPOLLIN, 0x1234_5678_9abc));
}

#[test]
fn links_of_proc_lead_to_open_files() {
    let p = program();
    let fd = p.create("/tmp/file");
    // Descriptors of process 1 are what the tree's source shows, which this test does not feed.
    assert_eq!(p.open("/proc/self/fd/3", 0), Err(Errno::ENOENT));
    assert_eq!(p.file(fd).path(&p.task.process.system.vfs.root()), b"/tmp/file");
    p.at(path::unlinkat, "/tmp/file", &[0]).unwrap();
    assert_eq!(p.file(fd).path(&p.task.process.system.vfs.root()), b"/tmp/file (deleted)");
    let nameless = p.open("/tmp", O_TMPFILE | linux::O_RDWR).unwrap();
    assert_eq!(p.write(nameless, "x"), Ok(1));
    let empty = p.string(ARGUMENTS, "");
    let name = p.string(ARGUMENTS + 0x2000, "/tmp/named");
    let flags = u64::from(linux::AT_EMPTY_PATH);
    assert_eq!(p.call(path::linkat, &[nameless, empty, AT_FDCWD, name, flags]), Ok(0));
    assert_eq!(p.mode("/tmp/named"), Ok(0o100_644));
}

#[test]
fn bytes_are_copied_between_files() {
    let p = program();
    let (from, to) = (p.create("/tmp/from"), p.create("/tmp/to"));
    p.call(file::write, &[from, BASE, 150_000]).unwrap();
    p.seek(from, 0, linux::SEEK_SET).unwrap();
    assert_eq!(p.call(file::sendfile, &[to, from, 0, 100_000]), Ok(100_000));
    assert_eq!(p.call(file::copy_file_range, &[from, 0, to, 0, 1 << 40, 0]), Ok(50_000));
    assert_eq!(p.seek(to, 0, linux::SEEK_CUR), Ok(150_000));
    p.memory.write_u64(ARGUMENTS, 10).unwrap();
    assert_eq!(p.call(file::sendfile, &[to, from, ARGUMENTS, 5]), Ok(5));
    assert_eq!(p.memory.read_u64(ARGUMENTS), Ok(15));
    let [_input, output] = p.pipe();
    assert_eq!(p.call(file::sendfile, &[output, from, ARGUMENTS, 5]), Ok(5));
    assert_eq!(p.call(file::sendfile, &[to, output, 0, 5]), Err(Errno::EBADF));
}

#[test]
fn locks_keep_other_open_files_out() {
    let p = program();
    let (one, other) = (p.create("/tmp/file"), p.create("/tmp/file"));
    let exclusive = u64::from(linux::LOCK_EX | linux::LOCK_NB);
    assert_eq!(p.call(lock::flock, &[one, exclusive]), Ok(0));
    assert_eq!(p.call(lock::flock, &[other, exclusive]), Err(Errno::EAGAIN));
    p.call(fd::close, &[one]).unwrap();
    assert_eq!(p.call(lock::flock, &[other, exclusive]), Ok(0));
}

#[test]
fn attributes_change_and_are_told() {
    let p = program();
    let fd = p.create("/tmp/file");
    assert_eq!(p.at(attributes::fchmodat, "/tmp/file", &[0o4755]), Ok(0));
    assert_eq!(p.at(attributes::fchownat, "/tmp/file", &[5, u64::from(u32::MAX), 0]), Ok(0));
    assert_eq!(p.mode("/tmp/file"), Ok(0o100_755));
    assert_eq!(p.memory.read_u32(RESULTS + 24), Ok(5));
    for (at, value) in [(0, 77), (8, 5), (16, 0), (24, u64::from(linux::UTIME_OMIT))] {
        p.memory.write_u64(RESULTS + at, value).unwrap();
    }
    assert_eq!(p.at(attributes::utimensat, "/tmp/file", &[RESULTS, 0]), Ok(0));
    p.call(stat::fstat, &[fd, RESULTS]).unwrap();
    assert_eq!((p.memory.read_u64(RESULTS + 72), p.memory.read_u64(RESULTS + 80)), (Ok(77), Ok(5)));
    assert_eq!(p.call(file::ftruncate, &[fd, 5000]), Ok(0));
    assert_eq!(p.call(file::fallocate, &[fd, 0, 4096, 8192]), Ok(0));
    let empty = p.string(ARGUMENTS, "");
    let flags = u64::from(linux::AT_EMPTY_PATH);
    assert_eq!(p.call(stat::statx, &[fd, empty, flags, 0x7ff, RESULTS]), Ok(0));
    assert_eq!(p.memory.read_u64(RESULTS + 0x28), Ok(4096 + 8192));
    assert_eq!(p.at(stat::faccessat, "/tmp/file", &[1]), Ok(0));
    assert_eq!(p.at(stat::faccessat, "/tmp/none", &[0]), Err(Errno::ENOENT));
    let (path, name) = (p.string(ARGUMENTS, "/tmp/file"), p.string(ARGUMENTS + 99, "user.x"));
    assert_eq!(p.call(attributes::getxattr, &[path, name]), Err(Errno::EOPNOTSUPP));
}

#[test]
fn the_console_is_a_terminal() {
    let p = program();
    let ioctl = |request: u32| p.call(fd::ioctl, &[0, u64::from(request), RESULTS]);
    assert_eq!(ioctl(requests::TIOCGWINSZ), Ok(0));
    assert_eq!(p.memory.read_u32(RESULTS), Ok(80 << 16 | 24));
    // The first process leads its session: opening the console made it the terminal.
    assert_eq!(ioctl(requests::TIOCGPGRP), Ok(0));
    assert_eq!(p.memory.read_u32(RESULTS), Ok(1));
    assert_eq!(ioctl(requests::TCGETS), Ok(0));
    p.memory.write_u32(RESULTS + 12, linux::ICANON).unwrap();
    assert_eq!(ioctl(requests::TCSETSW), Ok(0));
    assert_eq!(p.console.modes.lock().local, linux::ICANON);
    assert_eq!(p.write(1, "a long line for the console\n"), Ok(28));
    assert_eq!(&*p.console.output.lock(), b"a long line for the console\n");
    p.console.input.lock().extend_from_slice(b"typed\n");
    assert_eq!(p.read(0, 100).as_deref(), Ok("typed\n"));
    let regular = p.create("/tmp/file");
    let request = u64::from(requests::TCGETS);
    assert_eq!(p.call(fd::ioctl, &[regular, request, RESULTS]), Err(Errno::ENOTTY));
    // In the background, without a parent to let it go on: no stopping, an error.
    p.task.process.group.store(2, Ordering::Relaxed);
    assert_eq!(p.read(0, 1), Err(Errno::EIO));
}

#[test]
fn a_timed_read_of_the_terminal_ends() {
    let p = program();
    let request = |request: u32| p.call(fd::ioctl, &[0, u64::from(request), RESULTS]);
    request(requests::TCGETS).unwrap();
    p.memory.write_u32(RESULTS + 12, 0).unwrap();
    p.memory.write(RESULTS + 17 + u64::from(linux::VTIME), &[3]).unwrap();
    request(requests::TCSETS).unwrap();
    assert_eq!(p.read(0, 5).as_deref(), Ok(""));
    assert!(p.task.process.system.monotonic() >= 3 * SECOND / 10);
}

#[test]
fn a_process_without_descriptors_left_gets_emfile() {
    let p = program();
    let table = p.task.process.fd_table();
    let file = p.file(0);
    while table.lock().insert(file.clone(), 0, 1024, OnExec::Keep).is_ok() {}
    assert_eq!(p.open("/dev/null", 0), Err(Errno::EMFILE));
    p.call(fd::close, &[500]).unwrap();
    assert_eq!(p.call(pipe::pipe2, &[RESULTS, 0]), Err(Errno::EMFILE));
    assert_eq!(p.open("/dev/null", 0), Ok(500));
}
