//! The table of Linux system calls: the only list of what is there, and how far.
//!
//! A row: name, handler, support, and `restarts` where `SA_RESTART` makes an interrupted call
//! begin again (signal(7)). Numbers come from Linux's headers. A call without a row gives
//! `ENOSYS` and is logged once.

use core::sync::atomic::{AtomicU64, Ordering};

use linux_raw_sys::general as linux;

use super::Support::{Full, Partial, Refuses};
use super::{
    Ctx, Handler, Row, attributes, dir, fd, file, futex, identity, lock, mm, names, path, pipe,
    poll, process, signal, stat, system, time, timer,
};
use crate::errno::Errno;
use crate::signal::deliver::Restarts;

/// Numbers are below this.
pub const LIMIT: usize = 512;

macro_rules! rows {
    ($( $number:ident => $handler:expr, $support:expr $(, $restarts:ident)?; )*) => {
        /// All rows, in no order that matters.
        pub static ROWS: &[Row] = &[ $( Row {
            number: linux::$number,
            name: names::trim(stringify!($number)),
            handler: $handler,
            support: $support,
            restarts: $( { let $restarts = true; $restarts } || )? false,
        } ),* ];
    };
}

const SHARED_ID_SPACE: &str = "capabilities are not modelled: root may do everything";

const NO_XATTRS: &str = "files have no extended attributes";

