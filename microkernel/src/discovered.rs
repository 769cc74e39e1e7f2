//! What the boot found out, handed to `start` as a whole.

use crate::boot::{Image, probe};
use crate::gic::Controller;
use crate::mmu::{self, KernelTables};
use crate::timer::{self, Timer};
use crate::{console, cpu, panic, power};
use heapless::Vec;
use ipc_proto::abi::boot_info::{MAX_STAGES, Platform as Machine, Stage};
use microkernel_platform::blob::{Blob, Broken, HEADER_BYTES};
use microkernel_platform::command_line::has_option;
use microkernel_platform::hwcap::hwcap;
use microkernel_platform::memory_map::{MemoryMap, memory_map};
use microkernel_platform::payload::{HEADER_WORDS, Payload};
use microkernel_platform::platform::{InterruptController, Origin, Platform};
use microkernel_platform::seed::seed;
use microkernel_platform::span::Span;

/// The stages of the boot so far.
pub(crate) type Stages = Vec<Stage<'static>, MAX_STAGES>;

/// What the boot found out, and the devices it made ready.
#[derive(Debug)]
pub(crate) struct Discovered {
    /// What root is told of the machine.
    pub(crate) machine: Machine,
    /// The interrupt controller; every line is disabled.
    pub(crate) interrupts: Controller,
    /// This core's timer, disarmed; its line is disabled.
    pub(crate) timer: Timer,
    /// The division of physical memory.
    pub(crate) memory: MemoryMap,
    /// Where root's image and bootfs are.
    pub(crate) payload: Payload,
    /// The initrd, from a page boundary on.
    pub(crate) initrd: Option<Span>,
    /// The device tree, if it lies at a page boundary.
    pub(crate) device_tree: Option<Span>,
    /// The kernel command line.
    pub(crate) command_line: &'static str,
    /// The boot's random seed.
    pub(crate) seed: [u8; 32],
    /// Physical address of an empty root table, for when no address space is in use.
    pub(crate) empty_root: u64,
    /// The stages of the boot so far.
    pub(crate) stages: Stages,
}

/// Takes note of a stage of the boot.
pub(crate) fn reached(stages: &mut Stages, name: &'static str, counter: u64) {
    // A stage too many goes unnoted.
    let _ = stages.push(Stage { name, counter });
}

/// Returns the device tree's bytes, seen through the boot window.
fn device_tree(physical: u64) -> Result<&'static [u8], Broken> {
    if physical == 0 {
        return Err(Broken::Absent);
    }
    if !physical.is_multiple_of(8) || physical >> 48 != 0 {
        return Err(Broken::BadHeader);
    }
    let address = mmu::in_window(physical);
    // SAFETY: the boot window is mapped, the boot vectors are active.
    if unsafe { probe(address) } == u32::MAX {
        return Err(Broken::BadMagic);
    }
    let bytes = core::ptr::with_exposed_provenance::<u8>(address as usize);
    // SAFETY: the window is read-only and larger than any header; it answers.
    let total = Blob::total_bytes(unsafe { core::slice::from_raw_parts(bytes, HEADER_BYTES) })?;
    // SAFETY: at most 2 MiB from the window's first 2 MiB on; `map_window` keeps it mapped.
    Ok(unsafe { core::slice::from_raw_parts(bytes, total) })
}

