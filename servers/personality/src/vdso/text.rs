//! The code of the vDSO.
//!
//! Position-independent; finds the data page one page before the image. Each function starts
//! at a fixed offset. They follow the procedure call standard: x0–x17 may change.

/// Offset of `__kernel_clock_gettime` from the text's start.
pub const CLOCK_GETTIME: u64 = 0;
/// Offset of `__kernel_gettimeofday`.
pub const GETTIMEOFDAY: u64 = 0x80;
/// Offset of `__kernel_clock_getres`.
pub const CLOCK_GETRES: u64 = 0x100;
/// Offset of `__kernel_rt_sigreturn`.
pub const SIGRETURN: u64 = 0x180;
/// Size of the text.
pub const BYTES: usize = 0x200;

/// Returns the code.
#[cfg(target_os = "none")]
#[must_use]
pub fn code() -> &'static [u8; BYTES] {
    unsafe extern "C" {
        static VDSO_TEXT: [u8; BYTES];
    }
    // SAFETY: [vdso.text] the assembly below pads the text to exactly this size; it is constant.
    unsafe { &VDSO_TEXT }
}

/// Returns something of the same size where there is no AArch64 assembler.
#[cfg(not(target_os = "none"))]
#[must_use]
pub fn code() -> &'static [u8; BYTES] {
    &[0; BYTES]
}

#[cfg(target_os = "none")]
core::arch::global_asm!(
    r#"
    .pushsection .rodata.vdso, "a"
    .balign 16
    .global VDSO_TEXT
VDSO_TEXT:
    // int __kernel_clock_gettime(clockid_t w0, struct timespec *x1)
    // Known clocks: 0, 1, 4, 5, 6, 7; of these 0 and 5 count from 1970. Clobbers x2-x11.
    cmp     w0, #7
    b.hi    2f
    mov     w2, #1
    lsl     w2, w2, w0
    mov     w3, #0xf3
    tst     w2, w3
    b.eq    2f
    adr     x3, VDSO_TEXT
    sub     x3, x3, #{text_offset}
    sub     x3, x3, #0x1000
    isb
    mrs     x4, cntvct_el0
    ldr     x5, [x3]
    mul     x6, x4, x5
    umulh   x7, x4, x5
    extr    x6, x7, x6, #32
    mov     w8, #0x21
    tst     w2, w8
    b.eq    1f
    ldr     x8, [x3, #8]
    add     x6, x6, x8
1:  mov     w9, #0xca00
    movk    w9, #0x3b9a, lsl #16
    udiv    x10, x6, x9
    msub    x11, x10, x9, x6
    stp     x10, x11, [x1]
    mov     x0, #0
    ret
2:  mov     x8, #113
    svc     #0
    ret
    .org    VDSO_TEXT + 0x80
    // int __kernel_gettimeofday(struct timeval *x0, struct timezone *x1). Clobbers x2-x11.
    cbz     x0, 3f
    adr     x3, VDSO_TEXT
    sub     x3, x3, #{text_offset}
    sub     x3, x3, #0x1000
    isb
    mrs     x4, cntvct_el0
    ldp     x5, x8, [x3]
    mul     x6, x4, x5
    umulh   x7, x4, x5
    extr    x6, x7, x6, #32
    add     x6, x6, x8
    mov     w9, #0xca00
    movk    w9, #0x3b9a, lsl #16
    udiv    x10, x6, x9
    msub    x11, x10, x9, x6
    mov     w9, #1000
    udiv    x11, x11, x9
    stp     x10, x11, [x0]
3:  cbz     x1, 4f
    str     xzr, [x1]
4:  mov     x0, #0
    ret
    .org    VDSO_TEXT + 0x100
    // int __kernel_clock_getres(clockid_t w0, struct timespec *x1). Clobbers x2, x3, x8.
    cmp     w0, #7
    b.hi    5f
    mov     w2, #1
    lsl     w2, w2, w0
    mov     w3, #0xf3
    tst     w2, w3
    b.eq    5f
    cbz     x1, 6f
    mov     x2, #1
    stp     xzr, x2, [x1]
6:  mov     x0, #0
    ret
5:  mov     x8, #114
    svc     #0
    ret
    // Unwinders know this pair of instructions; they look one before the return address.
    .org    VDSO_TEXT + 0x17c
    nop
    // void __kernel_rt_sigreturn(void): SP is the signal frame. Does not return.
    mov     x8, #139
    svc     #0
    .org    VDSO_TEXT + 0x200
    .popsection
    "#,
    text_offset = const super::image::TEXT_OFFSET,
);
