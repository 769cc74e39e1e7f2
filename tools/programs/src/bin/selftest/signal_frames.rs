//! Signal frames: every register comes back, and handlers may change what does.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use linux_raw_sys::general::*;
use programs::fp::{self, Registers};
use programs::process::{Outcome, fork};
use programs::signal::{self, Context, Info, fault_of};
use programs::syscall::{self, getpid, kill};
use programs::{group, guard};

group! { "signal_frames":
    all_registers_survive_a_handler
    flags_survive_a_handler
    a_handler_sees_the_registers
    a_handler_can_change_the_registers
    vector_registers_survive_a_handler
    a_handler_sees_and_changes_vector_registers
    signals_between_any_two_instructions
    a_handler_can_leave_by_jumping
    an_undefined_instruction_is_sigill
    a_breakpoint_is_sigtrap
    a_handler_can_step_over_the_faulting_instruction
    a_broken_frame_kills
    a_privileged_state_is_not_taken_from_the_frame
}

// across_break(x0 = in: x0-x30 as 31 words, x1 = out: the same, then NZCV): fills x0-x30, sets all
// four flags, executes `brk #0`, writes the registers and flags out. Keeps callee-saved registers.
global_asm!(
    ".global across_break",
    "across_break:",
    "stp x29, x30, [sp, #-112]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "str x1, [sp, #96]",
    "mov x1, #0xf0000000",
    "msr nzcv, x1",
    "ldp x30, x1, [x0, #240]",
    "ldp x28, x29, [x0, #224]",
    "ldp x26, x27, [x0, #208]",
    "ldp x24, x25, [x0, #192]",
    "ldp x22, x23, [x0, #176]",
    "ldp x20, x21, [x0, #160]",
    "ldp x18, x19, [x0, #144]",
    "ldp x16, x17, [x0, #128]",
    "ldp x14, x15, [x0, #112]",
    "ldp x12, x13, [x0, #96]",
    "ldp x10, x11, [x0, #80]",
    "ldp x8, x9, [x0, #64]",
    "ldp x6, x7, [x0, #48]",
    "ldp x4, x5, [x0, #32]",
    "ldp x2, x3, [x0, #16]",
    "ldp x0, x1, [x0]",
    "brk #0",
    "str x0, [sp, #104]",
    "ldr x0, [sp, #96]",
    "stp x2, x3, [x0, #16]",
    "stp x4, x5, [x0, #32]",
    "stp x6, x7, [x0, #48]",
    "stp x8, x9, [x0, #64]",
    "stp x10, x11, [x0, #80]",
    "stp x12, x13, [x0, #96]",
    "stp x14, x15, [x0, #112]",
    "stp x16, x17, [x0, #128]",
    "stp x18, x19, [x0, #144]",
    "stp x20, x21, [x0, #160]",
    "stp x22, x23, [x0, #176]",
    "stp x24, x25, [x0, #192]",
    "stp x26, x27, [x0, #208]",
    "stp x28, x29, [x0, #224]",
    "mrs x2, nzcv",
    "stp x30, x2, [x0, #240]",
    "ldr x2, [sp, #104]",
    "stp x2, x1, [x0]",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp x29, x30, [sp], #112",
    "ret",
);

unsafe extern "C" {
    fn across_break(before: *const [u64; 32], after: *mut [u64; 32]);
}

/// Registers x0 to x30 and NZCV.
fn across(before: &[u64; 32]) -> [u64; 32] {
    let mut after = [0; 32];
    // SAFETY: a handler of SIGTRAP that steps on is installed; both arrays are large enough.
    unsafe { across_break(before, &raw mut after) };
    after
}

fn numbers() -> [u64; 32] {
    let mut numbers = core::array::from_fn(|index| 0x0101_0101_0101_0101 * (index as u64 + 1));
    numbers[31] = 0xf000_0000;
    numbers
}

extern "C" fn step(_: u32, _: &mut Info, context: &mut Context) {
    fp::load(&fp::pattern(999));
    context.machine.pc += 4;
}

fn all_registers_survive_a_handler() {
    signal::handle(SIGTRAP, step, 0);
    let after = across(&numbers());
    assert_eq!(after[..31], numbers()[..31]);
    signal::set_default(SIGTRAP);
}

fn flags_survive_a_handler() {
    signal::handle(SIGTRAP, step, 0);
    assert_eq!(across(&numbers())[31], 0xf000_0000);
    signal::set_default(SIGTRAP);
}

static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn change(_: u32, _: &mut Info, context: &mut Context) {
    let machine = &mut context.machine;
    let is_right = machine.x[..] == numbers()[..31] && machine.pstate & 0xf000_0000 == 0xf000_0000;
    SEEN.store(is_right.into(), Relaxed);
    machine.pc += 4;
    for register in &mut machine.x {
        *register ^= u64::MAX;
    }
    machine.pstate = 0x6000_0000;
}

fn a_handler_sees_the_registers() {
    signal::handle(SIGTRAP, change, 0);
    SEEN.store(0, Relaxed);
    across(&numbers());
    assert_eq!(SEEN.load(Relaxed), 1);
    signal::set_default(SIGTRAP);
}

fn a_handler_can_change_the_registers() {
    signal::handle(SIGTRAP, change, 0);
    let after = across(&numbers());
    for (index, (before, after)) in numbers().iter().zip(&after).enumerate().take(31) {
        assert_eq!(*after, !before, "x{index}");
    }
    assert_eq!(after[31], 0x6000_0000);
    signal::set_default(SIGTRAP);
}

fn vector_registers_survive_a_handler() {
    signal::handle(SIGTRAP, step, 0);
    for seed in 0..20 {
        let before = fp::pattern(seed);
        assert!(fp::across_break(&before) == before, "pattern {seed}");
    }
    fp::set_control(1 << 24);
    fp::across_break(&fp::pattern(0));
    assert_eq!(fp::control(), 1 << 24);
    fp::set_control(0);
    signal::set_default(SIGTRAP);
}

extern "C" fn change_vectors(_: u32, _: &mut Info, context: &mut Context) {
    context.machine.pc += 4;
    let record = context.machine.fp();
    SEEN.store(u64::from(record.q == fp::pattern(1)), Relaxed);
    record.q = fp::pattern(2);
    fp::load(&fp::pattern(3));
}

fn a_handler_sees_and_changes_vector_registers() {
    signal::handle(SIGTRAP, change_vectors, 0);
    let after: Registers = fp::across_break(&fp::pattern(1));
    assert_eq!(SEEN.load(Relaxed), 1);
    assert!(after == fp::pattern(2));
    signal::set_default(SIGTRAP);
}

static HITS: AtomicU32 = AtomicU32::new(0);

extern "C" fn spoil(_: u32, _: &mut Info, _: &mut Context) {
    HITS.fetch_add(1, Relaxed);
    fp::load(&fp::pattern(u64::from(HITS.load(Relaxed))));
}

fn signals_between_any_two_instructions() {
    HITS.store(0, Relaxed);
    signal::handle(SIGUSR1, spoil, SA_RESTART);
    let parent = getpid();
    let child = fork(|| {
        for _ in 0..50 {
            kill(parent, SIGUSR1).unwrap();
            syscall::pause_ms(1);
        }
        0
    });
    let before = fp::pattern(77);
    let mut sum = 0_u64;
    let mut expected = 0_u64;
    let mut rounds = 0;
    while HITS.load(Relaxed) < 5 || rounds < 200 {
        assert!(fp::across_spin(&before, 20_000) == before, "round {rounds}");
        // SAFETY: pure arithmetic on the named registers.
        unsafe {
            asm!("2: add {0}, {0}, {1}", "subs {1}, {1}, #1", "b.ne 2b", inout(reg) sum, inout(reg) 10_000_u64 => _)
        };
        expected += 10_000 * 10_001 / 2;
        rounds += 1;
    }
    assert_eq!(sum, expected);
    assert_eq!(child.join(), Outcome::Exited(0));
    signal::set_default(SIGUSR1);
}

static LEAVE: guard::Point = guard::Point::new();

extern "C" fn leave(_: u32, _: &mut Info, _: &mut Context) {
    guard::escape(&LEAVE);
}

fn a_handler_can_leave_by_jumping() {
    signal::handle(SIGUSR1, leave, 0);
    for _ in 0..10 {
        assert!(guard::run(&LEAVE, || assert_eq!(kill(getpid(), SIGUSR1), Ok(0))));
        assert_eq!(signal::mask(SIG_SETMASK, 0), signal::bit(SIGUSR1), "nothing restored the mask");
    }
    signal::set_default(SIGUSR1);
}

fn an_undefined_instruction_is_sigill() {
    // SAFETY: the fault is expected and caught.
    let fault = fault_of(|| unsafe { asm!("udf #7") }).expect("a fault");
    assert_eq!((fault.signal, fault.code), (SIGILL, ILL_ILLOPC as i32));
    assert_eq!(fault.address, fault.pc);
    // SAFETY: as above; a system register that programs may not read.
    let privileged =
        fault_of(|| unsafe { asm!("mrs {}, sctlr_el1", out(reg) _) }).expect("a fault");
    assert_eq!(privileged.signal, SIGILL);
}

fn a_breakpoint_is_sigtrap() {
    // SAFETY: the trap is expected and caught.
    let fault = fault_of(|| unsafe { asm!("brk #0x123") }).expect("a trap");
    assert_eq!((fault.signal, fault.code), (SIGTRAP, TRAP_BRKPT as i32));
    assert_eq!(fault.address, fault.pc);
}

extern "C" fn step_over(_: u32, info: &mut Info, context: &mut Context) {
    assert_eq!(info.first, 0x30);
    context.machine.pc += 4;
}

fn a_handler_can_step_over_the_faulting_instruction() {
    signal::handle(SIGSEGV, step_over, 0);
    programs::memory::poke(0x30, 1_u64);
    programs::memory::poke(0x30, 2_u32);
    signal::set_default(SIGSEGV);
}

fn a_broken_frame_kills() {
    let child = fork(|| {
        // SAFETY: a return from no signal: the frame is whatever this stack holds, at an odd address.
        unsafe { asm!("sub sp, sp, #8", "mov x8, #139", "svc #0", options(noreturn)) }
    });
    assert_eq!(child.join(), Outcome::Killed(SIGSEGV));
}

extern "C" fn ask_for_el1(_: u32, _: &mut Info, context: &mut Context) {
    context.machine.pc += 4;
    context.machine.pstate = 0x3c5; // EL1h, everything masked
}

fn a_privileged_state_is_not_taken_from_the_frame() {
    let child = fork(|| {
        signal::handle(SIGTRAP, ask_for_el1, 0);
        // SAFETY: a handler steps over it, if the kernel takes its frame.
        unsafe { asm!("brk #0") };
        // SAFETY: a system register that programs may not read.
        unsafe { asm!("mrs {}, sctlr_el1", out(reg) _) };
        0
    });
    // Linux refuses such a frame with SIGSEGV.
    assert_eq!(child.join(), Outcome::Killed(SIGSEGV));
}
