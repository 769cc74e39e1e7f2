//! FP and SIMD registers: nothing the system does on a program's behalf may change them.

use linux_raw_sys::general::*;
use programs::memory::{PAGE, map_pages, peek, unmap};
use programs::process::{Outcome, fork};
use programs::syscall::{self, getpid};
use programs::thread::{Thread, spawn};
use programs::{call, fp, group};

group! { "fp":
    registers_survive_calls
    registers_survive_a_call_that_blocks
    registers_survive_page_faults
    a_child_starts_with_the_parents_registers
    processes_do_not_see_each_others_registers
    threads_do_not_see_each_others_registers
    control_is_kept_and_inherited
}

fn registers_survive_calls() {
    let before = fp::pattern(1);
    for (number, arguments) in [
        (__NR_getpid, [0, 0]),
        (__NR_sched_yield, [0, 0]),
        (__NR_uname, [16, 0]),
        (__NR_brk, [0, 0]),
        (__NR_close, [u64::MAX, 0]),
        (3000, [0, 0]),
    ] {
        let (_, after) = fp::across_call(&before, number, arguments);
        assert!(after == before, "call {number}");
    }
    assert_eq!(fp::across_call(&before, __NR_getpid, [0, 0]).0, getpid() as u64);
}

fn registers_survive_a_call_that_blocks() {
    let time = syscall::timespec(10_000_000);
    let address = (&raw const time).expose_provenance() as u64;
    let child = hammer(5, 300);
    let before = fp::pattern(2);
    for _ in 0..10 {
        let (answer, after) = fp::across_call(&before, __NR_nanosleep, [address, 0]);
        assert_eq!(answer, 0);
        assert!(after == before);
    }
    assert_eq!(child.join(), Outcome::Exited(0));
}

fn registers_survive_page_faults() {
    let pages = map_pages(64);
    let before = fp::pattern(3);
    fp::load(&before);
    for page in 0..64 {
        assert_eq!(peek::<u8>(pages + page * PAGE), 0);
    }
    assert!(fp::store() == before);
    unmap(pages, 64 * PAGE).unwrap();
}

fn a_child_starts_with_the_parents_registers() {
    let before = fp::pattern(4);
    let mut after = [0; 32];
    // Both sides return from the call; `across_call` stores the registers in both.
    let (answer, registers) = fp::across_call(&before, __NR_clone, [SIGCHLD.into(), 0]);
    after.copy_from_slice(&registers);
    if answer == 0 {
        syscall::exit(i32::from(after != before));
    }
    assert!(after == before);
    assert_eq!(programs::process::Child(answer as i32).join(), Outcome::Exited(0));
}

/// A child that keeps its own pattern in the registers for so many rounds, with and without calls.
fn hammer(seed: u64, rounds: u64) -> programs::process::Child {
    fork(|| i32::from(!keeps(seed, rounds)))
}

fn keeps(seed: u64, rounds: u64) -> bool {
    (0..rounds).all(|round| {
        let pattern = fp::pattern(seed << 32 | round);
        fp::across_spin(&pattern, 20_000) == pattern
            && fp::across_call(&pattern, __NR_sched_yield, [0, 0]).1 == pattern
    })
}

fn processes_do_not_see_each_others_registers() {
    let children = [11, 12, 13, 14].map(|seed| hammer(seed, 300));
    for child in children {
        assert_eq!(child.join(), Outcome::Exited(0));
    }
}

extern "C" fn hammer_here(seed: u64) -> u64 {
    assert!(keeps(seed, 300), "pattern {seed}");
    0
}

fn threads_do_not_see_each_others_registers() {
    let threads = [21, 22, 23].map(|seed| spawn(hammer_here, seed));
    hammer_here(24);
    threads.into_iter().for_each(Thread::join);
}

fn control_is_kept_and_inherited() {
    fp::set_control(1 << 22);
    let _ = call!(__NR_sched_yield);
    assert_eq!(fp::control(), 1 << 22);
    assert_eq!(fork(|| i32::from(fp::control() != 1 << 22)).join(), Outcome::Exited(0));
    fp::set_control(0);
}
