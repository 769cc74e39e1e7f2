// Entry of the loader image, from the boot loader to `kernel_main` at the linked address.
//
// Boot protocol: Linux arm64 `Image` (Documentation/arch/arm64/booting.rst): x0 = device tree,
// MMU off, EL1 or EL2, interrupts masked, image loaded whole at a 2 MiB-aligned address and
// clean to the point of coherency.
//
// Registers kept all the way: x19 device tree, x20 counter at entry, x21 exception level at
// entry, x22 physical address of the image.

.set PAGE, 4096
.set BLOCK, 2 << 20
// Offsets of the tables in __boot_tables.
.set ID_L0, 0
.set ID_L1, PAGE
.set ID_L2, 2 * PAGE
.set HIGH_L0, 3 * PAGE
.set HIGH_L1, 4 * PAGE
.set IMAGE_L2, 5 * PAGE
.set WINDOW_L2, 6 * PAGE
.set TABLE, 3

// ---------------------------------------------------------------------------- header
.section .text.head, "ax"
.global _start
_start:
    b       enter
    .long   0
    .quad   0                       // text_offset
    .global image_header_bytes
image_header_bytes:
    .quad   __image_bytes           // image_size; the image builder adds the payload's
    .quad   0xa                     // flags: little endian, 4 KiB pages, placed anywhere
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

// ---------------------------------------------------------------------------- entry
.section .text.boot, "ax"

// In: x0 = device tree. EL1 or EL2, MMU off, no stack. Does not return.
enter:
    msr     daifset, #0xf
    mov     x19, x0
    adr     x22, _start
    mrs     x21, CurrentEL
    lsr     x21, x21, #2
    cmp     x21, #2
    b.ne    1f
    mrs     x20, cntpct_el0
    bl      leave_el2
    b       2f
1:  mrs     x20, cntvct_el0
2:  msr     spsel, #1
    // One core boots. Others come later by PSCI; one that comes by itself is parked.
    adrp    x1, boot_claimed
    add     x1, x1, :lo12:boot_claimed
    ldr     w2, [x1]
    cbnz    w2, park
    mov     w2, #1
    str     w2, [x1]
    bl      build_tables
    bl      enable_mmu
    ldr     x1, =high
    br      x1

high:
    ldr     x1, ={stacks} + {stack_stride}
    mov     sp, x1
    ldr     x1, =boot_vectors
    msr     vbar_el1, x1
    isb
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    mov     x1, x21
    mov     x2, x20
    mov     x3, x22
    bl      kernel_main             // does not return

park:
    wfe
    b       park

// Drops from EL2 to EL1, returning to the caller there with EL2 out of the way.
// In: x30. Clobbers x1–x3. EL2 → EL1, interrupts masked, no stack.
leave_el2:
    mov     x1, #1 << 31            // HCR_EL2.RW: EL1 is AArch64
    movk    x1, #0x300, lsl #32     // .APK, .API: pointer authentication is EL1's
    msr     hcr_el2, x1
    isb
    mrs     x1, midr_el1
    msr     vpidr_el2, x1
    mrs     x1, mpidr_el1
    msr     vmpidr_el2, x1
    mov     x1, #3                  // EL1 may use the physical counter and timer
    msr     cnthctl_el2, x1
    msr     cntvoff_el2, xzr
    mov     x1, #0x33ff             // CPTR_EL2: FP is not trapped, SVE is
    msr     cptr_el2, x1
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    // All event counters are EL1's, if there are any.
    mrs     x1, id_aa64dfr0_el1
    ubfx    x2, x1, #8, #4
    mov     x3, xzr
    cbz     x2, 1f
    cmp     x2, #0xf
    b.eq    1f
    mrs     x3, pmcr_el0
    ubfx    x3, x3, #11, #5
1:  msr     mdcr_el2, x3
    // Fine-grained traps off, where the core has them.
    mrs     x1, id_aa64mmfr0_el1
    ubfx    x1, x1, #56, #4
    cbz     x1, 2f
    msr     s3_4_c1_c1_4, xzr       // HFGRTR_EL2
    msr     s3_4_c1_c1_5, xzr       // HFGWTR_EL2
    msr     s3_4_c1_c1_6, xzr       // HFGITR_EL2
    msr     s3_4_c3_c1_4, xzr       // HDFGRTR_EL2
    msr     s3_4_c3_c1_5, xzr       // HDFGWTR_EL2
2:  mrs     x1, id_aa64mmfr1_el1
    ubfx    x1, x1, #40, #4
    cbz     x1, 3f
    msr     s3_4_c1_c2_2, xzr       // HCRX_EL2
3:  // GICv3: EL1 may use the system registers.
    mrs     x1, id_aa64pfr0_el1
    ubfx    x1, x1, #24, #4
    cbz     x1, 4f
    mrs     x1, s3_4_c12_c9_5       // ICC_SRE_EL2
    mov     x2, #9                  // .SRE, .Enable
    orr     x1, x1, x2
    msr     s3_4_c12_c9_5, x1
    isb
    mrs     x1, s3_4_c12_c9_5
    tbz     x1, #0, 4f
    msr     s3_4_c12_c11_0, xzr     // ICH_HCR_EL2
4:  ldr     x1, ={sctlr_reset}
    msr     sctlr_el1, x1
    mov     x1, #0x3c5              // EL1h, all masked
    msr     spsr_el2, x1
    msr     elr_el2, x30
    eret

