//! Calls about processes and threads.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_raw_sys::general as linux;
use linux_raw_sys::prctl as pr;

use super::Ctx;
use crate::errno::Errno;
use crate::task::clone::{self, Request};
use crate::task::limits::Limit;
use crate::task::tree::{Event, ExitStatus, Wanted, Which};
use crate::task::{Process, exec, exit, wait};
use crate::time::SECOND;
use crate::vfs::walk::PATH_LIMIT;

/// `clone(flags, stack, parent_tid, tls, child_tid)`.
pub(super) fn clone(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [flags, stack, parent_tid, thread_pointer, child_tid, _] = args;
    // The low byte is the signal at the end; only SIGCHLD and none are told apart by nobody here.
    let flags = flags & !u64::from(linux::CSIGNAL);
    clone::clone(ctx, &Request { flags, stack, thread_pointer, parent_tid, child_tid })
}

/// `clone3(args, size)`.
pub(super) fn clone3(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [address, size, ..] = args;
    if size < 64 {
        return Err(Errno::EINVAL);
    }
    let field = |index: u64| ctx.memory.read_u64(address + index * 8);
    let (stack, stack_bytes) = (field(5)?, field(6)?);
    let request = Request {
        flags: field(0)?,
        child_tid: field(2)?,
        parent_tid: field(3)?,
        stack: if stack == 0 { 0 } else { stack.wrapping_add(stack_bytes) },
        thread_pointer: field(7)?,
    };
    clone::clone(ctx, &request)
}

/// `execve(path, argv, envp)`.
pub(super) fn execve(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [path, arguments, environment, ..] = args;
    let path = ctx.memory.read_c_string(path, PATH_LIMIT)?;
    let mut budget = exec::STRINGS_LIMIT;
    let mut arguments = read_strings(ctx, arguments, &mut budget)?;
    let environment = read_strings(ctx, environment, &mut budget)?;
    if arguments.is_empty() {
        // As Linux does: no program finds its argument list empty.
        arguments.push(Vec::new());
    }
    let request = exec::Request { path, arguments, environment };
    exec::exec(ctx, request).map_err(exec::ExecError::errno)?;
    Ok(0)
}

/// Reads a list of strings that a null pointer ends.
fn read_strings(ctx: &Ctx<'_>, list: u64, budget: &mut usize) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    if list == 0 {
        return Ok(strings);
    }
    for index in 0.. {
        let address = ctx.memory.read_u64(list.wrapping_add(index * 8))?;
        if address == 0 {
            break;
        }
        let string = ctx.memory.read_c_string(address, exec::STRING_LIMIT.min(*budget));
        let string = string.map_err(|error| match error {
            Errno::ENAMETOOLONG => Errno::E2BIG,
            other => other,
        })?;
        *budget = budget.checked_sub(string.len() + 1 + 8).ok_or(Errno::E2BIG)?;
        strings.push(string);
    }
    Ok(strings)
}

/// `exit(status)`: ends the thread.
pub(super) fn exit(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let is_last = ctx.system().tasks_of(ctx.process().pid).len() == 1;
    if is_last {
        return exit_group(ctx, args);
    }
    ctx.task.work.fetch_or(crate::task::work::EXIT, Ordering::AcqRel);
    Ok(0)
}

/// `exit_group(status)`: ends the process.
pub(super) fn exit_group(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    exit::end_process(ctx.process(), ExitStatus::Exited(args[0] as u8));
    Ok(0)
}

