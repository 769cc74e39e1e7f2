//! What follows when capabilities go: bindings end, and objects without capabilities die.
//!
//! An object whose last capability went is queued and taken apart in bounded steps, by whoever
//! deletes or revokes next. So nothing recurses: a CSpace that held the last capability to a
//! thread that held the last one to another CSpace is just three entries of the queue.

use super::{Binding, Cap, Owner, derivation};
use crate::Kernel;
use crate::machine::{Current, Machine};
use crate::object::cspace::CSpace;
use crate::object::endpoint::{Endpoint, Reply};
use crate::object::guest::{Guest, Save};
use crate::object::irq::Irq;
use crate::object::notification::Notification;
use crate::object::tables::Tables;
use crate::object::thread::{State, Thread};
use crate::object::vspace::VSpace;
use crate::store::{Dying, Header, PhysAddr, Ref, SlotRef};
use ipc_proto::abi::guest::GuestExit;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::word::ObjectKind;

/// Capabilities or queued threads handled in one step.
pub(crate) const STEP: usize = 32;

impl<M: Machine> Kernel<M> {
    /// Removes the capability in a slot, after what hangs on it; `false`: call again.
    #[must_use]
    pub(crate) fn delete_slot(&mut self, slot: SlotRef) -> bool {
        let place = self.store.slot(slot);
        if place.is_empty() {
            return true;
        }
        let (owner, cap) = (place.owner, place.cap);
        match owner {
            Owner::CSpace => {}
            Owner::Attachment(vspace, index) => {
                if !self.detach_step(vspace, index) {
                    return false;
                }
            }
            Owner::Window(vspace) => self.return_window(vspace),
            Owner::Thread(thread, binding) => self.unbind(thread, binding, &cap),
            Owner::Record(guest) => self.forget_record(guest),
            Owner::Irq(irq) => {
                let state = self.store.get_mut(irq);
                state.notification = None;
                let line = state.line;
                self.machine.mask_line(line);
            }
        }
        self.remove_cap(slot);
        true
    }

    /// Empties a slot whose consequences are dealt with.
    pub(crate) fn remove_cap(&mut self, slot: SlotRef) {
        if let Some(Dying(object)) = derivation::remove(&mut self.store, slot) {
            let next = self.dying.replace(Dying(object));
            self.store.header_mut(object).next_dying = next;
        }
    }

    /// Takes dead objects apart; `true` when none is left.
    #[must_use]
    pub(crate) fn reap(&mut self) -> bool {
        for _ in 0..STEP {
            let Some(Dying(object)) = self.dying else { return true };
            // Out of the list first: taking the object apart may put others there.
            self.dying = self.store.header_mut(object).next_dying.take();
            if !self.reap_object(object) {
                let next = self.dying.replace(Dying(object));
                self.store.header_mut(object).next_dying = next;
                return false;
            }
        }
        self.dying.is_none()
    }

    /// Does a part of taking one object apart; `true` when done.
    fn reap_object(&mut self, object: Ref<Header>) -> bool {
        match self.store.header_mut(object).kind {
            ObjectKind::CSpace => self.reap_cspace(object.cast()),
            ObjectKind::VSpace => {
                self.reap_vspace(object.cast::<VSpace>());
                true
            }
            ObjectKind::Tables => {
                if let Some(vspace) = self.store.get(object.cast::<Tables>()).serves {
                    self.drop_tables(vspace);
                }
                true
            }
            ObjectKind::Thread => {
                self.reap_thread(object.cast());
                true
            }
            ObjectKind::Endpoint => self.reap_endpoint(object.cast()),
            ObjectKind::Reply => {
                self.reap_reply(object.cast());
                true
            }
            ObjectKind::Notification => self.reap_notification(object.cast()),
            ObjectKind::Guest => {
                let guest = object.cast::<Guest>();
                self.forget_record(guest);
                let slot = self.store.slot_ref(&self.store.get(guest).record);
                self.remove_cap(slot);
                true
            }
            ObjectKind::Irq => {
                self.reap_irq(object.cast());
                true
            }
            _ => true,
        }
    }

