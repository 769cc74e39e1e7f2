//! Signals: delivery, masks, restarted and interrupted calls, children, stacks, groups.

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::memory::{PAGE, map_pages, unmap};
use programs::process::{self, Outcome, fork, isolated};
use programs::signal::{self, Action, Context, Info, Stack, bit};
use programs::syscall::{self, close, getpid, gettid, kill, pause_ms, pipe, read};
use programs::{call, group};

group! { "signals":
    a_handler_runs_before_kill_returns
    siginfo_names_the_sender
    tgkill_says_so
    kill_checks_its_arguments
    a_blocked_signal_waits
    the_handled_signal_is_blocked_in_its_handler
    nodefer_and_resethand_do_what_they_say
    the_actions_mask_is_blocked_too
    handlers_nest
    kill_and_stop_cannot_be_caught
    an_ignored_signal_is_gone
    the_own_restorer_is_used
    a_read_is_interrupted
    a_read_is_restarted
    a_sleep_is_interrupted_and_tells_the_rest
    wait_is_interrupted
    sigsuspend_waits_with_another_mask
    sigtimedwait_takes_a_blocked_signal
    a_child_sends_sigchld
    an_ignored_sigchld_reaps_children
    handlers_run_on_the_alternate_stack
    sigaltstack_checks_its_arguments
    a_stopped_child_is_reported_and_goes_on
    an_alarm_comes
    real_time_signals_queue
    a_spinning_process_can_be_killed
    a_signal_to_a_group_misses_no_new_child
}

static COUNT: AtomicU32 = AtomicU32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);
static FIRST: AtomicU64 = AtomicU64::new(0);
static SECOND: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: u32, info: &mut Info, _: &mut Context) {
    assert_eq!((info.signal as u32, info.errno), (signal, 0));
    COUNT.fetch_add(1, Relaxed);
    CODE.store(info.code, Relaxed);
    FIRST.store(info.first, Relaxed);
    SECOND.store(info.second, Relaxed);
}

/// Installs `note` for `signal` with nothing counted yet.
fn watch(signal: u32, flags: u32) {
    COUNT.store(0, Relaxed);
    signal::handle(signal, note, flags);
}

fn raise(signal: u32) {
    kill(getpid(), signal).unwrap();
}

fn sender() -> u64 {
    getpid() as u64 | call!(__NR_getuid).unwrap() << 32
}

fn a_handler_runs_before_kill_returns() {
    watch(SIGUSR1, 0);
    for round in 1..100 {
        raise(SIGUSR1);
        assert_eq!(COUNT.load(Relaxed), round);
    }
    signal::set_default(SIGUSR1);
}

fn siginfo_names_the_sender() {
    watch(SIGUSR1, 0);
    raise(SIGUSR1);
    assert_eq!((CODE.load(Relaxed), FIRST.load(Relaxed)), (SI_USER as i32, sender()));
    let parent = getpid();
    let child = fork(|| i32::from(kill(parent, SIGUSR1).is_err()));
    let number = child.0 as u64;
    assert_eq!(child.join(), Outcome::Exited(0));
    assert_eq!((COUNT.load(Relaxed), FIRST.load(Relaxed) & 0xffff_ffff), (2, number));
    signal::set_default(SIGUSR1);
}

fn tgkill_says_so() {
    watch(SIGUSR1, 0);
    assert_eq!(call!(__NR_tgkill, getpid(), gettid(), SIGUSR1), Ok(0));
    assert_eq!((COUNT.load(Relaxed), CODE.load(Relaxed)), (1, SI_TKILL));
    assert_eq!(call!(__NR_tkill, gettid(), SIGUSR1), Ok(0));
    assert_eq!(COUNT.load(Relaxed), 2);
    assert_eq!(call!(__NR_tgkill, getpid(), 0, SIGUSR1), Err(EINVAL));
    assert_eq!(call!(__NR_tgkill, getpid(), 0x3fff_fff0, SIGUSR1), Err(ESRCH));
    signal::set_default(SIGUSR1);
}

