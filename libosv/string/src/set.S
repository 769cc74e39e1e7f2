// memset. EL0 or EL1, Normal memory, any alignment, any stack, any interrupt state.
//
// DC ZVA zeroes a block of the size DCZID_EL0 tells, if it does not prohibit it; only blocks of
// 64 bytes are used (value 4: BS = log2 of words, DZP = 0).

// memset: in x0 = to, w1 = byte, x2 = bytes. Out x0 unchanged. Clobbers x1–x5, flags.
.section .text.memset, "ax"
.global memset
.type memset, %function
.p2align 4
memset:
    and     x1, x1, #0xff
    mov     x3, #0x0101010101010101
    mul     x1, x1, x3
    cmp     x2, #16
    b.hi    .Lset_over_16
    subs    x3, x2, #8
    b.lo    .Lset_under_8
    str     x1, [x0]
    str     x1, [x0, x3]
    ret
.Lset_under_8:
    tbz     x2, #2, .Lset_under_4
    sub     x3, x2, #4
    str     w1, [x0]
    str     w1, [x0, x3]
    ret
.Lset_under_4:                          // first, middle and last byte
    cbz     x2, 1f
    lsr     x3, x2, #1
    sub     x4, x2, #1
    strb    w1, [x0]
    strb    w1, [x0, x3]
    strb    w1, [x0, x4]
1:  ret

.Lset_over_16:
    add     x4, x0, x2
    stp     x1, x1, [x0]
    stp     x1, x1, [x4, #-16]
    cmp     x2, #32
    b.ls    1f
    stp     x1, x1, [x0, #16]
    stp     x1, x1, [x4, #-32]
    cmp     x2, #64
    b.hi    .Lset_over_64
1:  ret

.Lset_over_64:                          // 32 bytes at both ends are done; x4 = end
    cmp     x2, #256
    b.lo    .Lset_loop
    cbnz    x1, .Lset_loop
    mrs     x5, dczid_el0
    cmp     w5, #4
    b.ne    .Lset_loop
    stp     xzr, xzr, [x0, #32]         // up to the first boundary
    stp     xzr, xzr, [x0, #48]
    add     x3, x0, #64
    and     x3, x3, #-64
    sub     x2, x4, x3                  // bytes from there: at least 192
    subs    x2, x2, #256
    b.lo    2f
1:  dc      zva, x3
    add     x3, x3, #64
    dc      zva, x3
    add     x3, x3, #64
    dc      zva, x3
    add     x3, x3, #64
    dc      zva, x3
    add     x3, x3, #64
    subs    x2, x2, #256
    b.hs    1b
2:  adds    x2, x2, #192                // what is left - 64
    b.mi    4f
3:  dc      zva, x3
    add     x3, x3, #64
    subs    x2, x2, #64
    b.pl    3b
4:  stp     xzr, xzr, [x4, #-64]
    stp     xzr, xzr, [x4, #-48]
    ret

.Lset_loop:                             // 64 to the end in steps of 128, then the last 128
    add     x3, x0, #16                 // biased by 16 for the write-back
    subs    x2, x2, #160
    b.ls    2f
1:  stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    stp     x1, x1, [x3, #64]
    stp     x1, x1, [x3, #80]
    stp     x1, x1, [x3, #96]
    stp     x1, x1, [x3, #112]
    stp     x1, x1, [x3, #128]!
    subs    x2, x2, #128
    b.hi    1b
2:  adds    x2, x2, #96                 // bytes from x3 + 16 to the end - 32; too many do no harm
    b.le    4f
3:  stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]!
    subs    x2, x2, #32
    b.gt    3b
4:  ret
.size memset, . - memset

// osv_zero_page: in x0 = a page-aligned address. Clobbers x0–x2, flags.
.section .text.osv_zero_page, "ax"
.global osv_zero_page
.type osv_zero_page, %function
.p2align 4
osv_zero_page:
    mrs     x2, dczid_el0
    add     x1, x0, #4096
    cmp     w2, #4
    b.ne    2f
1:
.rept 16
    dc      zva, x0
    add     x0, x0, #64
.endr
    cmp     x0, x1
    b.ne    1b
    ret
2:
.rept 8
    stp     xzr, xzr, [x0], #16
.endr
    cmp     x0, x1
    b.ne    2b
    ret
.size osv_zero_page, . - osv_zero_page
