//! Per-core set-up of system registers, and what the core can do.

use aarch64_cpu::registers::{
    CNTKCTL_EL1, CPACR_EL1, ID_AA64DFR0_EL1, ID_AA64ISAR0_EL1, ID_AA64ISAR1_EL1, ID_AA64MMFR0_EL1,
    ID_AA64MMFR1_EL1, ID_AA64MMFR2_EL1, ID_AA64PFR0_EL1, MDSCR_EL1, Readable, SCTLR_EL1, Writeable,
};
use core::arch::asm;
use microkernel_platform::hwcap::IdRegisters;

/// SCTLR_EL1.SPAN: exceptions leave PAN as it is.
const SPAN: u64 = 1 << 23;

/// Sets up what EL0 may do and see on this core.
pub(crate) fn initialise() {
    // EL0 FP traps until a guest runs; SVE traps always.
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0 + CPACR_EL1::ZEN::TrapEl0El1);
    // EL0 reads the virtual counter, and no timer.
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    // The debug communication channel is not EL0's.
    MDSCR_EL1.write(MDSCR_EL1::TDCC.val(1));
    if !matches!(ID_AA64DFR0_EL1.get() >> 8 & 0xf, 0 | 0xf) {
        // Nor are the event counters, which reset leaves open or not.
        // SAFETY: the core has the register (PMUSERENR_EL0); it only takes rights from EL0.
        unsafe { asm!("msr pmuserenr_el0, xzr", options(nomem, nostack)) };
    }
    if ID_AA64MMFR1_EL1.read(ID_AA64MMFR1_EL1::PAN) != 0 {
        // An exception sets PAN, too.
        SCTLR_EL1.set(SCTLR_EL1.get() & !SPAN);
        // SAFETY: the kernel never touches user addresses; `msr pan, #1` by its encoding, for
        // assemblers that target Armv8.0.
        unsafe { asm!(".inst 0xd500419f", options(nostack)) };
    }
}

/// Returns the ID registers that tell the features.
pub(crate) fn id_registers() -> IdRegisters {
    IdRegisters {
        pfr0: ID_AA64PFR0_EL1.get(),
        isar0: ID_AA64ISAR0_EL1.get(),
        isar1: ID_AA64ISAR1_EL1.get(),
        mmfr2: ID_AA64MMFR2_EL1.get(),
    }
}

/// Returns the bits of a physical address that the core has and the translation uses.
pub(crate) fn physical_bits() -> u32 {
    match ID_AA64MMFR0_EL1.read(ID_AA64MMFR0_EL1::PARange) {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    }
}

/// Returns the bits of an address-space identifier.
pub(crate) fn asid_bits() -> u32 {
    if ID_AA64MMFR0_EL1.read(ID_AA64MMFR0_EL1::ASIDBits) == 2 { 16 } else { 8 }
}

/// Returns a random number of the core's, if it makes any.
pub(crate) fn random() -> Option<u64> {
    if ID_AA64ISAR0_EL1.get() >> 60 == 0 {
        return None;
    }
    let (number, failed): (u64, u64);
    // SAFETY: RNDR by its encoding; it only writes the flags and its register.
    unsafe {
        asm!("mrs {0}, s3_3_c2_c4_0", "cset {1}, eq", out(reg) number, out(reg) failed,
             options(nomem, nostack));
    }
    (failed == 0).then_some(number)
}

/// Stops this core for good.
pub(crate) fn stop() -> ! {
    loop {
        aarch64_cpu::asm::wfe();
    }
}