fn kill_checks_its_arguments() {
    assert_eq!(kill(getpid(), 0), Ok(0));
    assert_eq!(kill(getpid(), 65), Err(EINVAL));
    assert_eq!(kill(0x3fff_fff0, SIGTERM), Err(ESRCH));
    assert_eq!(call!(__NR_rt_sigaction, 0, 0, 0, 8), Err(EINVAL));
    assert_eq!(call!(__NR_rt_sigaction, 65, 0, 0, 8), Err(EINVAL));
    assert_eq!(call!(__NR_rt_sigaction, SIGUSR1, 0, 0, 4), Err(EINVAL));
    assert_eq!(call!(__NR_rt_sigprocmask, 7, &0_u64, 0, 8), Err(EINVAL));
    assert_eq!(call!(__NR_rt_sigprocmask, SIG_BLOCK, &0_u64, 0, 16), Err(EINVAL));
}

fn a_blocked_signal_waits() {
    watch(SIGUSR1, 0);
    assert_eq!(signal::mask(SIG_BLOCK, bit(SIGUSR1)), 0);
    raise(SIGUSR1);
    raise(SIGUSR1);
    assert_eq!((COUNT.load(Relaxed), signal::pending()), (0, bit(SIGUSR1)));
    assert_eq!(signal::mask(SIG_UNBLOCK, bit(SIGUSR1)), bit(SIGUSR1));
    assert_eq!((COUNT.load(Relaxed), signal::pending()), (1, 0), "once, before the call returns");
    signal::set_default(SIGUSR1);
}

static MASK: AtomicU64 = AtomicU64::new(0);

extern "C" fn note_mask(_: u32, _: &mut Info, context: &mut Context) {
    COUNT.fetch_add(1, Relaxed);
    MASK.store(signal::mask(SIG_BLOCK, 0), Relaxed);
    assert_eq!(context.mask, 0, "the mask to go back to");
}

fn the_handled_signal_is_blocked_in_its_handler() {
    signal::handle(SIGUSR1, note_mask, 0);
    raise(SIGUSR1);
    assert_eq!(MASK.load(Relaxed), bit(SIGUSR1));
    assert_eq!(signal::mask(SIG_BLOCK, 0), 0, "and free again after it");
    signal::set_default(SIGUSR1);
}

fn nodefer_and_resethand_do_what_they_say() {
    signal::handle(SIGUSR1, note_mask, SA_NODEFER | SA_RESETHAND);
    raise(SIGUSR1);
    assert_eq!(MASK.load(Relaxed), 0);
    assert_eq!(signal::action(SIGUSR1).unwrap().handler, 0);
}

fn the_actions_mask_is_blocked_too() {
    signal::handle_masking(SIGUSR1, note_mask, 0, bit(SIGUSR2) | bit(SIGKILL) | bit(SIGHUP));
    assert_eq!(signal::action(SIGUSR1).unwrap().mask, bit(SIGUSR2) | bit(SIGHUP));
    raise(SIGUSR1);
    assert_eq!(MASK.load(Relaxed), bit(SIGUSR1) | bit(SIGUSR2) | bit(SIGHUP));
    signal::set_default(SIGUSR1);
}

static DEPTH: AtomicU32 = AtomicU32::new(0);

extern "C" fn nest(signal: u32, _: &mut Info, _: &mut Context) {
    let depth = DEPTH.fetch_add(1, Relaxed) + 1;
    COUNT.fetch_max(depth, Relaxed);
    if signal == SIGUSR1 {
        raise(SIGUSR2);
    } else if depth < 6 {
        raise(SIGUSR2);
        assert_eq!(DEPTH.load(Relaxed), depth, "what it nested has returned");
    }
    DEPTH.fetch_sub(1, Relaxed);
}

fn handlers_nest() {
    COUNT.store(0, Relaxed);
    signal::handle(SIGUSR1, nest, 0);
    signal::handle(SIGUSR2, nest, SA_NODEFER);
    raise(SIGUSR1);
    assert_eq!((COUNT.load(Relaxed), DEPTH.load(Relaxed)), (6, 0));
    signal::reset();
}

