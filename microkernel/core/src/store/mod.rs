//! Typed objects inside retyped memory: the only unsafe code of this crate.
//!
//! Kernel objects lie in physical memory that user space gave by `retype`; the kernel reaches
//! all RAM through one linear mapping (on the host: an arena). A [`Ref`] is the address of a
//! live object. All access goes through [`Store`], which is borrowed as a whole, so two
//! exclusive references never exist at once unless [`Store::pair_mut`] made them.
//!
//! # Invariants
//!
//! - `store.live`: a `Ref` that kernel state holds names a live object of its type. `create` is
//!   the only source of `Ref`s, and destroying an object first removes every `Ref` to it
//!   (capabilities by derivation, bindings by their slots, queues by the object's own unlink).
//! - `store.disjoint`: live objects and table pages do not overlap; `retype` carves them out of an
//!   untyped range that nothing else uses.
//! - `store.mapped`: all RAM that untyped capabilities cover is mapped at `offset`.

use crate::cap::Slot;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::word::ObjectKind;

/// A physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    /// Returns the address `bytes` further.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> PhysAddr {
        PhysAddr(self.0.wrapping_add(bytes))
    }
    /// Tells whether this is address 0, which stands for "none".
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

/// What every kernel object begins with.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    /// The object's kind.
    pub kind: ObjectKind,
    /// Capabilities that name the object, those in bindings included.
    pub refs: u32,
    /// Next object whose last capability went (see [`crate::cap::reap`]).
    pub next_dying: Option<Dying>,
}

/// An object that waits for its destruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dying(pub Ref<Header>);

/// A type that can live in retyped memory.
pub trait Object: Sized {
    /// The kind written in its header.
    const KIND: ObjectKind;
    /// Makes the state of a fresh object around its header.
    fn new(header: Header) -> Self;
    /// Returns the header.
    fn header(&self) -> &Header;
}

/// The address of a live object.
pub struct Ref<T>(NonNull<T>, PhantomData<*mut T>);

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}
impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Ref<T> {}
impl<T> core::fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:p}", self.0)
    }
}

// SAFETY: [store.live] a Ref is only an address; every access goes through the one Store, which
// the kernel lock protects.
unsafe impl<T> Send for Ref<T> {}

impl<T> Ref<T> {
    /// Returns the kernel's virtual address of the object.
    #[must_use]
    pub fn address(self) -> usize {
        self.0.as_ptr().expose_provenance()
    }
}

impl<T: Object> Ref<T> {
    /// Returns the reference to the object's header.
    #[must_use]
    pub fn erase(self) -> Ref<Header> {
        Ref(self.0.cast(), PhantomData)
    }
}

impl Ref<Header> {
    /// Returns the typed reference; the caller has read the kind from the header.
    #[must_use]
    pub fn cast<T: Object>(self) -> Ref<T> {
        Ref(self.0.cast(), PhantomData)
    }
}

/// A reference to a capability slot, wherever it lies.
pub type SlotRef = Ref<Slot>;

/// A page-table page.
pub type Table = [u64; 512];

/// Access to everything in retyped memory.
#[derive(Debug)]
pub struct Store {
    offset: usize,
}

impl Store {
    /// Creates the store over memory mapped at `offset` from its physical addresses.
    ///
    /// # Safety
    ///
    /// `store.mapped` holds for `offset`, and there is no other store over the same memory.
    #[must_use]
    pub unsafe fn new(offset: usize) -> Store {
        Store { offset }
    }

    fn pointer<T>(&self, at: PhysAddr) -> *mut T {
        ptr::with_exposed_provenance_mut((at.0 as usize).wrapping_add(self.offset))
    }

    /// Returns the kernel's virtual address of a physical one.
    #[must_use]
    pub fn address_of(&self, at: PhysAddr) -> usize {
        (at.0 as usize).wrapping_add(self.offset)
    }

    /// Makes an object at `at`, with one reference. The memory is the object's alone from now on.
    pub fn create<T: Object>(&mut self, at: PhysAddr) -> Ref<T> {
        let pointer = self.pointer::<T>(at);
        let header = Header { kind: T::KIND, refs: 1, next_dying: None };
        // SAFETY: [store.disjoint] retype chose this range, aligned and large enough for T.
        unsafe { pointer.write(T::new(header)) };
        // SAFETY: the pointer is in mapped RAM, not null.
        Ref(unsafe { NonNull::new_unchecked(pointer) }, PhantomData)
    }

    /// Makes `count` empty slots at `at`.
    pub(crate) fn create_slots(&mut self, at: PhysAddr, count: usize) {
        let pointer = self.pointer::<Slot>(at);
        for index in 0..count {
            // SAFETY: [store.disjoint] the range belongs to the CSpace being made.
            unsafe { pointer.add(index).write(Slot::EMPTY) };
        }
    }