/// `wait4(pid, status, options, rusage)`.
pub(super) fn wait4(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [pid, status, options, usage, ..] = args;
    let options = options as u32;
    let known = linux::WNOHANG | linux::WUNTRACED | linux::WCONTINUED;
    let ignored = linux::__WNOTHREAD | linux::__WALL | linux::__WCLONE;
    if options & !(known | ignored) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match pid as i32 {
        -1 => Which::Any,
        0 => Which::Group(ctx.process().group.load(Ordering::Relaxed)),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid < 0 => Which::Group(pid.unsigned_abs()),
        pid => Which::Process(pid as u32),
    };
    let wanted = Wanted {
        ended: true,
        stopped: options & linux::WUNTRACED != 0,
        continued: options & linux::WCONTINUED != 0,
        keep: false,
    };
    let Some((child, event)) = wait::wait(ctx, which, wanted, options & linux::WNOHANG == 0)?
    else {
        return Ok(0);
    };
    if status != 0 {
        let word = match event {
            Event::Ended(status) => status.to_wait_status(),
            Event::Stopped(signal) => u32::from(signal) << 8 | 0x7f,
            Event::Continued => 0xffff,
        };
        ctx.memory.write_u32(status, word)?;
    }
    if usage != 0 {
        write_usage(ctx, usage, child.cpu_ticks() + children_ticks(&child))?;
    }
    Ok(u64::from(child.pid))
}

/// Size of `struct rusage`.
const USAGE_BYTES: usize = 144;

/// Writes a `struct rusage` with this processor time as the program's and nothing else.
fn write_usage(ctx: &Ctx<'_>, address: u64, ticks: u64) -> Result<(), Errno> {
    let time = ctx.system().clock.monotonic(ticks);
    let mut bytes = [0; USAGE_BYTES];
    bytes[..8].copy_from_slice(&(time / SECOND).to_le_bytes());
    bytes[8..16].copy_from_slice(&(time % SECOND / 1000).to_le_bytes());
    ctx.memory.write(address, &bytes)
}

/// Processor time of the children that a process has waited for.
fn children_ticks(process: &Process) -> u64 {
    process.ended.children.load(Ordering::Relaxed)
}

/// `waitid(type, id, info, options, rusage)`.
pub(super) fn waitid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [kind, id, info, options, usage, _] = args;
    let options = options as u32;
    let events = linux::WEXITED | linux::WSTOPPED | linux::WCONTINUED;
    if options & events == 0 || options & !(events | linux::WNOHANG | linux::WNOWAIT) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match kind as u32 {
        linux::P_ALL => Which::Any,
        linux::P_PID => Which::Process(id as u32),
        linux::P_PGID if id as u32 == 0 => {
            Which::Group(ctx.process().group.load(Ordering::Relaxed))
        }
        linux::P_PGID => Which::Group(id as u32),
        _ => return Err(Errno::EINVAL),
    };
    let wanted = Wanted {
        ended: options & linux::WEXITED != 0,
        stopped: options & linux::WSTOPPED != 0,
        continued: options & linux::WCONTINUED != 0,
        keep: options & linux::WNOWAIT != 0,
    };
    let found = wait::wait(ctx, which, wanted, options & linux::WNOHANG == 0)?;
    if usage != 0 {
        let ticks =
            found.as_ref().map_or(0, |(child, _)| child.cpu_ticks() + children_ticks(child));
        write_usage(ctx, usage, ticks)?;
    }
    if info != 0 {
        let bytes = found.map_or([0; 128], |(child, event)| {
            use crate::signal::{Origin, SigInfo, Signal};
            let (code, status) = match event {
                Event::Ended(ExitStatus::Exited(status)) => (linux::CLD_EXITED, status),
                Event::Ended(ExitStatus::Killed(signal)) => (linux::CLD_KILLED, signal),
                Event::Stopped(signal) => (linux::CLD_STOPPED, signal),
                Event::Continued => (linux::CLD_CONTINUED, Signal::SIGCONT.number()),
            };
            let uid = child.credentials.lock().user.real;
            let origin = Origin::Child { pid: child.pid, uid, status: i32::from(status) };
            SigInfo { signal: Signal::SIGCHLD, code: code as i32, origin }.to_bytes()
        });
        ctx.memory.write(info, &bytes)?;
    }
    Ok(0)
}

/// `getpid()`.
pub(super) fn getpid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(u64::from(ctx.task.process.pid))
}

/// `getppid()`.
pub(super) fn getppid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(u64::from(ctx.task.process.parent.load(Ordering::Relaxed)))
}

/// `gettid()`.
pub(super) fn gettid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(u64::from(ctx.task.tid))
}