fn kill_and_stop_cannot_be_caught() {
    for signal in [SIGKILL, SIGSTOP] {
        assert_eq!(
            signal::set_action(signal, &Action { handler: 1, ..Action::default() }),
            Err(EINVAL)
        );
        signal::mask(SIG_BLOCK, bit(signal));
        assert_eq!(signal::mask(SIG_BLOCK, 0), 0);
    }
    let child = fork(|| {
        signal::mask(SIG_SETMASK, u64::MAX);
        raise(SIGKILL);
        0
    });
    assert_eq!(child.join(), Outcome::Killed(SIGKILL));
}

fn an_ignored_signal_is_gone() {
    signal::ignore(SIGTERM);
    raise(SIGTERM);
    signal::mask(SIG_BLOCK, bit(SIGTERM) | bit(SIGUSR1));
    signal::set_default(SIGTERM);
    raise(SIGUSR1);
    assert_eq!(signal::pending(), bit(SIGUSR1));
    signal::ignore(SIGUSR1);
    assert_eq!(signal::pending(), 0, "ignoring drops what is pending");
    signal::reset();
    raise(SIGCHLD);
    raise(SIGURG);
    raise(SIGWINCH);
}

fn the_own_restorer_is_used() {
    COUNT.store(0, Relaxed);
    signal::handle_with_restorer(SIGUSR1, note);
    raise(SIGUSR1);
    assert_eq!(COUNT.load(Relaxed), 1);
    signal::set_default(SIGUSR1);
}

/// Runs `work` while a child sends `signal` once after a while, then `after` a while later.
fn while_signalled(signal: u32, work: impl FnOnce(), after: impl FnOnce()) {
    let parent = getpid();
    let child = fork(|| {
        pause_ms(30);
        kill(parent, signal).unwrap();
        pause_ms(30);
        after();
        0
    });
    work();
    assert_eq!(child.join(), Outcome::Exited(0));
}

fn a_read_is_interrupted() {
    let (input, output) = pipe(0).unwrap();
    watch(SIGUSR1, 0);
    while_signalled(SIGUSR1, || assert_eq!(read(input, &mut [0]), Err(EINTR)), || {});
    assert_eq!(COUNT.load(Relaxed), 1);
    signal::ignore(SIGUSR1);
    while_signalled(
        SIGUSR1,
        || assert_eq!(read(input, &mut [0]), Ok(1)),
        || {
            syscall::write(output, b"x").unwrap();
        },
    );
    signal::set_default(SIGUSR1);
    close(input).unwrap();
    close(output).unwrap();
}

fn a_read_is_restarted() {
    let (input, output) = pipe(0).unwrap();
    watch(SIGUSR1, SA_RESTART);
    while_signalled(
        SIGUSR1,
        || assert_eq!(read(input, &mut [0]), Ok(1)),
        || {
            syscall::write(output, b"x").unwrap();
        },
    );
    assert_eq!(COUNT.load(Relaxed), 1);
    signal::set_default(SIGUSR1);
    close(input).unwrap();
    close(output).unwrap();
}

fn a_sleep_is_interrupted_and_tells_the_rest() {
    watch(SIGUSR1, SA_RESTART);
    let sleep = || {
        let mut rest = syscall::timespec(0);
        let answer = call!(__NR_nanosleep, &syscall::timespec(10_000_000_000), &mut rest);
        assert_eq!(answer, Err(EINTR), "even with SA_RESTART");
        assert!((5..10).contains(&rest.tv_sec), "{rest:?}");
    };
    while_signalled(SIGUSR1, sleep, || {});
    signal::set_default(SIGUSR1);
}

fn wait_is_interrupted() {
    watch(SIGUSR1, 0);
    let wait = || assert_eq!(call!(__NR_wait4, -1, 0, 0, 0), Err(EINTR));
    while_signalled(SIGUSR1, wait, || {});
    signal::set_default(SIGUSR1);
}

fn sigsuspend_waits_with_another_mask() {
    watch(SIGUSR1, 0);
    signal::mask(SIG_SETMASK, bit(SIGUSR1) | bit(SIGHUP));
    raise(SIGUSR1);
    assert_eq!(call!(__NR_rt_sigsuspend, &bit(SIGHUP), 8), Err(EINTR));
    assert_eq!(COUNT.load(Relaxed), 1);
    assert_eq!(signal::mask(SIG_SETMASK, 0), bit(SIGUSR1) | bit(SIGHUP));
    signal::set_default(SIGUSR1);
}

