//! GICv2 (IHI 0048B): distributor and CPU interface.
//!
//! # Invariants
//!
//! - `gic.registers`: both references name the mapped registers of one GICv2, for good.

use super::Pending;
use aarch64_cpu::asm::barrier;
use ipc_proto::abi::word::Trigger;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! { u32,
    Enable [ ENABLE OFFSET(0) NUMBITS(1) [] ],
    Type [ BLOCKS OFFSET(0) NUMBITS(5) [] ],
    SoftwareInterrupt [
        TARGETS OFFSET(16) NUMBITS(8) [],
        LINE OFFSET(0) NUMBITS(4) []
    ]
}

register_structs! {
    Distributor {
        (0x000 => control: ReadWrite<u32, Enable::Register>),
        (0x004 => kind: ReadOnly<u32, Type::Register>),
        (0x008 => _implementer),
        (0x100 => set_enable: [ReadWrite<u32>; 32]),
        (0x180 => clear_enable: [ReadWrite<u32>; 32]),
        (0x200 => _pending),
        (0x380 => clear_active: [ReadWrite<u32>; 32]),
        (0x400 => priority: [ReadWrite<u32>; 256]),
        (0x800 => targets: [ReadWrite<u32>; 256]),
        (0xc00 => trigger: [ReadWrite<u32>; 64]),
        (0xd00 => _access),
        (0xf00 => software: WriteOnly<u32, SoftwareInterrupt::Register>),
        (0xf04 => @END),
    },
    CpuInterface {
        (0x00 => control: ReadWrite<u32, Enable::Register>),
        (0x04 => priority_mask: ReadWrite<u32>),
        (0x08 => binary_point: ReadWrite<u32>),
        (0x0c => acknowledge: ReadOnly<u32>),
        (0x10 => end: WriteOnly<u32>),
        (0x14 => @END),
    }
}

/// All lines have this priority, in each byte; the mask lets it through.
const PRIORITIES: u32 = 0xa0a0_a0a0;
const PRIORITY_MASK: u32 = 0xf0;
/// INTIDs from here on mean that there is no interrupt.
const SPECIAL: u32 = 1020;
/// The first line that all cores share.
const FIRST_SHARED: u32 = 32;

/// A GICv2.
pub(crate) struct Gic {
    distributor: &'static Distributor,
    cpu: &'static CpuInterface,
    lines: u32,
}

// SAFETY: [gic.registers] holds on every core; each finds its own CPU interface there.
unsafe impl Send for Gic {}

impl core::fmt::Debug for Gic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "GICv2 with {} lines", self.lines)
    }
}

impl Gic {
    /// Takes the GIC over and initialises it, with this core's interface.
    ///
    /// # Safety
    ///
    /// `gic.registers` holds for the two addresses.
    pub(crate) unsafe fn new(distributor: u64, cpu_interface: u64) -> Gic {
        let distributor = core::ptr::with_exposed_provenance(distributor as usize);
        let cpu = core::ptr::with_exposed_provenance(cpu_interface as usize);
        // SAFETY: [gic.registers] the caller's; registers have interior mutability.
        let (distributor, cpu): (&'static Distributor, &'static CpuInterface) =
            unsafe { (&*distributor, &*cpu) };
        let lines = (32 * (distributor.kind.read(Type::BLOCKS) + 1)).min(SPECIAL);
        let gic = Gic { distributor, cpu, lines };
        gic.initialise();
        gic
    }

    fn initialise(&self) {
        let registers = self.distributor;
        registers.control.modify(Enable::ENABLE::CLEAR);
        let blocks = self.lines.div_ceil(32) as usize;
        for block in 1..blocks {
            registers.clear_enable[block].set(!0);
            registers.clear_active[block].set(!0);
        }
        // The boot core's own bit in each byte: a private line's targets read so (4.3.12).
        let own = registers.targets[0].get();
        let own = if own == 0 { 0x0101_0101 } else { own };
        for group in FIRST_SHARED as usize / 4..self.lines as usize / 4 {
            registers.priority[group].set(PRIORITIES);
            registers.targets[group].set(own);
        }
        registers.control.modify(Enable::ENABLE::SET);
        self.initialise_core();
    }

    /// Initialises what every core has of its own: private lines and the CPU interface.
    fn initialise_core(&self) {
        let registers = self.distributor;
        registers.clear_enable[0].set(0xffff_0000);
        registers.clear_active[0].set(!0);
        for group in 0..FIRST_SHARED as usize / 4 {
            registers.priority[group].set(PRIORITIES);
        }
        // Software-generated interrupts; where they are always on, this is ignored.
        registers.set_enable[0].set(0xffff);
        self.cpu.priority_mask.set(PRIORITY_MASK);
        self.cpu.binary_point.set(0);
        self.cpu.control.write(Enable::ENABLE::SET);
    }

    pub(super) fn lines(&self) -> u32 {
        self.lines
    }

    pub(super) fn enable(&self, line: u32) {
        self.distributor.set_enable[line as usize / 32].set(1 << (line % 32));
    }

    pub(super) fn disable(&self, line: u32) {
        self.distributor.clear_enable[line as usize / 32].set(1 << (line % 32));
        // Off before the end of the interrupt is told, or a level line comes right again.
        barrier::dsb(barrier::SY);
    }

    pub(super) fn configure(&self, line: u32, trigger: Trigger) {
        let shift = line % 16 * 2 + 1;
        let register = &self.distributor.trigger[line as usize / 16];
        let bit = u32::from(trigger == Trigger::Edge) << shift;
        register.set(register.get() & !(1 << shift) | bit);
    }

    pub(super) fn acknowledge(&self) -> Option<Pending> {
        let pending = Pending(self.cpu.acknowledge.get());
        (pending.line() < SPECIAL).then_some(pending)
    }

    pub(super) fn end(&self, pending: Pending) {
        self.cpu.end.set(pending.0);
    }

    pub(super) fn send(&self, line: u32, cores: u8) {
        // What was written before is seen by the cores that get the interrupt.
        barrier::dsb(barrier::ISHST);
        self.distributor.software.write(
            SoftwareInterrupt::TARGETS.val(cores.into()) + SoftwareInterrupt::LINE.val(line),
        );
    }
}
