//! Capabilities and the slots that hold them.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`cspace`] | finds slots |
//! | [`derivation`] | which capability came from which: insert, move, remove |
//! | [`invoke`] | the calls on capabilities: copy, move, delete, revoke, derive |
//! | [`reap`] | what happens to an object when its last capability goes |

pub mod cspace;
pub mod derivation;
pub mod invoke;
pub mod reap;

use crate::object::cspace::CSpace;
use crate::object::endpoint::{Endpoint, Reply};
use crate::object::guest::Guest;
use crate::object::irq::Irq;
use crate::object::notification::Notification;
use crate::object::tables::Tables;
use crate::object::thread::Thread;
use crate::object::vspace::VSpace;
use crate::store::{Header, PhysAddr, Ref, SlotRef};
use ipc_proto::abi::word::{ObjectKind, Rights};

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Nothing.
    Empty,
    /// Memory with no object in it from `used` on.
    Untyped {
        /// First byte.
        base: PhysAddr,
        /// Length in pages.
        pages: u32,
        /// Bytes from `base` that objects were made of; the rest is clean.
        used: u64,
    },
    /// A mappable range.
    Memory {
        /// First byte.
        base: PhysAddr,
        /// Length in pages.
        pages: u32,
        /// Device registers rather than RAM.
        is_device: bool,
    },
    /// A table of slots.
    CSpace(Ref<CSpace>),
    /// An address space.
    VSpace(Ref<VSpace>),
    /// Memory for page tables.
    Tables(Ref<Tables>),
    /// A thread.
    Thread(Ref<Thread>),
    /// A rendezvous point, with the badge shown to its receivers.
    Endpoint {
        /// The object.
        object: Ref<Endpoint>,
        /// Shown to the receiver; 0: none yet.
        badge: u64,
    },
    /// A right to answer.
    Reply(Ref<Reply>),
    /// A word of bits, with those that a signal sets.
    Notification {
        /// The object.
        object: Ref<Notification>,
        /// Bits that a signal sets; 0: none yet, bit 0.
        badge: u64,
    },
    /// A guest.
    Guest(Ref<Guest>),
    /// The right to claim lines.
    IrqControl,
    /// An interrupt line.
    Irq(Ref<Irq>),
    /// The right to power off and reset.
    Power,
    /// The debug console.
    DebugConsole,
}

impl Cap {
    /// Returns the kind; `None` for an empty slot.
    #[must_use]
    pub fn kind(&self) -> Option<ObjectKind> {
        Some(match self {
            Cap::Empty => return None,
            Cap::Untyped { .. } => ObjectKind::Untyped,
            Cap::Memory { .. } => ObjectKind::Memory,
            Cap::CSpace(_) => ObjectKind::CSpace,
            Cap::VSpace(_) => ObjectKind::VSpace,
            Cap::Tables(_) => ObjectKind::Tables,
            Cap::Thread(_) => ObjectKind::Thread,
            Cap::Endpoint { .. } => ObjectKind::Endpoint,
            Cap::Reply(_) => ObjectKind::Reply,
            Cap::Notification { .. } => ObjectKind::Notification,
            Cap::Guest(_) => ObjectKind::Guest,
            Cap::IrqControl => ObjectKind::IrqControl,
            Cap::Irq(_) => ObjectKind::Irq,
            Cap::Power => ObjectKind::Power,
            Cap::DebugConsole => ObjectKind::DebugConsole,
        })
    }

    /// Returns the object that the capability keeps alive, if its kind has objects.
    #[must_use]
    pub fn object(&self) -> Option<Ref<Header>> {
        Some(match *self {
            Cap::CSpace(object) => object.erase(),
            Cap::VSpace(object) => object.erase(),
            Cap::Tables(object) => object.erase(),
            Cap::Thread(object) => object.erase(),
            Cap::Endpoint { object, .. } => object.erase(),
            Cap::Reply(object) => object.erase(),
            Cap::Notification { object, .. } => object.erase(),
            Cap::Guest(object) => object.erase(),
            Cap::Irq(object) => object.erase(),
            _ => return None,
        })
    }
}

/// Where a slot lies, and so what follows when its capability goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// In a CSpace: nothing follows.
    CSpace,
    /// An attachment of an address space: its mappings end.
    Attachment(Ref<VSpace>, u8),
    /// The window of an address space: it loses slot 511.
    Window(Ref<VSpace>),
    /// A binding of a thread.
    Thread(Ref<Thread>, Binding),
    /// The record of a guest.
    Record(Ref<Guest>),
    /// The notification of an interrupt line.
    Irq(Ref<Irq>),
}

/// What a thread is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Binding {
    /// Its capability table.
    CSpace = 0,
    /// Its address space.
    VSpace = 1,
    /// Its IPC buffer.
    Buffer = 2,
    /// The endpoint of its faults.
    Fault = 3,
    /// Its bound notification.
    Notification = 4,
    /// Its guest.
    Guest = 5,
}

/// Number of bindings of a thread.
pub const BINDINGS: usize = 6;

/// A place for one capability, and its neighbours in derivation order.
#[derive(Debug)]
#[repr(align(64))]
pub struct Slot {
    /// The capability.
    pub cap: Cap,
    /// Where the slot lies.
    pub owner: Owner,
    /// The next slot in derivation order.
    pub next: Option<SlotRef>,
    /// The slot before.
    pub prev: Option<SlotRef>,
    /// Generations between the capability and the boot-time one it comes from.
    pub depth: u32,
    /// Generations right above it whose capabilities are deleted; see [`Slot::floor`].
    pub orphaned: u16,
    /// What the capability permits.
    pub rights: Rights,
}

const _: () = assert!(size_of::<Slot>() == 64);

impl Slot {
    /// A slot that holds nothing.
    pub const EMPTY: Slot = Slot {
        cap: Cap::Empty,
        owner: Owner::CSpace,
        next: None,
        prev: None,
        depth: 0,
        orphaned: 0,
        rights: Rights(0),
    };

    /// Makes an empty slot with an owner.
    #[must_use]
    pub const fn of(owner: Owner) -> Slot {
        Slot { owner, ..Slot::EMPTY }
    }

    /// Returns the lowest depth of a capability before it that is not one of its ancestors: what
    /// came from a deleted capability must not become the offspring of that one's siblings.
    #[must_use]
    pub fn floor(&self) -> u32 {
        self.depth.saturating_sub(u32::from(self.orphaned))
    }

    /// Tells whether the slot holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cap == Cap::Empty
    }
}
