//! Bad addresses: what a program gets for its own accesses, and what calls say about them.

use core::arch::asm;

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::memory::*;
use programs::process::{Outcome, fork, isolated};
use programs::signal::{self, Context, Info, Stack, expect_fault, fault_of};
use programs::{call, group, syscall};

group! { "memory_faults":
    an_unmapped_address_is_a_mapping_error
    a_kernel_address_is_a_mapping_error
    a_tag_is_no_part_of_the_address
    the_programs_text_is_read_only
    a_jump_to_nowhere_names_the_target
    an_odd_program_counter_is_a_bus_error
    an_exclusive_access_must_be_aligned
    the_stack_grows_by_itself
    an_overflown_stack_is_a_fault_on_the_alternate_stack
    a_fault_without_a_handler_kills
    a_blocked_fault_kills
    calls_refuse_bad_pointers
    calls_refuse_pointers_into_the_upper_half
    a_call_across_the_end_of_a_mapping_is_refused
    a_bad_string_is_refused
    a_read_into_read_only_memory_is_refused
    a_call_may_be_the_first_to_touch_a_page
}

fn an_unmapped_address_is_a_mapping_error() {
    expect_fault(SIGSEGV, SEGV_MAPERR, 0, || peek::<u8>(0));
    expect_fault(SIGSEGV, SEGV_MAPERR, 0x18, || poke(0x18, 1_u64));
    let base = map_pages(1);
    unmap(base, PAGE).unwrap();
    expect_fault(SIGSEGV, SEGV_MAPERR, base + 0xabc, || poke(base + 0xabc, 1_u8));
}

fn a_kernel_address_is_a_mapping_error() {
    let high = 0xffff_8000_1234_5678_usize;
    let fault = fault_of(|| peek::<u8>(high)).expect("a fault");
    assert_eq!((fault.signal, fault.code), (SIGSEGV, SEGV_MAPERR as i32));
    assert!(fault_of(|| poke(usize::MAX - 7, 0_u64)).is_some_and(|fault| fault.signal == SIGSEGV));
    // Past the user half, yet below the kernel's.
    let between = 0x00ab_0000_0000_0000_usize;
    assert!(fault_of(|| peek::<u8>(between)).is_some_and(|fault| fault.signal == SIGSEGV));
}

fn a_tag_is_no_part_of_the_address() {
    const TAG: usize = 0x5a << 56;
    let base = map_pages(2);
    assert_eq!(peek::<u64>(base | TAG), 0, "the first touch is a load");
    poke(base + PAGE | TAG, 7_u64);
    assert_eq!(peek::<u64>(base + PAGE), 7, "the first touch was a store");
    unmap(base, PAGE).unwrap();
    expect_fault(SIGSEGV, SEGV_MAPERR, base + 8, || peek::<u64>(base + 8 | TAG));
    unmap(base + PAGE, PAGE).unwrap();
}

fn the_programs_text_is_read_only() {
    let text = (the_programs_text_is_read_only as *const ()).addr();
    expect_fault(SIGSEGV, SEGV_ACCERR, text, || poke(text, 0_u32));
}

fn a_jump_to_nowhere_names_the_target() {
    for target in [0, 0x1000, 0x7f_dead_b000] {
        let fault = fault_of(|| call_code(target)).expect("a fault");
        assert_eq!((fault.signal, fault.code), (SIGSEGV, SEGV_MAPERR as i32));
        assert_eq!((fault.address, fault.pc), (target as u64, target as u64));
    }
}

fn an_odd_program_counter_is_a_bus_error() {
    let odd = (fork_work as *const ()).addr() + 2;
    let fault = fault_of(|| call_code(odd)).expect("a fault");
    assert_eq!((fault.signal, fault.code), (SIGBUS, BUS_ADRALN as i32));
    assert_eq!((fault.address, fault.pc), (odd as u64, odd as u64));
}

fn an_exclusive_access_must_be_aligned() {
    let base = map_pages(1);
    let fault = fault_of(|| {
        let _value: u64;
        // SAFETY: a load from mapped memory; the fault is expected.
        unsafe { asm!("ldxr {}, [{}]", out(reg) _value, in(reg) base + 1) };
    });
    let fault = fault.expect("a fault");
    assert_eq!(
        (fault.signal, fault.code, fault.address),
        (SIGBUS, BUS_ADRALN as i32, base as u64 + 1)
    );
    unmap(base, PAGE).unwrap();
}

