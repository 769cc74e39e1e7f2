//! Threads: clone, the thread register, joining, futexes, signals to threads, exit.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::process::{Outcome, fork, isolated};
use programs::signal::{self, Context, Info};
use programs::syscall::{self, clock, futex, getpid, gettid, pause_ms, timespec};
use programs::thread::{self, Thread, spawn};
use programs::{call, group};

group! { "threads":
    a_thread_shares_memory_and_process
    the_thread_register_is_per_thread
    clone_writes_the_thread_number
    descriptors_are_shared
    a_futex_lock_counts_right
    futex_wait_checks_its_word
    futex_wait_times_out
    futex_wake_counts_its_waiters
    futex_bitsets_select_waiters
    futex_requeue_moves_waiters
    a_shared_futex_works_between_processes
    tgkill_reaches_one_thread
    masks_are_per_thread
    a_process_signal_goes_to_a_thread_that_takes_it
    exit_group_ends_all_threads
    exit_of_the_first_thread_leaves_the_others
    a_fatal_signal_ends_all_threads
    fork_in_a_thread_copies_only_that_thread
    many_threads
    set_tid_address_returns_the_number
}

extern "C" fn add(counter: u64) -> u64 {
    assert_ne!(gettid(), getpid());
    counter_at(counter).fetch_add(getpid() as u32, Relaxed);
    0
}

fn counter_at(address: u64) -> &'static AtomicU32 {
    // SAFETY: callers pass addresses of statics, or of locals they wait by.
    unsafe { &*core::ptr::with_exposed_provenance::<AtomicU32>(address as usize) }
}

fn address_of(counter: &AtomicU32) -> u64 {
    counter.as_ptr().expose_provenance() as u64
}

fn a_thread_shares_memory_and_process() {
    let counter = AtomicU32::new(0);
    let thread = spawn(add, address_of(&counter));
    thread.join();
    assert_eq!(counter.load(Relaxed), getpid() as u32);
    assert_eq!(syscall::wait(-1, WNOHANG), Err(ECHILD), "a thread is no child");
}

fn thread_register() -> u64 {
    let value;
    // SAFETY: reading the register has no effect.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) value) };
    value
}

extern "C" fn keep_register(expected: u64) -> u64 {
    for _ in 0..50 {
        assert_eq!(thread_register(), expected);
        let _ = call!(__NR_sched_yield);
    }
    // SAFETY: nothing here uses thread-local storage.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) !expected) };
    pause_ms(2);
    assert_eq!(thread_register(), !expected, "a thread sets its own");
    0
}

fn the_thread_register_is_per_thread() {
    let own = thread_register();
    let start = |tls: usize| thread::clone(thread::FLAGS, tls, keep_register, tls as u64);
    let threads = [start(0x1111_2220), start(0x3333_4440), start(0)];
    for thread in threads {
        thread.join();
        assert_eq!(thread_register(), own);
    }
}

extern "C" fn note_number(counter: u64) -> u64 {
    counter_at(counter).store(gettid() as u32, Release);
    pause_ms(20);
    0
}

fn clone_writes_the_thread_number() {
    let counter = AtomicU32::new(0);
    let thread = spawn(note_number, address_of(&counter));
    assert_eq!(thread.word().load(Relaxed), thread.tid as u32);
    let tid = thread.tid as u32;
    thread.join();
    assert_eq!(counter.load(Acquire), tid);
}

extern "C" fn open_null(counter: u64) -> u64 {
    let fd = syscall::open(c"/dev/null", O_RDONLY, 0).unwrap();
    counter_at(counter).store(fd as u32, Release);
    0
}

fn descriptors_are_shared() {
    let counter = AtomicU32::new(0);
    spawn(open_null, address_of(&counter)).join();
    assert_eq!(syscall::close(counter.load(Acquire) as i32), Ok(0));
}

static LOCK: AtomicU32 = AtomicU32::new(0);
static SHARED: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
const ROUNDS: u64 = 2_000;

/// A lock of three states: free, taken, taken with waiters.
fn lock() {
    let mut state = LOCK.compare_exchange(0, 1, Acquire, Relaxed).unwrap_or_else(|state| state);
    if state == 0 {
        return;
    }
    if state != 2 {
        state = LOCK.swap(2, Acquire);
    }
    while state != 0 {
        let _ = futex(&LOCK, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, 0);
        state = LOCK.swap(2, Acquire);
    }
}

fn unlock() {
    if LOCK.swap(0, Release) == 2 {
        futex(&LOCK, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0).unwrap();
    }
}

extern "C" fn count_locked(_: u64) -> u64 {
    for round in 0..ROUNDS {
        lock();
        let value = SHARED[0].load(Relaxed);
        if round % 64 == 0 {
            let _ = call!(__NR_sched_yield);
        }
        SHARED[0].store(value + 1, Relaxed);
        unlock();
    }
    0
}

