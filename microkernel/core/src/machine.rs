//! The only view of hardware that this crate has: the porting contract.
//!
//! Every method runs under the kernel lock with interrupts masked, on the core that the trap
//! came to. None may block.

use crate::store::PhysAddr;
use ipc_proto::abi::word::Trigger;

/// A root table and the identifier its translations are tagged with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Space {
    /// The level-0 table.
    pub root: PhysAddr,
    /// The address-space identifier.
    pub asid: u16,
}

impl Space {
    /// Returns the value of `TTBR0_EL1` (Arm ARM D17.2.144).
    #[must_use]
    pub const fn ttbr(self) -> u64 {
        self.root.0 | (self.asid as u64) << 48
    }
}

/// What the trap entry needs to know of the thread that a core runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Current {
    /// Kernel address of the thread's register file.
    pub context: usize,
    /// Kernel address of the bound guest's record; 0 if there is none.
    pub record: usize,
    /// Kernel address of the bound notification's bits; 0 if there is none.
    pub signals: usize,
    /// The address space of the thread.
    pub thread_space: u64,
    /// The address space of its guest.
    pub guest_space: u64,
    /// Whether the guest's registers, not the thread's, are live in EL0.
    pub in_guest: bool,
}

/// The hardware.
pub trait Machine {
    // ── Translation ──
    /// Makes new table entries visible to the walkers of all cores.
    fn publish_tables(&mut self);
    /// Removes what any core's TLB holds for the page of `address`, under every identifier,
    /// after entries written before are visible.
    fn invalidate_page(&mut self, address: u64);
    /// Removes everything the TLBs hold under `asid`.
    fn invalidate_space(&mut self, asid: u16);
    /// Removes everything the TLBs hold for EL0.
    fn invalidate_all(&mut self);

    // ── Contexts ──
    /// Says which thread this core runs from now on; switches `TTBR0_EL1`.
    fn set_current(&mut self, current: Current);
    /// Tells whether the current thread is in its guest (the entry's fast path changes this).
    fn is_in_guest(&self) -> bool;
    /// Enters or leaves the guest of the current thread: register file and address space.
    fn set_in_guest(&mut self, in_guest: bool);
    /// Saves the FP/SIMD registers to a guest record.
    fn save_fp(&mut self, record: usize);
    /// Loads the FP/SIMD registers from a guest record; it owns them from now on.
    fn load_fp(&mut self, record: usize);
    /// Returns the record whose FP/SIMD registers are in the core; 0: none.
    fn fp_owner(&self) -> usize;
    /// Says that no record's FP/SIMD registers are in the core.
    fn disown_fp(&mut self);

    // ── Time ──
    /// Returns the counter.
    fn now(&self) -> u64;
    /// Returns the counter's frequency in Hz.
    fn counter_hz(&self) -> u64;
    /// Asks for a timer interrupt when the counter reaches the deadline; `None`: never.
    fn set_timer(&mut self, deadline: Option<u64>);

    // ── Interrupts ──
    /// Tells whether user mode may own this line.
    fn has_line(&self, line: u32) -> bool;
    /// Configures and enables a line.
    fn enable_line(&mut self, line: u32, trigger: Trigger);
    /// Disables a line: it was given up, or it interrupted and awaits its acknowledgement.
    fn mask_line(&mut self, line: u32);
    /// Enables a line again after its acknowledgement.
    fn unmask_line(&mut self, line: u32);

    // ── Firmware ──
    /// Powers off; comes back only where the firmware cannot.
    fn power_off(&mut self, status: u64);
    /// Resets; comes back only where the firmware cannot.
    fn reset(&mut self);
    /// Writes to the debug console.
    fn write_console(&mut self, text: &[u8]);
}