    fn reap_cspace(&mut self, cspace: Ref<CSpace>) -> bool {
        let CSpace { slots, reaped, .. } = *self.store.get(cspace);
        let end = slots.min(reaped.saturating_add(STEP as u32));
        for index in reaped..end {
            let slot = self.store.slot_behind(cspace, index as usize);
            self.remove_cap(slot);
        }
        self.store.get_mut(cspace).reaped = end;
        end == slots
    }

    fn reap_endpoint(&mut self, endpoint: Ref<Endpoint>) -> bool {
        for _ in 0..STEP {
            let state = self.store.get(endpoint);
            let Some(thread) = state.senders.head().or(state.receivers.head()) else {
                return true;
            };
            self.fail(thread, Rejection::ServerDied);
        }
        false
    }

    fn reap_reply(&mut self, reply: Ref<Reply>) {
        let Reply { caller, receiver, .. } = *self.store.get(reply);
        for thread in [caller, receiver].into_iter().flatten() {
            self.fail(thread, Rejection::ServerDied);
        }
    }

    fn reap_notification(&mut self, notification: Ref<Notification>) -> bool {
        for _ in 0..STEP {
            let Some(thread) = self.store.get(notification).waiters.head() else { return true };
            self.fail(thread, Rejection::ServerDied);
        }
        false
    }

    fn reap_thread(&mut self, thread: Ref<Thread>) {
        self.unblock(thread);
        if self.cpu().current == Some(thread) {
            self.cpu_mut().current = None;
            // Its address space may go in this very call: no walker may use it any more.
            self.machine.set_current(Current::default());
        }
        for index in 0..super::BINDINGS {
            let Some(place) = self.store.get(thread).bindings.get(index) else { continue };
            let slot = self.store.slot_ref(place);
            if let Owner::Thread(_, binding) = place.owner {
                let cap = place.cap;
                self.unbind(thread, binding, &cap);
            }
            self.remove_cap(slot);
        }
    }

    fn reap_irq(&mut self, irq: Ref<Irq>) {
        let line = self.store.get(irq).line;
        self.machine.mask_line(line);
        if let Some(entry) = self.irqs.get_mut(line as usize) {
            *entry = None;
        }
        let slot = self.store.slot_ref(&self.store.get(irq).binding);
        self.remove_cap(slot);
    }

    /// Ends what a binding of a thread meant.
    fn unbind(&mut self, thread: Ref<Thread>, binding: Binding, cap: &Cap) {
        match binding {
            Binding::CSpace => self.store.get_mut(thread).cspace = None,
            Binding::VSpace => {
                self.store.get_mut(thread).vspace = None;
                // Without an address space it cannot run another instruction.
                if self.store.get(thread).state == State::Ready {
                    self.unblock(thread);
                }
            }
            Binding::Buffer => self.store.get_mut(thread).buffer = PhysAddr(0),
            Binding::Fault => {}
            Binding::Notification => {
                self.store.get_mut(thread).notification = None;
                if let Cap::Notification { object, .. } = *cap {
                    self.store.get_mut(object).bound = None;
                }
            }
            Binding::Guest => {
                if self.is_in_guest(thread) {
                    self.leave_guest(thread, GuestExit::Interrupted);
                }
                self.store.get_mut(thread).guest = None;
                if let Cap::Guest(guest) = *cap {
                    self.store.get_mut(guest).thread = None;
                }
            }
        }
        self.refresh_if_current(thread);
    }

    /// Ends a guest's record: it cannot run until it gets another.
    fn forget_record(&mut self, guest: Ref<Guest>) {
        self.release_fp(guest, Save::Drop);
        let thread = self.store.get(guest).thread;
        if let Some(thread) = thread
            && self.is_in_guest(thread)
        {
            self.leave_guest(thread, GuestExit::Interrupted);
        }
        self.store.get_mut(guest).record_page = PhysAddr(0);
        if let Some(thread) = thread {
            self.refresh_if_current(thread);
        }
    }

    /// Tells the machine about changed bindings of the current thread.
    pub(crate) fn refresh_if_current(&mut self, thread: Ref<Thread>) {
        if self.cpu().current == Some(thread) {
            self.store.get_mut(thread).in_guest = self.machine.is_in_guest();
            self.refresh_current(thread);
        }
    }
}
