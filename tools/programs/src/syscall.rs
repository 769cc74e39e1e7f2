//! Linux system calls: the one `svc` and typed wrappers over it.
//!
//! `call!` takes numbers, references and pointers as they are. A wrapper exists where several
//! programs use a call; a single use says `call!` in place.

use core::arch::asm;
use core::ffi::CStr;
use core::mem::MaybeUninit;

use linux_raw_sys::general::{self as linux, *};

use crate::errno::{EINTR, Errno};

/// The answer of a system call.
pub type Result<T = u64> = core::result::Result<T, Errno>;

/// A file descriptor; negative values are invalid ones, or `AT_FDCWD`.
pub type Fd = i32;

/// What fits a register as an argument of a system call.
pub trait Word {
    /// The value as the kernel sees it; signed numbers are sign-extended.
    fn word(self) -> u64;
}

macro_rules! words {
    ($($number:ty)*) => { $(
        impl Word for $number {
            fn word(self) -> u64 { self as u64 }
        }
    )* };
}
words! { i32 u32 i64 u64 usize }

impl<T: ?Sized> Word for &T {
    fn word(self) -> u64 {
        core::ptr::from_ref(self).cast::<u8>().expose_provenance() as u64
    }
}

impl<T: ?Sized> Word for &mut T {
    fn word(self) -> u64 {
        core::ptr::from_mut(self).cast::<u8>().expose_provenance() as u64
    }
}

/// Does system call `number` (a `__NR_` constant) with up to six arguments.
#[macro_export]
macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {
        $crate::syscall::call($number, &[$($crate::syscall::Word::word($argument)),*])
    };
}

/// Does system call `number`; missing arguments are zero.
pub fn call(number: u32, arguments: &[u64]) -> Result {
    let mut words = [0; 6];
    words[..arguments.len()].copy_from_slice(arguments);
    let answer = call_raw(number, words);
    if answer > -4096_i64 as u64 { Err(Errno(answer.wrapping_neg() as u32)) } else { Ok(answer) }
}

