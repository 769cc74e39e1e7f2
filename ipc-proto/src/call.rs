//! What every protocol shares: callers, retries, errors, transports and services.
//!
//! On the wire a request is its operation's number, the postcard encoding of the tuple of its
//! arguments, and its capabilities; a reply is the postcard encoding of the operation's
//! `Result`. Decoding is total and exact: a message with a byte too many is malformed.

use crate::abi::fault::Fault;
use crate::abi::layout::MESSAGE_CAPS;
use crate::abi::status::Rejection;
use crate::abi::word::{CPtr, ObjectKind};
use crate::capability::{Cap, Kind};
use core::fmt;
use postcard::experimental::max_size::MaxSize;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Who is calling: the badge of the endpoint capability that the call came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Badge(pub u64);

/// Whether a request may be sent again when its server died before it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Done twice is as good as done once: the transport repeats it.
    Idempotent,
    /// It may or may not have been done; the caller has to decide.
    Once,
}

/// Why a call gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The server refused, and says why.
    Server(E),
    /// The server died with the request; only for operations that are [`Retry::Once`].
    ServerDied,
    /// One side sent what the protocol does not know.
    Malformed,
    /// The kernel did not pass the message on.
    Rejected(Rejection),
}

impl<E> From<Undelivered> for CallError<E> {
    fn from(reason: Undelivered) -> Self {
        match reason {
            Undelivered::ServerDied => CallError::ServerDied,
            Undelivered::Malformed => CallError::Malformed,
            Undelivered::Rejected(rejection) => CallError::Rejected(rejection),
        }
    }
}

impl<E: fmt::Debug> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Server(error) => write!(f, "the server refused: {error:?}"),
            CallError::ServerDied => f.write_str("the server died with the request"),
            CallError::Malformed => f.write_str("the message is malformed"),
            CallError::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

/// Why a transport brought no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// The server died with a request that may not be repeated.
    ServerDied,
    /// The request did not encode, or the server did not understand it.
    Malformed,
    /// The kernel did not pass the message on.
    Rejected(Rejection),
}

/// A message that stands for nothing in its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// One operation of a protocol, as data.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The number on the wire.
    pub number: u16,
    /// The name.
    pub name: &'static str,
    /// The documentation, a line each.
    pub doc: &'static [&'static str],
    /// Whether a transport may repeat it.
    pub retry: Retry,
    /// Names and types of the arguments.
    pub arguments: &'static [(&'static str, &'static str)],
    /// Names and kinds of the capabilities that the request carries.
    pub capabilities: &'static [(&'static str, &'static str)],
    /// The type of the result.
    pub result: &'static str,
    /// Most bytes of a request.
    pub max_request: usize,
    /// Most bytes of a reply.
    pub max_reply: usize,
}

/// What a transport needs to know of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The number on the wire.
    pub operation: u16,
    /// Whether the request may be repeated.
    pub retry: Retry,
    /// Most bytes of a request.
    pub max_request: usize,
    /// Most bytes of a reply.
    pub max_reply: usize,
    /// Number of capabilities in a request.
    pub capabilities: usize,
}

/// Carries requests to a server and brings the replies.
pub trait Transport {
    /// Sends a request and waits for the reply.
    ///
    /// `encode` writes the request into the space it is given (at least `shape.max_request`
    /// bytes) and returns its length; `decode` reads the reply. Each is called at most once.
    ///
    /// # Errors
    /// The server died with a request that may not be repeated, a side did not understand the
    /// other, or the kernel rejected the call.
    fn call<R>(
        &self,
        shape: Shape,
        capabilities: &[CPtr],
        encode: impl FnOnce(&mut [u8]) -> Result<usize, Malformed>,
        decode: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Undelivered>;
}

/// A request as a service gets it.
///
/// `space` holds the request in its first `length` bytes and takes the reply from its start.
#[derive(Debug)]
pub struct Message<'a> {
    /// Who is calling.
    pub caller: Badge,
    /// The operation's number.
    pub operation: u16,
    /// The capabilities that came along. A handler owns them; what it does not keep it deletes.
    pub capabilities: Received,
    /// The request, and room for the reply: at least [`Service::MAX_MESSAGE`] bytes.
    pub space: &'a mut [u8],
    /// Bytes of the request.
    pub length: usize,
}

/// Capabilities that arrived with a request, in consecutive slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    first: CPtr,
    kinds: [Option<ObjectKind>; MESSAGE_CAPS],
    count: usize,
}

impl Received {
    /// No capabilities.
    pub const NONE: Received = Received::new(CPtr::NULL, [None; MESSAGE_CAPS], 0);

    /// Describes `count` capabilities from slot `first` on, of the kinds given.
    #[must_use]
    pub const fn new(first: CPtr, kinds: [Option<ObjectKind>; MESSAGE_CAPS], count: usize) -> Self {
        Received { first, kinds, count }
    }

