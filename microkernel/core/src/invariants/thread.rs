//! Checks of threads: each is where its state says, in no other queue, and bound both ways.

use crate::Kernel;
use crate::cap::Cap;
use crate::machine::Machine;
use crate::object::endpoint::{Endpoint, Reply};
use crate::object::guest::Guest;
use crate::object::irq::Irq;
use crate::object::notification::Notification;
use crate::object::thread::{State, Thread};
use crate::sched::queue::ThreadQueue;
use crate::store::{Header, Ref};
use ipc_proto::abi::word::ObjectKind;
use std::vec::Vec;

impl<M: Machine> Kernel<M> {
    pub(super) fn check_threads(&self, objects: &[(ObjectKind, Ref<Header>)]) {
        let of_kind = |kind| objects.iter().filter(move |(other, _)| *other == kind);
        for (_, thread) in of_kind(ObjectKind::Thread) {
            self.check_thread(thread.cast());
        }
        for (_, endpoint) in of_kind(ObjectKind::Endpoint) {
            let endpoint = endpoint.cast::<Endpoint>();
            let Endpoint { senders, receivers, .. } = *self.store.get(endpoint);
            self.check_queue(senders, State::Sending(endpoint));
            self.check_queue(receivers, State::Receiving(endpoint));
            assert!(senders.is_empty() || receivers.is_empty(), "never both queues at once");
        }
        for (_, reply) in of_kind(ObjectKind::Reply) {
            let reply = reply.cast::<Reply>();
            let Reply { caller, receiver, .. } = *self.store.get(reply);
            assert!(caller.is_none() || receiver.is_none(), "a Reply has one use at a time");
            if let Some(caller) = caller {
                assert!(self.store.get(caller).state == State::Called(reply), "reply.caller");
            }
            if let Some(receiver) = receiver {
                assert!(self.store.get(receiver).reply == Some(reply), "reply.receiver");
            }
        }
        for (_, notification) in of_kind(ObjectKind::Notification) {
            let notification = notification.cast::<Notification>();
            let Notification { waiters, bound, .. } = *self.store.get(notification);
            self.check_queue(waiters, State::Waiting(notification));
            if let Some(thread) = bound {
                let back = self.store.get(thread).notification;
                assert!(back == Some(notification), "a bound notification");
            }
        }
        for (_, guest) in of_kind(ObjectKind::Guest) {
            self.check_guest(guest.cast());
        }
        for (_, irq) in of_kind(ObjectKind::Irq) {
            let Irq { line, notification, ref binding, .. } = *self.store.get(irq.cast::<Irq>());
            assert!(self.irqs[line as usize] == Some(irq.cast()), "the owner of a line");
            assert_eq!(notification.is_some(), !binding.is_empty(), "the binding of a line");
        }
        self.check_deadlines(of_kind(ObjectKind::Thread).map(|(_, thread)| thread.cast()));
    }

    fn check_thread(&self, thread: Ref<Thread>) {
        let state = self.store.get(thread);
        let is_current = self.cpu().current == Some(thread);
        match state.state {
            State::Ready => {
                assert!(is_current != state.is_queued, "a ready thread runs or is queued");
                assert!(!state.is_faulted, "a faulted thread does not run");
            }
            State::Called(reply) => {
                assert!(self.store.get(reply).caller == Some(thread), "reply.caller");
            }
            State::Receiving(endpoint) => {
                let reply = state.reply.expect("a receiver has a Reply");
                assert!(self.store.get(reply).receiver == Some(thread), "reply.receiver");
                self.check_queued(self.store.get(endpoint).receivers, thread);
            }
            State::Sending(endpoint) => {
                self.check_queued(self.store.get(endpoint).senders, thread);
            }
            State::Waiting(notification) => {
                self.check_queued(self.store.get(notification).waiters, thread);
            }
            State::Stopped => {}
        }
        if state.state != State::Ready {
            assert!(!state.is_queued && !is_current, "a waiting thread is not queued");
        }
        let [cspace, vspace, buffer, _, notification, guest] = &state.bindings;
        let objects = [
            (state.cspace.map(Ref::erase), cspace),
            (state.vspace.map(Ref::erase), vspace),
            (state.notification.map(Ref::erase), notification),
            (state.guest.map(Ref::erase), guest),
        ];
        for (object, slot) in objects {
            assert!(object == slot.cap.object(), "a binding and its capability");
        }
        assert_eq!(state.buffer.is_null(), buffer.is_empty(), "a buffer and its capability");
        if let Some(guest) = state.guest {
            assert!(self.store.get(guest).thread == Some(thread), "a bound guest");
        }
        if let Some(notification) = state.notification {
            assert!(self.store.get(notification).bound == Some(thread), "a bound notification");
        }
        if let Some(current) = self.cpu().current {
            let highest = self.cpu().ready.highest();
            let priority = self.store.get(current).priority;
            assert!(highest.is_none_or(|other| other <= priority), "the highest priority runs");
        }
    }

    fn check_guest(&self, guest: Ref<Guest>) {
        let Guest { record_page, thread, ref record, .. } = *self.store.get(guest);
        assert_eq!(record_page.is_null(), record.is_empty(), "a record and its capability");
        if let Cap::Memory { base, pages, .. } = record.cap {
            let offset = record_page.0.wrapping_sub(base.0);
            assert!(offset >> 12 < u64::from(pages), "a record lies in its Memory");
        }
        if let Some(thread) = thread {
            assert!(self.store.get(thread).guest == Some(guest), "a bound guest");
        }
        if record_page.is_null() {
            assert!(
                !thread.is_some_and(|thread| self.is_in_guest(thread)),
                "a guest without record"
            );
        }
    }

    fn threads_of(&self, queue: ThreadQueue) -> Vec<Ref<Thread>> {
        let mut threads: Vec<Ref<Thread>> = Vec::new();
        let mut next = queue.head();
        while let Some(thread) = next {
            let links = self.store.get(thread).links;
            assert!(links.prev == threads.last().copied(), "links of a queue");
            threads.push(thread);
            next = links.next;
        }
        threads
    }

    fn check_queue(&self, queue: ThreadQueue, state: State) {
        for thread in self.threads_of(queue) {
            assert!(self.store.get(thread).state == state, "who is in a queue waits for it");
        }
    }

    fn check_queued(&self, queue: ThreadQueue, thread: Ref<Thread>) {
        assert!(self.threads_of(queue).contains(&thread), "who waits for it is in a queue");
    }

    /// The list holds just the threads with a deadline, earliest first, and the timer is set.
    fn check_deadlines(&self, threads: impl Iterator<Item = Ref<Thread>>) {
        let mut listed: Vec<Ref<Thread>> = Vec::new();
        let (mut next, mut latest) = (self.first_deadline, 1);
        while let Some(thread) = next {
            let Thread { deadline, deadline_links, state, .. } = *self.store.get(thread);
            assert!(deadline >= latest, "deadlines are in order");
            assert!(deadline_links.prev == listed.last().copied(), "links of the deadlines");
            assert!(!matches!(state, State::Ready | State::Stopped), "who has a deadline waits");
            latest = deadline;
            listed.push(thread);
            next = deadline_links.next;
        }
        for thread in threads {
            let has_deadline = self.store.get(thread).deadline != 0;
            assert_eq!(has_deadline, listed.contains(&thread), "who has a deadline is listed");
        }
    }
}