fn sigtimedwait_takes_a_blocked_signal() {
    signal::mask(SIG_BLOCK, bit(SIGUSR1));
    let wait = |ns: u64| {
        let mut info = [0_u32; 32];
        let answer =
            call!(__NR_rt_sigtimedwait, &bit(SIGUSR1), &mut info, &syscall::timespec(ns), 8);
        answer.map(|signal| (signal as u32, info[4]))
    };
    assert_eq!(wait(0), Err(EAGAIN));
    assert_eq!(wait(5_000_000), Err(EAGAIN));
    raise(SIGUSR1);
    assert_eq!(wait(1_000_000_000), Ok((SIGUSR1, getpid() as u32)));
    assert_eq!(signal::pending(), 0);
    signal::reset();
}

fn a_child_sends_sigchld() {
    watch(SIGCHLD, SA_RESTART);
    let child = fork(|| 44);
    let number = child.0 as u64;
    assert_eq!(child.join(), Outcome::Exited(44));
    assert_eq!((COUNT.load(Relaxed), CODE.load(Relaxed)), (1, CLD_EXITED as i32));
    assert_eq!((FIRST.load(Relaxed) & 0xffff_ffff, SECOND.load(Relaxed) as u32), (number, 44));
    let killed = fork(|| {
        raise(SIGTERM);
        0
    });
    assert_eq!(killed.join(), Outcome::Killed(SIGTERM));
    assert_eq!((CODE.load(Relaxed), SECOND.load(Relaxed) as u32), (CLD_KILLED as i32, SIGTERM));
    signal::set_default(SIGCHLD);
}

fn an_ignored_sigchld_reaps_children() {
    isolated(|| {
        signal::ignore(SIGCHLD);
        fork(|| 1);
        fork(|| 2);
        assert_eq!(syscall::wait(-1, 0), Err(ECHILD), "after all have ended");
    });
}

static STACK: AtomicU64 = AtomicU64::new(0);

extern "C" fn note_stack(_: u32, _: &mut Info, context: &mut Context) {
    let local = 0_u8;
    STACK.store((&raw const local).addr() as u64, Relaxed);
    MASK.store((&raw const *context).addr() as u64, Relaxed);
    let mut now = Stack { base: 0, flags: 0, bytes: 0 };
    call!(__NR_sigaltstack, 0, &mut now).unwrap();
    SECOND.store(now.flags.into(), Relaxed);
    CODE.store(i32::from(call!(__NR_sigaltstack, &now, 0) == Err(EPERM)), Relaxed);
}

fn handlers_run_on_the_alternate_stack() {
    let base = map_pages(8);
    let stack = Stack { base, flags: 0, bytes: 8 * PAGE };
    let is_inside = |address: u64| (base as u64..(base + 8 * PAGE) as u64).contains(&address);
    call!(__NR_sigaltstack, &stack, 0).unwrap();
    signal::handle(SIGUSR1, note_stack, 0);
    raise(SIGUSR1);
    assert!(!is_inside(STACK.load(Relaxed)), "only with SA_ONSTACK");
    assert_eq!((SECOND.load(Relaxed), CODE.load(Relaxed)), (0, 0));
    call!(__NR_sigaltstack, &stack, 0).unwrap();
    signal::handle(SIGUSR1, note_stack, SA_ONSTACK);
    raise(SIGUSR1);
    assert!(is_inside(STACK.load(Relaxed)) && is_inside(MASK.load(Relaxed)));
    assert_eq!(STACK.load(Relaxed) >> 63, 0);
    assert_eq!(
        (SECOND.load(Relaxed), CODE.load(Relaxed)),
        (SS_ONSTACK.into(), 1),
        "no change from on it"
    );
    let mut now = stack;
    call!(__NR_sigaltstack, &Stack { base: 0, flags: SS_DISABLE, bytes: 0 }, &mut now).unwrap();
    assert_eq!(now, stack);
    signal::set_default(SIGUSR1);
    unmap(base, 8 * PAGE).unwrap();
}

