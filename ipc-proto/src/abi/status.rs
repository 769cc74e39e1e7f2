//! How a system call says that it was rejected: the status word in x8.
//!
//! 0 is success, 1–31 a [`Rejection`] that every call shares, 32 and above a refusal of that
//! one call: its number in the call's own enum, plus [`FIRST_REFUSAL`].

/// First status of a call's own refusals.
pub const FIRST_REFUSAL: u64 = 32;

/// A rejection that any system call can give, before or instead of its own refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Rejection {
    /// No system call has this number.
    NoSuchCall = 1,
    /// A register holds a word that stands for no value of the argument's type.
    Malformed = 2,
    /// The slot does not exist or holds no capability.
    NoSuchSlot = 3,
    /// The capability names an object of another kind.
    WrongKind = 4,
    /// The capability lacks a right that the call needs.
    MissingRight = 5,
    /// The server that held the request, or the object waited on, is gone.
    ServerDied = 6,
    /// The deadline came first.
    TimedOut = 7,
    /// A message longer than the registers needs an IPC buffer on both sides; one is missing.
    NoBuffer = 8,
    /// A capability in the message could not be passed: no such slot, no grant right, or the
    /// receiver has no free slots for it.
    NotPassed = 9,
    /// The thread is not set up for this call (no CSpace, VSpace, guest or record bound).
    NotBound = 10,
}

impl Rejection {
    /// Decodes a status word; `None` for success, refusals and unknown words.
    #[must_use]
    pub const fn from_status(status: u64) -> Option<Rejection> {
        use Rejection::*;
        Some(match status {
            1 => NoSuchCall,
            2 => Malformed,
            3 => NoSuchSlot,
            4 => WrongKind,
            5 => MissingRight,
            6 => ServerDied,
            7 => TimedOut,
            8 => NoBuffer,
            9 => NotPassed,
            10 => NotBound,
            _ => return None,
        })
    }
}

impl core::fmt::Display for Rejection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Rejection::NoSuchCall => "no system call has this number",
            Rejection::Malformed => "an argument stands for no value of its type",
            Rejection::NoSuchSlot => "the slot holds no capability",
            Rejection::WrongKind => "the capability names an object of another kind",
            Rejection::MissingRight => "the capability lacks a right that the call needs",
            Rejection::ServerDied => "the server is gone",
            Rejection::TimedOut => "the deadline came first",
            Rejection::NoBuffer => "a long message needs an IPC buffer on both sides",
            Rejection::NotPassed => "a capability in the message could not be passed",
            Rejection::NotBound => "the thread is not set up for this call",
        })
    }
}

/// Why a system call did not happen: a shared rejection, or the call's own refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallError<E> {
    /// A rejection that every call shares.
    Rejected(Rejection),
    /// This call's own refusal.
    Refused(E),
}

impl<E> From<Rejection> for SyscallError<E> {
    fn from(rejection: Rejection) -> Self {
        SyscallError::Rejected(rejection)
    }
}

impl<E: core::fmt::Display> core::fmt::Display for SyscallError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            SyscallError::Rejected(rejection) => rejection.fmt(f),
            SyscallError::Refused(refusal) => refusal.fmt(f),
        }
    }
}

/// The refusal enum of one system call.
pub trait Refusal: Sized + Copy {
    /// The refusal's number within its call, from 1.
    fn code(self) -> u64;
    /// Decodes a number within the call.
    fn from_code(code: u64) -> Option<Self>;
}

impl<E: Refusal> SyscallError<E> {
    /// Encodes the status word of x8.
    #[must_use]
    pub fn status(self) -> u64 {
        match self {
            SyscallError::Rejected(rejection) => rejection as u64,
            SyscallError::Refused(refusal) => FIRST_REFUSAL + refusal.code(),
        }
    }

    /// Decodes the status word of x8: `Ok` for 0. An unknown word reads as `NoSuchCall`, which
    /// is what a kernel older than this table would mean by it.
    pub fn check(status: u64) -> Result<(), Self> {
        if status == 0 {
            return Ok(());
        }
        if let Some(refusal) = status.checked_sub(FIRST_REFUSAL).and_then(E::from_code) {
            return Err(SyscallError::Refused(refusal));
        }
        Err(Rejection::from_status(status).unwrap_or(Rejection::NoSuchCall).into())
    }
}
