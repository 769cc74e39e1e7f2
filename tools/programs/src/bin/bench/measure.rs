//! The measurements, and how rounds become nanoseconds.

use core::arch::asm;

use linux_raw_sys::general::*;
use programs::errno::{ENOSYS, EPIPE};
use programs::memory::{PAGE, PRIVATE, READ_WRITE, map, poke, unmap};
use programs::process::{execute, fork, outcome, own_path};
use programs::syscall::{Fd, Result, call_raw, clock, exit, pipe, read, wait, write};
use programs::{call, elf, process};

/// Does so many rounds and returns the ticks they took.
type Measurement = fn(u64) -> Result;

/// Name, rounds, work.
pub(crate) const ALL: &[(&str, u64, Measurement)] = &[
    ("guest_getppid", 10_000, getppid),
    ("page_touch", 4_096, page_touch),
    ("pipe_pingpong", 1_000, pipe_pingpong),
    ("fork_exit_wait", 200, fork_exit_wait),
    ("fork_exec_wait", 100, fork_exec_wait),
    ("clock_gettime_vdso", 10_000, clock_gettime_vdso),
    ("clock_gettime_call", 10_000, clock_gettime_call),
];

/// Ticks of the virtual counter as nanoseconds.
pub(crate) fn to_ns(ticks: u64) -> u64 {
    let hz: u64;
    // SAFETY: reading the counter's frequency has no effect.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) hz, options(nomem, nostack)) };
    (u128::from(ticks) * 1_000_000_000 / u128::from(hz)) as u64
}

/// Tenths of a nanosecond for one round, after a few rounds that warm up.
pub(crate) fn average(rounds: u64, work: Measurement) -> Result {
    work(rounds.div_ceil(20))?;
    Ok(to_ns(work(rounds)? * 10) / rounds)
}

/// The counter, read after everything before it has happened.
fn now() -> u64 {
    let ticks;
    // SAFETY: reading the counter has no effect.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nostack)) };
    ticks
}

/// Ticks that `round` takes `rounds` times.
fn timed(rounds: u64, mut round: impl FnMut() -> Result<()>) -> Result {
    let before = now();
    for _ in 0..rounds {
        round()?;
    }
    Ok(now() - before)
}

/// The cheapest call: four instructions of loop around it.
fn getppid(rounds: u64) -> Result {
    timed(rounds, || {
        call_raw(__NR_getppid, [0; 6]);
        Ok(())
    })
}

/// A store into each page of a fresh mapping.
fn page_touch(rounds: u64) -> Result {
    let bytes = rounds as usize * PAGE;
    let base = map(0, bytes, READ_WRITE, PRIVATE, -1, 0)?;
    // Where the system has huge pages, one store would touch 512 pages.
    let _ = call!(__NR_madvise, base, bytes, MADV_NOHUGEPAGE);
    let mut page = base;
    let ticks = timed(rounds, || {
        poke(page, 1_u8);
        page += PAGE;
        Ok(())
    })?;
    unmap(base, bytes)?;
    Ok(ticks)
}

/// One byte to another process and back.
fn pipe_pingpong(rounds: u64) -> Result {
    let (their_in, our_out) = pipe(0)?;
    let (our_in, their_out) = pipe(0)?;
    let child = fork(|| {
        let _ = call!(__NR_close, our_out);
        while move_byte(their_in, their_out).is_ok() {}
        0
    });
    let ticks = timed(rounds, || {
        write(our_out, b"x")?;
        read(our_in, &mut [0])?;
        Ok(())
    })?;
    for fd in [their_in, our_out, our_in, their_out] {
        call!(__NR_close, fd)?;
    }
    child.join();
    Ok(ticks)
}

/// Passes one byte on; an error at the end of the input.
fn move_byte(from: Fd, to: Fd) -> Result<()> {
    let mut byte = [0];
    if read(from, &mut byte)? == 0 {
        return Err(EPIPE);
    }
    write(to, &byte)?;
    Ok(())
}

/// A child that exits at once.
fn fork_exit_wait(rounds: u64) -> Result {
    timed(rounds, || {
        let pid = call!(__NR_clone, SIGCHLD, 0, 0, 0, 0)?;
        if pid == 0 {
            exit(0);
        }
        wait(pid as i32, 0)?;
        Ok(())
    })
}

/// A child that becomes this program again, which exits at once.
fn fork_exec_wait(rounds: u64) -> Result {
    let path = own_path();
    let arguments = [path.as_ptr(), c"--exit-at-once".as_ptr(), core::ptr::null()];
    timed(rounds, || {
        let pid = call!(__NR_clone, SIGCHLD, 0, 0, 0, 0)?;
        if pid == 0 {
            let _ = execute(path, &arguments, &[core::ptr::null()]);
            exit(127);
        }
        let (_, status) = wait(pid as i32, 0)?;
        if outcome(status) == process::Outcome::Exited(0) { Ok(()) } else { Err(ENOSYS) }
    })
}

/// The monotonic time as C libraries ask for it.
fn clock_gettime_vdso(rounds: u64) -> Result {
    let address = elf::vdso()
        .and_then(|vdso| vdso.find("__kernel_clock_gettime", "LINUX_2.6.39"))
        .ok_or(ENOSYS)?;
    // SAFETY: the vDSO's ABI gives the function this type.
    let function: extern "C" fn(u32, *mut __kernel_timespec) -> i32 =
        unsafe { core::mem::transmute(address) };
    let mut time = __kernel_timespec { tv_sec: 0, tv_nsec: 0 };
    timed(rounds, || {
        function(CLOCK_MONOTONIC, &raw mut time);
        Ok(())
    })
}

/// The same by system call.
fn clock_gettime_call(rounds: u64) -> Result {
    timed(rounds, || clock(CLOCK_MONOTONIC).map(|_| ()))
}
