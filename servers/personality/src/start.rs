//! From the server's start to the first process, and what the first thread does then.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use ipc_proto::abi::layout::{NO_DEADLINE, PAGE_BYTES};
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::word::Rights;
use ipc_proto::capability::{Cap, Kind as CapKind, kind};
use ipc_proto::start::{Region, StartInfo};
use ipc_proto::system::PersonalityStart;
use ipc_proto::{console, supervisor};
use libosv::cap::memory;
use libosv::ipc::Endpoint;
use libosv::syscall;
use libosv::thread::Stacks;
use linux_raw_sys::general as linux;

use crate::errno::Errno;
use crate::frames::Frames;
use crate::kernel::console::ConsoleServer;
use crate::kernel::{Native, Resources};
use crate::machine::{Machine, attachment};
use crate::mm::AddressSpace;
use crate::mm::layout::Layout;
use crate::process_source::Processes;
use crate::random::Random;
use crate::regions;
use crate::run::blank_record;
use crate::signal::{ProcessSignals, TaskSignals};
use crate::sync::Mutex;
use crate::system::{Hardware, Parts, System};
use crate::task::credentials::Credentials;
use crate::task::limits::Limits;
use crate::task::tree::FIRST;
use crate::task::{NewProcess, Program, Task, exec};
use crate::time::{Clock, SECOND};
use crate::vfs::bootfs::BootArchive;
use crate::vfs::device::Devices;
use crate::vfs::environment::Environment;
use crate::vfs::sysfs;
use crate::vfs::tmpfs::Means;
use crate::vfs::tree::Vfs;
use crate::vfs::tty::Tty;
use crate::vfs::vnode::Timestamp;
use crate::vfs::{Caller, FdTable, FsContext, Kind, OnExec, OpenFile};

/// Bytes of a carrier's stack.
const STACK_BYTES: u64 = 40 << 10;
/// Most carriers, and so threads of programs.
const MOST_CARRIERS: u64 = 1024;
/// The part of the pool that stacks may take: one in so many.
const STACK_SHARE: u64 = 8;
/// Priority of carriers; that of the personality in its system description.
const PRIORITY: u8 = 100;
/// Where programs without a slash in their name are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/tools";
/// What is run when nothing else is asked for: the first of these that exists.
const DEFAULT_PROGRAMS: [&str; 2] = ["/bin/sh", "/tools/hello"];

/// Why the personality cannot start.
enum StartError {
    /// Root did not give something.
    Missing(&'static str),
    /// The kernel refused something.
    Refused(&'static str),
    /// A file or directory is not as it should be.
    File(String, Errno),
    /// There is no program to run.
    NoProgram,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Missing(what) => write!(f, "root gave no {what}"),
            StartError::Refused(what) => write!(f, "the kernel refused {what}"),
            StartError::File(path, Errno::ENOENT) => write!(f, "{path}: no such file or directory"),
            StartError::File(path, errno) => write!(f, "{path}: {errno}"),
            StartError::NoProgram => f.write_str("no program given, and no /bin/sh to run"),
        }
    }
}

impl StartError {
    /// The status the system ends with.
    fn status(&self) -> i32 {
        match self {
            StartError::File(_, Errno::ENOENT) | StartError::NoProgram => 127,
            _ => 126,
        }
    }
}

/// The program: starts the first process, then passes on what the console tells.
pub fn program(start: &'static StartInfo<'static>) {
    if let Err(error) = begin(start) {
        libosv::error!("{error}");
        if let Some(endpoint) = start.capability("supervisor") {
            // If root does not listen there is nobody left to tell.
            let _ = supervisor::Client(Endpoint::new(endpoint)).exit(error.status());
        }
    }
}

