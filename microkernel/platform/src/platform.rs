//! The facts about a machine, and mach-virt's for when nothing tells them.

use crate::blob::Broken;
use crate::device_tree;
use crate::span::{Span, Spans};
use heapless::Vec;
use ipc_proto::abi::boot_info::{Uart, UartKind};
use ipc_proto::abi::layout::PAGE_BYTES;

/// Most cores that are listed.
pub const MAX_CORES: usize = 64;

/// Where the facts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the device tree.
    DeviceTree,
    /// Nothing told them; why.
    Defaults(Broken),
}

/// The interrupt controller and where its registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptController {
    /// GICv2 (IHI 0048B).
    V2 {
        /// The distributor.
        distributor: Span,
        /// The CPU interface.
        cpu_interface: Span,
    },
    /// GICv3 or later (IHI 0069).
    V3 {
        /// The distributor.
        distributor: Span,
        /// The redistributors, all in one range.
        redistributors: Span,
    },
}

impl InterruptController {
    /// Returns its two register ranges.
    #[must_use]
    pub const fn registers(self) -> [Span; 2] {
        match self {
            InterruptController::V2 { distributor, cpu_interface } => [distributor, cpu_interface],
            InterruptController::V3 { distributor, redistributors } => {
                [distributor, redistributors]
            }
        }
    }
}

/// The instruction that calls PSCI firmware (DEN 0022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// `hvc #0`.
    Hvc,
    /// `smc #0`.
    Smc,
}

/// A core and how it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core {
    /// The affinity fields of its MPIDR_EL1.
    pub affinity: u64,
    /// Address of its spin-table word, if that is how it starts; else by PSCI.
    pub release_address: Option<u64>,
}

/// The facts about a machine.
#[derive(Clone, Debug)]
pub struct Platform<'a> {
    /// Where they come from.
    pub origin: Origin,
    /// RAM.
    pub memory: Spans<16>,
    /// Parts of the RAM that others use.
    pub reserved: Spans<32>,
    /// Parts of the RAM that must not even be mapped; all of them are `reserved` as well.
    pub unmapped: Spans<16>,
    /// The interrupt controller.
    pub interrupt_controller: InterruptController,
    /// The line (INTID) of the virtual timer.
    pub timer_line: u32,
    /// How to call PSCI 0.2 or later, if it is there.
    pub conduit: Option<Conduit>,
    /// The console device.
    pub uart: Option<Uart>,
    /// Address of a PL031 real-time clock.
    pub rtc: Option<u64>,
    /// The initrd.
    pub initrd: Option<Span>,
    /// The kernel command line.
    pub command_line: &'a str,
    /// Random bytes of the firmware's.
    pub seeds: [&'a [u8]; 2],
    /// The cores.
    pub cores: Vec<Core, MAX_CORES>,
}

/// Bytes of RAM assumed where nothing tells: what QEMU gives a machine by default.
const ASSUMED_RAM_BYTES: u64 = 128 << 20;
const VIRT_RAM_BASE: u64 = 0x4000_0000;

impl<'a> Platform<'a> {
    /// Reads the facts from the device tree; takes mach-virt's if there is none, if it is broken
    /// or if it has no RAM where the loader image lies.
    #[must_use]
    pub fn discover(blob: Result<&'a [u8], Broken>, image: Span, at_el2: bool) -> Platform<'a> {
        let found = blob.and_then(device_tree::read).and_then(|found| {
            let is_ram = found.memory.iter().any(|ram| ram.contains(image));
            if is_ram { Ok(found) } else { Err(Broken::NoMemory) }
        });
        let mut platform = match found {
            Ok(found) => found,
            Err(why) => Platform::mach_virt(why, image, at_el2),
        };
        // An initrd that is not whole pages of RAM from its start on is of no use.
        platform.initrd = platform.initrd.filter(|initrd| {
            initrd.base().is_multiple_of(PAGE_BYTES)
                && !initrd.overlaps(image)
                && platform.memory.iter().any(|ram| ram.contains(initrd.pages_around()))
                && !platform.unmapped.iter().any(|hole| hole.overlaps(*initrd))
        });
        platform
    }

    /// Returns mach-virt's facts, for an `image` at that place, entered at exception level 2 or 1.
    #[must_use]
    pub fn mach_virt(why: Broken, image: Span, at_el2: bool) -> Platform<'static> {
        let at_home = (VIRT_RAM_BASE..VIRT_RAM_BASE + ASSUMED_RAM_BYTES).contains(&image.base());
        let base = if at_home { VIRT_RAM_BASE } else { image.base() };
        let end = image.end().max(base.saturating_add(ASSUMED_RAM_BYTES));
        let mut memory = Spans::new();
        if let Some(span) = Span::between(base, end) {
            // An empty list has room.
            let _ = memory.add(span);
        }
        Platform {
            origin: Origin::Defaults(why),
            memory,
            reserved: Spans::new(),
            unmapped: Spans::new(),
            interrupt_controller: InterruptController::V2 {
                distributor: const { fixed(0x0800_0000, 0x1_0000) },
                cpu_interface: const { fixed(0x0801_0000, 0x1_0000) },
            },
            timer_line: 27,
            conduit: Some(if at_el2 { Conduit::Smc } else { Conduit::Hvc }),
            uart: Some(Uart { kind: UartKind::Pl011, base: 0x0900_0000, bytes: 4096, line: 33 }),
            rtc: Some(0x0901_0000),
            initrd: None,
            command_line: "",
            seeds: [&[]; 2],
            cores: Vec::new(),
        }
    }
}

/// Makes a range of constants.
#[expect(clippy::panic, reason = "evaluated by the compiler")]
const fn fixed(base: u64, bytes: u64) -> Span {
    match Span::new(base, bytes) {
        Some(span) => span,
        None => panic!("an empty range"),
    }
}