fn a_futex_lock_counts_right() {
    SHARED[0].store(0, Relaxed);
    let threads = [0; 4].map(|_| spawn(count_locked, 0));
    threads.into_iter().for_each(Thread::join);
    assert_eq!(SHARED[0].load(Relaxed), 4 * ROUNDS);
}

fn futex_wait_checks_its_word() {
    let word = AtomicU32::new(5);
    assert_eq!(futex(&word, FUTEX_WAIT, 4, 0), Err(EAGAIN));
    let odd = word.as_ptr().expose_provenance() + 1;
    assert_eq!(call!(__NR_futex, odd, FUTEX_WAIT, 5, 0), Err(EINVAL));
    assert_eq!(call!(__NR_futex, &word, 127, 5, 0), Err(ENOSYS));
    let bad = __kernel_timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
    assert_eq!(call!(__NR_futex, &word, FUTEX_WAIT, 5, &bad), Err(EINVAL));
    assert_eq!(futex(&word, FUTEX_WAKE, 1, 0), Ok(0));
}

fn futex_wait_times_out() {
    let word = AtomicU32::new(5);
    let before = clock(CLOCK_MONOTONIC).unwrap();
    let answer =
        call!(__NR_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, &timespec(20_000_000));
    let took = clock(CLOCK_MONOTONIC).unwrap() - before;
    assert_eq!(answer, Err(ETIMEDOUT));
    assert!((20_000_000..2_000_000_000).contains(&took), "relative: {took} ns");
    let until = timespec(clock(CLOCK_MONOTONIC).unwrap() + 20_000_000);
    assert_eq!(call!(__NR_futex, &word, FUTEX_WAIT_BITSET, 5, &until, 0, u32::MAX), Err(ETIMEDOUT));
    assert!(clock(CLOCK_MONOTONIC).unwrap() >= syscall::nanoseconds(&until), "absolute");
    let real = timespec(clock(CLOCK_REALTIME).unwrap() + 10_000_000);
    let operation = FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME;
    assert_eq!(call!(__NR_futex, &word, operation, 5, &real, 0, u32::MAX), Err(ETIMEDOUT));
    assert_eq!(call!(__NR_futex, &word, FUTEX_WAIT_BITSET, 5, 0, 0, 0), Err(EINVAL), "no bits");
}

static GATE: AtomicU32 = AtomicU32::new(0);
static OTHER: AtomicU32 = AtomicU32::new(0);
static WOKEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn wait_at_gate(bits: u64) -> u64 {
    let operation = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
    let answer = call!(__NR_futex, &GATE, operation, 0, 0, 0, bits);
    assert_eq!(answer, Ok(0));
    WOKEN.fetch_or(bits as u32, AcqRel);
    0
}

/// Starts a thread for each set of bits, all waiting at the gate.
fn waiters<const N: usize>(bits: [u64; N]) -> [Thread; N] {
    WOKEN.store(0, Relaxed);
    let threads = bits.map(|bits| spawn(wait_at_gate, bits));
    pause_ms(30);
    threads
}

fn wake(operation: u32, count: u32) -> syscall::Result {
    futex(&GATE, operation | FUTEX_PRIVATE_FLAG, count, 0)
}

fn futex_wake_counts_its_waiters() {
    let threads = waiters([1, 2, 4, 8]);
    assert_eq!(wake(FUTEX_WAKE, 1), Ok(1));
    pause_ms(20);
    assert_eq!(WOKEN.load(Acquire).count_ones(), 1);
    assert_eq!(wake(FUTEX_WAKE, i32::MAX as u32), Ok(3));
    threads.into_iter().for_each(Thread::join);
    assert_eq!(wake(FUTEX_WAKE, 1), Ok(0));
}

fn futex_bitsets_select_waiters() {
    let threads = waiters([1, 2, 4]);
    let select =
        |bits: u32| call!(__NR_futex, &GATE, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, 0, 0, bits);
    assert_eq!((select(8), select(2)), (Ok(0), Ok(1)));
    pause_ms(20);
    assert_eq!(WOKEN.load(Acquire), 2);
    assert_eq!(select(5), Ok(2));
    threads.into_iter().for_each(Thread::join);
}

fn futex_requeue_moves_waiters() {
    let threads = waiters([1, 2, 4]);
    let requeue = |expected: u32| {
        let operation = FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG;
        call!(__NR_futex, &GATE, operation, 1, i32::MAX, &OTHER, expected)
    };
    assert_eq!(requeue(7), Err(EAGAIN));
    assert_eq!(requeue(0), Ok(3), "one woken, two moved");
    assert_eq!(wake(FUTEX_WAKE, 9), Ok(0));
    assert_eq!(futex(&OTHER, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, 0), Ok(2));
    threads.into_iter().for_each(Thread::join);
}

fn a_shared_futex_works_between_processes() {
    use programs::memory::{PAGE, READ_WRITE, map, unmap};
    let page = map(0, PAGE, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0).unwrap();
    let word = counter_at(page as u64);
    let child = fork(|| {
        pause_ms(20);
        word.store(1, Release);
        i32::from(futex(word, FUTEX_WAKE, 1, 0).is_err())
    });
    while word.load(Acquire) == 0 {
        let _ = futex(word, FUTEX_WAIT, 0, 0);
    }
    assert_eq!(child.join(), Outcome::Exited(0));
    unmap(page, PAGE).unwrap();
}

