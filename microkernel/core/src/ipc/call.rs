//! `call`, `recv`, `reply`, `reply_recv`, and faults as messages.
//!
//! A call to a server that waits is a hand-over: the server goes on at once, at the caller's
//! priority and on the rest of its slice, without the scheduler. The answer hands both back.

use super::transfer::TransferError;
use crate::Kernel;
use crate::cap::Cap;
use crate::cap::cspace::typed;
use crate::machine::Machine;
use crate::object::endpoint::{Endpoint, Reply};
use crate::object::thread::{State, Thread};
use crate::store::Ref;
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::word::{CPtr, Rights, Word};

/// Registers of an IPC (see `ipc_proto::abi::message`).
mod register {
    pub(super) const STATUS: usize = 8;
    pub(super) const ENDPOINT: usize = 9;
    pub(super) const BADGE: usize = 9;
    pub(super) const INFO: usize = 10;
    pub(super) const DEADLINE: usize = 16;
    pub(super) const REPLY: usize = 17;
}

fn decode<T: Word>(word: u64) -> Result<T, Rejection> {
    T::from_word(word).ok_or(Rejection::Malformed)
}

impl<M: Machine> Kernel<M> {
    /// `call`: the current thread's request goes to a server, and the thread waits for the answer.
    #[inline(always)]
    pub(crate) fn call(&mut self, caller: Ref<Thread>) -> Result<(), Rejection> {
        let state = self.store.get(caller);
        let info: MessageInfo = decode(state.context.x[register::INFO])?;
        let deadline = state.context.x[register::DEADLINE];
        let at = decode(state.context.x[register::ENDPOINT])?;
        let slot = self.lookup(caller, at)?;
        let Cap::Endpoint { object: endpoint, badge } = slot.cap else {
            return Err(Rejection::WrongKind);
        };
        let rights = slot.rights;
        if !rights.contains(Rights::WRITE) {
            return Err(Rejection::MissingRight);
        }
        if info.label() >= MessageInfo::FIRST_RESERVED_LABEL {
            return Err(Rejection::Malformed);
        }
        self.check_sendable(caller, info, rights)?;
        let state = self.store.get_mut(caller);
        state.info = info;
        state.badge = badge;
        self.set_deadline(caller, deadline);
        self.send(caller, endpoint);
        Ok(())
    }

    /// Checks what the sender of a long message or of capabilities must have.
    #[inline(always)]
    fn check_sendable(
        &self,
        sender: Ref<Thread>,
        info: MessageInfo,
        rights: Rights,
    ) -> Result<(), Rejection> {
        if info.is_plain() {
            return Ok(());
        }
        self.check_long(sender, info, rights)
    }

    #[inline(never)]
    fn check_long(
        &self,
        sender: Ref<Thread>,
        info: MessageInfo,
        rights: Rights,
    ) -> Result<(), Rejection> {
        if !info.is_short() && self.store.get(sender).buffer.is_null() {
            return Err(Rejection::NoBuffer);
        }
        if info.caps() != 0 {
            if !rights.contains(Rights::GRANT) {
                return Err(Rejection::NotPassed);
            }
            for index in 0..info.caps() {
                self.sent_cap(sender, index)?;
            }
        }
        Ok(())
    }

    /// Hands the request in `caller` to a waiting server, or queues the caller.
    #[inline(always)]
    fn send(&mut self, caller: Ref<Thread>, endpoint: Ref<Endpoint>) {
        let Some(server) = self.store.get(endpoint).receivers.head() else {
            return self.queue_sender(caller, endpoint);
        };
        match self.deliver(caller, server) {
            Ok(reply) => {
                self.dequeue_receiver(server, endpoint, reply, caller);
                if self.cpu().current == Some(caller) {
                    self.hand_over(server);
                } else {
                    self.make_ready(server);
                    self.reschedule();
                }
            }
            // The server cannot take this message, but may take others: it goes on waiting.
            Err(rejection) => self.fail(caller, rejection),
        }
    }

    #[inline(never)]
    fn queue_sender(&mut self, caller: Ref<Thread>, endpoint: Ref<Endpoint>) {
        self.store.get_mut(caller).state = State::Sending(endpoint);
        let mut queue = self.store.get(endpoint).senders;
        queue.push_back(&mut self.store, caller);
        self.store.get_mut(endpoint).senders = queue;
        self.reschedule();
    }