// Writes a table entry: \table + index of \address at \shift = \entry. Clobbers \t.
.macro put table, address, shift, entry, t
    ubfx    \t, \address, #\shift, #9
    str     \entry, [\table, \t, lsl #3]
.endm

// Fills the boot tables: the image's first 2 MiB at its physical address (TTBR0), the image at
// its linked address and the device tree's 4 MiB window (TTBR1). They lie in .bss: all zero.
// Clobbers x1–x9. EL1, MMU off.
build_tables:
    adrp    x1, __boot_tables
    ldr     x9, ={block_attributes}
    // TTBR0
    add     x2, x1, #ID_L1
    orr     x3, x2, #TABLE
    put     x1, x22, 39, x3, x4
    add     x5, x1, #ID_L2
    orr     x3, x5, #TABLE
    put     x2, x22, 30, x3, x4
    orr     x3, x22, x9
    put     x5, x22, 21, x3, x4
    // TTBR1
    add     x2, x1, #HIGH_L0
    add     x3, x1, #HIGH_L1
    orr     x4, x3, #TABLE
    str     x4, [x2, #511 * 8]
    add     x5, x1, #IMAGE_L2
    orr     x4, x5, #TABLE
    str     x4, [x3, #510 * 8]
    add     x6, x1, #WINDOW_L2
    orr     x4, x6, #TABLE
    str     x4, [x3, #511 * 8]
    // The image and the first page of the payload.
    ldr     x7, =__image_bytes + PAGE
    orr     x4, x22, x9
1:  str     x4, [x5], #8
    add     x4, x4, #BLOCK
    subs    x7, x7, #BLOCK
    b.hi    1b
    // The window: read-only, never executed.
    cbz     x19, 2f
    ldr     x9, ={window_attributes}
    and     x4, x19, #~(BLOCK - 1)
    and     x4, x4, #0xffffffffffff // an address of more bits is no address
    orr     x4, x4, x9
    str     x4, [x6]
    add     x4, x4, #BLOCK
    str     x4, [x6, #8]
2:  // Stale clean lines of the tables must not hide what was written around the caches.
    dmb     sy
    adrp    x2, __boot_tables_end
    mrs     x3, ctr_el0
    ubfx    x3, x3, #16, #4
    mov     x4, #4
    lsl     x3, x4, x3
3:  dc      ivac, x1
    add     x1, x1, x3
    cmp     x1, x2
    b.lo    3b
    dsb     sy
    ret

// Turns MMU and caches on, with the boot tables. Clobbers x1–x4. EL1; runs at the physical
// address before and after.
enable_mmu:
    adrp    x1, __boot_tables
    msr     ttbr0_el1, x1
    add     x1, x1, #HIGH_L0
    msr     ttbr1_el1, x1
    ldr     x1, ={mair}
    msr     mair_el1, x1
    ldr     x1, ={tcr}
    mrs     x2, id_aa64mmfr0_el1
    // TCR_EL1.IPS = PARange, 48 bits at most.
    ubfx    x3, x2, #0, #4
    mov     x4, #5
    cmp     x3, x4
    csel    x3, x3, x4, lo
    bfi     x1, x3, #32, #3
    // TCR_EL1.AS = 16-bit ASIDs, if there are.
    ubfx    x3, x2, #4, #4
    cmp     x3, #2
    cset    x3, eq
    bfi     x1, x3, #36, #1
    msr     tcr_el1, x1
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, ={sctlr}
    msr     sctlr_el1, x1
    isb
    ret

// fn switch_tables(kernel: x0, none: x1, image: x2): makes `kernel` TTBR1's root and `none`,
// an empty table, TTBR0's. Runs from the identity mapping meanwhile, with nothing behind TTBR1,
// so that old and new entries never meet (Arm ARM D8.16.1, break-before-make).
// Clobbers x3–x4. EL1, exceptions masked.
.global switch_tables
switch_tables:
    ldr     x4, =_start
    adr     x3, 1f
    sub     x3, x3, x4
    add     x3, x3, x2
    adr     x4, 2f
    br      x3
1:  msr     ttbr1_el1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    msr     ttbr1_el1, x0
    isb
    br      x4
2:  msr     ttbr0_el1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    ret

// fn probe(address: x0) -> x0: the word there, or all ones if the bus refuses it. Only before
// the kernel's own vectors are in place. EL1.
.global probe
probe:
probe_load:
    ldr     w0, [x0]
    ret

.ltorg

// ---------------------------------------------------------------------------- vectors
// Until the kernel's own vectors are in place every exception is the end, but for `probe`.
.balign 2048
boot_vectors:
    .rept   16
    b       boot_exception
    .balign 128
    .endr

boot_exception:
    msr     tpidrro_el0, x0
    msr     tpidr_el0, x1
    mrs     x0, elr_el1
    adr     x1, probe_load
    cmp     x0, x1
    mrs     x1, tpidr_el0
    b.ne    kernel_bug              // exception.S; TPIDRRO_EL0 = the x0 before
    add     x0, x0, #4
    msr     elr_el1, x0
    mov     w0, #-1
    eret

.section .data.boot, "aw"
.balign 8
boot_claimed:
    .quad   0

// Zero in the loader image: nothing needs to clear them.
.section .bss.boot_tables, "aw", @nobits
.balign PAGE
__boot_tables:
    .skip   7 * PAGE
__boot_tables_end:
