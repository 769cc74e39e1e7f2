//! GICv3 (IHI 0069): distributor, redistributors, CPU interface in system registers.
//!
//! Affinity routing is on; every line is Group 1 and goes to the core that booted.
//!
//! # Invariants
//!
//! - `gic.registers`: all references name the mapped registers of one GICv3, for good.

use super::Pending;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::MPIDR_EL1;
use core::arch::asm;
use ipc_proto::abi::word::Trigger;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! { u32,
    Control [
        ENABLE_GROUP_1 OFFSET(0) NUMBITS(2) [ Both = 3 ],
        AFFINITY_ROUTING OFFSET(4) NUMBITS(1) [],
        WRITE_PENDING OFFSET(31) NUMBITS(1) []
    ],
    Type [ BLOCKS OFFSET(0) NUMBITS(5) [] ],
    Waker [
        PROCESSOR_SLEEP OFFSET(1) NUMBITS(1) [],
        CHILDREN_ASLEEP OFFSET(2) NUMBITS(1) []
    ]
}

register_bitfields! { u64,
    RedistributorType [
        VIRTUAL_LPIS OFFSET(1) NUMBITS(1) [],
        LAST OFFSET(4) NUMBITS(1) [],
        AFFINITY OFFSET(32) NUMBITS(32) []
    ]
}

register_structs! {
    Distributor {
        (0x0000 => control: ReadWrite<u32, Control::Register>),
        (0x0004 => kind: ReadOnly<u32, Type::Register>),
        (0x0008 => _implementer),
        (0x0080 => group: [ReadWrite<u32>; 32]),
        (0x0100 => set_enable: [ReadWrite<u32>; 32]),
        (0x0180 => clear_enable: [ReadWrite<u32>; 32]),
        (0x0200 => _pending),
        (0x0380 => clear_active: [ReadWrite<u32>; 32]),
        (0x0400 => priority: [ReadWrite<u32>; 256]),
        (0x0800 => _targets),
        (0x0c00 => trigger: [ReadWrite<u32>; 64]),
        (0x0d00 => _modifier),
        (0x6000 => route: [ReadWrite<u64>; 1020]),
        (0x7fe0 => @END),
    },
    Redistributor {
        (0x00000 => _control),
        (0x00008 => kind: ReadOnly<u64, RedistributorType::Register>),
        (0x00010 => _status),
        (0x00014 => waker: ReadWrite<u32, Waker::Register>),
        (0x00018 => _lpis),
        (0x10080 => group: ReadWrite<u32>),
        (0x10084 => _reserved),
        (0x10100 => set_enable: ReadWrite<u32>),
        (0x10104 => _reserved2),
        (0x10180 => clear_enable: ReadWrite<u32>),
        (0x10184 => _pending),
        (0x10380 => clear_active: ReadWrite<u32>),
        (0x10384 => _reserved3),
        (0x10400 => priority: [ReadWrite<u32>; 8]),
        (0x10420 => _reserved4),
        (0x10c00 => trigger: [ReadWrite<u32>; 2]),
        (0x10c08 => @END),
    }
}

/// All lines have this priority, in each byte; the mask lets it through.
const PRIORITIES: u32 = 0xa0a0_a0a0;
const PRIORITY_MASK: u64 = 0xf0;
/// INTIDs from here to 1023 mean that there is no interrupt.
const SPECIAL: u32 = 1020;
/// The first line that all cores share.
const FIRST_SHARED: u32 = 32;
/// Bytes of a redistributor's frames: two, or four where it has virtual LPIs.
const FRAME_BYTES: usize = 0x2_0000;
/// Most times that a register is read until it says that the hardware has followed.
const TRIES: u32 = 1_000_000;

/// A GICv3.
pub(crate) struct Gic {
    distributor: &'static Distributor,
    /// That of the core that booted.
    redistributor: &'static Redistributor,
    lines: u32,
}

// SAFETY: [gic.registers]
unsafe impl Send for Gic {}

impl core::fmt::Debug for Gic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "GICv3 with {} lines", self.lines)
    }
}

/// Writes a CPU interface register by its name's encoding.
macro_rules! write_register {
    ($name:literal, $value:expr) => {
        // SAFETY: a register of this core's interrupt interface, which the kernel owns.
        unsafe { asm!(concat!("msr ", $name, ", {}"), in(reg) $value, options(nostack)) }
    };
}

/// Returns this core's affinity as redistributors and routes name it.
fn own_affinity() -> u64 {
    let register = MPIDR_EL1.get();
    register & 0xff_ffff | (register >> 32 & 0xff) << 24
}

impl Gic {
    /// Takes the GIC over and initialises it, with this core's interface; `None` if no
    /// redistributor in `bytes` bytes is this core's.
    ///
    /// # Safety
    ///
    /// `gic.registers` holds for the two addresses.
    pub(crate) unsafe fn new(distributor: u64, redistributors: u64, bytes: u64) -> Option<Gic> {
        let distributor = core::ptr::with_exposed_provenance::<Distributor>(distributor as usize);
        // SAFETY: [gic.registers] the caller's; registers have interior mutability.
        let distributor: &'static Distributor = unsafe { &*distributor };
        // SAFETY: the caller's.
        let redistributor = unsafe { find_own(redistributors as usize, bytes as usize) }?;
        let lines = (32 * (distributor.kind.read(Type::BLOCKS) + 1)).min(SPECIAL);
        let gic = Gic { distributor, redistributor, lines };
        gic.initialise();
        gic.initialise_core();
        Some(gic)
    }

    fn initialise(&self) {
        let registers = self.distributor;
        registers.control.set(0);
        self.settle();
        registers.control.write(Control::AFFINITY_ROUTING::SET);
        self.settle();
        for block in 1..self.lines.div_ceil(32) as usize {
            registers.clear_enable[block].set(!0);
            registers.clear_active[block].set(!0);
            registers.group[block].set(!0);
        }
        let own = own_affinity();
        // The route has Aff3 at bit 32 (12.9.22).
        let route = own & 0xff_ffff | (own >> 24) << 32;
        for line in FIRST_SHARED..self.lines {
            registers.route[line as usize].set(route);
        }
        for group in FIRST_SHARED as usize / 4..self.lines as usize / 4 {
            registers.priority[group].set(PRIORITIES);
        }
        registers.control.write(Control::AFFINITY_ROUTING::SET + Control::ENABLE_GROUP_1::Both);
        self.settle();
    }

    /// Initialises what every core has of its own: private lines and the CPU interface.
    fn initialise_core(&self) {
        let registers = self.redistributor;
        registers.waker.modify(Waker::PROCESSOR_SLEEP::CLEAR);
        let _ = (0..TRIES).find(|_| !registers.waker.is_set(Waker::CHILDREN_ASLEEP));
        registers.clear_enable.set(0xffff_0000);
        registers.clear_active.set(!0);
        registers.group.set(!0);
        for group in &registers.priority {
            group.set(PRIORITIES);
        }
        registers.set_enable.set(0xffff);
        write_register!("s3_0_c12_c12_5", 7_u64); // ICC_SRE_EL1: system registers, no bypass
        barrier::isb(barrier::SY);
        write_register!("s3_0_c4_c6_0", PRIORITY_MASK); // ICC_PMR_EL1
        write_register!("s3_0_c12_c12_3", 0_u64); // ICC_BPR1_EL1
        write_register!("s3_0_c12_c12_4", 0_u64); // ICC_CTLR_EL1: an end is also a deactivation
        write_register!("s3_0_c12_c12_7", 1_u64); // ICC_IGRPEN1_EL1
        barrier::isb(barrier::SY);
    }

    /// Waits until the distributor has taken over what was written.
    fn settle(&self) {
        let control = &self.distributor.control;
        let _ = (0..TRIES).find(|_| !control.is_set(Control::WRITE_PENDING));
    }

    pub(super) fn lines(&self) -> u32 {
        self.lines
    }

    pub(super) fn enable(&self, line: u32) {
        let bit = 1 << (line % 32);
        if line < FIRST_SHARED {
            self.redistributor.set_enable.set(bit);
        } else {
            self.distributor.set_enable[line as usize / 32].set(bit);
        }
    }

    pub(super) fn disable(&self, line: u32) {
        let bit = 1 << (line % 32);
        if line < FIRST_SHARED {
            self.redistributor.clear_enable.set(bit);
        } else {
            self.distributor.clear_enable[line as usize / 32].set(bit);
            // Off before the end of the interrupt is told, or a level line comes right again.
            self.settle();
        }
        barrier::dsb(barrier::SY);
    }

    pub(super) fn configure(&self, line: u32, trigger: Trigger) {
        let shift = line % 16 * 2 + 1;
        let register = match line {
            0..FIRST_SHARED => &self.redistributor.trigger[line as usize / 16],
            _ => &self.distributor.trigger[line as usize / 16],
        };
        let bit = u32::from(trigger == Trigger::Edge) << shift;
        register.set(register.get() & !(1 << shift) | bit);
    }

    pub(super) fn acknowledge(&self) -> Option<Pending> {
        let line: u64;
        // SAFETY: ICC_IAR1_EL1; reading acknowledges this core's interrupt.
        unsafe { asm!("mrs {}, s3_0_c12_c12_0", out(reg) line, options(nostack)) };
        barrier::dsb(barrier::SY);
        let pending = Pending(line as u32);
        (pending.line() < SPECIAL).then_some(pending)
    }

    pub(super) fn end(&self, pending: Pending) {
        write_register!("s3_0_c12_c12_1", u64::from(pending.0)); // ICC_EOIR1_EL1
        barrier::isb(barrier::SY);
    }

    pub(super) fn send(&self, line: u32, cores: u8) {
        // What was written before is seen by the cores that get the interrupt.
        barrier::dsb(barrier::ISHST);
        // Cores of the first cluster: Aff0 in the bit set (ICC_SGI1R_EL1, 12.2.14).
        write_register!("s3_0_c12_c11_5", u64::from(line) << 24 | u64::from(cores));
        barrier::isb(barrier::SY);
    }
}

/// Finds the redistributor of this core.
///
/// # Safety
///
/// Redistributors are mapped from `base` on, `bytes` bytes of them.
unsafe fn find_own(base: usize, bytes: usize) -> Option<&'static Redistributor> {
    let mut offset = 0;
    while offset + FRAME_BYTES <= bytes {
        let at = core::ptr::with_exposed_provenance::<Redistributor>(base + offset);
        // SAFETY: [gic.registers] inside the range, by the loop's condition.
        let found: &'static Redistributor = unsafe { &*at };
        let kind = found.kind.extract();
        if kind.read(RedistributorType::AFFINITY) == own_affinity() {
            return Some(found);
        }
        if kind.is_set(RedistributorType::LAST) {
            return None;
        }
        let has_more = kind.is_set(RedistributorType::VIRTUAL_LPIS);
        offset += if has_more { 2 * FRAME_BYTES } else { FRAME_BYTES };
    }
    None
}