    /// Takes a server that got a request out of its endpoint's queue.
    #[inline(always)]
    fn dequeue_receiver(
        &mut self,
        server: Ref<Thread>,
        endpoint: Ref<Endpoint>,
        reply: Ref<Reply>,
        caller: Ref<Thread>,
    ) {
        let mut queue = self.store.get(endpoint).receivers;
        queue.remove(&mut self.store, server);
        self.store.get_mut(endpoint).receivers = queue;
        self.clear_deadline(server);
        self.store.get_mut(server).reply = None;
        let right = self.store.get_mut(reply);
        right.receiver = None;
        right.caller = Some(caller);
    }

    /// Moves the request of `caller` to `server`, which then answers through the Reply returned.
    #[inline(always)]
    fn deliver(
        &mut self,
        caller: Ref<Thread>,
        server: Ref<Thread>,
    ) -> Result<Ref<Reply>, Rejection> {
        let reply = self.store.get(server).reply.ok_or(Rejection::ServerDied)?;
        let sender = self.store.get(caller);
        let (info, badge, priority) = (sender.info, sender.badge, sender.priority);
        if sender.is_faulted {
            let words = sender.fault;
            self.store.get_mut(server).context.x[..4].copy_from_slice(&words);
        } else {
            self.transfer(caller, server, info).map_err(|error| match error {
                TransferError::Sender(rejection) | TransferError::Receiver(rejection) => rejection,
            })?;
        }
        let state = self.store.get_mut(server);
        state.context.x[register::STATUS] = 0;
        state.context.x[register::BADGE] = badge;
        state.context.x[register::INFO] = info.0;
        state.priority = priority;
        self.store.get_mut(caller).state = State::Called(reply);
        Ok(reply)
    }

    /// Lets a caller's request fail; it goes on with the rejection. A faulted thread stops.
    pub(crate) fn fail(&mut self, caller: Ref<Thread>, rejection: Rejection) {
        self.unblock(caller);
        let state = self.store.get_mut(caller);
        if core::mem::take(&mut state.is_faulted) {
            return;
        }
        state.context.x[register::STATUS] = rejection as u64;
        self.make_ready(caller);
    }

    /// `recv`: waits for a request or a signal.
    #[inline(never)]
    pub(crate) fn recv(&mut self, server: Ref<Thread>) -> Result<(), Rejection> {
        let (endpoint, reply) = self.receive_args(server)?;
        if self.store.get(reply).caller.is_some() || self.store.get(reply).receiver.is_some() {
            return Err(Rejection::Malformed);
        }
        self.receive(server, endpoint, reply);
        self.reschedule();
        Ok(())
    }

    #[inline(always)]
    fn receive_args(&self, server: Ref<Thread>) -> Result<(Ref<Endpoint>, Ref<Reply>), Rejection> {
        let x = &self.store.get(server).context.x;
        let (endpoint, reply): (CPtr, CPtr) =
            (decode(x[register::ENDPOINT])?, decode(x[register::REPLY])?);
        let slot = self.lookup(server, endpoint)?;
        let Cap::Endpoint { object, .. } = slot.cap else { return Err(Rejection::WrongKind) };
        if !slot.rights.contains(Rights::READ) {
            return Err(Rejection::MissingRight);
        }
        Ok((object, typed!(self, server, reply, Cap::Reply(object) => object)))
    }

    /// Takes a signal or the next request, or lets the server wait for one.
    #[inline(never)]
    fn receive(&mut self, server: Ref<Thread>, endpoint: Ref<Endpoint>, reply: Ref<Reply>) {
        let state = self.store.get_mut(server);
        state.priority = state.base_priority;
        if let Some(notification) = state.notification {
            let bits = self.take_bits(notification);
            if bits != 0 {
                let context = &mut self.store.get_mut(server).context;
                context.x[register::STATUS] = 0;
                context.x[register::BADGE] = bits;
                context.x[register::INFO] = MessageInfo::SIGNAL.0;
                return;
            }
        }
        self.store.get_mut(server).reply = Some(reply);
        while let Some(caller) = self.store.get(endpoint).senders.head() {
            match self.deliver(caller, server) {
                Ok(_) => {
                    let mut queue = self.store.get(endpoint).senders;
                    queue.remove(&mut self.store, caller);
                    self.store.get_mut(endpoint).senders = queue;
                    self.store.get_mut(server).reply = None;
                    self.store.get_mut(reply).caller = Some(caller);
                    return;
                }
                Err(rejection) => self.fail(caller, rejection),
            }
        }
        let deadline = self.store.get(server).context.x[register::DEADLINE];
        self.wait_for_request(server, endpoint, reply);
        self.set_deadline(server, deadline);
    }

