//! FP and SIMD registers. The target is soft-float, so only this assembly ever touches them.

use core::arch::global_asm;

/// Contents of q0 to q31.
pub type Registers = [u128; 32];

// Clobbers, beside what is said: x9.
// load_fp(x0 = registers): fills q0-q31.
// store_fp(x0 = registers): writes q0-q31 out.
// fp_call(x0 = in, x1 = out, x2 = number, x3, x4 = arguments): fills q0-q31, does a system call,
//   writes them out; returns the call's x0. Clobbers x8.
// fp_break(x0 = in, x1 = out): the same around `brk #0`.
// fp_spin(x0 = in, x1 = out, x2 = rounds): the same around a counting loop.
global_asm!(
    ".arch_extension fp",
    ".arch_extension simd",
    ".macro each_quad operation, base",
    "\\operation q0, q1, [\\base, #0]",
    "\\operation q2, q3, [\\base, #32]",
    "\\operation q4, q5, [\\base, #64]",
    "\\operation q6, q7, [\\base, #96]",
    "\\operation q8, q9, [\\base, #128]",
    "\\operation q10, q11, [\\base, #160]",
    "\\operation q12, q13, [\\base, #192]",
    "\\operation q14, q15, [\\base, #224]",
    "\\operation q16, q17, [\\base, #256]",
    "\\operation q18, q19, [\\base, #288]",
    "\\operation q20, q21, [\\base, #320]",
    "\\operation q22, q23, [\\base, #352]",
    "\\operation q24, q25, [\\base, #384]",
    "\\operation q26, q27, [\\base, #416]",
    "\\operation q28, q29, [\\base, #448]",
    "\\operation q30, q31, [\\base, #480]",
    ".endm",
    ".global load_fp, store_fp, fp_call, fp_break, fp_spin, read_fpcr, write_fpcr",
    "load_fp:",
    "each_quad ldp, x0",
    "ret",
    "store_fp:",
    "each_quad stp, x0",
    "ret",
    "fp_call:",
    "each_quad ldp, x0",
    "mov x9, x1",
    "mov x8, x2",
    "mov x0, x3",
    "mov x1, x4",
    "mov x2, #0",
    "mov x3, #0",
    "mov x4, #0",
    "svc #0",
    "each_quad stp, x9",
    "ret",
    "fp_break:",
    "each_quad ldp, x0",
    "brk #0",
    "each_quad stp, x1",
    "ret",
    "fp_spin:",
    "each_quad ldp, x0",
    "1: subs x2, x2, #1",
    "b.ne 1b",
    "each_quad stp, x1",
    "ret",
    "read_fpcr:",
    "mrs x0, fpcr",
    "ret",
    "write_fpcr:",
    "msr fpcr, x0",
    "ret",
);

unsafe extern "C" {
    fn load_fp(registers: *const Registers);
    fn store_fp(registers: *mut Registers);
    fn fp_call(before: *const Registers, after: *mut Registers, number: u64, a: u64, b: u64)
    -> u64;
    fn fp_break(before: *const Registers, after: *mut Registers);
    fn fp_spin(before: *const Registers, after: *mut Registers, rounds: u64);
    fn read_fpcr() -> u64;
    fn write_fpcr(value: u64);
}

/// A pattern in which every byte of every register depends on `seed`.
pub fn pattern(seed: u64) -> Registers {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    core::array::from_fn(|_| {
        let mut word = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            u128::from(state ^ state >> 29)
        };
        word() << 64 | word()
    })
}

/// Fills the registers.
pub fn load(registers: &Registers) {
    // SAFETY: no compiled code uses these registers, and the array is as large as they are.
    unsafe { load_fp(registers) }
}

/// Reads the registers.
pub fn store() -> Registers {
    let mut registers = [0; 32];
    // SAFETY: as in `load`.
    unsafe { store_fp(&raw mut registers) };
    registers
}

/// Fills the registers, does a system call, and returns its answer and the registers after it.
pub fn across_call(before: &Registers, number: u32, arguments: [u64; 2]) -> (u64, Registers) {
    let mut after = [0; 32];
    // SAFETY: as in `load`; the calls that the checks do here change no memory of Rust's.
    let answer =
        unsafe { fp_call(before, &raw mut after, number.into(), arguments[0], arguments[1]) };
    (answer, after)
}

/// Fills the registers, executes `brk #0`, and returns the registers after it.
pub fn across_break(before: &Registers) -> Registers {
    let mut after = [0; 32];
    // SAFETY: as in `load`; a handler steps over the instruction.
    unsafe { fp_break(before, &raw mut after) };
    after
}

/// Fills the registers, counts `rounds` down, and returns the registers after it.
pub fn across_spin(before: &Registers, rounds: u64) -> Registers {
    let mut after = [0; 32];
    // SAFETY: as in `load`.
    unsafe { fp_spin(before, &raw mut after, rounds) };
    after
}

/// The FP control register.
pub fn control() -> u64 {
    // SAFETY: reading it has no effect.
    unsafe { read_fpcr() }
}

/// Sets the FP control register.
pub fn set_control(value: u64) {
    // SAFETY: no compiled code does FP arithmetic.
    unsafe { write_fpcr(value) }
}
