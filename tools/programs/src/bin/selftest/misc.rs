//! The rest: names, ids, random bytes, limits, usage, unknown calls.

use core::ffi::CStr;

use linux_raw_sys::general::*;
use linux_raw_sys::ioctl::{TCGETS, TIOCGWINSZ};
use linux_raw_sys::prctl::{PR_GET_NAME, PR_SET_NAME};
use linux_raw_sys::system::sysinfo;
use programs::errno::*;
use programs::syscall::{self, open};
use programs::{call, group, process};

group! { "misc":
    uname_says_linux_on_aarch64
    ids_are_consistent
    random_bytes_differ
    getrandom_checks_its_flags
    sysinfo_adds_up
    limits_can_be_read_and_lowered
    unknown_calls_are_refused
    huge_counts_are_cut
    a_thread_has_a_name
    what_is_no_terminal_says_so
    usage_is_reported
    the_scheduler_yields
    the_affinity_names_a_processor
}

fn uname_says_linux_on_aarch64() {
    let mut names = [[0_u8; 65]; 6];
    assert_eq!(call!(__NR_uname, &mut names), Ok(0));
    let name = |index: usize| CStr::from_bytes_until_nul(&names[index]).expect("a terminated name");
    assert_eq!((name(0), name(4)), (c"Linux", c"aarch64"));
    let major = name(2).to_str().unwrap().split('.').next().unwrap();
    assert!(major.parse::<u32>().unwrap() >= 5, "glibc refuses kernels that are too old");
}

fn ids_are_consistent() {
    let (mut real, mut effective, mut saved) = (9_u32, 9_u32, 9_u32);
    assert_eq!(call!(__NR_getresuid, &mut real, &mut effective, &mut saved), Ok(0));
    assert_eq!(call!(__NR_getuid), Ok(real.into()));
    assert_eq!(call!(__NR_geteuid), Ok(effective.into()));
    assert_eq!(call!(__NR_getresgid, &mut real, &mut effective, &mut saved), Ok(0));
    assert_eq!(call!(__NR_getgid), Ok(real.into()));
    assert!(call!(__NR_getgroups, 0, 0).is_ok());
}

fn random_bytes_differ() {
    let (mut one, mut two) = ([0_u8; 300], [0_u8; 300]);
    assert_eq!(call!(__NR_getrandom, &mut one, 300, 0), Ok(300));
    assert_eq!(call!(__NR_getrandom, &mut two, 300, GRND_NONBLOCK), Ok(300));
    assert_ne!(one, two);
    let distinct = (0..=255_u8).filter(|value| one.contains(value)).count();
    assert!(distinct > 100, "{distinct} different bytes of 300");
}

fn getrandom_checks_its_flags() {
    assert_eq!(call!(__NR_getrandom, &mut [0_u8; 4], 4, 0x100), Err(EINVAL));
    assert_eq!(call!(__NR_getrandom, 0, 0, 0), Ok(0));
}

fn sysinfo_adds_up() {
    let mut info = [0_u64; 16];
    assert!(size_of_val(&info) >= size_of::<sysinfo>());
    assert_eq!(call!(__NR_sysinfo, &mut info), Ok(0));
    // struct sysinfo: uptime, three loads, total and free memory.
    assert!(info[4] > 1 << 20 && info[5] < info[4]);
}

fn limits_can_be_read_and_lowered() {
    let mut limit = rlimit64 { rlim_cur: 0, rlim_max: 0 };
    assert_eq!(call!(__NR_prlimit64, 0, RLIMIT_STACK, 0, &mut limit), Ok(0));
    assert_eq!(limit.rlim_cur, 8 << 20);
    process::isolated(|| {
        let lower = rlimit64 { rlim_cur: 100, rlim_max: 200 };
        let mut old = lower;
        assert_eq!(call!(__NR_prlimit64, 0, RLIMIT_NOFILE, &lower, &mut old), Ok(0));
        assert!(old.rlim_cur >= 1024);
        assert_eq!(call!(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &mut old), Ok(0));
        assert_eq!((old.rlim_cur, old.rlim_max), (100, 200));
        let turned = rlimit64 { rlim_cur: 200, rlim_max: 100 };
        assert_eq!(call!(__NR_prlimit64, 0, RLIMIT_NOFILE, &turned, 0), Err(EINVAL));
    });
    assert_eq!(call!(__NR_prlimit64, 0, 16, 0, &mut limit), Err(EINVAL));
}