    /// Returns the object.
    #[must_use]
    #[inline]
    pub fn get<T: Object>(&self, object: Ref<T>) -> &T {
        // SAFETY: [store.live]
        let object = unsafe { object.0.as_ref() };
        debug_assert!(object.header().kind == T::KIND, "store.live");
        object
    }

    /// Returns the object for change.
    #[must_use]
    #[inline]
    pub fn get_mut<T: Object>(&mut self, mut object: Ref<T>) -> &mut T {
        // SAFETY: [store.live], exclusive by the borrow of the whole store.
        let object = unsafe { object.0.as_mut() };
        debug_assert!(object.header().kind == T::KIND, "store.live");
        object
    }

    /// Returns two different objects, the first to read from; `None` if they are the same.
    #[must_use]
    #[inline]
    pub fn pair_mut<T: Object>(&mut self, from: Ref<T>, mut to: Ref<T>) -> Option<(&T, &mut T)> {
        if from == to {
            return None;
        }
        // SAFETY: [store.live] and [store.disjoint]: different objects do not overlap.
        Some(unsafe { (from.0.as_ref(), to.0.as_mut()) })
    }

    /// Returns the header of an object of any kind.
    #[must_use]
    pub fn header_mut(&mut self, mut object: Ref<Header>) -> &mut Header {
        // SAFETY: [store.live], every object begins with its header (repr(C)).
        unsafe { object.0.as_mut() }
    }

    /// Returns a slot.
    #[must_use]
    #[inline]
    pub fn slot(&self, slot: SlotRef) -> &Slot {
        // SAFETY: [store.live] slots live as long as the object they are part of.
        unsafe { slot.0.as_ref() }
    }

    /// Returns a slot for change.
    #[must_use]
    #[inline]
    pub fn slot_mut(&mut self, mut slot: SlotRef) -> &mut Slot {
        // SAFETY: as `slot`, exclusive by the borrow of the whole store.
        unsafe { slot.0.as_mut() }
    }

    /// Returns the reference to a slot that is part of a live object.
    #[must_use]
    pub fn slot_ref(&self, slot: &Slot) -> SlotRef {
        Ref(NonNull::from(slot), PhantomData)
    }

    /// Returns slot `index` of the slots behind a CSpace; the caller checked the bound.
    #[must_use]
    #[inline]
    pub(crate) fn slot_behind<T: Object>(&self, object: Ref<T>, index: usize) -> SlotRef {
        // SAFETY: [store.live] `create_slots` made the slots right behind the object, and the
        // caller compared the index with their number.
        Ref(unsafe { object.0.add(1).cast::<Slot>().add(index) }, PhantomData)
    }

    /// Reads a page-table entry.
    #[must_use]
    #[inline]
    pub fn entry(&self, table: PhysAddr, index: usize) -> u64 {
        // SAFETY: [store.disjoint] a table page; the mask keeps the index inside.
        unsafe { self.pointer::<u64>(table).add(index & 511).read_volatile() }
    }

    /// Writes a page-table entry; a table walker may read it at any time.
    #[inline]
    pub fn set_entry(&mut self, table: PhysAddr, index: usize, entry: u64) {
        // SAFETY: [store.disjoint] a table page; the mask keeps the index inside.
        unsafe { self.pointer::<u64>(table).add(index & 511).write_volatile(entry) }
    }

    /// Zeroes `bytes` bytes that no object uses.
    pub fn zero(&mut self, at: PhysAddr, bytes: u64) {
        // SAFETY: [store.mapped] and [store.disjoint]: free or table memory.
        unsafe { ptr::write_bytes(self.pointer::<u8>(at), 0, bytes as usize) }
    }

    /// Copies `bytes` bytes between two pages of user memory (IPC buffers). Both may change
    /// under the copy; what arrives is then mixed, which only the two programs can notice.
    pub fn copy_user(&mut self, from: PhysAddr, to: PhysAddr, bytes: usize) {
        let bytes = bytes.min(PAGE_BYTES as usize);
        // SAFETY: [store.mapped] both are whole pages of Memory; `copy` allows overlap.
        unsafe { ptr::copy(self.pointer::<u8>(from), self.pointer::<u8>(to), bytes) }
    }

    /// Reads a word of user memory.
    #[must_use]
    pub fn read_user(&self, at: PhysAddr) -> u64 {
        // SAFETY: [store.mapped] a page of Memory; volatile, for programs may write it meanwhile.
        unsafe { self.pointer::<u64>(at).read_volatile() }
    }

    /// Writes a word of user memory.
    pub fn write_user(&mut self, at: PhysAddr, word: u64) {
        // SAFETY: [store.mapped] a page of Memory that a program gave for this use.
        unsafe { self.pointer::<u64>(at).write_volatile(word) }
    }
}

/// Makes a store over an arena that stands for RAM at `base`.
#[cfg(any(test, feature = "fake"))]
pub(crate) fn over_arena(arena: usize, base: u64) -> Store {
    // SAFETY: [store.mapped] the fixture keeps the arena as long as the store, and makes one.
    unsafe { Store::new(arena.wrapping_sub(base as usize)) }
}
