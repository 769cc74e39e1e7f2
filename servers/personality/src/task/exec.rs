//! `execve`: another program for the process.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`open`] | from a path to files that can be run: scripts, ELF, its interpreter |
//! | `load` | maps the segments |
//! | [`stack`] | arguments, environment and auxiliary vector |

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering;

use super::tree::ExitStatus;
use super::{Program, Task, exit, work};
use crate::elf::ElfError;
use crate::errno::Errno;
use crate::mm::AddressSpace;
use crate::mm::layout::Layout;
use crate::run::blank_record;
use crate::signal::deliver::Flow;
use crate::signal::{AltStack, Signal};
use crate::syscall::Ctx;
use crate::vfs::Located;

mod load;
pub mod open;
pub mod stack;

use open::Executable;

/// Most bytes of arguments and environment together.
pub const STRINGS_LIMIT: usize = 2 << 20;
/// Most bytes of one string, its NUL included.
pub const STRING_LIMIT: usize = 128 << 10;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The path as it was given.
    pub path: Vec<u8>,
    /// The arguments, the name first.
    pub arguments: Vec<Vec<u8>>,
    /// The environment.
    pub environment: Vec<Vec<u8>>,
}

/// Why a program cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecError {
    /// The file cannot be had.
    File(Errno),
    /// The file is not what it should be.
    Elf(ElfError),
    /// The interpreter that the file names cannot be had.
    Interpreter(Errno),
    /// The interpreter is not what it should be.
    BadInterpreter(ElfError),
    /// Scripts that name scripts that name scripts.
    TooManyScripts,
    /// Too many or too long arguments.
    TooLong,
    /// No memory is left.
    NoMemory,
}

impl ExecError {
    /// Returns what `execve` gives.
    #[must_use]
    pub fn errno(self) -> Errno {
        match self {
            ExecError::File(errno) | ExecError::Interpreter(errno) => errno,
            ExecError::Elf(_) => Errno::ENOEXEC,
            ExecError::BadInterpreter(_) => Errno::ELIBBAD,
            ExecError::TooManyScripts => Errno::ELOOP,
            ExecError::TooLong => Errno::E2BIG,
            ExecError::NoMemory => Errno::ENOMEM,
        }
    }

    /// Returns the status of a shell that cannot run the program.
    #[must_use]
    pub fn shell_status(self) -> u8 {
        match self {
            ExecError::File(Errno::ENOENT | Errno::ENOTDIR) => 127,
            _ => 126,
        }
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecError::File(Errno::ENOENT) => f.write_str("no such file"),
            ExecError::File(Errno::EACCES) => f.write_str("not an executable file"),
            ExecError::File(errno) => write!(f, "cannot be opened: {errno}"),
            ExecError::Elf(error) => error.fmt(f),
            ExecError::Interpreter(errno) => {
                write!(f, "the interpreter that it names cannot be opened: {errno}")
            }
            ExecError::BadInterpreter(error) => write!(f, "its interpreter: {error}"),
            ExecError::TooManyScripts => f.write_str("scripts name scripts as their interpreters"),
            ExecError::TooLong => f.write_str("too many or too long arguments"),
            ExecError::NoMemory => f.write_str("no memory left"),
        }
    }
}

/// Runs the first program of a new system. If it cannot be run, says why and ends the process.
pub fn begin(ctx: &mut Ctx<'_>, request: Request) -> Flow {
    let path = String::from_utf8_lossy(&request.path).into_owned();
    let Err(error) = exec(ctx, request) else { return Flow::Run };
    ctx.system().machine.log(format_args!("{path}: {error}"));
    exit::end_process(ctx.process(), ExitStatus::Exited(error.shell_status()));
    Flow::End
}

/// Replaces the program of the calling process. After an error the old one goes on, unless too
/// much of it was gone already: then the process is ended by `SIGKILL`.
///
/// # Errors
/// Why the file cannot be run.
pub fn exec(ctx: &mut Ctx<'_>, request: Request) -> Result<(), ExecError> {
    let executable = open::open(ctx, request)?;
    end_other_threads(ctx)?;
    let space = fresh_space(ctx)?;
    // From here on the old program is gone.
    let result = load::load(ctx, &space, &executable);
    let is_initial = !ctx.process().has_executed.load(Ordering::Relaxed);
    match result {
        Ok((pc, sp)) => {
            enter(ctx, executable, pc, sp);
            Ok(())
        }
        Err(error) if is_initial && ctx.process().pid == super::tree::FIRST => Err(error),
        Err(error) => {
            let status = ExitStatus::Killed(Signal::SIGKILL.number());
            exit::end_process(ctx.process(), status);
            Err(error)
        }
    }
}