    #[inline(always)]
    fn wait_for_request(
        &mut self,
        server: Ref<Thread>,
        endpoint: Ref<Endpoint>,
        reply: Ref<Reply>,
    ) {
        let state = self.store.get_mut(server);
        state.state = State::Receiving(endpoint);
        state.reply = Some(reply);
        self.store.get_mut(reply).receiver = Some(server);
        let mut queue = self.store.get(endpoint).receivers;
        queue.push_back(&mut self.store, server);
        self.store.get_mut(endpoint).receivers = queue;
    }

    /// `reply`: answers the caller; both go on.
    #[inline(never)]
    pub(crate) fn reply(&mut self, server: Ref<Thread>) -> Result<(), Rejection> {
        let at = decode(self.store.get(server).context.x[register::REPLY])?;
        let reply = typed!(self, server, at, Cap::Reply(object) => object);
        let caller = self.answer(server, reply)?.ok_or(Rejection::NotBound)?;
        let state = self.store.get_mut(server);
        state.priority = state.base_priority;
        state.context.x[register::STATUS] = 0;
        self.make_ready(caller);
        self.reschedule();
        Ok(())
    }

    /// `reply_recv`: answers the caller, then waits for the next request.
    #[inline(always)]
    pub(crate) fn reply_recv(&mut self, server: Ref<Thread>) -> Result<(), Rejection> {
        let (endpoint, reply) = self.receive_args(server)?;
        let answered = self.answer(server, reply)?;
        if let Some(caller) = answered {
            let state = self.store.get(server);
            let is_quiet = state.notification.is_none_or(|n| self.store.get(n).bits == 0)
                && state.context.x[register::DEADLINE] == 0
                && self.store.get(endpoint).senders.is_empty();
            let priority = self.store.get(caller).priority;
            if is_quiet && self.cpu().ready.highest().is_none_or(|other| other <= priority) {
                let state = self.store.get_mut(server);
                state.priority = state.base_priority;
                self.wait_for_request(server, endpoint, reply);
                self.hand_over(caller);
                return Ok(());
            }
            self.make_ready(caller);
        }
        if self.store.get(reply).receiver.is_some() {
            return Err(Rejection::Malformed);
        }
        self.receive(server, endpoint, reply);
        self.reschedule();
        Ok(())
    }

    /// Moves the answer in `server` to the caller that `reply` holds, if it holds one. The
    /// caller then waits for nothing and is in no queue.
    #[inline(always)]
    fn answer(
        &mut self,
        server: Ref<Thread>,
        reply: Ref<Reply>,
    ) -> Result<Option<Ref<Thread>>, Rejection> {
        let Some(caller) = self.store.get(reply).caller else { return Ok(None) };
        if core::mem::take(&mut self.store.get_mut(caller).is_faulted) {
            self.store.get_mut(reply).caller = None;
            return Ok(Some(caller));
        }
        let info: MessageInfo = decode(self.store.get(server).context.x[register::INFO])?;
        let outcome = match self.transfer(server, caller, info) {
            Ok(()) => 0,
            Err(TransferError::Receiver(rejection)) => rejection as u64,
            Err(TransferError::Sender(rejection)) => return Err(rejection),
        };
        self.clear_deadline(caller);
        self.store.get_mut(reply).caller = None;
        let context = &mut self.store.get_mut(caller).context;
        context.x[register::STATUS] = outcome;
        context.x[register::INFO] = info.0;
        Ok(Some(caller))
    }

    /// A fault of the current native thread: tells its fault endpoint, or stops the thread.
    pub(crate) fn report_fault(&mut self, thread: Ref<Thread>, words: [u64; 4]) {
        let [.., fault, _, _] = &self.store.get(thread).bindings;
        let cap = fault.cap;
        let Cap::Endpoint { object, badge } = cap else {
            self.unblock(thread);
            return self.reschedule();
        };
        let state = self.store.get_mut(thread);
        state.fault = words;
        state.is_faulted = true;
        state.info = MessageInfo::new(MessageInfo::FAULT_LABEL, 32, 0);
        state.badge = badge;
        self.send(thread, object);
    }
}