/// Does system call `number` and returns x0 as it came.
#[inline(always)]
pub fn call_raw(number: u32, arguments: [u64; 6]) -> u64 {
    let answer;
    // SAFETY: the crate header says why a system call counts as safe here.
    unsafe {
        asm!(
            "svc #0",
            in("x8") u64::from(number),
            inlateout("x0") arguments[0] => answer,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    answer
}

/// A value that a call filled in, or zeroes where it did not write.
fn filled<T: Copy>(fill: impl FnOnce(&mut MaybeUninit<T>) -> Result) -> Result<T> {
    let mut value = MaybeUninit::zeroed();
    fill(&mut value)?;
    // SAFETY: `T` is a plain C structure of integers, for which zeroes and what the kernel wrote are valid.
    Ok(unsafe { value.assume_init() })
}

/// Ends the process with all its threads.
pub fn exit(status: i32) -> ! {
    loop {
        let _ = call!(__NR_exit_group, status);
    }
}

/// Opens `path`, relative to the working directory.
pub fn open(path: &CStr, flags: u32, mode: u32) -> Result<Fd> {
    Ok(call!(__NR_openat, AT_FDCWD, path, flags, mode)? as Fd)
}

/// Closes a descriptor.
pub fn close(fd: Fd) -> Result {
    call!(__NR_close, fd)
}

/// Reads into `buffer`; returns the bytes read.
pub fn read(fd: Fd, buffer: &mut [u8]) -> Result<usize> {
    let len = buffer.len();
    Ok(call!(__NR_read, fd, buffer, len)? as usize)
}

/// Writes `bytes`; returns how many were taken.
pub fn write(fd: Fd, bytes: &[u8]) -> Result<usize> {
    Ok(call!(__NR_write, fd, bytes, bytes.len())? as usize)
}

/// Reads at `offset` without moving the file's own.
pub fn pread(fd: Fd, buffer: &mut [u8], offset: i64) -> Result<usize> {
    let len = buffer.len();
    Ok(call!(__NR_pread64, fd, buffer, len, offset)? as usize)
}

/// Writes at `offset` without moving the file's own.
pub fn pwrite(fd: Fd, bytes: &[u8], offset: i64) -> Result<usize> {
    Ok(call!(__NR_pwrite64, fd, bytes, bytes.len(), offset)? as usize)
}

/// Moves the file offset; `whence` is one of the `SEEK_` constants.
pub fn seek(fd: Fd, offset: i64, whence: u32) -> Result {
    call!(__NR_lseek, fd, offset, whence)
}

/// Makes a pipe; returns its reading and its writing end.
pub fn pipe(flags: u32) -> Result<(Fd, Fd)> {
    let ends: [Fd; 2] = filled(|ends| call!(__NR_pipe2, ends, flags))?;
    Ok((ends[0], ends[1]))
}

/// Duplicates `fd` as `to`.
pub fn dup3(fd: Fd, to: Fd, flags: u32) -> Result<Fd> {
    Ok(call!(__NR_dup3, fd, to, flags)? as Fd)
}

/// Does a descriptor operation, `command` being one of the `F_` constants.
pub fn fcntl(fd: Fd, command: u32, argument: u64) -> Result {
    call!(__NR_fcntl, fd, command, argument)
}

/// What a file is; `flags` may be `AT_SYMLINK_NOFOLLOW`.
pub fn stat(path: &CStr, flags: u32) -> Result<linux::stat> {
    filled(|stat| call!(__NR_newfstatat, AT_FDCWD, path, stat, flags))
}

/// What an open file is.
pub fn fstat(fd: Fd) -> Result<linux::stat> {
    filled(|stat| call!(__NR_fstat, fd, stat))
}

/// Removes a name; `flags` may be `AT_REMOVEDIR`.
pub fn unlink(path: &CStr, flags: u32) -> Result {
    call!(__NR_unlinkat, AT_FDCWD, path, flags)
}

/// Makes a directory.
pub fn mkdir(path: &CStr, mode: u32) -> Result {
    call!(__NR_mkdirat, AT_FDCWD, path, mode)
}

/// Gives a file another name.
pub fn rename(from: &CStr, to: &CStr) -> Result {
    call!(__NR_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)
}

/// Reads a symbolic link; returns its length.
pub fn readlink(path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    let len = buffer.len();
    Ok(call!(__NR_readlinkat, AT_FDCWD, path, buffer, len)? as usize)
}

/// Waits for a child; returns its number and status. Repeated when a signal interrupts it.
pub fn wait(pid: i32, options: u32) -> Result<(i32, i32)> {
    let mut status = 0_i32;
    loop {
        match call!(__NR_wait4, pid, &mut status, options, 0) {
            Err(EINTR) => {}
            answer => return Ok((answer? as i32, status)),
        }
    }
}

/// Sends a signal to a process.
pub fn kill(pid: i32, signal: u32) -> Result {
    call!(__NR_kill, pid, signal)
}

/// The process's number.
pub fn getpid() -> i32 {
    call_raw(__NR_getpid, [0; 6]) as i32
}

/// The thread's number.
pub fn gettid() -> i32 {
    call_raw(__NR_gettid, [0; 6]) as i32
}

/// The parent's number.
pub fn getppid() -> i32 {
    call_raw(__NR_getppid, [0; 6]) as i32
}

/// Splits nanoseconds into the kernel's form.
pub fn timespec(ns: u64) -> __kernel_timespec {
    __kernel_timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}

/// Joins the kernel's form into nanoseconds.
pub fn nanoseconds(time: &__kernel_timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps; `Err(EINTR)` if a signal came first.
pub fn sleep(ns: u64) -> Result {
    call!(__NR_nanosleep, &timespec(ns), 0)
}

/// Sleeps some milliseconds, whatever signals come.
pub fn pause_ms(ms: u64) {
    let mut rest = timespec(ms * 1_000_000);
    while call!(__NR_nanosleep, &rest, &mut rest) == Err(EINTR) {}
}

/// The time of a clock in nanoseconds, by system call.
pub fn clock(clock: u32) -> Result {
    let time: __kernel_timespec = filled(|time| call!(__NR_clock_gettime, clock, time))?;
    Ok(nanoseconds(&time))
}

/// Waits on a futex word, or wakes its waiters; `argument` is the timeout's address or a count.
pub fn futex(
    word: &core::sync::atomic::AtomicU32,
    operation: u32,
    value: u32,
    argument: u64,
) -> Result {
    call!(__NR_futex, word, operation, value, argument, 0, 0)
}