fn the_stack_grows_by_itself() {
    isolated(|| {
        let here = 0_u8;
        let here = (&raw const here).addr() & !(PAGE - 1);
        for page in 1..256 {
            poke(here - page * PAGE, page as u8);
        }
        let far = here - (4 << 20);
        assert_eq!(peek::<u8>(far), 0);
        poke(far, 1_u8);
        assert_eq!(peek::<u8>(here - 200 * PAGE), 200);
    });
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let page = core::hint::black_box([depth; 512]);
    if depth == u64::MAX { 0 } else { recurse(depth + 1) + page[511] }
}

extern "C" fn exit_well(signal: u32, info: &mut Info, context: &mut Context) {
    let here = (&raw const signal).addr();
    let stack = context.stack;
    let is_on_it = (stack.base..stack.base + stack.bytes).contains(&here);
    // Below the stack's limit there is nothing, or Linux's guard gap.
    let is_near = info.first.abs_diff(context.machine.sp) < 2 * PAGE as u64;
    syscall::exit(if is_on_it && is_near { 33 } else { 34 });
}

fn an_overflown_stack_is_a_fault_on_the_alternate_stack() {
    let child = fork(|| {
        let stack = Stack { base: map_pages(8), flags: 0, bytes: 8 * PAGE };
        call!(__NR_sigaltstack, &stack, 0).unwrap();
        signal::handle(SIGSEGV, exit_well, SA_ONSTACK);
        recurse(0) as i32
    });
    assert_eq!(child.join(), Outcome::Exited(33));
    assert_eq!(fork(|| recurse(0) as i32).join(), Outcome::Killed(SIGSEGV));
}

fn fork_work() -> i32 {
    poke(8, 0_u8);
    0
}

fn a_fault_without_a_handler_kills() {
    assert_eq!(fork(fork_work).join(), Outcome::Killed(SIGSEGV));
    let ignoring = || {
        signal::ignore(SIGSEGV);
        fork_work()
    };
    assert_eq!(fork(ignoring).join(), Outcome::Killed(SIGSEGV), "ignored");
}

fn a_blocked_fault_kills() {
    let child = fork(|| {
        signal::handle(SIGSEGV, exit_well, 0);
        signal::mask(SIG_BLOCK, signal::bit(SIGSEGV));
        fork_work()
    });
    assert_eq!(child.join(), Outcome::Killed(SIGSEGV));
}

/// Each call that takes a pointer, with `bad` for it, must say EFAULT.
fn refused(bad: usize) {
    let (input, output) = syscall::pipe(O_NONBLOCK).unwrap();
    syscall::write(output, b"text").unwrap();
    let zero = syscall::open(c"/dev/zero", O_RDONLY, 0).unwrap();
    let root = syscall::open(c"/", O_RDONLY | O_DIRECTORY, 0).unwrap();
    let file = syscall::open(programs::process::own_path(), O_RDONLY, 0).unwrap();
    let answers = [
        ("read", call!(__NR_read, input, bad, 4)),
        ("read of a device", call!(__NR_read, zero, bad, 4)),
        ("read of a file", call!(__NR_read, file, bad, 4)),
        ("pread", call!(__NR_pread64, file, bad, 4, 0)),
        ("write", call!(__NR_write, output, bad, 4)),
        ("writev", call!(__NR_writev, output, bad, 1)),
        ("readv", call!(__NR_readv, input, bad, 1)),
        ("openat", call!(__NR_openat, AT_FDCWD, bad, 0, 0)),
        ("newfstatat path", call!(__NR_newfstatat, AT_FDCWD, bad, 0, 0)),
        ("newfstatat", call!(__NR_newfstatat, AT_FDCWD, c"/", bad, 0)),
        ("fstat", call!(__NR_fstat, input, bad)),
        ("getdents64", call!(__NR_getdents64, root, bad, 4096)),
        ("readlinkat", call!(__NR_readlinkat, AT_FDCWD, c"/proc/self/exe", bad, 99)),
        ("getcwd", call!(__NR_getcwd, bad, 99)),
        ("chdir", call!(__NR_chdir, bad)),
        ("pipe2", call!(__NR_pipe2, bad, 0)),
        ("uname", call!(__NR_uname, bad)),
        ("execve", call!(__NR_execve, bad, 0, 0)),
        ("clock_gettime", call!(__NR_clock_gettime, CLOCK_MONOTONIC, bad)),
        ("nanosleep", call!(__NR_nanosleep, bad, 0)),
        ("getrandom", call!(__NR_getrandom, bad, 16, 0)),
        ("rt_sigaction", call!(__NR_rt_sigaction, SIGUSR1, bad, 0, 8)),
        ("rt_sigprocmask", call!(__NR_rt_sigprocmask, SIG_BLOCK, bad, 0, 8)),
        ("sigaltstack", call!(__NR_sigaltstack, bad, 0)),
        ("futex", call!(__NR_futex, bad, FUTEX_WAIT, 0, 0)),
        ("prlimit64", call!(__NR_prlimit64, 0, RLIMIT_STACK, 0, bad)),
    ];
    for fd in [input, output, zero, root, file] {
        syscall::close(fd).unwrap();
    }
    for (name, answer) in answers {
        assert_eq!(answer, Err(EFAULT), "{name}");
    }
}

