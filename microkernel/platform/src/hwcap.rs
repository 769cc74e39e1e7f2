//! The processor features that Linux programs are told of, `AT_HWCAP` and `AT_HWCAP2`.
//!
//! Left out on purpose: features whose state the kernel does not save (SVE, SME), keys it does
//! not keep (pointer authentication), PSTATE bits that programs may not set (DIT, SSBS), and
//! reading the ID registers at EL0.

/// Bits of `AT_HWCAP`, by Linux' names. (The crate with Linux' constants has only the host's.)
mod first {
    pub(super) const FP: u32 = 0;
    pub(super) const ASIMD: u32 = 1;
    pub(super) const AES: u32 = 3;
    pub(super) const PMULL: u32 = 4;
    pub(super) const SHA1: u32 = 5;
    pub(super) const SHA2: u32 = 6;
    pub(super) const CRC32: u32 = 7;
    pub(super) const ATOMICS: u32 = 8;
    pub(super) const FPHP: u32 = 9;
    pub(super) const ASIMDHP: u32 = 10;
    pub(super) const ASIMDRDM: u32 = 12;
    pub(super) const JSCVT: u32 = 13;
    pub(super) const FCMA: u32 = 14;
    pub(super) const LRCPC: u32 = 15;
    pub(super) const DCPOP: u32 = 16;
    pub(super) const SHA3: u32 = 17;
    pub(super) const SM3: u32 = 18;
    pub(super) const SM4: u32 = 19;
    pub(super) const ASIMDDP: u32 = 20;
    pub(super) const SHA512: u32 = 21;
    pub(super) const ASIMDFHM: u32 = 23;
    pub(super) const USCAT: u32 = 25;
    pub(super) const ILRCPC: u32 = 26;
    pub(super) const FLAGM: u32 = 27;
    pub(super) const SB: u32 = 29;
}

/// Bits of `AT_HWCAP2`.
mod second {
    pub(super) const DCPODP: u32 = 0;
    pub(super) const FLAGM2: u32 = 7;
    pub(super) const FRINT: u32 = 8;
    pub(super) const I8MM: u32 = 13;
    pub(super) const BF16: u32 = 14;
    pub(super) const DGH: u32 = 15;
    pub(super) const RNG: u32 = 16;
}

/// The ID registers that tell the features (Arm ARM D19.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdRegisters {
    /// ID_AA64PFR0_EL1.
    pub pfr0: u64,
    /// ID_AA64ISAR0_EL1.
    pub isar0: u64,
    /// ID_AA64ISAR1_EL1.
    pub isar1: u64,
    /// ID_AA64MMFR2_EL1.
    pub mmfr2: u64,
}

/// The lowest bit of a four-bit field, the least value that has the feature, its bit above.
type Row = (u32, u64, u32);

const ISAR0: &[Row] = &[
    (4, 1, first::AES),
    (4, 2, first::PMULL),
    (8, 1, first::SHA1),
    (12, 1, first::SHA2),
    (12, 2, first::SHA512),
    (16, 1, first::CRC32),
    (20, 2, first::ATOMICS),
    (28, 1, first::ASIMDRDM),
    (32, 1, first::SHA3),
    (36, 1, first::SM3),
    (40, 1, first::SM4),
    (44, 1, first::ASIMDDP),
    (48, 1, first::ASIMDFHM),
    (52, 1, first::FLAGM),
];
const ISAR1: &[Row] = &[
    (0, 1, first::DCPOP),
    (12, 1, first::JSCVT),
    (16, 1, first::FCMA),
    (20, 1, first::LRCPC),
    (20, 2, first::ILRCPC),
    (36, 1, first::SB),
];
const MMFR2: &[Row] = &[(32, 1, first::USCAT)];
const ISAR0_SECOND: &[Row] = &[(52, 2, second::FLAGM2), (60, 1, second::RNG)];
const ISAR1_SECOND: &[Row] = &[
    (0, 2, second::DCPODP),
    (32, 1, second::FRINT),
    (44, 1, second::BF16),
    (48, 1, second::DGH),
    (52, 1, second::I8MM),
];

fn field(register: u64, shift: u32) -> u64 {
    register >> shift & 0xf
}

fn collect(register: u64, rows: &[Row]) -> u64 {
    rows.iter()
        .filter(|(shift, least, _)| field(register, *shift) >= *least)
        .fold(0, |bits, (_, _, bit)| bits | 1 << bit)
}

/// Returns `AT_HWCAP` and `AT_HWCAP2`.
#[must_use]
pub fn hwcap(id: IdRegisters) -> (u64, u64) {
    let mut bits = collect(id.isar0, ISAR0) | collect(id.isar1, ISAR1) | collect(id.mmfr2, MMFR2);
    // FP and AdvSIMD are signed: 15 stands for "none", 1 for "with half precision".
    for (shift, plain, half) in [(16, first::FP, first::FPHP), (20, first::ASIMD, first::ASIMDHP)] {
        match field(id.pfr0, shift) {
            0xf => {}
            0 => bits |= 1 << plain,
            _ => bits |= 1 << plain | 1 << half,
        }
    }
    (bits, collect(id.isar0, ISAR0_SECOND) | collect(id.isar1, ISAR1_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cortex_a57_has_what_linux_says_it_has() {
        let id = IdRegisters { pfr0: 0x2222, isar0: 0x1_1120, isar1: 0, mmfr2: 0 };
        // fp asimd aes pmull sha1 sha2 crc32
        assert_eq!(hwcap(id), (0xfb, 0));
    }

    #[test]
    fn what_the_kernel_does_not_save_is_not_announced() {
        let all = 0x7777_7777_7777_7777;
        let (first, second) = hwcap(IdRegisters { pfr0: all, isar0: all, isar1: all, mmfr2: all });
        let (cpuid, sve, dit, ssbs, paca, pacg) = (11, 22, 24, 28, 30, 31);
        assert!([cpuid, sve, dit, ssbs, paca, pacg].iter().all(|bit| first >> bit & 1 == 0));
        let (bti, mte) = (17, 18);
        assert!([bti, mte].iter().all(|bit| second >> bit & 1 == 0));
    }

    #[test]
    fn a_core_without_floating_point_says_so() {
        assert_eq!(hwcap(IdRegisters { pfr0: 0xff_2222, ..Default::default() }).0, 0);
    }
}