fn begin(start: &'static StartInfo<'static>) -> Result<(), StartError> {
    let config: PersonalityStart<'_> =
        start.config().map_err(|_| StartError::Missing("configuration"))?;
    if config.is_verbose {
        libosv::log::set_level(libosv::log::Level::Debug);
    }
    let system = assemble(start, &config)?;
    let root = supervisor::Client(Endpoint::new(need::<kind::Endpoint>(start, "supervisor")?));
    let stage = |name| {
        // Only the timeline misses it.
        let _ = root.stage(ipc_proto::data::Text::prefix(name));
    };
    stage("personality ready");
    start_first(&system, &config)?;
    stage("first process started");
    serve(start, &system)
}

fn need<K: CapKind>(start: &StartInfo<'_>, name: &'static str) -> Result<Cap<K>, StartError> {
    start.capability(name).ok_or(StartError::Missing(name))
}

fn assemble(
    start: &'static StartInfo<'static>,
    config: &PersonalityStart<'_>,
) -> Result<Arc<System>, StartError> {
    let machine = make_machine(start, config)?;
    let frames: Arc<dyn Frames> = machine.1;
    let machine: Arc<dyn Machine> = machine.0;
    let epoch = start.region("rtc.registers").map_or(0, regions::read_clock);
    let hz = start.platform.counter_hz;
    let ticks_since_boot = libosv::time::now() / hz.max(1);
    let clock = Arc::new(Clock::new(hz, epoch.saturating_sub(ticks_since_boot)));
    let random = Arc::new(Random::new(start.seed));
    let world = World { machine: machine.clone(), clock: clock.clone(), random: random.clone() };
    let environment: Arc<dyn Environment> = Arc::new(world);
    let console = need::<kind::Endpoint>(start, "console")?;
    let console = ConsoleServer(console::Client(Endpoint::new(console)));
    let tty = Arc::new(Tty::new(Arc::new(console)));
    let devices = Arc::new(Devices::new(environment.clone(), tty.clone()));
    let means = Means { frames: frames.clone(), environment, devices };
    let processes = Arc::new(Processes::new(start.arguments));
    let cores = start.platform.cores;
    let (vfs, damaged) =
        Vfs::new(means, &archives(start), processes.clone(), sysfs::Machine { cpus: cores })
            .map_err(|errno| StartError::File("/".into(), errno))?;
    damaged.iter().for_each(|error| libosv::warn!("a boot archive: {error:?}"));
    let hardware = Hardware { hwcap: start.platform.hwcap, hwcap2: start.platform.hwcap2, cores };
    let parts = Parts { machine, frames, clock, random, hardware, vfs, tty: Some(tty) };
    let system = Arc::new(System::new(parts));
    processes.connect(&system);
    Ok(system)
}

/// The boot archives, the later ones over the earlier.
fn archives(start: &StartInfo<'_>) -> Vec<BootArchive> {
    let regions = [("bootfs", attachment::BOOTFS), ("initrd", attachment::INITRD)];
    let archive = |(name, attachment)| {
        let region = start.region(name)?;
        Some(BootArchive { bytes: regions::archive(region), attachment, offset: 0 })
    };
    regions.into_iter().filter_map(archive).collect()
}