rows! {
    // Processes and threads.
    __NR_clone => process::clone, Partial("no namespaces, no CLONE_PIDFD, no shared handlers");
    __NR_clone3 => process::clone3, Partial("as clone");
    __NR_execve => process::execve, Full;
    __NR_exit => process::exit, Full;
    __NR_exit_group => process::exit_group, Full;
    __NR_wait4 => process::wait4, Partial("of resource usage only processor time"), restarts;
    __NR_waitid => process::waitid, Partial("no pidfd; of resource usage only processor time"), restarts;
    __NR_getpid => process::getpid, Full;
    __NR_getppid => process::getppid, Full;
    __NR_gettid => process::gettid, Full;
    __NR_set_tid_address => process::set_tid_address, Full;
    __NR_setpgid => process::setpgid, Full;
    __NR_getpgid => process::getpgid, Full;
    __NR_setsid => process::setsid, Full;
    __NR_getsid => process::getsid, Full;
    __NR_prctl => process::prctl, Partial("names; the rest is accepted or EINVAL");
    __NR_prlimit64 => process::prlimit64, Partial("stack, data and descriptors are enforced");
    __NR_getrlimit => process::getrlimit, Full;
    __NR_setrlimit => process::setrlimit, Partial("as prlimit64");
    __NR_getrusage => process::getrusage, Partial("processor time only");
    __NR_times => process::times, Partial("system time counts as the program's");
    __NR_sched_yield => process::sched_yield, Full;
    __NR_sched_getaffinity => process::sched_getaffinity, Full;
    __NR_sched_setaffinity => process::sched_setaffinity, Partial("accepted without effect");
    __NR_sched_getscheduler => process::sched_getscheduler, Partial("SCHED_OTHER only");
    __NR_sched_setscheduler => process::only_priority, Partial("accepted without effect");
    __NR_sched_getparam => process::sched_getparam, Partial("priority 0");
    __NR_sched_get_priority_max => process::only_priority, Partial("SCHED_OTHER only");
    __NR_sched_get_priority_min => process::only_priority, Partial("SCHED_OTHER only");
    __NR_getpriority => process::getpriority, Partial("nice value 0");
    __NR_setpriority => process::only_priority, Partial("accepted without effect");
    __NR_getcpu => process::getcpu, Partial("always 0");
    __NR_personality => process::personality, Partial("plain Linux only");
    __NR_set_robust_list => refuse, Refuses(Errno::ENOSYS, "programs go on without");
    __NR_get_robust_list => refuse, Refuses(Errno::ENOSYS, "as set_robust_list");
    __NR_rseq => refuse, Refuses(Errno::ENOSYS, "programs go on without");
    __NR_membarrier => refuse, Refuses(Errno::ENOSYS, "programs go on without");

    // Ids.
    __NR_getuid => identity::getuid, Full;
    __NR_geteuid => identity::geteuid, Full;
    __NR_getgid => identity::getgid, Full;
    __NR_getegid => identity::getegid, Full;
    __NR_setuid => identity::setuid, Full;
    __NR_setgid => identity::setgid, Full;
    __NR_setreuid => identity::setreuid, Full;
    __NR_setregid => identity::setregid, Full;
    __NR_setresuid => identity::setresuid, Full;
    __NR_setresgid => identity::setresgid, Full;
    __NR_getresuid => identity::getresuid, Full;
    __NR_getresgid => identity::getresgid, Full;
    __NR_setfsuid => identity::setfsuid, Full;
    __NR_setfsgid => identity::setfsgid, Full;
    __NR_getgroups => identity::getgroups, Full;
    __NR_setgroups => identity::setgroups, Full;
    __NR_capget => refuse, Refuses(Errno::EPERM, SHARED_ID_SPACE);
    __NR_capset => refuse, Refuses(Errno::EPERM, SHARED_ID_SPACE);

    // Memory.
    __NR_mmap => mm::mmap, Partial("no huge pages; MAP_LOCKED, MAP_STACK as plain");
    __NR_munmap => mm::munmap, Full;
    __NR_mprotect => mm::mprotect, Full;
    __NR_brk => mm::brk, Full;
    __NR_mremap => mm::mremap, Partial("no MREMAP_DONTUNMAP");
    __NR_madvise => mm::madvise, Partial("MADV_FREE as MADV_DONTNEED");
    __NR_msync => mm::msync, Full;
    __NR_mincore => mm::mincore, Partial("everything counts as resident");
    __NR_mlock => mm::mlock, Full;
    __NR_mlock2 => mm::mlock, Full;
    __NR_munlock => mm::mlock, Full;
    __NR_mlockall => mm::mlockall, Full;
    __NR_munlockall => mm::mlockall, Full;

    // Signals.
    __NR_kill => signal::kill, Full;
    __NR_tkill => signal::tkill, Full;
    __NR_tgkill => signal::tgkill, Full;
    __NR_rt_sigaction => signal::rt_sigaction, Full;
    __NR_rt_sigprocmask => signal::rt_sigprocmask, Full;
    __NR_rt_sigpending => signal::rt_sigpending, Full;
    __NR_rt_sigsuspend => signal::rt_sigsuspend, Full;
    __NR_rt_sigtimedwait => signal::rt_sigtimedwait, Full;
    __NR_rt_sigreturn => signal::rt_sigreturn, Full;
    __NR_rt_sigqueueinfo => signal::rt_sigqueueinfo, Full;
    __NR_rt_tgsigqueueinfo => signal::rt_tgsigqueueinfo, Full;
    __NR_sigaltstack => signal::sigaltstack, Full;

    // Time.
    __NR_clock_gettime => time::clock_gettime, Partial("processor time is the time not asleep");
    __NR_clock_getres => time::clock_getres, Full;
    __NR_clock_settime => time::clock_settime, Full;
    __NR_gettimeofday => time::gettimeofday, Full;
    __NR_settimeofday => time::settimeofday, Full;
    __NR_nanosleep => time::nanosleep, Full;
    __NR_clock_nanosleep => time::clock_nanosleep, Partial("setting the clock moves no sleep");
    __NR_setitimer => timer::setitimer, Partial("ITIMER_REAL only");
    __NR_getitimer => timer::getitimer, Partial("ITIMER_REAL only");
    __NR_timer_create => timer::timer_create, Partial("no timers of processor time");
    __NR_timer_settime => timer::timer_settime, Partial("setting the clock moves no timer");
    __NR_timer_gettime => timer::timer_gettime, Full;
    __NR_timer_getoverrun => timer::timer_getoverrun, Full;
    __NR_timer_delete => timer::timer_delete, Full;
    __NR_futex => futex::futex, Partial("no priority inheritance, no FUTEX_WAKE_OP"), restarts;

    // The system.
    __NR_uname => system::uname, Full;
    __NR_sethostname => system::sethostname, Full;
    __NR_sysinfo => system::sysinfo, Partial("no load averages");
    __NR_getrandom => system::getrandom, Full;

    // Descriptors.
    __NR_close => fd::close, Full;
    __NR_close_range => fd::close_range, Full;
    __NR_dup => fd::dup, Full;
    __NR_dup3 => fd::dup3, Full;
    __NR_fcntl => fd::fcntl, Partial("no leases, no signals for input"), restarts;
    __NR_ioctl => fd::ioctl, Partial("terminals, FIONREAD, FIONBIO, FIOCLEX"), restarts;
    __NR_flock => lock::flock, Full, restarts;
    __NR_pipe2 => pipe::pipe2, Partial("no packets (O_DIRECT)");
    __NR_eventfd2 => pipe::eventfd2, Full;
    __NR_memfd_create => pipe::memfd_create, Partial("no seals, no huge pages");

    // Waiting for several files.
    __NR_ppoll => poll::ppoll, Full;
    __NR_pselect6 => poll::pselect6, Full;
    __NR_epoll_create1 => poll::epoll_create1, Full;
    __NR_epoll_ctl => poll::epoll_ctl, Partial("EPOLLEXCLUSIVE wakes all");
    __NR_epoll_pwait => poll::epoll_pwait, Full;
    __NR_epoll_pwait2 => poll::epoll_pwait2, Full;
    __NR_inotify_init1 => refuse, Refuses(Errno::ENOSYS, "programs go on without");

    // Reading and writing.
    __NR_read => file::read, Full, restarts;
    __NR_write => file::write, Full, restarts;
    __NR_readv => file::readv, Full, restarts;
    __NR_writev => file::writev, Full, restarts;
    __NR_pread64 => file::pread64, Full, restarts;
    __NR_pwrite64 => file::pwrite64, Full, restarts;
    __NR_preadv => file::preadv, Full, restarts;
    __NR_pwritev => file::pwritev, Full, restarts;
    __NR_preadv2 => file::preadv2, Full, restarts;
    __NR_pwritev2 => file::pwritev2, Full, restarts;
    __NR_lseek => file::lseek, Full;
    __NR_sendfile => file::sendfile, Full, restarts;
    __NR_copy_file_range => file::copy_file_range, Full, restarts;
    __NR_fsync => file::fsync, Full;
    __NR_fdatasync => file::fsync, Full;
    __NR_sync => file::sync, Full;
    __NR_ftruncate => file::ftruncate, Full;
    __NR_fallocate => file::fallocate, Partial("grow, keep size, punch holes: as tmpfs");
    __NR_fadvise64 => file::fadvise64, Full;
    __NR_readahead => file::readahead, Full;

    // Paths.
    __NR_openat => path::openat, Full, restarts;
    __NR_mkdirat => path::mkdirat, Full;
    __NR_mknodat => path::mknodat, Full;
    __NR_symlinkat => path::symlinkat, Full;
    __NR_unlinkat => path::unlinkat, Full;
    __NR_renameat => path::renameat, Full;
    __NR_renameat2 => path::renameat2, Full;
    __NR_linkat => path::linkat, Full;
    __NR_readlinkat => path::readlinkat, Full;
    __NR_getdents64 => dir::getdents64, Full;
    __NR_getcwd => dir::getcwd, Full;
    __NR_chdir => dir::chdir, Full;
    __NR_fchdir => dir::fchdir, Full;
    __NR_chroot => dir::chroot, Full;

    // Attributes.
    __NR_fstat => stat::fstat, Full;
    __NR_newfstatat => stat::newfstatat, Full;
    __NR_statx => stat::statx, Full;
    __NR_faccessat => stat::faccessat, Full;
    __NR_faccessat2 => stat::faccessat2, Full;
    __NR_statfs => stat::statfs, Full;
    __NR_fstatfs => stat::fstatfs, Full;
    __NR_umask => stat::umask, Full;
    __NR_fchmod => attributes::fchmod, Full;
    __NR_fchmodat => attributes::fchmodat, Full;
    __NR_fchmodat2 => attributes::fchmodat2, Full;
    __NR_fchown => attributes::fchown, Full;
    __NR_fchownat => attributes::fchownat, Full;
    __NR_utimensat => attributes::utimensat, Full;
    __NR_truncate => attributes::truncate, Full;
    __NR_getxattr => attributes::getxattr, Partial(NO_XATTRS);
    __NR_lgetxattr => attributes::lgetxattr, Partial(NO_XATTRS);
    __NR_fgetxattr => attributes::fgetxattr, Partial(NO_XATTRS);
    __NR_listxattr => attributes::listxattr, Partial(NO_XATTRS);
    __NR_llistxattr => attributes::llistxattr, Partial(NO_XATTRS);
    __NR_flistxattr => attributes::flistxattr, Partial(NO_XATTRS);
    __NR_setxattr => attributes::setxattr, Partial(NO_XATTRS);
    __NR_lsetxattr => attributes::lsetxattr, Partial(NO_XATTRS);
    __NR_fsetxattr => attributes::fsetxattr, Partial(NO_XATTRS);
    __NR_removexattr => attributes::removexattr, Partial(NO_XATTRS);
    __NR_lremovexattr => attributes::lremovexattr, Partial(NO_XATTRS);
    __NR_fremovexattr => attributes::fremovexattr, Partial(NO_XATTRS);
}