fn calls_refuse_bad_pointers() {
    refused(16);
    let page = map_pages(1);
    protect(page, PAGE, PROT_NONE).unwrap();
    refused(page);
    unmap(page, PAGE).unwrap();
    refused(page);
}

fn calls_refuse_pointers_into_the_upper_half() {
    refused(0xffff_8000_0000_1000);
    refused(0x0000_ffff_ffff_f000);
}

fn a_call_across_the_end_of_a_mapping_is_refused() {
    let base = map_pages(2);
    unmap(base + PAGE, PAGE).unwrap();
    let edge = base + PAGE - 8;
    assert_eq!(call!(__NR_uname, edge), Err(EFAULT));
    assert_eq!(call!(__NR_clock_gettime, CLOCK_MONOTONIC, edge), Err(EFAULT));
    let (input, output) = syscall::pipe(O_NONBLOCK).unwrap();
    assert_eq!(call!(__NR_write, output, edge, 8), Ok(8));
    assert_eq!(call!(__NR_read, input, edge, 8), Ok(8));
    for fd in [input, output] {
        syscall::close(fd).unwrap();
    }
    unmap(base, PAGE).unwrap();
}

fn a_bad_string_is_refused() {
    let base = map_pages(2);
    unmap(base + PAGE, PAGE).unwrap();
    let edge = base + PAGE - 4;
    bytes(edge, 4).copy_from_slice(b"/tmp");
    assert_eq!(call!(__NR_openat, AT_FDCWD, edge, 0, 0), Err(EFAULT), "no end before the page's");
    bytes(edge, 4).copy_from_slice(b"/\0\0\0");
    let fd = call!(__NR_openat, AT_FDCWD, edge, 0, 0).expect("a string up to the edge");
    syscall::close(fd as i32).unwrap();
    let long = map_pages(2);
    bytes(long, 2 * PAGE - 1).fill(b'x');
    assert_eq!(call!(__NR_openat, AT_FDCWD, long, 0, 0), Err(ENAMETOOLONG));
    unmap(long, 2 * PAGE).unwrap();
    unmap(base, PAGE).unwrap();
}

fn a_read_into_read_only_memory_is_refused() {
    let zero = syscall::open(c"/dev/zero", O_RDONLY, 0).unwrap();
    let base = map_pages(1);
    poke(base, 1_u8);
    protect(base, PAGE, PROT_READ).unwrap();
    assert_eq!(call!(__NR_read, zero, base, 8), Err(EFAULT));
    assert_eq!(call!(__NR_uname, base), Err(EFAULT));
    assert_eq!(peek::<u8>(base), 1);
    let text = (recurse as *const ()).addr();
    assert_eq!(call!(__NR_read, zero, text, 8), Err(EFAULT), "the program's own code");
    syscall::close(zero).unwrap();
    unmap(base, PAGE).unwrap();
}

fn a_call_may_be_the_first_to_touch_a_page() {
    let zero = syscall::open(c"/dev/zero", O_RDONLY, 0).unwrap();
    let base = map_pages(8);
    assert_eq!(call!(__NR_read, zero, base + 100, 7 * PAGE), Ok(7 * PAGE as u64));
    let null = syscall::open(c"/dev/null", O_WRONLY, 0).unwrap();
    let fresh = map_pages(8);
    assert_eq!(call!(__NR_write, null, fresh + 1, 7 * PAGE), Ok(7 * PAGE as u64));
    let (input, output) = syscall::pipe(O_NONBLOCK).unwrap();
    assert_eq!(call!(__NR_write, output, fresh, 2 * PAGE), Ok(2 * PAGE as u64));
    assert_eq!(call!(__NR_read, input, base + 100, 2 * PAGE), Ok(2 * PAGE as u64));
    for fd in [zero, null, input, output] {
        syscall::close(fd).unwrap();
    }
    unmap(base, 8 * PAGE).unwrap();
    unmap(fresh, 8 * PAGE).unwrap();
}
