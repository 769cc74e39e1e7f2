// memcpy and memmove. EL0 or EL1, Normal memory, any alignment, any stack, any interrupt state.
//
// Up to 64 bytes everything is loaded before anything is stored. Above, the 64 bytes that the
// copy reaches last are loaded first; so both are right for overlapping ranges, as long as the
// direction is.

// memcpy, memmove: in x0 = to, x1 = from, x2 = bytes. Out x0 unchanged. Clobbers x1–x17, flags.
.section .text.memcpy, "ax"
.global memmove
.type memmove, %function
.p2align 4
memmove:
    cmp     x2, #64
    b.ls    memcpy
    sub     x3, x0, x1
    cmp     x3, x2
    b.lo    .Lbackward
    b       .Lforward
.size memmove, . - memmove

.global memcpy
.type memcpy, %function
.p2align 4
memcpy:
    cmp     x2, #16
    b.hi    .Lover_16
    subs    x3, x2, #8
    b.lo    .Lunder_8
    ldr     x6, [x1]
    ldr     x7, [x1, x3]
    str     x6, [x0]
    str     x7, [x0, x3]
    ret
.Lunder_8:
    tbz     x2, #2, .Lunder_4
    sub     x3, x2, #4
    ldr     w6, [x1]
    ldr     w7, [x1, x3]
    str     w6, [x0]
    str     w7, [x0, x3]
    ret
.Lunder_4:                              // first, middle and last byte
    cbz     x2, 1f
    lsr     x3, x2, #1
    sub     x4, x2, #1
    ldrb    w6, [x1]
    ldrb    w7, [x1, x3]
    ldrb    w8, [x1, x4]
    strb    w6, [x0]
    strb    w7, [x0, x3]
    strb    w8, [x0, x4]
1:  ret

.Lover_16:
    cmp     x2, #64
    b.hi    .Lforward
    add     x4, x1, x2
    add     x5, x0, x2
    ldp     x6, x7, [x1]
    ldp     x8, x9, [x4, #-16]
    cmp     x2, #32
    b.hi    1f
    stp     x6, x7, [x0]
    stp     x8, x9, [x5, #-16]
    ret
1:  ldp     x10, x11, [x1, #16]
    ldp     x12, x13, [x4, #-32]
    stp     x6, x7, [x0]
    stp     x10, x11, [x0, #16]
    stp     x12, x13, [x5, #-32]
    stp     x8, x9, [x5, #-16]
    ret

.macro copy_up
    ldp     x6, x7, [x1, #32]!
    ldp     x8, x9, [x1, #16]
    stp     x6, x7, [x3, #32]!
    stp     x8, x9, [x3, #16]
.endm

.Lforward:                              // x2 > 64; the last 64 bytes stay in x10–x17
    add     x4, x1, x2
    add     x5, x0, x2
    ldp     x10, x11, [x4, #-64]
    ldp     x12, x13, [x4, #-48]
    ldp     x14, x15, [x4, #-32]
    ldp     x16, x17, [x4, #-16]
    sub     x1, x1, #32
    sub     x3, x0, #32
    subs    x2, x2, #128
    b.ls    2f
1:  copy_up
    copy_up
    copy_up
    copy_up
    subs    x2, x2, #128
    b.hi    1b
2:  cmn     x2, #64                     // x2 = what is left - 128
    b.le    3f
    copy_up
    copy_up
3:  stp     x10, x11, [x5, #-64]
    stp     x12, x13, [x5, #-48]
    stp     x14, x15, [x5, #-32]
    stp     x16, x17, [x5, #-16]
    ret

.macro copy_down
    ldp     x6, x7, [x4, #-32]!
    ldp     x8, x9, [x4, #16]
    stp     x6, x7, [x5, #-32]!
    stp     x8, x9, [x5, #16]
.endm

.Lbackward:                             // x2 > 64; the first 64 bytes stay in x10–x17
    add     x4, x1, x2
    add     x5, x0, x2
    ldp     x10, x11, [x1]
    ldp     x12, x13, [x1, #16]
    ldp     x14, x15, [x1, #32]
    ldp     x16, x17, [x1, #48]
    subs    x2, x2, #128
    b.ls    2f
1:  copy_down
    copy_down
    copy_down
    copy_down
    subs    x2, x2, #128
    b.hi    1b
2:  cmn     x2, #64
    b.le    3f
    copy_down
    copy_down
3:  stp     x10, x11, [x0]
    stp     x12, x13, [x0, #16]
    stp     x14, x15, [x0, #32]
    stp     x16, x17, [x0, #48]
    ret
.size memcpy, . - memcpy

// osv_copy_page: in x0 = to, x1 = from, both page-aligned. Clobbers x0–x10, flags.
.section .text.osv_copy_page, "ax"
.global osv_copy_page
.type osv_copy_page, %function
.p2align 4
osv_copy_page:
    add     x10, x0, #4096 - 64
    ldp     x2, x3, [x1]
    ldp     x4, x5, [x1, #16]
    ldp     x6, x7, [x1, #32]
    ldp     x8, x9, [x1, #48]
    stp     x2, x3, [x0]
    stp     x4, x5, [x0, #16]
    stp     x6, x7, [x0, #32]
    stp     x8, x9, [x0, #48]
1:
.rept 9                                 // 9 × 64 bytes, 7 times: the rest of the page
    ldp     x2, x3, [x1, #64]!
    ldp     x4, x5, [x1, #16]
    ldp     x6, x7, [x1, #32]
    ldp     x8, x9, [x1, #48]
    stp     x2, x3, [x0, #64]!
    stp     x4, x5, [x0, #16]
    stp     x6, x7, [x0, #32]
    stp     x8, x9, [x0, #48]
.endr
    cmp     x0, x10
    b.ne    1b
    ret
.size osv_copy_page, . - osv_copy_page
