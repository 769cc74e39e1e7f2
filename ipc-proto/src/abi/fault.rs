//! Faults of native threads: the message their fault endpoint gets.
//!
//! A faulting thread stops and its fault endpoint receives a message with
//! [`MessageInfo::FAULT_LABEL`](super::message::MessageInfo::FAULT_LABEL), the badge of the
//! endpoint capability bound to the thread, and the [`Fault`] in x0–x3. Replying lets the thread
//! go on at the faulting instruction. A thread without a fault endpoint is suspended.

/// What went wrong, as the exception syndrome has it (Arm ARM D17.2.37, ESR_EL1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// ESR_EL1: exception class in bits 26–31, instruction-specific syndrome below.
    pub syndrome: u64,
    /// FAR_EL1: the address accessed, where the class has one.
    pub address: u64,
    /// Address of the instruction.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
}

impl Fault {
    /// Encodes the fault as message words.
    #[must_use]
    pub const fn to_words(self) -> [u64; 4] {
        [self.syndrome, self.address, self.pc, self.sp]
    }
    /// Decodes message words.
    #[must_use]
    pub const fn from_words(words: [u64; 4]) -> Fault {
        Fault { syndrome: words[0], address: words[1], pc: words[2], sp: words[3] }
    }
    /// Returns the exception class (ESR_ELx.EC).
    #[must_use]
    pub const fn class(self) -> u64 {
        self.syndrome >> 26 & 0x3f
    }
}
