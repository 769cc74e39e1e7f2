//! The guest record: the register file of a guest, shared by the kernel and the personality.
//!
//! It lies in one page of Memory that the personality has mapped. The kernel writes it when the
//! guest exits and reads it when the guest runs; what the personality puts there is hostile
//! input to the kernel (PSTATE is sanitised, the rest cannot hurt).
//!
//! FP/SIMD registers stay in the core while the personality works. The record holds them only
//! after `guest_sync_fp`, or when another guest ran in between; after a sync the next `run`
//! loads them from here again.

/// The record. The kernel's assembly relies on the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct GuestRecord {
    /// x0–x30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// The next instruction (ELR_EL1).
    pub pc: u64,
    /// Condition flags and the rest of SPSR_EL1 that EL0 may choose.
    pub pstate: u64,
    /// TPIDR_EL0: the thread pointer.
    pub tpidr: u64,
    /// ESR_EL1 of the last exit.
    pub syndrome: u64,
    /// FAR_EL1 of the last fault exit.
    pub address: u64,
    /// Keeps what follows aligned; always 0.
    pub reserved: [u64; 27],
    /// v0–v31.
    pub v: [u128; 32],
    /// FPCR.
    pub fpcr: u64,
    /// FPSR.
    pub fpsr: u64,
}

const _: () = assert!(core::mem::offset_of!(GuestRecord, v) == 512);

/// Why `run` came back, in x0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GuestExit {
    /// `svc #0`: a Linux system call; the record's x8 has its number.
    Syscall = 0,
    /// A fault; the record's `syndrome` and `address` tell which.
    Fault = 1,
    /// The thread's bound notification has bits: nothing happened to the guest.
    Interrupted = 2,
}

impl super::word::Word for GuestExit {
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => Some(GuestExit::Syscall),
            1 => Some(GuestExit::Fault),
            2 => Some(GuestExit::Interrupted),
            _ => None,
        }
    }
}
