//! Thread: registers, priority and bindings; what the scheduler runs.

use super::cspace::CSpace;
use super::endpoint::{Endpoint, Reply};
use super::guest::Guest;
use super::notification::Notification;
use super::vspace::VSpace;
use crate::Kernel;
use crate::cap::{BINDINGS, Binding, Slot, derivation};
use crate::machine::Machine;
use crate::store::{Header, Object, PhysAddr, Ref, SlotRef, Store};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::word::ObjectKind;

/// A saved register file. The kernel's assembly relies on the order, which is also that of
/// `ipc_proto::abi::guest::GuestRecord`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Context {
    /// x0–x30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// The next instruction.
    pub pc: u64,
    /// SPSR_EL1.
    pub pstate: u64,
    /// TPIDR_EL0.
    pub tpidr: u64,
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing, until it is started.
    Stopped,
    /// Runs, or waits in a run queue.
    Ready,
    /// Waits for a server to receive its request.
    Sending(Ref<Endpoint>),
    /// Waits for requests.
    Receiving(Ref<Endpoint>),
    /// Waits for the answer that a Reply holds for it.
    Called(Ref<Reply>),
    /// Waits for bits.
    Waiting(Ref<Notification>),
}

/// Neighbours in a queue of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The thread behind.
    pub next: Option<Ref<Thread>>,
    /// The thread in front.
    pub prev: Option<Ref<Thread>>,
}

/// Code that may fault: where the program goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixup {
    /// First instruction.
    pub start: u64,
    /// End of the instructions.
    pub end: u64,
    /// Where a data abort among them continues.
    pub landing: u64,
}

/// A thread.
#[derive(Debug)]
#[repr(C)]
pub struct Thread {
    /// Kind and references.
    pub header: Header,
    /// The registers, while the thread does not run.
    pub context: Context,
    /// What it does.
    pub state: State,
    /// Waits in a run queue.
    pub is_queued: bool,
    /// Its guest's registers, not its own, are to be restored.
    pub in_guest: bool,
    /// A fault message, not a request, is what it sends.
    pub is_faulted: bool,
    /// The priority it runs at: its own, or its caller's.
    pub priority: u8,
    /// Its own priority.
    pub base_priority: u8,
    /// Its time slice in counter ticks.
    pub slice: u64,
    /// Neighbours in a run queue or in the queue of what it waits for.
    pub links: Links,
    /// When it stops waiting; 0: never.
    pub deadline: u64,
    /// Neighbours among the threads with deadlines.
    pub deadline_links: Links,
    /// The request it sends, or what it lets in: x10 of the call.
    pub info: MessageInfo,
    /// The fault it reports, as message words.
    pub fault: [u64; 4],
    /// The badge of the endpoint capability it sends through.
    pub badge: u64,
    /// The Reply it receives into.
    pub reply: Option<Ref<Reply>>,
    /// Its capability table.
    pub cspace: Option<Ref<CSpace>>,
    /// Its address space.
    pub vspace: Option<Ref<VSpace>>,
    /// Its IPC buffer.
    pub buffer: PhysAddr,
    /// Its bound notification.
    pub notification: Option<Ref<Notification>>,
    /// Its guest.
    pub guest: Option<Ref<Guest>>,
    /// Where faulting copies go on.
    pub fixup: Fixup,
    /// The capabilities behind the bindings.
    pub bindings: [Slot; BINDINGS],
}

/// Priority and slice of a thread that nobody configured.
const DEFAULT_PRIORITY: u8 = 1;

impl Object for Thread {
    const KIND: ObjectKind = ObjectKind::Thread;
    fn new(header: Header) -> Self {
        Thread {
            header,
            context: Context::default(),
            state: State::Stopped,
            is_queued: false,
            in_guest: false,
            is_faulted: false,
            priority: DEFAULT_PRIORITY,
            base_priority: DEFAULT_PRIORITY,
            slice: u64::MAX,
            links: Links::default(),
            deadline: 0,
            deadline_links: Links::default(),
            info: MessageInfo(0),
            fault: [0; 4],
            badge: 0,
            reply: None,
            cspace: None,
            vspace: None,
            buffer: PhysAddr(0),
            notification: None,
            guest: None,
            fixup: Fixup::default(),
            bindings: [const { Slot::EMPTY }; BINDINGS],
        }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}

/// Returns the slot of one of a thread's bindings.
#[must_use]
pub fn binding_slot(store: &Store, thread: Ref<Thread>, binding: Binding) -> SlotRef {
    let [cspace, vspace, buffer, fault, notification, guest] = &store.get(thread).bindings;
    store.slot_ref(match binding {
        Binding::CSpace => cspace,
        Binding::VSpace => vspace,
        Binding::Buffer => buffer,
        Binding::Fault => fault,
        Binding::Notification => notification,
        Binding::Guest => guest,
    })
}

impl<M: Machine> Kernel<M> {
    /// Puts a capability derived from `source` into the binding slot `target`, whose old
    /// capability goes first.
    pub(crate) fn bind(&mut self, source: SlotRef, target: SlotRef) {
        // A binding slot is never an attachment, so this is done in one step.
        let _ = self.delete_slot(target);
        let place = self.store.slot(source);
        let (cap, rights) = (place.cap, place.rights);
        derivation::retain(&mut self.store, &cap);
        derivation::insert_child(&mut self.store, source, target, cap, rights);
    }

    /// Binds a thread to a CSpace and a VSpace, each named by its slot and object.
    pub(crate) fn set_spaces(
        &mut self,
        thread: Ref<Thread>,
        (from_cspace, cspace): (SlotRef, Ref<CSpace>),
        (from_vspace, vspace): (SlotRef, Ref<VSpace>),
    ) {
        let is_bound_to =
            |state: &Thread| (state.cspace == Some(cspace), state.vspace == Some(vspace));
        let (same_cspace, same_vspace) = is_bound_to(self.store.get(thread));
        if !same_cspace {
            let target = binding_slot(&self.store, thread, Binding::CSpace);
            self.bind(from_cspace, target);
            self.store.get_mut(thread).cspace = Some(cspace);
        }
        if !same_vspace {
            let target = binding_slot(&self.store, thread, Binding::VSpace);
            let state = self.store.get(thread).state;
            self.bind(from_vspace, target);
            // Losing the old address space stopped the thread; it has the new one already.
            let thread = self.store.get_mut(thread);
            thread.state = state;
            thread.vspace = Some(vspace);
        }
        self.refresh_if_current(thread);
    }

    /// Sets a thread's own priority and slice; while it serves a call it keeps its caller's.
    pub(crate) fn set_schedule(&mut self, thread: Ref<Thread>, priority: u8, slice: u64) {
        let state = self.store.get(thread);
        let (is_own, is_queued) = (state.priority == state.base_priority, state.is_queued);
        if is_queued {
            self.cpus[0].ready.remove(&mut self.store, thread);
        }
        let state = self.store.get_mut(thread);
        state.slice = slice;
        state.base_priority = priority;
        if is_own {
            state.priority = priority;
        }
        if is_queued {
            self.cpus[0].ready.push_back(&mut self.store, thread);
        }
    }
}