    /// Checks that as many capabilities came as the operation takes.
    ///
    /// # Errors
    /// [`Malformed`] if there are more or fewer.
    pub const fn check_count(&self, count: usize) -> Result<(), Malformed> {
        if self.count == count { Ok(()) } else { Err(Malformed) }
    }

    /// Takes the next capability, as one of kind `K`.
    ///
    /// # Errors
    /// [`Malformed`] if there is none left, or it is of another kind.
    pub fn next_of_kind<K: Kind>(&mut self) -> Result<Cap<K>, Malformed> {
        let [kind, rest @ ..] = self.kinds;
        if self.count == 0 || kind != Some(K::KIND) {
            return Err(Malformed);
        }
        let cap = Cap::new(self.first);
        let [second, third, fourth] = rest;
        *self = Received::new(self.first.offset(1), [second, third, fourth, None], self.count - 1);
        Ok(cap)
    }
}

/// What becomes of a thread that faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on at the faulting instruction.
    Resume,
    /// It stays stopped. The service has stopped it (`thread_stop`), so that the Reply is free.
    Leave,
}

/// What a serve loop drives: one or several protocols behind one endpoint.
///
/// For one protocol use its `Server`; a program that serves several, or takes signals and
/// faults, implements this and hands requests to the protocols' `dispatch`, by badge.
pub trait Service {
    /// Most bytes of any request or reply.
    const MAX_MESSAGE: usize;

    /// Carries out a request and encodes the reply into its space; returns the reply's length.
    ///
    /// # Errors
    /// [`Malformed`] if the request stands for nothing; then nothing was done.
    fn request(&mut self, message: Message<'_>) -> Result<usize, Malformed>;

    /// Handles bits of the notification that is bound to the serving thread.
    fn signal(&mut self, bits: u64) {
        let _ = bits;
    }

    /// Decides about a thread whose fault endpoint this is; its badge names it.
    fn fault(&mut self, thread: Badge, fault: Fault) -> Verdict {
        let _ = (thread, fault);
        Verdict::Leave
    }
}

/// Returns the longest reply of an operation with result `R` and error `E`.
#[must_use]
pub const fn max_reply<R: MaxSize, E: MaxSize>() -> usize {
    let (result, error) = (R::POSTCARD_MAX_SIZE, E::POSTCARD_MAX_SIZE);
    1 + if result > error { result } else { error }
}

/// Encodes `arguments` over `transport`, waits, and decodes the answer: the body of every stub.
///
/// # Errors
/// As [`CallError`] says.
#[inline(always)]
pub fn call<A: Serialize, R: DeserializeOwned, E: DeserializeOwned>(
    transport: &impl Transport,
    shape: Shape,
    capabilities: &[CPtr],
    arguments: &A,
) -> Result<R, CallError<E>> {
    transport
        .call(shape, capabilities, |space| encode(arguments, space), decode_reply)
        .unwrap_or_else(|reason| Err(reason.into()))
}

/// Decodes `bytes`, all of them, as a `T`.
///
/// # Errors
/// [`Malformed`] if they stand for no `T`, or for a `T` and more.
#[inline(always)]
pub fn decode_exactly<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(Malformed),
    }
}

/// Encodes `value` into `space`; returns the length.
///
/// # Errors
/// [`Malformed`] if the space is too short.
#[inline(always)]
pub fn encode(value: &impl Serialize, space: &mut [u8]) -> Result<usize, Malformed> {
    postcard::to_slice(value, space).map(|bytes| bytes.len()).map_err(|_| Malformed)
}

/// First byte of a reply that says `Ok` (postcard: the variant's position in `Result`).
const OK: u8 = 0;
/// First byte of a reply that says `Err`.
const ERR: u8 = 1;

/// Encodes an answer as postcard encodes a `Result`, with a byte store in place of a varint.
///
/// # Errors
/// [`Malformed`] if the space is too short.
#[inline(always)]
pub fn encode_reply<R: Serialize, E: Serialize>(
    answer: &Result<R, E>,
    space: &mut [u8],
) -> Result<usize, Malformed> {
    let (tag, rest) = space.split_first_mut().ok_or(Malformed)?;
    match answer {
        Ok(result) => {
            *tag = OK;
            encode(result, rest)
        }
        Err(error) => {
            *tag = ERR;
            encode(error, rest)
        }
    }
    .map(|length| length + 1)
}

/// Decodes what [`encode_reply`] made.
///
/// # Errors
/// The server's error, or [`CallError::Malformed`].
#[inline(always)]
pub fn decode_reply<R: DeserializeOwned, E: DeserializeOwned>(
    reply: &[u8],
) -> Result<R, CallError<E>> {
    match reply.split_first() {
        Some((&OK, rest)) => decode_exactly(rest).map_err(|Malformed| CallError::Malformed),
        Some((&ERR, rest)) => {
            Err(decode_exactly(rest).map_or(CallError::Malformed, CallError::Server))
        }
        _ => Err(CallError::Malformed),
    }
}