/// Finds everything out and makes the devices ready, on the boot core.
pub(crate) fn discover(image: Image, blob: u64, at_el2: bool, mut stages: Stages) -> Discovered {
    let whole = image.whole().unwrap_or_else(|| panic!("the image's header has a wrong size"));
    let bytes = device_tree(blob);
    let platform = Platform::discover(bytes, whole, at_el2);
    let is_found = platform.origin == Origin::DeviceTree;
    let tree = bytes.ok().filter(|_| is_found).and_then(|all| Span::new(blob, all.len() as u64));
    let semihosting = has_option(platform.command_line, "--exit=semihosting");
    power::initialise(platform.conduit, semihosting);
    reached(&mut stages, "device tree", timer::now());

    let registers = platform.interrupt_controller.registers();
    let taken = [Some(whole), tree, platform.initrd];
    let taken: Vec<Span, 3> = taken.into_iter().flatten().collect();
    let mut memory = memory_map(&platform, &taken, &registers, cpu::physical_bits());
    let (interrupts, empty_root) = map(image, &platform, tree, &mut memory);
    let (hwcap, hwcap2) = hwcap(cpu::id_registers());
    if let Origin::Defaults(why) = platform.origin {
        console::say!("microkernel: {why}; taking this machine for QEMU's mach-virt");
    }
    reached(&mut stages, "memory map", timer::now());

    Discovered {
        machine: Machine {
            counter_hz: timer::hz(),
            cores: 1,
            uart: platform.uart,
            rtc: platform.rtc,
            hwcap,
            hwcap2,
        },
        interrupts,
        timer: Timer::new(platform.timer_line),
        memory,
        payload: payload(image),
        initrd: platform.initrd,
        device_tree: tree.filter(|tree| tree.pages_around().base() == tree.base()),
        command_line: platform.command_line,
        seed: random_seed(&platform),
        empty_root,
        stages,
    }
}

/// Builds the final tables and moves to them; then console and interrupt controller work.
fn map(
    image: Image,
    platform: &Platform<'_>,
    tree: Option<Span>,
    memory: &mut MemoryMap,
) -> (Controller, u64) {
    let mut build = || {
        let mut tables = KernelTables::new(image)?;
        let uart =
            platform.uart.and_then(|uart| Some((uart.kind, Span::new(uart.base, uart.bytes)?)));
        let uart = uart.map(|(kind, span)| tables.map_device(span).map(|at| (kind, at)));
        let [distributor, second] = platform.interrupt_controller.registers();
        let (distributor, second) = (tables.map_device(distributor)?, tables.map_device(second)?);
        tree.map_or(Ok(()), |tree| tables.map_window(tree))?;
        tables.map_ram(memory);
        Ok((tables.activate(), uart.transpose()?, distributor, second))
    };
    let built: Result<_, microkernel_platform::tables::TableError> = build();
    let (empty_root, uart, distributor, second) =
        built.unwrap_or_else(|why| panic!("the kernel's page tables cannot be built: {why:?}"));
    if let Some((kind, at)) = uart {
        // SAFETY: mapped right above, for good.
        console::use_uart(unsafe { crate::uart::Uart::new(kind, at) });
    }
    match platform.interrupt_controller {
        InterruptController::V2 { .. } => {
            // SAFETY: mapped right above, for good; the ranges are in nobody's device memory.
            (unsafe { Controller::v2(distributor, second) }, empty_root)
        }
        InterruptController::V3 { redistributors, .. } => {
            // SAFETY: mapped right above, for good; the ranges are in nobody's device memory.
            match unsafe { Controller::v3(distributor, second, redistributors.bytes()) } {
                Some(controller) => (controller, empty_root),
                None => {
                    panic::give_up(format_args!("no redistributor of the GICv3 is this core's"))
                }
            }
        }
    }
}

/// Reads the header behind the kernel.
fn payload(image: Image) -> Payload {
    let Some(span) = image.payload() else {
        panic::give_up(format_args!("the loader image holds no root program"))
    };
    let header = core::ptr::with_exposed_provenance::<[u64; HEADER_WORDS]>(
        mmu::linear(span.base()) as usize,
    );
    // SAFETY: [mmu.ram] the image lies in RAM, and the payload begins on a page of its own.
    let header = unsafe { header.read() };
    Payload::read(&header, span).unwrap_or_else(|why| {
        panic::give_up(format_args!("the loader image's payload is damaged ({why:?})"))
    })
}

/// Collects what randomness there is.
fn random_seed(platform: &Platform<'_>) -> [u8; 32] {
    let mut own = [0; 32];
    for (chunk, word) in own.chunks_exact_mut(8).zip(core::iter::from_fn(cpu::random)) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    seed(&[platform.seeds[0], platform.seeds[1], &own], timer::now())
}
