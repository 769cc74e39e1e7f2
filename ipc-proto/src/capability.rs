//! Typed references to kernel objects: a slot of the program's CSpace and the kind it holds.

use crate::abi::word::{CPtr, ObjectKind};
use core::fmt;
use core::marker::PhantomData;

/// A kind of kernel object, as a type.
pub trait Kind {
    /// The kind as a value.
    const KIND: ObjectKind;
}

macro_rules! kinds {
    ($($name:ident),* $(,)?) => {
        /// The kinds of kernel object as types; they have no values.
        pub mod kind {
            use super::{Kind, ObjectKind};
            $(
                #[doc = concat!("The kind [`ObjectKind::", stringify!($name), "`].")]
                #[derive(Clone, Copy, Debug)]
                pub enum $name {}
                impl Kind for $name {
                    const KIND: ObjectKind = ObjectKind::$name;
                }
            )*
        }
    };
}

kinds!(
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
);

/// A capability: a slot that holds an object of kind `K`.
///
/// It is a plain index. Copying it does not copy the capability, dropping it deletes nothing;
/// what the slot really holds the kernel checks at every use.
pub struct Cap<K> {
    slot: CPtr,
    kind: PhantomData<fn() -> K>,
}

impl<K> Cap<K> {
    /// Names the capability in `slot`.
    #[must_use]
    #[inline]
    pub const fn new(slot: CPtr) -> Self {
        Cap { slot, kind: PhantomData }
    }
    /// Returns the slot.
    #[must_use]
    #[inline]
    pub const fn slot(self) -> CPtr {
        self.slot
    }
}

impl<K> Clone for Cap<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Cap<K> {}

impl<K> PartialEq for Cap<K> {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot
    }
}

impl<K> Eq for Cap<K> {}

impl<K: Kind> fmt::Debug for Cap<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}", K::KIND, self.slot.0)
    }
}
