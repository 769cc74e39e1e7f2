//! From a device tree to the facts about the machine.

use crate::blob::{Blob, Broken, word_at};
use crate::node::{Node, Nodes, text};
use crate::platform::{Conduit, Core, InterruptController, Origin, Platform};
use crate::span::{Span, Spans};
use heapless::Vec;
use ipc_proto::abi::boot_info::{Uart, UartKind};
use ipc_proto::abi::layout::PAGE_BYTES;

const GIC_V2: &[&str] = &["arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic"];
const GIC_V3: &[&str] = &["arm,gic-v3"];
const TIMER: &[&str] = &["arm,armv8-timer", "arm,armv7-timer"];
/// Place of the virtual timer in the timer's `interrupts`.
const VIRTUAL_TIMER: usize = 2;
const PSCI: &[&str] = &["arm,psci-1.0", "arm,psci-0.2"];
const PL011: &[&str] = &["arm,pl011", "arm,sbsa-uart"];
const NS16550: &[&str] = &["ns16550a", "ns16550", "snps,dw-apb-uart"];
const PL031: &[&str] = &["arm,pl031"];

/// Reads the facts about the machine from its device tree.
///
/// # Errors
///
/// [`Broken`] if the tree is damaged or lacks what the kernel cannot do without.
pub fn read(bytes: &[u8]) -> Result<Platform<'_>, Broken> {
    let blob = Blob::new(bytes)?;
    let basics = Basics::of(&blob);
    let mut platform = Platform {
        origin: Origin::DeviceTree,
        memory: Spans::new(),
        reserved: Spans::new(),
        unmapped: Spans::new(),
        interrupt_controller: basics.controller.ok_or(Broken::NoInterruptController)?,
        timer_line: 27,
        conduit: None,
        uart: None,
        rtc: None,
        initrd: basics.initrd(),
        command_line: basics.command_line,
        seeds: basics.seeds,
        cores: Vec::new(),
    };
    for span in blob.reservations() {
        platform.reserved.add(span).map_err(|_| Broken::TooManyReserved)?;
    }
    let mut nodes = Nodes::of(&blob);
    let mut console_found = false;
    while let Some(node) = nodes.next() {
        if !node.is_available() {
            continue;
        }
        memory(&node, &mut platform)?;
        devices(&node, &basics, &mut platform);
        if let Some(uart) = uart(&node, basics.interrupt_cells) {
            let is_console = basics.console.is_some_and(|path| node.is_at(path));
            if is_console || (platform.uart.is_none() && !console_found) {
                platform.uart = Some(uart);
            }
            console_found |= is_console;
        }
    }
    if platform.memory.is_empty() { Err(Broken::NoMemory) } else { Ok(platform) }
}

/// What must be known before the other nodes make sense.
#[derive(Default)]
struct Basics<'a> {
    controller: Option<InterruptController>,
    interrupt_cells: u32,
    console: Option<&'a str>,
    command_line: &'a str,
    seeds: [&'a [u8]; 2],
    initrd_start: Option<u64>,
    initrd_end: Option<u64>,
}