static HANDLED_BY: AtomicU32 = AtomicU32::new(0);

extern "C" fn note_thread(_: u32, _: &mut Info, _: &mut Context) {
    HANDLED_BY.store(gettid() as u32, Release);
}

extern "C" fn sleep_until_signalled(_: u64) -> u64 {
    signal::mask(SIG_SETMASK, 0);
    assert_eq!(syscall::sleep(10_000_000_000), Err(EINTR));
    0
}

fn tgkill_reaches_one_thread() {
    signal::handle(SIGUSR1, note_thread, 0);
    let threads = [0; 3].map(|_| spawn(sleep_until_signalled, 0));
    for thread in threads {
        pause_ms(10);
        HANDLED_BY.store(0, Relaxed);
        let tid = thread.tid;
        assert_eq!(call!(__NR_tgkill, getpid(), tid, SIGUSR1), Ok(0));
        thread.join();
        assert_eq!(HANDLED_BY.load(Acquire), tid as u32);
    }
    signal::set_default(SIGUSR1);
}

extern "C" fn change_mask(_: u64) -> u64 {
    assert_eq!(signal::mask(SIG_SETMASK, signal::bit(SIGHUP)), signal::bit(SIGUSR1), "inherited");
    assert_eq!(signal::mask(SIG_BLOCK, 0), signal::bit(SIGHUP));
    0
}

fn masks_are_per_thread() {
    signal::mask(SIG_SETMASK, signal::bit(SIGUSR1));
    spawn(change_mask, 0).join();
    assert_eq!(signal::mask(SIG_SETMASK, 0), signal::bit(SIGUSR1));
}

fn a_process_signal_goes_to_a_thread_that_takes_it() {
    signal::handle(SIGUSR1, note_thread, 0);
    signal::mask(SIG_BLOCK, signal::bit(SIGUSR1));
    let thread = spawn(sleep_until_signalled, 0);
    pause_ms(20);
    syscall::kill(getpid(), SIGUSR1).unwrap();
    let tid = thread.tid;
    thread.join();
    assert_eq!(HANDLED_BY.load(Acquire), tid as u32);
    signal::reset();
}

extern "C" fn exit_all(status: u64) -> u64 {
    pause_ms(10);
    syscall::exit(status as i32)
}

extern "C" fn spin(_: u64) -> u64 {
    loop {
        core::hint::spin_loop();
    }
}

fn exit_group_ends_all_threads() {
    let child = fork(|| {
        spawn(exit_all, 17);
        pause_ms(60_000);
        0
    });
    assert_eq!(child.join(), Outcome::Exited(17));
    let spinning = fork(|| {
        spawn(spin, 0);
        pause_ms(10);
        18
    });
    assert_eq!(spinning.join(), Outcome::Exited(18));
}

fn exit_of_the_first_thread_leaves_the_others() {
    let child = fork(|| {
        spawn(exit_all, 19);
        let _ = call!(__NR_exit, 1);
        2
    });
    assert_eq!(child.join(), Outcome::Exited(19), "the last word has the thread that went on");
}

extern "C" fn fault(_: u64) -> u64 {
    programs::memory::poke(0, 0_u8);
    0
}

fn a_fatal_signal_ends_all_threads() {
    let child = fork(|| {
        spawn(fault, 0);
        pause_ms(60_000);
        0
    });
    assert_eq!(child.join(), Outcome::Killed(SIGSEGV));
}

extern "C" fn fork_here(_: u64) -> u64 {
    isolated(|| {
        assert_eq!(gettid(), getpid(), "the forking thread is the child's first");
        WOKEN.store(0, Relaxed);
        pause_ms(20);
        assert_eq!(WOKEN.load(Relaxed), 0, "no other thread runs there");
    });
    0
}

extern "C" fn keep_counting(_: u64) -> u64 {
    while OTHER.load(Relaxed) == 0 {
        WOKEN.fetch_add(1, Relaxed);
        let _ = call!(__NR_sched_yield);
    }
    0
}

fn fork_in_a_thread_copies_only_that_thread() {
    OTHER.store(0, Relaxed);
    let counting = spawn(keep_counting, 0);
    spawn(fork_here, 0).join();
    OTHER.store(1, Relaxed);
    counting.join();
    OTHER.store(0, Relaxed);
}

fn many_threads() {
    let counter = AtomicU32::new(0);
    for _ in 0..20 {
        let threads = [0; 20].map(|_| spawn(add, address_of(&counter)));
        threads.into_iter().for_each(Thread::join);
    }
    assert_eq!(counter.load(Relaxed), (getpid() as u32).wrapping_mul(400));
}

fn set_tid_address_returns_the_number() {
    isolated(|| assert_eq!(call!(__NR_set_tid_address, 0), Ok(gettid() as u64)));
}