/// Ends the other threads of the process and waits until they are gone.
fn end_other_threads(ctx: &mut Ctx<'_>) -> Result<(), ExecError> {
    let process = ctx.task.process.clone();
    let system = &process.system;
    let others = || -> Vec<Arc<Task>> {
        let mut tasks = system.tasks_of(process.pid);
        tasks.retain(|task| !Arc::ptr_eq(task, ctx.task));
        tasks
    };
    if others().is_empty() {
        return Ok(());
    }
    if system.with_tree(|tree| tree.ending(process.pid)).is_some() {
        return Err(ExecError::File(Errno::EAGAIN));
    }
    system.with_tree(|tree| tree.begin_end(process.pid, ExitStatus::Exited(0)));
    loop {
        let rest = others();
        if rest.is_empty() {
            break;
        }
        rest.iter().for_each(|task| task.kick(work::EXIT));
        // The last of them wakes nobody, so look again soon.
        let soon = system.clock.deadline(system.monotonic() + 1_000_000);
        ctx.task.sleep(Some(soon));
    }
    system.with_tree(|tree| tree.cancel_end(process.pid));
    Ok(())
}

/// Makes an empty address space: the process' own, emptied, or another if it was shared.
fn fresh_space(ctx: &mut Ctx<'_>) -> Result<Arc<AddressSpace>, ExecError> {
    let process = ctx.process();
    let system = &process.system;
    let stack_limit = process.limits.lock().stack_bytes();
    let layout = Layout::random(system.random.words(), stack_limit);
    if let Some(space) = process.space() {
        // One reference is the process', one is ours.
        if Arc::strong_count(&space) == 2 {
            exit::clear_child_tid(ctx.task, ctx.memory);
            space.clear(layout, stack_limit);
            return Ok(space);
        }
    }
    let translation = system.machine.make_space().map_err(|_| ExecError::NoMemory)?;
    let frames = system.frames.clone();
    let space = Arc::new(AddressSpace::new(translation, frames, layout, stack_limit));
    exit::clear_child_tid(ctx.task, ctx.memory);
    ctx.task.carrier().enter(Some(space.id()));
    drop(process.replace_space(Some(space.clone())));
    Ok(space)
}

/// Lets the process be the new program: what does not survive goes, the registers are set.
fn enter(ctx: &mut Ctx<'_>, executable: Executable, pc: u64, sp: u64) {
    let process = ctx.process();
    process.has_executed.store(true, Ordering::Relaxed);
    exit::release_parent(process);
    // A table shared by CLONE_FILES is unshared first.
    let table = process.fd_table();
    let mut copy = table.lock().clone();
    let closed = copy.take_closing();
    *process.files.lock() = Arc::new(crate::sync::Mutex::new(copy));
    drop((closed, table));
    process.signals.lock().reset_handlers();
    ctx.task.signals.lock().stack = AltStack::NONE;
    ctx.task.sleep_until.store(0, Ordering::Relaxed);
    process.system.timers.delete_all(process.pid, true);
    *ctx.task.name.lock() = short_name(&executable.file);
    let flat = |strings: &[Vec<u8>]| {
        let mut all = Vec::new();
        for string in strings {
            all.extend_from_slice(string);
            all.push(0);
        }
        all
    };
    *process.program.lock() = Program {
        arguments: flat(&executable.request.arguments),
        environment: flat(&executable.request.environment),
        file: Some(executable.file),
    };
    ctx.task.carrier().sync_fp();
    *ctx.registers = blank_record();
    (ctx.registers.pc, ctx.registers.sp) = (pc, sp);
}

/// The name of a thread that runs a file: its last component, 15 bytes of it.
fn short_name(file: &Located) -> String {
    let name = file.location.as_ref().map(|location| location.name.clone());
    let name = name.unwrap_or_else(|| Arc::from(&b"program"[..]));
    String::from_utf8_lossy(&name[..name.len().min(15)]).into_owned()
}
