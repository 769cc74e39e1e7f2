// Exception vectors: registers are saved where SP_EL1 points, then Rust decides.
//
// In EL0, SP_EL1 points at the register file of what runs: the thread's context, or the record
// of its guest (`x[31] sp pc pstate tpidr`, offsets below). TPIDR_EL1 points at the core's
// `PerCpu` (machine.rs). Interrupts stay masked in EL1.
//
// The two common trips of a Linux system call never leave this file: `guest_exit` and
// `guest_run`. They must do just what `Kernel::leave_guest` and `Kernel::run_guest` do
// (core/src/object/guest.rs), and they touch nothing but this core's PerCpu and the registers.

    .equ REG_LR_SP,     240
    .equ REG_PC_PSTATE, 256
    .equ REG_TPIDR,     272

    .equ CPU_CONTEXT,      0
    .equ CPU_RECORD,       8
    .equ CPU_SIGNALS,      16
    .equ CPU_SPACES,       24       // the thread's, then the guest's
    .equ CPU_IN_GUEST,     40
    .equ CPU_FP_OWNER,     48
    .equ CPU_STACK,        56

    .equ CLASS_SVC64, 0x15
    .equ CALL_RUN,    9
    .equ CPACR_NATIVE, 1 << 20      // FP/SIMD traps in EL0 (CPACR_EL1.FPEN = 0b01)
    .equ CPACR_GUEST,  3 << 20      // FP/SIMD for everybody