fn unknown_calls_are_refused() {
    for number in [3000, 0x7fff_ffff, 600, u32::MAX] {
        assert_eq!(call!(number, 1, 2, 3), Err(ENOSYS), "call {number}");
    }
}

fn huge_counts_are_cut() {
    let text = (huge_counts_are_cut as *const ()).addr();
    let null = open(c"/dev/null", O_RDWR, 0).unwrap();
    assert_eq!(call!(__NR_write, null, text, 1_u64 << 32), Ok(0x7fff_f000));
    assert_eq!(call!(__NR_read, null, text, 1_u64 << 32), Ok(0));
    assert_eq!(
        call!(__NR_write, null, text, u64::MAX >> 1),
        Err(EFAULT),
        "past the end of all addresses"
    );
    assert_eq!(call!(__NR_write, null, text, u64::MAX), Err(EFAULT));
    syscall::close(null).unwrap();
}

fn a_thread_has_a_name() {
    let mut name = [0_u8; 16];
    assert_eq!(call!(__NR_prctl, PR_GET_NAME, &mut name), Ok(0));
    let file = process::own_path().to_bytes().rsplit(|byte| *byte == b'/').next().unwrap();
    let short = &file[..file.len().min(15)];
    assert_eq!(CStr::from_bytes_until_nul(&name).unwrap().to_bytes(), short);
    process::isolated(|| {
        assert_eq!(call!(__NR_prctl, PR_SET_NAME, c"a name of more than fifteen"), Ok(0));
        assert_eq!(call!(__NR_prctl, PR_GET_NAME, &mut name), Ok(0));
        assert_eq!(&name, b"a name of more \0");
    });
}

fn what_is_no_terminal_says_so() {
    let null = open(c"/dev/null", O_RDWR, 0).unwrap();
    let mut buffer = [0_u8; 64];
    assert_eq!(call!(__NR_ioctl, null, TCGETS, &mut buffer), Err(ENOTTY));
    assert_eq!(call!(__NR_ioctl, null, TIOCGWINSZ, &mut buffer), Err(ENOTTY));
    assert_eq!(call!(__NR_ioctl, 99, TCGETS, &mut buffer), Err(EBADF));
    syscall::close(null).unwrap();
}

fn usage_is_reported() {
    // struct rusage: user time, system time, …
    let mut usage = [u64::MAX; 18];
    assert_eq!(call!(__NR_getrusage, RUSAGE_SELF, &mut usage), Ok(0));
    assert!(usage[1] < 1_000_000 && usage[3] < 1_000_000);
    assert_eq!(call!(__NR_getrusage, 77, &mut usage), Err(EINVAL));
    let child = process::fork(|| 0);
    let mut status = 0_i32;
    let waited = call!(__NR_wait4, child.0, &mut status, 0, &mut usage);
    assert_eq!(waited, Ok(child.0 as u64));
}

fn the_scheduler_yields() {
    for _ in 0..100 {
        assert_eq!(call!(__NR_sched_yield), Ok(0));
    }
}

fn the_affinity_names_a_processor() {
    let mut set = [0_u64; 16];
    let size = call!(__NR_sched_getaffinity, 0, 128, &mut set).unwrap();
    assert!((8..=128).contains(&size) && size.is_multiple_of(8));
    assert!(set.iter().any(|word| *word != 0));
}
