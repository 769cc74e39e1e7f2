//! The client's transport: an endpoint of the kernel.
//!
//! Requests and replies that always fit the registers never touch the IPC buffer: each is built
//! in as many words as its protocol's size bound says, so a call without arguments is a handful
//! of instructions around the trap.

use crate::syscall::{self, Arrived, Kernel, Sent, Svc, WORDS};
use ipc_proto::abi::layout::{MESSAGE_CAPS, REGISTER_BYTES};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::syscalls::ipc;
use ipc_proto::abi::word::CPtr;
use ipc_proto::call::{Malformed, Retry, Shape, Transport, Undelivered};
use ipc_proto::capability::{Cap, kind};

/// The right to call a server, as a transport for its protocol's `Client`.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<K = Svc> {
    cap: Cap<kind::Endpoint>,
    kernel: K,
}

impl Endpoint<Svc> {
    /// Makes a transport of an endpoint capability.
    #[must_use]
    #[inline]
    pub const fn new(cap: Cap<kind::Endpoint>) -> Self {
        Endpoint { cap, kernel: Svc }
    }
}

impl<K: Kernel> Endpoint<K> {
    /// Makes a transport over another kernel.
    #[must_use]
    pub const fn with_kernel(cap: Cap<kind::Endpoint>, kernel: K) -> Self {
        Endpoint { cap, kernel }
    }

    /// Returns the capability.
    #[must_use]
    pub const fn cap(&self) -> Cap<kind::Endpoint> {
        self.cap
    }

    /// Traps until the request is answered or may not be repeated.
    #[inline(always)]
    fn exchange<const N: usize>(
        &self,
        shape: Shape,
        capabilities: &[CPtr],
        words: [u64; N],
        length: usize,
    ) -> Result<(MessageInfo, [u64; WORDS]), Undelivered> {
        let mut slots = [CPtr::NULL; MESSAGE_CAPS];
        slots.iter_mut().zip(capabilities).for_each(|(to, from)| *to = *from);
        let sent = Sent {
            words,
            endpoint: self.cap.slot(),
            info: MessageInfo::new(shape.operation, length, capabilities.len()),
            capabilities: slots,
            receive: CPtr::NULL,
            reply: CPtr::NULL,
        };
        loop {
            let arrived = self.kernel.exchange(ipc::CALL, &sent);
            match arrived.check() {
                Ok(info) => return answer(info, arrived),
                Err(Rejection::ServerDied) if shape.retry == Retry::Idempotent => (),
                Err(Rejection::ServerDied) => return Err(Undelivered::ServerDied),
                Err(rejection) => return Err(Undelivered::Rejected(rejection)),
            }
        }
    }

    /// Calls with a request of at most `N` words.
    #[inline(always)]
    fn call_short<const N: usize, R>(
        &self,
        shape: Shape,
        capabilities: &[CPtr],
        encode: impl FnOnce(&mut [u8]) -> Result<usize, Malformed>,
        decode: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Undelivered> {
        let mut words = [0; N];
        let length = encode(syscall::bytes_mut(&mut words)).map_err(malformed)?;
        let (info, words) = self.exchange(shape, capabilities, words, length)?;
        self.read(shape, info, &words, decode)
    }

    /// Calls with a request that may need the IPC buffer.
    fn call_long<R>(
        &self,
        shape: Shape,
        capabilities: &[CPtr],
        encode: impl FnOnce(&mut [u8]) -> Result<usize, Malformed>,
        decode: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Undelivered> {
        let mut words = [0; WORDS];
        let encoded = self.kernel.with_buffer(|buffer| {
            let length = encode(buffer)?;
            // A short message travels in registers, whatever its protocol allows.
            syscall::bytes_mut(&mut words).copy_from_slice(&buffer[..REGISTER_BYTES]);
            Ok(length)
        });
        let length = encoded.ok_or(NO_BUFFER)?.map_err(malformed)?;
        let (info, words) = self.exchange(shape, capabilities, words, length)?;
        self.read(shape, info, &words, decode)
    }

    #[inline(always)]
    fn read<R>(
        &self,
        shape: Shape,
        info: MessageInfo,
        words: &[u64; WORDS],
        decode: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Undelivered> {
        match (shape.max_reply, info.is_short()) {
            (..=8, true) => read_words::<1, R>(info, words, decode),
            (9..=16, true) => read_words::<2, R>(info, words, decode),
            (17..=32, true) => read_words::<4, R>(info, words, decode),
            (_, true) => read_words::<WORDS, R>(info, words, decode),
            (..=REGISTER_BYTES, false) => Err(Undelivered::Malformed),
            (_, false) => {
                let read = |buffer: &mut syscall::Buffer| buffer.get(..info.bytes()).map(decode);
                self.kernel.with_buffer(read).ok_or(NO_BUFFER)?.ok_or(Undelivered::Malformed)
            }
        }
    }
}

/// Reads a reply out of its first `N` words, so that no more of them need to be kept.
#[inline(always)]
fn read_words<const N: usize, R>(
    info: MessageInfo,
    words: &[u64; WORDS],
    decode: impl FnOnce(&[u8]) -> R,
) -> Result<R, Undelivered> {
    let mut kept = [0; N];
    kept.copy_from_slice(&words[..N]);
    syscall::bytes(&kept).get(..info.bytes()).map(decode).ok_or(Undelivered::Malformed)
}

const NO_BUFFER: Undelivered = Undelivered::Rejected(Rejection::NoBuffer);

const fn malformed(_: Malformed) -> Undelivered {
    Undelivered::Malformed
}

/// A reply has label 0; any other says that the server did not understand.
#[inline(always)]
const fn answer(
    info: MessageInfo,
    arrived: Arrived,
) -> Result<(MessageInfo, [u64; WORDS]), Undelivered> {
    if info.label() == 0 { Ok((info, arrived.words)) } else { Err(Undelivered::Malformed) }
}

impl<K: Kernel> Transport for Endpoint<K> {
    #[inline(always)]
    fn call<R>(
        &self,
        shape: Shape,
        capabilities: &[CPtr],
        encode: impl FnOnce(&mut [u8]) -> Result<usize, Malformed>,
        decode: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Undelivered> {
        match shape.max_request {
            0 => self.call_short::<0, R>(shape, capabilities, encode, decode),
            1..=8 => self.call_short::<1, R>(shape, capabilities, encode, decode),
            9..=16 => self.call_short::<2, R>(shape, capabilities, encode, decode),
            17..=32 => self.call_short::<4, R>(shape, capabilities, encode, decode),
            33..=REGISTER_BYTES => self.call_short::<WORDS, R>(shape, capabilities, encode, decode),
            _ => self.call_long(shape, capabilities, encode, decode),
        }
    }
}