// Saves all registers of EL0. In: SP = register file. Clobbers x0–x2.
.macro save_registers
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x0, sp_el0
    mrs     x1, elr_el1
    mrs     x2, spsr_el1
    stp     x30, x0, [sp, #REG_LR_SP]
    stp     x1, x2, [sp, #REG_PC_PSTATE]
    mrs     x2, tpidr_el0
    str     x2, [sp, #REG_TPIDR]
.endm

// An exception of the kernel itself: a bug. The stack may be the cause, so another is used.
.macro bug_vector
    .balign 128
    msr     tpidrro_el0, x0
    b       kernel_bug
.endm

    .section .text.vectors, "ax"
    .balign 2048
    .global exception_vectors
exception_vectors:
    // Current EL with SP_EL0: never used.
    bug_vector
    bug_vector
    bug_vector
    bug_vector
    // Current EL with SP_ELx.
    bug_vector
    bug_vector
    bug_vector
    bug_vector
    // EL0, AArch64: synchronous.
    .balign 128
    save_registers
    mrs     x3, tpidr_el1
    mrs     x0, esr_el1
    lsr     x4, x0, #26
    cmp     x4, #CLASS_SVC64
    b.eq    service_call
    b       exception_slow
    // EL0, AArch64: IRQ.
    .balign 128
    save_registers
    b       interrupt_entry
    // EL0, AArch64: FIQ.
    .balign 128
    save_registers
    b       interrupt_entry
    // EL0, AArch64: SError.
    .balign 128
    save_registers
    mrs     x3, tpidr_el1
    mrs     x0, esr_el1
    b       exception_slow
    // EL0, AArch32: EL0 never runs in that state.
    bug_vector
    bug_vector
    bug_vector
    bug_vector

    .section .text.exception, "ax"

// A system call. In: x0 = ESR_EL1, x3 = PerCpu, x8 as the program had it.
    .balign 64
service_call:
    ldr     x4, [x3, #CPU_IN_GUEST]
    cbnz    x4, guest_exit
    cmp     x8, #CALL_RUN
    b.eq    guest_run

// Anything else. In: x0 = ESR_EL1, x3 = PerCpu.
exception_slow:
    mrs     x1, far_el1
    ldr     x4, [x3, #CPU_STACK]
    mov     sp, x4
    mov     x29, xzr
    mov     x30, xzr
    b       handle_exception

// Leaves to EL0. In: x0 = register file.
    .global leave_to_user
leave_to_user:
    mov     sp, x0
restore_registers:
    ldp     x1, x2, [sp, #REG_PC_PSTATE]
    mov     w3, #0x1c00                 // SSBS, BTYPE
    movk    w3, #0xf300, lsl #16        // N Z C V, TCO, DIT; mode EL0t, nothing masked
    and     x2, x2, x3
    msr     elr_el1, x1
    msr     spsr_el1, x2
    ldr     x4, [sp, #REG_TPIDR]
    ldp     x30, x5, [sp, #REG_LR_SP]
    msr     tpidr_el0, x4
    msr     sp_el0, x5
    ldp     x28, x29, [sp, #224]
    ldp     x26, x27, [sp, #208]
    ldp     x24, x25, [sp, #192]
    ldp     x22, x23, [sp, #176]
    ldp     x20, x21, [sp, #160]
    ldp     x18, x19, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp, #0]
    eret

interrupt_entry:
    mrs     x3, tpidr_el1
    ldr     x4, [x3, #CPU_STACK]
    mov     sp, x4
    mov     x29, xzr
    mov     x30, xzr
    b       handle_interrupt

// A guest's system call: `run` of its thread returns GuestExit::Syscall (0). Of the thread's
// registers only those that a call preserves are restored.
// In: x3 = PerCpu; the guest's registers are in its record.
    .balign 64
guest_exit:
    str     xzr, [x3, #CPU_IN_GUEST]
    ldr     x5, [x3, #CPU_CONTEXT]
    ldp     x6, x7, [x3, #CPU_SPACES]
    mov     x9, #CPACR_NATIVE
    msr     cpacr_el1, x9
    cmp     x6, x7
    b.eq    1f
    msr     ttbr0_el1, x6
    // Over x3, x5–x7: no address of the kernel's stays in a register.
1:  mov     sp, x5
    ldp     x6, x7, [sp, #REG_PC_PSTATE]
    ldr     x3, [sp, #REG_TPIDR]
    ldp     x30, x5, [sp, #REG_LR_SP]
    msr     elr_el1, x6
    msr     spsr_el1, x7
    msr     tpidr_el0, x3
    msr     sp_el0, x5
    ldp     x28, x29, [sp, #224]
    ldp     x26, x27, [sp, #208]
    ldp     x24, x25, [sp, #192]
    ldp     x22, x23, [sp, #176]
    ldp     x20, x21, [sp, #160]
    ldp     x18, x19, [sp, #144]
    mov     x0, #0
    mov     x8, #0
    eret

// `run`: into the guest, unless there is none, a signal is pending, or another guest's FP/SIMD
// registers are in the core. In: x3 = PerCpu; the thread's registers are in its context.
    .balign 64
guest_run:
    ldp     x5, x6, [x3, #CPU_RECORD]   // and CPU_SIGNALS
    cbz     x5, exception_slow
    ldr     x6, [x6]
    cbnz    x6, exception_slow
    ldr     x7, [x3, #CPU_FP_OWNER]
    cmp     x7, x5
    b.ne    exception_slow
    mov     x6, #1
    str     x6, [x3, #CPU_IN_GUEST]
    ldp     x6, x7, [x3, #CPU_SPACES]
    mov     x9, #CPACR_GUEST
    msr     cpacr_el1, x9
    mov     sp, x5
    cmp     x6, x7
    b.eq    restore_registers
    msr     ttbr0_el1, x7
    b       restore_registers

// The kernel's own exception. In: TPIDRRO_EL0 = the x0 before. On a stack of its own it builds
// `panic::Registers`.
    .global kernel_bug
kernel_bug:
    adrp    x0, bug_stack_end
    add     x0, x0, :lo12:bug_stack_end
    sub     x0, x0, #288
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    stp     x8, x9, [x0, #64]
    stp     x10, x11, [x0, #80]
    stp     x12, x13, [x0, #96]
    stp     x14, x15, [x0, #112]
    stp     x16, x17, [x0, #128]
    stp     x18, x19, [x0, #144]
    stp     x20, x21, [x0, #160]
    stp     x22, x23, [x0, #176]
    stp     x24, x25, [x0, #192]
    stp     x26, x27, [x0, #208]
    stp     x28, x29, [x0, #224]
    mrs     x2, tpidrro_el0
    stp     x2, x1, [x0, #0]
    mov     x2, sp
    stp     x30, x2, [x0, #240]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x3, [x0, #256]
    mrs     x2, esr_el1
    mrs     x3, far_el1
    stp     x2, x3, [x0, #272]
    mov     sp, x0
    mov     x29, xzr
    bl      handle_bug

    .section .bss.bug_stack, "aw", @nobits
    .balign 16
    .skip 8192
bug_stack_end:
    .section .text.exception, "ax"

// save_fp / load_fp: x0 = record. FP/SIMD registers to and from offset 512; clobbers x1.
    .global save_fp_registers
save_fp_registers:
    .arch_extension fp
    .arch_extension simd
    add     x1, x0, #512
    stp     q0, q1, [x1, #0]
    stp     q2, q3, [x1, #32]
    stp     q4, q5, [x1, #64]
    stp     q6, q7, [x1, #96]
    stp     q8, q9, [x1, #128]
    stp     q10, q11, [x1, #160]
    stp     q12, q13, [x1, #192]
    stp     q14, q15, [x1, #224]
    stp     q16, q17, [x1, #256]
    stp     q18, q19, [x1, #288]
    stp     q20, q21, [x1, #320]
    stp     q22, q23, [x1, #352]
    stp     q24, q25, [x1, #384]
    stp     q26, q27, [x1, #416]
    stp     q28, q29, [x1, #448]
    stp     q30, q31, [x1, #480]
    mrs     x2, fpcr
    mrs     x3, fpsr
    add     x1, x1, #512
    stp     x2, x3, [x1]
    ret

    .global load_fp_registers
load_fp_registers:
    add     x1, x0, #512
    ldp     q0, q1, [x1, #0]
    ldp     q2, q3, [x1, #32]
    ldp     q4, q5, [x1, #64]
    ldp     q6, q7, [x1, #96]
    ldp     q8, q9, [x1, #128]
    ldp     q10, q11, [x1, #160]
    ldp     q12, q13, [x1, #192]
    ldp     q14, q15, [x1, #224]
    ldp     q16, q17, [x1, #256]
    ldp     q18, q19, [x1, #288]
    ldp     q20, q21, [x1, #320]
    ldp     q22, q23, [x1, #352]
    ldp     q24, q25, [x1, #384]
    ldp     q26, q27, [x1, #416]
    ldp     q28, q29, [x1, #448]
    ldp     q30, q31, [x1, #480]
    add     x1, x1, #512
    ldp     x2, x3, [x1]
    msr     fpcr, x2
    msr     fpsr, x3
    ret