/// Handlers by number.
static DISPATCH: [Handler; LIMIT] = {
    let mut handlers: [Handler; LIMIT] = [unknown; LIMIT];
    let mut index = 0;
    while index < ROWS.len() {
        handlers[ROWS[index].number as usize] = ROWS[index].handler;
        index += 1;
    }
    handlers
};

/// Bit n is set for a call number n that restarts with `SA_RESTART`.
static RESTARTS: [u64; LIMIT / 64] = {
    let mut bits = [0; LIMIT / 64];
    let mut index = 0;
    while index < ROWS.len() {
        if ROWS[index].restarts {
            bits[ROWS[index].number as usize / 64] |= 1 << (ROWS[index].number % 64);
        }
        index += 1;
    }
    bits
};

/// Carries out the call that the registers hold; gives the new x0.
#[inline(always)]
pub fn dispatch(ctx: &mut Ctx<'_>, number: u64) -> u64 {
    let handler = match DISPATCH.get(number as usize) {
        Some(handler) => *handler,
        None => unknown,
    };
    let [a0, a1, a2, a3, a4, a5, ..] = ctx.registers.x;
    encode(handler(ctx, [a0, a1, a2, a3, a4, a5]))
}

/// Encodes a result as x0 has it.
#[must_use]
#[inline(always)]
pub const fn encode(result: Result<u64, Errno>) -> u64 {
    match result {
        Ok(value) => value,
        Err(errno) => (errno.0 as u64).wrapping_neg(),
    }
}