/// `set_tid_address(address)`.
pub(super) fn set_tid_address(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    ctx.task.clear_child_tid.store(args[0], Ordering::Relaxed);
    Ok(u64::from(ctx.task.tid))
}

/// `setpgid(pid, group)`.
pub(super) fn setpgid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let (pid, group) = (args[0] as u32, args[1] as i32);
    if group < 0 {
        return Err(Errno::EINVAL);
    }
    ctx.system().send_typed();
    let caller = ctx.process();
    let pid = if pid == 0 { caller.pid } else { pid };
    let group = if group == 0 { pid } else { group as u32 };
    let session = caller.session.load(Ordering::Relaxed);
    ctx.system().with_tree(|tree| {
        let target = tree.process(pid).cloned().ok_or(Errno::ESRCH)?;
        let is_child = target.parent.load(Ordering::Relaxed) == caller.pid;
        if pid != caller.pid && !is_child {
            return Err(Errno::ESRCH);
        }
        if is_child && target.has_executed.load(Ordering::Relaxed) {
            return Err(Errno::EACCES);
        }
        let leads = target.session.load(Ordering::Relaxed) == target.pid;
        if leads || target.session.load(Ordering::Relaxed) != session {
            return Err(Errno::EPERM);
        }
        let exists = tree.processes().any(|other| {
            other.group.load(Ordering::Relaxed) == group
                && other.session.load(Ordering::Relaxed) == session
        });
        if group != pid && !exists {
            return Err(Errno::EPERM);
        }
        target.group.store(group, Ordering::Relaxed);
        Ok(0)
    })
}

/// `getpgid(pid)`.
pub(super) fn getpgid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let process = find(ctx, args[0])?;
    Ok(u64::from(process.group.load(Ordering::Relaxed)))
}

/// `getsid(pid)`.
pub(super) fn getsid(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let process = find(ctx, args[0])?;
    Ok(u64::from(process.session.load(Ordering::Relaxed)))
}

fn find(ctx: &Ctx<'_>, pid: u64) -> Result<Arc<Process>, Errno> {
    match pid as u32 {
        0 => Ok(ctx.task.process.clone()),
        pid => ctx.system().process(pid).ok_or(Errno::ESRCH),
    }
}

/// `setsid()`.
pub(super) fn setsid(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    let process = ctx.process();
    let pid = process.pid;
    ctx.system().with_tree(|tree| {
        if tree.processes().any(|other| other.group.load(Ordering::Relaxed) == pid) {
            return Err(Errno::EPERM);
        }
        process.group.store(pid, Ordering::Relaxed);
        process.session.store(pid, Ordering::Relaxed);
        Ok(u64::from(pid))
    })
}

