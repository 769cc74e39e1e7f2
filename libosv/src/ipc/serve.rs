//! The serve loop: a request comes in, its service answers, the next is awaited in one trap.

use crate::slots;
use crate::syscall::{self, Arrived, Kernel, Sent, Svc, WORDS};
use ipc_proto::abi::fault::Fault;
use ipc_proto::abi::layout::{MESSAGE_BYTES, MESSAGE_CAPS, REGISTER_BYTES};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::syscalls::{Stubs, ipc};
use ipc_proto::abi::word::{CPtr, ObjectKind, Word};
use ipc_proto::call::{Badge, Malformed, Message, Received, Service, Verdict};
use ipc_proto::capability::{Cap, kind};

/// Serves `service` at `endpoint` with the Reply `reply`, for ever: returns only why it cannot.
///
/// Signals of the notification bound to the thread and faults of threads whose fault endpoint
/// this is go to the service, too. Capabilities are accepted while there are four free slots in
/// a row.
pub fn serve<S: Service>(
    service: &mut S,
    endpoint: Cap<kind::Endpoint>,
    reply: Cap<kind::Reply>,
) -> Rejection {
    serve_on(&Svc, service, endpoint, reply)
}

/// Serves over any kernel, as [`serve`] does.
pub fn serve_on<K: Kernel + Clone, S: Service>(
    kernel: &K,
    service: &mut S,
    endpoint: Cap<kind::Endpoint>,
    reply: Cap<kind::Reply>,
) -> Rejection {
    let (endpoint, reply) = (endpoint.slot(), reply.slot());
    let receive = slots::allocate_range(MESSAGE_CAPS as u32).unwrap_or(CPtr::NULL);
    let server = Server { kernel: kernel.clone(), endpoint, reply, receive };
    let Err(rejection) = match S::MAX_MESSAGE {
        ..=8 => server.run::<1, S>(service),
        9..=16 => server.run::<2, S>(service),
        17..=32 => server.run::<4, S>(service),
        33..=REGISTER_BYTES => server.run::<WORDS, S>(service),
        _ => server.run::<{ MESSAGE_BYTES / 8 }, S>(service),
    };
    rejection
}

/// A serving thread.
struct Server<K> {
    kernel: K,
    endpoint: CPtr,
    reply: CPtr,
    /// First of four empty slots, or null.
    receive: CPtr,
}

/// What follows a message.
enum Next {
    /// The answer, then the next message. The answer's words are the first of the space.
    Answer(MessageInfo),
    /// The next message.
    Receive,
}

impl<K: Kernel + Clone> Server<K> {
    /// Serves with messages of at most `N` words.
    #[inline(always)]
    fn run<const N: usize, S: Service>(
        mut self,
        service: &mut S,
    ) -> Result<core::convert::Infallible, Rejection> {
        let mut space = [0; N];
        let mut next = Next::Receive;
        loop {
            let (number, info) = match next {
                Next::Answer(info) => (ipc::REPLY_RECV, info),
                Next::Receive => (ipc::RECV, MessageInfo(0)),
            };
            let arrived = self.trap(number, info, &space);
            let info = arrived.check()?;
            next = match info.label() {
                MessageInfo::SIGNAL_LABEL => {
                    service.signal(arrived.badge);
                    Next::Receive
                }
                MessageInfo::FAULT_LABEL => self.fault(service, &arrived),
                _ => Next::Answer(self.request(service, info, &arrived, &mut space)?),
            };
        }
    }

    /// Traps with as many words as fit registers and messages of `N` words.
    #[inline(always)]
    fn trap<const N: usize>(&self, number: u64, info: MessageInfo, space: &[u64; N]) -> Arrived {
        match N {
            1 => self.trap_words::<1>(number, info, space),
            2 => self.trap_words::<2>(number, info, space),
            4 => self.trap_words::<4>(number, info, space),
            _ => self.trap_words::<WORDS>(number, info, space),
        }
    }

