//! One signal with its origin, and its form in memory: `siginfo_t`.

use super::Signal;

/// Size of `siginfo_t` in bytes.
pub const BYTES: usize = 128;

/// A signal and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigInfo {
    /// Which.
    pub signal: Signal,
    /// `si_code`.
    pub code: i32,
    /// The rest.
    pub origin: Origin,
}

/// What the union of `siginfo_t` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing.
    None,
    /// Another process, or this one.
    Process {
        /// Who sent it.
        pid: u32,
        /// As which user.
        uid: u32,
        /// `si_value`.
        value: u64,
    },
    /// A child that changed its state.
    Child {
        /// Which.
        pid: u32,
        /// As which user it ran.
        uid: u32,
        /// Exit status or signal.
        status: i32,
    },
    /// A fault at this address.
    Fault {
        /// `si_addr`.
        address: u64,
    },
}

impl SigInfo {
    /// `SI_USER`: sent by `kill`.
    pub const USER: i32 = 0;
    /// `SI_KERNEL`: sent by the system.
    pub const KERNEL: i32 = 0x80;
    /// `SI_TKILL`: sent by `tkill` or `tgkill`.
    pub const TKILL: i32 = -6;

    /// A signal that the system sends.
    #[must_use]
    pub const fn kernel(signal: Signal) -> SigInfo {
        SigInfo { signal, code: SigInfo::KERNEL, origin: Origin::None }
    }

    /// A signal about a fault.
    #[must_use]
    pub const fn fault(signal: Signal, code: u32, address: u64) -> SigInfo {
        SigInfo { signal, code: code as i32, origin: Origin::Fault { address } }
    }

    /// Encodes it as `siginfo_t`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &i32::from(self.signal.number()).to_le_bytes());
        put(8, &self.code.to_le_bytes());
        match self.origin {
            Origin::None => {}
            Origin::Process { pid, uid, value } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
                put(24, &value.to_le_bytes());
            }
            Origin::Child { pid, uid, status } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
                put(24, &status.to_le_bytes());
            }
            Origin::Fault { address } => put(16, &address.to_le_bytes()),
        }
        bytes
    }

    /// Decodes what `rt_sigqueueinfo` is given; the signal number comes from its own argument.
    #[must_use]
    pub fn queued(signal: Signal, bytes: &[u8; BYTES]) -> SigInfo {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let value = u64::from(word(24)) | u64::from(word(28)) << 32;
        let origin = Origin::Process { pid: word(16), uid: word(20), value };
        SigInfo { signal, code: word(8) as i32, origin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queued_signal_reads_back_as_it_was_sent() {
        let origin = Origin::Process { pid: 7, uid: 9, value: 0x1_0000_0002 };
        let info = SigInfo { signal: Signal::SIGUSR1, code: -1, origin };
        assert_eq!(SigInfo::queued(Signal::SIGUSR1, &info.to_bytes()), info);
    }
}
