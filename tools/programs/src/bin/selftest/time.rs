//! Time: clocks by call and by vDSO, sleeping.

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::syscall::{clock, nanoseconds, sleep, timespec};
use programs::{call, check, elf, group};

group! { "time":
    clocks_go_forward
    clocks_that_do_not_exist_are_refused
    the_wall_clock_is_sane
    the_vdso_agrees_with_the_call
    the_vdso_asks_the_kernel_where_it_must
    processor_time_is_counted
    a_sleep_takes_its_time
    an_absolute_sleep_ends_on_time
    bad_times_are_refused
}

fn clocks_go_forward() {
    for id in [CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME] {
        let mut last = clock(id).unwrap();
        for _ in 0..1000 {
            let now = clock(id).unwrap();
            assert!(now >= last, "clock {id}");
            last = now;
        }
    }
    let mut resolution = timespec(0);
    assert_eq!(call!(__NR_clock_getres, CLOCK_MONOTONIC, &mut resolution), Ok(0));
    assert!((1..=10_000_000).contains(&nanoseconds(&resolution)));
}

fn clocks_that_do_not_exist_are_refused() {
    assert_eq!(clock(99), Err(EINVAL));
    assert_eq!(call!(__NR_clock_getres, 99, 0), Err(EINVAL));
}

fn the_wall_clock_is_sane() {
    let now = clock(CLOCK_REALTIME).unwrap();
    assert!(now / 1_000_000_000 > 1_577_836_800, "after 2020-01-01");
    let mut value = [0_u64; 2];
    assert_eq!(call!(__NR_gettimeofday, &mut value, 0), Ok(0));
    assert!((value[0] * 1_000_000 + value[1]).abs_diff(now / 1000) < 1_000_000);
    assert!(clock(CLOCK_REALTIME_COARSE).unwrap().abs_diff(now) < 1_000_000_000);
}

type ClockGettime = extern "C" fn(u32, *mut __kernel_timespec) -> i32;

fn vdso_clock() -> Option<ClockGettime> {
    let address = elf::vdso()?.find("__kernel_clock_gettime", "LINUX_2.6.39")?;
    // SAFETY: the vDSO's ABI gives the function this type.
    Some(unsafe { core::mem::transmute::<usize, ClockGettime>(address) })
}

fn the_vdso_agrees_with_the_call() {
    let Some(function) = vdso_clock() else { return check::skip("no vDSO") };
    for id in [CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW] {
        for _ in 0..200 {
            let before = clock(id).unwrap();
            let mut time = timespec(0);
            assert_eq!(function(id, &raw mut time), 0);
            let after = clock(id).unwrap();
            assert!((0..1_000_000_000).contains(&time.tv_nsec));
            let between = nanoseconds(&time);
            assert!(
                before <= between && between <= after,
                "clock {id}: {before} {between} {after}"
            );
        }
    }
}

fn the_vdso_asks_the_kernel_where_it_must() {
    let Some(function) = vdso_clock() else { return check::skip("no vDSO") };
    let mut time = timespec(0);
    assert_eq!(function(CLOCK_PROCESS_CPUTIME_ID, &raw mut time), 0);
    assert_eq!(function(99, &raw mut time), -22);
}

fn processor_time_is_counted() {
    let before = clock(CLOCK_PROCESS_CPUTIME_ID).unwrap();
    let start = clock(CLOCK_MONOTONIC).unwrap();
    while clock(CLOCK_MONOTONIC).unwrap() - start < 50_000_000 {}
    let used = clock(CLOCK_PROCESS_CPUTIME_ID).unwrap() - before;
    assert!(used > 1_000_000, "{used} ns of 50 ms");
    let before = clock(CLOCK_THREAD_CPUTIME_ID).unwrap();
    sleep(50_000_000).unwrap();
    let used = clock(CLOCK_THREAD_CPUTIME_ID).unwrap() - before;
    assert!(used < 40_000_000, "a sleep uses none: {used} ns");
}

fn a_sleep_takes_its_time() {
    for ns in [0, 1, 1_000_000, 30_000_000] {
        let before = clock(CLOCK_MONOTONIC).unwrap();
        assert_eq!(sleep(ns), Ok(0));
        let took = clock(CLOCK_MONOTONIC).unwrap() - before;
        assert!(took >= ns && took < ns + 1_000_000_000, "{took} ns for {ns}");
    }
}

fn an_absolute_sleep_ends_on_time() {
    for id in [CLOCK_MONOTONIC, CLOCK_REALTIME] {
        let until = clock(id).unwrap() + 20_000_000;
        assert_eq!(call!(__NR_clock_nanosleep, id, TIMER_ABSTIME, &timespec(until), 0), Ok(0));
        let now = clock(id).unwrap();
        assert!(now >= until && now < until + 1_000_000_000);
        assert_eq!(
            call!(__NR_clock_nanosleep, id, TIMER_ABSTIME, &timespec(1), 0),
            Ok(0),
            "long past"
        );
    }
    assert_eq!(call!(__NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &timespec(1_000_000), 0), Ok(0));
}

fn bad_times_are_refused() {
    let bad = __kernel_timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
    assert_eq!(call!(__NR_nanosleep, &bad, 0), Err(EINVAL));
    let negative = __kernel_timespec { tv_sec: -1, tv_nsec: 0 };
    assert_eq!(call!(__NR_nanosleep, &negative, 0), Err(EINVAL));
    assert_eq!(call!(__NR_clock_nanosleep, 99, 0, &timespec(1), 0), Err(EINVAL));
    let own = call!(__NR_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &timespec(1), 0);
    assert_eq!(own, Err(EOPNOTSUPP), "a thread asleep uses no processor time");
}
