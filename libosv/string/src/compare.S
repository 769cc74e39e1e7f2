// memcmp, bcmp and strlen. EL0 or EL1, Normal memory, any alignment, any stack, any interrupt state.

// memcmp, bcmp: in x0, x1 = ranges, x2 = bytes. Out w0 <, =, > 0. Clobbers x1–x8, flags.
.section .text.memcmp, "ax"
.global memcmp
.type memcmp, %function
.global bcmp
.type bcmp, %function
.p2align 4
memcmp:
bcmp:
    subs    x8, x2, #8
    b.lo    .Lcompare_under_8
    cmp     x2, #16
    b.hi    2f
1:  ldr     x3, [x0]                    // 8 to 16 bytes: first and last word
    ldr     x5, [x1]
    ldr     x4, [x0, x8]
    ldr     x6, [x1, x8]
    cmp     x3, x5
    ccmp    x4, x6, #0, eq
    b.ne    .Ldiffer
    mov     w0, #0
    ret
2:  add     x7, x0, x8                  // last word of each
    add     x8, x1, x8
3:  ldp     x3, x4, [x0], #16
    ldp     x5, x6, [x1], #16
    cmp     x3, x5
    ccmp    x4, x6, #0, eq
    b.ne    .Ldiffer
    subs    x2, x2, #16
    cmp     x2, #16
    b.hi    3b
    mov     x4, #-8                     // 1 to 16 bytes are left, compared again from the end
    ldr     x3, [x7, x4]
    ldr     x5, [x8, x4]
    ldr     x4, [x7]
    ldr     x6, [x8]
    cmp     x3, x5
    ccmp    x4, x6, #0, eq
    b.ne    .Ldiffer
    mov     w0, #0
    ret
.Ldiffer:                               // the first words x3, x5 differ, or the second x4, x6
    cmp     x3, x5
    csel    x3, x4, x3, eq
    csel    x5, x6, x5, eq
    rev     x3, x3
    rev     x5, x5
    cmp     x3, x5
    cset    w0, hi
    csinv   w0, w0, wzr, hs
    ret
.Lcompare_under_8:
    tbz     x2, #2, .Lcompare_under_4
    sub     x8, x2, #4
    ldr     w3, [x0]
    ldr     w5, [x1]
    ldr     w4, [x0, x8]
    ldr     w6, [x1, x8]
    cmp     x3, x5
    ccmp    x4, x6, #0, eq
    b.ne    .Ldiffer
    mov     w0, #0
    ret
.Lcompare_under_4:
    cbz     x2, 2f
1:  ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    subs    x2, x2, #1
    ccmp    w3, w4, #0, ne
    b.eq    1b
    sub     w0, w3, w4
    ret
2:  mov     w0, #0
    ret
.size memcmp, . - memcmp

// strlen: in x0 = a string. Out x0 = bytes before its NUL. Clobbers x1–x5, flags.
// Reads whole aligned words, so never from a page that the string is not in.
.section .text.strlen, "ax"
.global strlen
.type strlen, %function
.p2align 4
strlen:
    and     x1, x0, #-8
    mov     x2, #0x0101010101010101
    ldr     x3, [x1]
    lsl     x4, x0, #3                  // bits of the bytes before the string, modulo 64
    mov     x5, #-1
    lsl     x5, x5, x4
    orn     x3, x3, x5                  // those bytes are not NUL
1:  sub     x4, x3, x2                  // a byte's top bit stays set: the first NUL, and maybe
    orr     x5, x3, #0x7f7f7f7f7f7f7f7f // bytes after it
    bics    x4, x4, x5
    b.ne    2f
    ldr     x3, [x1, #8]!
    b       1b
2:  rev     x4, x4
    clz     x4, x4
    sub     x0, x1, x0
    add     x0, x0, x4, lsr #3
    ret
.size strlen, . - strlen