    #[inline(always)]
    fn trap_words<const W: usize>(&self, number: u64, info: MessageInfo, space: &[u64]) -> Arrived {
        let mut words = [0; W];
        words.iter_mut().zip(space).for_each(|(to, from)| *to = *from);
        let sent = Sent {
            words,
            endpoint: self.endpoint,
            info,
            capabilities: [CPtr::NULL; MESSAGE_CAPS],
            receive: self.receive,
            reply: self.reply,
        };
        self.kernel.exchange(number, &sent)
    }

    /// Lets the service carry out a request; leaves its answer in the space or the IPC buffer.
    #[inline(always)]
    fn request<const N: usize, S: Service>(
        &mut self,
        service: &mut S,
        info: MessageInfo,
        arrived: &Arrived,
        space: &mut [u64; N],
    ) -> Result<MessageInfo, Rejection> {
        let length = info.bytes();
        let is_taken = length <= N * 8 && self.take(info, arrived, space)?;
        let capabilities = self.received(info.caps());
        let caller = Badge(arrived.badge);
        let operation = info.label();
        let bytes = syscall::bytes_mut(space);
        let answer = if is_taken {
            service.request(Message { caller, operation, capabilities, space: bytes, length })
        } else {
            Err(Malformed)
        };
        if info.caps() > 0 {
            self.settle(info.caps(), answer.is_ok());
        }
        let Ok(length) = answer else {
            return Ok(MessageInfo::new(MessageInfo::MALFORMED_LABEL, 0, 0));
        };
        if length > REGISTER_BYTES {
            let fill = |buffer: &mut syscall::Buffer| {
                buffer[..length].copy_from_slice(&bytes[..length]);
            };
            self.kernel.with_buffer(fill).ok_or(Rejection::NoBuffer)?;
        }
        Ok(MessageInfo::new(0, length, 0))
    }

    /// Copies a request into the space; tells whether it fits.
    #[inline(always)]
    fn take<const N: usize>(
        &self,
        info: MessageInfo,
        arrived: &Arrived,
        space: &mut [u64; N],
    ) -> Result<bool, Rejection> {
        if info.is_short() {
            space.iter_mut().zip(arrived.words).for_each(|(to, from)| *to = from);
            return Ok(true);
        }
        let length = info.bytes();
        let take = |buffer: &mut syscall::Buffer| {
            syscall::bytes_mut(space)[..length].copy_from_slice(&buffer[..length]);
        };
        self.kernel.with_buffer(take).ok_or(Rejection::NoBuffer).map(|()| true)
    }

    /// Finds out what the capabilities are that arrived.
    #[inline(always)]
    fn received(&self, count: usize) -> Received {
        if count == 0 { Received::NONE } else { self.identify(count) }
    }

    #[cold]
    fn identify(&self, count: usize) -> Received {
        let mut kinds = [None; MESSAGE_CAPS];
        for (kind, offset) in kinds.iter_mut().zip(0..).take(count) {
            let word = Stubs(self.kernel.clone()).identify(self.receive.offset(offset));
            *kind = word.ok().and_then(ObjectKind::from_word);
        }
        Received::new(self.receive, kinds, count)
    }

    /// Replaces the slots that a service has taken over, or empties them if it has not.
    #[cold]
    fn settle(&mut self, count: usize, is_taken: bool) {
        let count = count as u32;
        if is_taken {
            (count..MESSAGE_CAPS as u32).for_each(|rest| slots::free(self.receive.offset(rest)));
            self.receive = slots::allocate_range(MESSAGE_CAPS as u32).unwrap_or(CPtr::NULL);
        } else {
            let kernel = Stubs(self.kernel.clone());
            for offset in 0..count {
                while matches!(kernel.delete(CPtr::NULL, self.receive.offset(offset)), Ok(1..)) {}
            }
        }
    }

    #[cold]
    fn fault(&self, service: &mut impl Service, arrived: &Arrived) -> Next {
        let [syndrome, address, pc, sp, ..] = arrived.words;
        let fault = Fault::from_words([syndrome, address, pc, sp]);
        match service.fault(Badge(arrived.badge), fault) {
            Verdict::Resume => Next::Answer(MessageInfo(0)),
            Verdict::Leave => Next::Receive,
        }
    }
}