/// `prctl(option, ...)`.
pub(super) fn prctl(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    match args[0] as u32 {
        pr::PR_SET_NAME => {
            let mut bytes = [0; 16];
            let string = ctx.memory.read_c_string(args[1], 16).or_else(|error| match error {
                Errno::ENAMETOOLONG => {
                    ctx.memory.read(args[1], &mut bytes).map(|()| bytes.to_vec())
                }
                other => Err(other),
            })?;
            let name = String::from_utf8_lossy(&string[..string.len().min(15)]).into_owned();
            *ctx.task.name.lock() = name;
            Ok(0)
        }
        pr::PR_GET_NAME => {
            let name = ctx.task.name.lock().clone();
            let mut bytes = [0; 16];
            let count = name.len().min(15);
            bytes[..count].copy_from_slice(&name.as_bytes()[..count]);
            ctx.memory.write(args[1], &bytes)?;
            Ok(0)
        }
        pr::PR_GET_DUMPABLE => Ok(1),
        pr::PR_GET_NO_NEW_PRIVS | pr::PR_GET_SECUREBITS | pr::PR_GET_THP_DISABLE => Ok(0),
        pr::PR_CAPBSET_READ if args[1] <= LAST_CAPABILITY => Ok(1),
        pr::PR_SET_DUMPABLE
        | pr::PR_SET_PDEATHSIG
        | pr::PR_SET_NO_NEW_PRIVS
        | pr::PR_SET_THP_DISABLE
        | pr::PR_SET_TIMERSLACK
        | pr::PR_SET_KEEPCAPS
        | pr::PR_SET_CHILD_SUBREAPER => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// The highest capability of Linux 6.1 (`CAP_CHECKPOINT_RESTORE`).
const LAST_CAPABILITY: u64 = 40;

/// `prlimit64(pid, resource, new, old)`.
pub(super) fn prlimit64(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [pid, resource, new, old, ..] = args;
    let process = find(ctx, pid)?;
    let resource = resource as u32;
    let before = process.limits.lock().get(resource).ok_or(Errno::EINVAL)?;
    if new != 0 {
        let limit = Limit { soft: ctx.memory.read_u64(new)?, hard: ctx.memory.read_u64(new + 8)? };
        if !process.limits.lock().set(resource, limit) {
            return Err(Errno::EINVAL);
        }
    }
    if old != 0 {
        ctx.memory.write_u64(old, before.soft)?;
        ctx.memory.write_u64(old + 8, before.hard)?;
    }
    Ok(0)
}

/// `getrlimit(resource, limit)`.
pub(super) fn getrlimit(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    prlimit64(ctx, [0, args[0], 0, args[1], 0, 0])
}

/// `setrlimit(resource, limit)`.
pub(super) fn setrlimit(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    prlimit64(ctx, [0, args[0], args[1], 0, 0, 0])
}

/// `getrusage(who, usage)`.
pub(super) fn getrusage(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let ticks = match args[0] as i32 {
        // RUSAGE_CHILDREN, RUSAGE_SELF, RUSAGE_THREAD.
        -1 => children_ticks(ctx.process()),
        0 => ctx.process().cpu_ticks(),
        1 => ctx.task.cpu_ticks(),
        _ => return Err(Errno::EINVAL),
    };
    write_usage(ctx, args[1], ticks)?;
    Ok(0)
}

/// `times(buffer)`.
pub(super) fn times(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    if args[0] != 0 {
        let clock = &ctx.system().clock;
        let own = clock.monotonic(ctx.process().cpu_ticks()) / TICK;
        let children = clock.monotonic(children_ticks(ctx.process())) / TICK;
        // User and system time, then those of children; all counts as the program's.
        for (index, time) in (0..).step_by(8).zip([own, 0, children, 0]) {
            ctx.memory.write_u64(args[0] + index, time)?;
        }
    }
    Ok(ctx.system().monotonic() / TICK)
}

/// Clock ticks of `times` are 10 ms.
const TICK: u64 = SECOND / 100;

/// `sched_yield()`.
pub(super) fn sched_yield(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    ctx.system().machine.yield_now();
    Ok(0)
}

/// `sched_getaffinity(pid, size, mask)`.
pub(super) fn sched_getaffinity(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let cores = ctx.system().hardware.cores.clamp(1, 64);
    if args[1] < 8 || !args[1].is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    ctx.memory.write_u64(args[2], u64::MAX >> (64 - cores))?;
    Ok(8)
}

/// `sched_setaffinity(pid, size, mask)`: accepted; the kernel places threads.
pub(super) fn sched_setaffinity(_: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(0)
}

/// `sched_getscheduler(pid)`: `SCHED_OTHER`.
pub(super) fn sched_getscheduler(_: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(0)
}

/// `sched_getparam(pid, param)`: priority 0.
pub(super) fn sched_getparam(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    ctx.memory.write_u32(args[1], 0)?;
    Ok(0)
}

/// `sched_get_priority_min/max(policy)` and `setpriority`: no priorities but one.
pub(super) fn only_priority(_: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(0)
}

/// `getpriority(which, who)`: 20 minus the nice value, which is 0.
pub(super) fn getpriority(_: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(20)
}

/// `getcpu(cpu, node)`.
pub(super) fn getcpu(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    for address in [args[0], args[1]] {
        if address != 0 {
            ctx.memory.write_u32(address, 0)?;
        }
    }
    Ok(0)
}

/// `personality(persona)`: only plain Linux.
pub(super) fn personality(_: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    match args[0] as u32 {
        0 | u32::MAX => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
