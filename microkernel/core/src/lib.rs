//! Every decision the kernel makes; no hardware, no assembly, no heap.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`entry`] | the one door: a trap comes in, registers change, a thread is chosen |
//! | `calls` | the system-call table's calls |
//! | [`boot`] | the first program's objects |
//! | [`machine`] | the only view of hardware |
//! | [`cap`] | capabilities, slots, derivation, what follows when they go |
//! | [`object`] | the kinds of object and their calls |
//! | [`ipc`] | calls between threads |
//! | [`sched`] | who runs |
//! | [`vm`] | page tables |
//! | [`store`] | typed objects in retyped memory: the only unsafe code |
//! | [`invariants`] | what must always be true, checked in tests |
//! | [`fake`] | a machine for tests |
//!
//! # Locks
//!
//! One: the whole [`Kernel`] is behind the kernel lock, taken at every trap but the guest fast
//! path (`exception.S` in the binary crate), which touches only its own core's registers.

#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![deny(unsafe_code)]

pub mod boot;
mod calls;
pub mod cap;
pub mod entry;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
#[cfg(any(test, feature = "fake"))]
pub mod invariants;
pub mod ipc;
pub mod machine;
pub mod object;
pub mod sched;
#[expect(unsafe_code, reason = "objects live in retyped memory")]
pub mod store;
pub mod vm;

use machine::Machine;
use object::irq::Irq;
use object::thread::Thread;
use sched::run_queue::RunQueue;
use store::{Dying, Ref, Store};
use vm::asid::Asids;

/// Interrupt lines that can be claimed (GIC INTIDs, SGIs and PPIs included).
pub const LINES: usize = 1024;

/// What one core is doing.
#[derive(Debug)]
pub struct Cpu {
    /// The thread it runs; `None`: idle.
    pub current: Option<Ref<Thread>>,
    /// The threads ready to run.
    pub ready: RunQueue,
    /// When the current thread's slice ends.
    pub slice_end: u64,
}

/// The kernel's whole state.
#[derive(Debug)]
pub struct Kernel<M> {
    /// Everything in retyped memory.
    pub store: Store,
    /// The hardware.
    pub machine: M,
    /// The cores in use: one, until the others are started.
    pub cpus: [Cpu; 1],
    /// Address-space identifiers.
    pub asids: Asids,
    /// The claimed interrupt lines.
    pub irqs: [Option<Ref<Irq>>; LINES],
    /// The thread with the earliest deadline.
    pub first_deadline: Option<Ref<Thread>>,
    /// The timer must be programmed before the kernel is left.
    pub timer_is_stale: bool,
    /// Objects without capabilities that are still to be taken apart.
    pub dying: Option<Dying>,
}

impl<M: Machine> Kernel<M> {
    /// Creates a kernel without objects, for identifiers of `asid_bits` bits.
    #[must_use]
    pub const fn new(store: Store, machine: M, asid_bits: u32) -> Kernel<M> {
        Kernel {
            store,
            machine,
            cpus: [Cpu { current: None, ready: RunQueue::EMPTY, slice_end: 0 }],
            asids: Asids::new(asid_bits),
            irqs: [None; LINES],
            first_deadline: None,
            timer_is_stale: false,
            dying: None,
        }
    }
}