impl<'a> Basics<'a> {
    fn of(blob: &Blob<'a>) -> Basics<'a> {
        let mut basics = Basics::default();
        let mut stdout = None;
        let mut nodes = Nodes::of(blob);
        while let Some(node) = nodes.next() {
            if node.is_at("/chosen") {
                stdout = stdout.or(node.text("stdout-path"));
                basics.chosen(&node);
            } else if basics.controller.is_none() && node.is_available() {
                basics.controller = controller(&node);
                basics.interrupt_cells = node.cell("#interrupt-cells").unwrap_or(3);
            }
        }
        basics.console = console(blob, stdout);
        basics
    }

    fn chosen(&mut self, node: &Node<'_, 'a>) {
        for (name, value) in node.properties() {
            match name {
                b"bootargs" => self.command_line = text(value).unwrap_or_default(),
                b"linux,initrd-start" => self.initrd_start = number(value),
                b"linux,initrd-end" => self.initrd_end = number(value),
                b"rng-seed" => self.seeds[0] = value,
                b"kaslr-seed" => self.seeds[1] = value,
                _ => {}
            }
        }
    }

    fn initrd(&self) -> Option<Span> {
        Span::between(self.initrd_start?, self.initrd_end?)
    }
}

/// Returns a property of one or two cells.
fn number(value: &[u8]) -> Option<u64> {
    let high = u64::from(word_at(value, 0)?);
    match value.len() {
        4 => Some(high),
        8 => Some(high << 32 | u64::from(word_at(value, 4)?)),
        _ => None,
    }
}

fn controller(node: &Node<'_, '_>) -> Option<InterruptController> {
    let v2 = node.is_compatible(GIC_V2);
    if !v2 && !node.is_compatible(GIC_V3) {
        return None;
    }
    let mut registers = node.registers().filter(|span| is_device_address(*span));
    let (first, second) = (registers.next()?, registers.next()?);
    Some(if v2 {
        InterruptController::V2 { distributor: first, cpu_interface: second }
    } else {
        InterruptController::V3 { distributor: first, redistributors: second }
    })
}

/// Returns the path of the console: `stdout-path` without its options, an alias resolved.
fn console<'a>(blob: &Blob<'a>, stdout: Option<&'a str>) -> Option<&'a str> {
    let name = stdout.unwrap_or("serial0").split(':').next()?;
    if name.starts_with('/') {
        return Some(name);
    }
    let mut nodes = Nodes::of(blob);
    while let Some(node) = nodes.next() {
        if node.is_at("/aliases") {
            return node.text(name);
        }
    }
    None
}

/// Takes note of RAM and of what is reserved in it.
fn memory(node: &Node<'_, '_>, platform: &mut Platform<'_>) -> Result<(), Broken> {
    if node.is_of_type("memory") {
        for span in node.registers() {
            // More pieces of RAM than there is room for are not used.
            let _ = platform.memory.add(span);
        }
    } else if node.is_in("/reserved-memory") {
        let no_map = node.property("no-map").is_some();
        for span in node.registers() {
            platform.reserved.add(span).map_err(|_| Broken::TooManyReserved)?;
            if no_map {
                platform.unmapped.add(span).map_err(|_| Broken::TooManyReserved)?;
            }
        }
    }
    Ok(())
}

/// Takes note of the devices that the kernel itself uses, and of the clock.
fn devices<'a>(node: &Node<'_, 'a>, basics: &Basics<'a>, platform: &mut Platform<'a>) {
    if node.is_compatible(PSCI) {
        platform.conduit = match node.text("method") {
            Some("hvc") => Some(Conduit::Hvc),
            Some("smc") => Some(Conduit::Smc),
            _ => None,
        };
    } else if node.is_compatible(TIMER) {
        let line = node.interrupt(VIRTUAL_TIMER, basics.interrupt_cells);
        platform.timer_line = line.filter(|line| *line < 32).unwrap_or(platform.timer_line);
    } else if node.is_compatible(PL031) {
        platform.rtc = node.registers().next().map(|span| span.pages_around().base());
    } else if node.is_in("/cpus") && node.is_of_type("cpu") {
        let by_table = node.text("enable-method") == Some("spin-table");
        let release = node.property("cpu-release-addr").and_then(number).filter(|_| by_table);
        if let Some(affinity) = node.unit() {
            // More cores than there is room for stay asleep.
            let _ = platform.cores.push(Core { affinity, release_address: release });
        }
    }
}

/// Tells whether registers lie where they can be mapped.
fn is_device_address(span: Span) -> bool {
    span.base().is_multiple_of(PAGE_BYTES) && span.end() <= 1 << 48
}

fn uart(node: &Node<'_, '_>, interrupt_cells: u32) -> Option<Uart> {
    let kind = if node.is_compatible(PL011) {
        UartKind::Pl011
    } else if node.is_compatible(NS16550) && node.cell("reg-shift") == Some(2) {
        // Registers one word apart; no machine of ours has another spacing.
        UartKind::Ns16550
    } else {
        return None;
    };
    let registers = node.registers().next().filter(|span| is_device_address(*span))?;
    let line = node.interrupt(0, interrupt_cells)?;
    Some(Uart { kind, base: registers.base(), bytes: registers.pages_around().bytes(), line })
}
