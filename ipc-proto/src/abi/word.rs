//! Values that fit one register, with total decoding: a bad word is refused, never misread.

/// A value that travels in one register.
pub trait Word: Sized + Copy {
    /// Encodes the value.
    fn to_word(self) -> u64;
    /// Decodes a word; `None` if it stands for no value of this type.
    fn from_word(word: u64) -> Option<Self>;
}

impl Word for u64 {
    fn to_word(self) -> u64 {
        self
    }
    fn from_word(word: u64) -> Option<Self> {
        Some(word)
    }
}

impl Word for () {
    fn to_word(self) -> u64 {
        0
    }
    fn from_word(_: u64) -> Option<Self> {
        Some(())
    }
}

/// The index of a slot in the calling thread's CSpace. Slot 0 is never filled.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    postcard::experimental::max_size::MaxSize,
)]
pub struct CPtr(pub u32);

impl CPtr {
    /// The null slot: names no capability. As a CSpace argument it means the caller's own CSpace.
    pub const NULL: CPtr = CPtr(0);

    /// Returns the slot `by` places further.
    #[must_use]
    pub const fn offset(self, by: u32) -> CPtr {
        CPtr(self.0.saturating_add(by))
    }
}

impl Word for CPtr {
    fn to_word(self) -> u64 {
        u64::from(self.0)
    }
    fn from_word(word: u64) -> Option<Self> {
        u32::try_from(word).ok().map(CPtr)
    }
}

/// The kinds of kernel object, as named in `retype` and shown by `identify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum ObjectKind {
    /// Physical memory with no object in it yet. `retype` argument: bytes.
    Untyped = 1,
    /// A mappable physical range. `retype` argument: bytes.
    Memory = 2,
    /// A table of capability slots. `retype` argument: number of slots.
    CSpace = 3,
    /// An EL0 address space. `retype` argument: 0.
    VSpace = 4,
    /// Memory for page tables. `retype` argument: number of pages.
    Tables = 5,
    /// A schedulable thread. `retype` argument: 0.
    Thread = 6,
    /// A rendezvous point for calls. `retype` argument: 0.
    Endpoint = 7,
    /// A one-shot right to answer. `retype` argument: 0.
    Reply = 8,
    /// A word of signal bits. `retype` argument: 0.
    Notification = 9,
    /// A saved EL0 register file that a thread can run. `retype` argument: 0.
    Guest = 10,
    /// The right to claim interrupt lines.
    IrqControl = 11,
    /// One interrupt line.
    Irq = 12,
    /// The right to power off, reset and start cores.
    Power = 13,
    /// The kernel's debug console.
    DebugConsole = 14,
}

impl Word for ObjectKind {
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Option<Self> {
        use ObjectKind::*;
        [
            Untyped,
            Memory,
            CSpace,
            VSpace,
            Tables,
            Thread,
            Endpoint,
            Reply,
            Notification,
            Guest,
            IrqControl,
            Irq,
            Power,
            DebugConsole,
        ]
        .into_iter()
        .find(|kind| kind.to_word() == word)
    }
}

/// What a capability permits. Bits may only be removed when a capability is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rights(pub u8);

impl Rights {
    /// Memory: map readable. Endpoint: receive. Notification: wait.
    pub const READ: Rights = Rights(1);
    /// Memory: map writable. Endpoint: call. Notification: signal.
    pub const WRITE: Rights = Rights(2);
    /// Memory: map executable.
    pub const EXECUTE: Rights = Rights(4);
    /// Endpoint: pass capabilities through it.
    pub const GRANT: Rights = Rights(8);
    /// All of the above.
    pub const ALL: Rights = Rights(15);

    /// Tells whether every right in `other` is in `self`.
    #[must_use]
    pub const fn contains(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }
    /// Returns the rights in both.
    #[must_use]
    pub const fn intersect(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }
    /// Returns the rights in either.
    #[must_use]
    pub const fn union(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

impl Word for Rights {
    fn to_word(self) -> u64 {
        u64::from(self.0)
    }
    fn from_word(word: u64) -> Option<Self> {
        (word <= 15).then_some(Rights(word as u8))
    }
}

/// How a range is mapped: access, and which attachment the memory comes from.
///
/// Bits 0–2 are the access (read, write, execute as in [`Rights`]), bits 8–13 the attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapFlags(pub u64);

impl MapFlags {
    /// Builds flags from an attachment index (below [`super::layout::ATTACHMENTS`]) and an access.
    #[must_use]
    pub const fn new(attachment: u64, access: Rights) -> MapFlags {
        MapFlags((attachment & 63) << 8 | (access.0 & 7) as u64)
    }
    /// Returns the access asked for.
    #[must_use]
    pub const fn access(self) -> Rights {
        Rights((self.0 & 7) as u8)
    }
    /// Returns the attachment index.
    #[must_use]
    pub const fn attachment(self) -> u64 {
        (self.0 >> 8) & 63
    }
}

impl Word for MapFlags {
    fn to_word(self) -> u64 {
        self.0
    }
    fn from_word(word: u64) -> Option<Self> {
        (word & !0x3f07 == 0).then_some(MapFlags(word))
    }
}

/// What a guest sees of the server window while it runs (DESIGN, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum View {
    /// The window is hidden: a second root table and address-space identifier.
    Strict = 0,
    /// The window stays in place: no switch at all.
    Fused = 1,
}

impl Word for View {
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => Some(View::Strict),
            1 => Some(View::Fused),
            _ => None,
        }
    }
}

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Trigger {
    /// Active as long as the device asserts the line.
    Level = 0,
    /// Once for each rising edge.
    Edge = 1,
}

impl Word for Trigger {
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => Some(Trigger::Level),
            1 => Some(Trigger::Edge),
            _ => None,
        }
    }
}