/// Makes the kernel's side: frames, places for carriers, what guests map from.
fn make_machine(
    start: &'static StartInfo<'static>,
    config: &PersonalityStart<'_>,
) -> Result<(Arc<Native>, Arc<crate::frames::pool::Pool>), StartError> {
    let region = |name| start.region(name).ok_or(StartError::Missing(name));
    let pool_region = region("pool")?;
    let memory = |region: &Region<'_>| Cap::<kind::Memory>::new(region.memory);
    let place_bytes = STACK_BYTES + PAGE_BYTES;
    let share = (pool_region.bytes / STACK_SHARE / place_bytes).clamp(1, MOST_CARRIERS);
    let stack_bytes = share * place_bytes;
    let pool_bytes = pool_region.bytes.saturating_sub(stack_bytes);
    let read_write = Rights::READ.union(Rights::WRITE);
    let stack_memory = memory::derive(memory(pool_region), pool_bytes, stack_bytes, read_write)
        .map_err(|_| StartError::Refused("memory for stacks"))?;
    let vspace = need::<kind::VSpace>(start, "self.vspace")?;
    let untyped = need::<kind::Untyped>(start, "untyped")?;
    let index = u64::from(start.free_attachments.first);
    syscall::kernel()
        .vspace_attach(vspace.slot(), index, stack_memory.slot())
        .map_err(|_| StartError::Refused("an attachment for stacks"))?;
    let stacks = Stacks::new(
        vspace,
        untyped,
        (stack_memory, stack_bytes),
        index,
        start.free_window,
        STACK_BYTES,
    );
    let mut attachments = alloc::vec![
        (attachment::POOL, memory(pool_region)),
        (attachment::BOOTFS, memory(region("bootfs")?)),
    ];
    attachments.extend(start.region("initrd").map(|initrd| (attachment::INITRD, memory(initrd))));
    let pool = Arc::new(regions::pool(pool_region, pool_bytes));
    let resources = Resources {
        untyped,
        vspace,
        attachments,
        pool_memory: memory(pool_region),
        pool: pool.clone(),
        view: config.config.view,
        supervisor: need(start, "supervisor")?,
        service: need(start, "notification")?,
        priority: PRIORITY,
    };
    Ok((Arc::new(Native::new(resources, stacks)), pool))
}

/// Time and randomness for files.
struct World {
    machine: Arc<dyn Machine>,
    clock: Arc<Clock>,
    random: Arc<Random>,
}

impl Environment for World {
    fn now(&self) -> Timestamp {
        let now = self.clock.realtime(self.machine.now());
        Timestamp { seconds: (now / SECOND) as i64, nanoseconds: (now % SECOND) as u32 }
    }
    fn fill_random(&self, into: &mut [u8]) {
        self.random.fill(into);
    }
}

/// Makes process 1 and lets it begin with the program asked for.
fn start_first(system: &Arc<System>, config: &PersonalityStart<'_>) -> Result<(), StartError> {
    let mut fs = FsContext::new(system.vfs.root());
    if !config.directory.is_empty() {
        let refuse = |errno| StartError::File(config.directory.into(), errno);
        let found = system.vfs.find(config.directory.as_bytes(), &Caller::default());
        let place = found.map_err(refuse)?.place;
        if place.vnode.kind() != Kind::Directory {
            return Err(refuse(Errno::ENOTDIR));
        }
        fs.cwd = place;
    }
    let request = first_request(system, config)?;
    let limits = Limits::default();
    let layout = Layout::random(system.random.words(), limits.stack_bytes());
    let refused = StartError::Refused("an address space");
    let translation = system.machine.make_space().map_err(|_| refused)?;
    let frames = system.frames.clone();
    let space = AddressSpace::new(translation, frames, layout, limits.stack_bytes());
    let carrier = system.machine.make_carrier().map_err(|_| StartError::Refused("a thread"))?;
    let pid = system.with_tree(|tree| tree.next_pid()).unwrap_or(FIRST);
    let process = NewProcess {
        system: system.clone(),
        pid,
        family: [0, pid, pid],
        files: Arc::new(Mutex::new(standard_files(system)?)),
        fs: Arc::new(Mutex::new(fs)),
        credentials: Credentials::default(),
        limits,
        signals: ProcessSignals::default(),
        program: Program::default(),
        vdso: 0,
        space: Arc::new(space),
    };
    if let Some(tty) = &system.tty {
        tty.attach(pid, pid);
    }
    let task = Task::new(process.build(), pid, String::new(), TaskSignals::default(), carrier);
    let task = Arc::new(task);
    *task.initial.lock() = Some(request);
    system.with_tree(|tree| tree.insert_process(&task));
    task.carrier().start(task.clone(), &blank_record());
    Ok(())
}