fn sigaltstack_checks_its_arguments() {
    let stack = Stack { base: 0x1_0000, flags: 0, bytes: 1000 };
    assert_eq!(call!(__NR_sigaltstack, &stack, 0), Err(ENOMEM));
    assert_eq!(call!(__NR_sigaltstack, &Stack { flags: 8, ..stack }, 0), Err(EINVAL));
    let mut now = stack;
    call!(__NR_sigaltstack, 0, &mut now).unwrap();
    assert_eq!(now.flags, SS_DISABLE);
}

fn a_stopped_child_is_reported_and_goes_on() {
    let child = fork(|| {
        raise(SIGSTOP);
        8
    });
    let number = child.0;
    assert_eq!(syscall::wait(number, WUNTRACED), Ok((number, (SIGSTOP as i32) << 8 | 0x7f)));
    assert_eq!(syscall::wait(number, WNOHANG | WUNTRACED), Ok((0, 0)), "reported once");
    kill(number, SIGCONT).unwrap();
    assert_eq!(child.join(), Outcome::Exited(8));
    let stopped = fork(|| {
        raise(SIGSTOP);
        8
    });
    syscall::wait(stopped.0, WUNTRACED).unwrap();
    kill(stopped.0, SIGKILL).unwrap();
    assert_eq!(stopped.join(), Outcome::Killed(SIGKILL), "SIGKILL needs no SIGCONT");
}

fn an_alarm_comes() {
    watch(SIGALRM, 0);
    // struct itimerval: interval, then value, each in seconds and microseconds.
    let timer = [0_u64, 0, 0, 20_000];
    assert_eq!(call!(__NR_setitimer, ITIMER_REAL, &timer, 0), Ok(0));
    assert_eq!(syscall::sleep(5_000_000_000), Err(EINTR));
    assert_eq!(COUNT.load(Relaxed), 1);
    let mut left = [9_u64; 4];
    assert_eq!(call!(__NR_getitimer, ITIMER_REAL, &mut left), Ok(0));
    assert_eq!(left, [0; 4]);
    signal::set_default(SIGALRM);
}

fn real_time_signals_queue() {
    watch(34, 0);
    signal::mask(SIG_BLOCK, bit(34));
    for _ in 0..3 {
        raise(34);
    }
    signal::mask(SIG_UNBLOCK, bit(34));
    assert_eq!(COUNT.load(Relaxed), 3);
    signal::set_default(34);
}

fn a_spinning_process_can_be_killed() {
    let child = fork(|| {
        loop {
            core::hint::spin_loop();
        }
    });
    pause_ms(20);
    kill(child.0, SIGTERM).unwrap();
    assert_eq!(child.join(), Outcome::Killed(SIGTERM));
}

/// Forks while the group is signalled. The child finds what the handler did in the parent, or
/// gets the signal itself.
fn fork_while_signalled(delay_us: u64) {
    let (input, output) = pipe(0).unwrap();
    let target = getpid();
    watch(SIGUSR1, 0);
    let sender = fork(|| {
        call!(__NR_setpgid, 0, 0).unwrap();
        process::receive(input);
        let start = syscall::clock(CLOCK_MONOTONIC).unwrap();
        while syscall::clock(CLOCK_MONOTONIC).unwrap() < start + delay_us * 1000 {}
        i32::from(kill(-target, SIGUSR1).is_err())
    });
    while call!(__NR_getpgid, sender.0) == Ok(target as u64) {
        syscall::pause_ms(1);
    }
    process::send(output, 1);
    let child = fork(|| {
        let start = syscall::clock(CLOCK_MONOTONIC).unwrap();
        while COUNT.load(Relaxed) == 0 {
            if syscall::clock(CLOCK_MONOTONIC).unwrap() > start + 1_000_000_000 {
                return 1;
            }
            syscall::pause_ms(1);
        }
        0
    });
    assert_eq!(child.join(), Outcome::Exited(0), "{delay_us} us");
    assert_eq!(sender.join(), Outcome::Exited(0));
    close(input).unwrap();
    close(output).unwrap();
}

fn a_signal_to_a_group_misses_no_new_child() {
    isolated(|| {
        call!(__NR_setpgid, 0, 0).unwrap();
        (0..40).for_each(|round| fork_while_signalled(round * 100));
        signal::set_default(SIGUSR1);
    });
}