/// Tells when a call that a signal interrupted is made again.
#[must_use]
pub fn restarts(number: u64) -> Restarts {
    if [linux::__NR_clone, linux::__NR_clone3].map(u64::from).contains(&number) {
        return Restarts::Always;
    }
    let is_marked = |bits: &u64| bits >> (number % 64) & 1 != 0;
    let on_request = RESTARTS.get(number as usize / 64).is_some_and(is_marked);
    if on_request { Restarts::OnRequest } else { Restarts::Never }
}

/// Gives the error that the row says.
fn refuse(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    let number = ctx.registers.x[8];
    let row = ROWS.iter().find(|row| u64::from(row.number) == number);
    Err(match row.map(|row| row.support) {
        Some(Refuses(errno, _)) => errno,
        _ => Errno::ENOSYS,
    })
}

/// Calls without a row that were logged, a bit each.
static LOGGED: [AtomicU64; LIMIT / 64] = [const { AtomicU64::new(0) }; LIMIT / 64];

/// Gives `ENOSYS` for a call that has no row; logs it the first time.
#[cold]
fn unknown(ctx: &mut Ctx<'_>, _: [u64; 6]) -> Result<u64, Errno> {
    let number = ctx.registers.x[8];
    let is_new = LOGGED.get(number as usize / 64).is_some_and(|word| {
        // Relaxed: the bit guards nothing but the line.
        let bit = 1 << (number % 64);
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    });
    if is_new {
        let name = names::name_of(number as u32).unwrap_or("?");
        let machine = &ctx.system().machine;
        machine.log(format_args!("system call {number} ({name}) is not there: ENOSYS"));
    }
    Err(Errno::ENOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_a_number_of_its_own_below_the_limit() {
        let numbers: BTreeSet<u32> = ROWS.iter().map(|row| row.number).collect();
        assert_eq!(numbers.len(), ROWS.len());
        assert!(numbers.iter().all(|&number| (number as usize) < LIMIT));
    }

    #[test]
    fn every_row_is_named_as_linux_names_it() {
        for row in ROWS {
            assert_eq!(names::name_of(row.number), Some(row.name));
        }
    }

    #[test]
    fn errors_are_negative_numbers() {
        assert_eq!(encode(Err(Errno::EINTR)) as i64, -4);
        assert_eq!(restarts(u64::from(linux::__NR_read)), Restarts::OnRequest);
        assert_eq!(restarts(u64::from(linux::__NR_clone)), Restarts::Always);
        assert_eq!(restarts(u64::from(linux::__NR_nanosleep)), Restarts::Never);
        assert_eq!(restarts(u64::MAX), Restarts::Never);
    }
}