/// Opens the console as descriptors 0, 1 and 2.
fn standard_files(system: &System) -> Result<FdTable, StartError> {
    const CONSOLE: &str = "/dev/console";
    let refuse = |errno| StartError::File(CONSOLE.into(), errno);
    let caller = Caller { pid: FIRST, tid: FIRST, ..Caller::default() };
    let located = system.vfs.find(CONSOLE.as_bytes(), &caller).map_err(refuse)?;
    let device = located.place.vnode.open(&caller).map_err(refuse)?;
    let file = OpenFile::new(located, device, linux::O_RDWR);
    let mut files = FdTable::default();
    for _ in 0..3 {
        files.insert(file.clone(), 0, 3, OnExec::Keep).map_err(refuse)?;
    }
    Ok(files)
}

/// What to run: the program found, its arguments, the environment.
fn first_request(
    system: &System,
    config: &PersonalityStart<'_>,
) -> Result<exec::Request, StartError> {
    let environment = environment(config.environment);
    let mut arguments = words(config.arguments);
    let exists = |path: &str| system.vfs.find(path.as_bytes(), &Caller::default()).is_ok();
    let name = match arguments.pop_front() {
        Some(name) => name,
        None => {
            DEFAULT_PROGRAMS.into_iter().find(|path| exists(path)).ok_or(StartError::NoProgram)?
        }
    };
    let path = if name.contains('/') {
        String::from(name)
    } else {
        let search = environment.iter().find_map(|text| text.strip_prefix("PATH="));
        search
            .unwrap_or(PATH)
            .split(':')
            .map(|directory| alloc::format!("{directory}/{name}"))
            .find(|path| exists(path))
            .ok_or_else(|| StartError::File(name.into(), Errno::ENOENT))?
    };
    arguments.push_front(name);
    Ok(exec::Request {
        path: path.into_bytes(),
        arguments: arguments.into_iter().map(|text| text.as_bytes().to_vec()).collect(),
        environment: environment.into_iter().map(String::into_bytes).collect(),
    })
}

/// The words of a text in which each is ended by a NUL byte; any of them may be empty.
fn words(text: &str) -> VecDeque<&str> {
    text.split_terminator('\0').collect()
}

/// The environment given, and what every program finds where nothing else is said.
fn environment(given: &str) -> Vec<String> {
    let mut environment: Vec<String> =
        given.split('\0').filter(|text| !text.is_empty()).map(String::from).collect();
    for (name, value) in [("PATH=", PATH), ("HOME=", "/"), ("TERM=", "linux")] {
        if !environment.iter().any(|text| text.starts_with(name)) {
            environment.push(alloc::format!("{name}{value}"));
        }
    }
    environment
}

/// Passes the console's events on and sends the signals of timers, for ever.
fn serve(start: &StartInfo<'_>, system: &System) -> Result<(), StartError> {
    let notification = need::<kind::Notification>(start, "notification")?;
    let console = console::Client(Endpoint::new(need::<kind::Endpoint>(start, "console")?));
    console.watch(notification).map_err(|_| StartError::Refused("to watch the console"))?;
    loop {
        system.send_typed();
        let next = system.send_due().map_or(NO_DEADLINE, |deadline| deadline.0);
        match syscall::wait_until(notification, next) {
            Ok(_) | Err(Rejection::TimedOut) => {}
            Err(_) => return Err(StartError::Refused("to wait for the console")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_words_are_words_too() {
        assert_eq!(words("/tools/hello\0\0x\0\0"), ["/tools/hello", "", "x", ""]);
        assert_eq!(words("\0"), [""]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn the_environment_has_what_every_program_expects() {
        let environment = environment("TERM=dumb\0A=b");
        assert_eq!(environment[..2], ["TERM=dumb", "A=b"]);
        assert_eq!(environment[3], "HOME=/");
        assert_eq!(environment.len(), 4);
    }
}
