//! Device trees of real and made-up machines, whole and damaged.

use ipc_proto::abi::boot_info::UartKind;
use microkernel_platform::blob::{Blob, Broken, Token};
use microkernel_platform::device_tree::read;
use microkernel_platform::memory_map::memory_map;
use microkernel_platform::platform::{Conduit, InterruptController, Origin, Platform};
use microkernel_platform::span::Span;
use proptest::prelude::*;
use vm_fdt::{FdtReserveEntry, FdtWriter};

/// What QEMU 7.2 gives `-M virt -m 1024M -cpu cortex-a57`, without the empty space behind it and
/// with known seeds.
const MACH_VIRT: &[u8] = include_bytes!("mach-virt.dtb");

fn span(base: u64, bytes: u64) -> Span {
    Span::new(base, bytes).unwrap()
}

fn image() -> Span {
    span(0x4020_0000, 0x50_0000)
}

/// A machine that is unlike mach-virt: RAM high up, a bus with a translation, a 16550, cores
/// that wait at a table, memory set aside.
fn board() -> Vec<u8> {
    let reserved = [FdtReserveEntry::new(0x40_0100_0000, 0x1000).unwrap()];
    let mut tree = FdtWriter::new_with_mem_reserv(&reserved).unwrap();
    let root = tree.begin_node("").unwrap();
    tree.property_u32("#address-cells", 2).unwrap();
    tree.property_u32("#size-cells", 2).unwrap();
    let node = tree.begin_node("chosen").unwrap();
    tree.property_string("stdout-path", "serial1:115200n8").unwrap();
    tree.property_string("bootargs", "--verbose /bin/sh").unwrap();
    tree.property_u32("linux,initrd-start", 0x1000).unwrap();
    tree.property_u64("linux,initrd-end", 0x40_0300_0000).unwrap();
    tree.end_node(node).unwrap();
    let node = tree.begin_node("aliases").unwrap();
    tree.property_string("serial1", "/soc/serial@20").unwrap();
    tree.end_node(node).unwrap();
    let node = tree.begin_node("memory").unwrap();
    tree.property_string("device_type", "memory").unwrap();
    tree.property_array_u64("reg", &[0x40_0000_0000, 1 << 30, 0x50_0000_0000, 1 << 30]).unwrap();
    tree.end_node(node).unwrap();
    let node = tree.begin_node("reserved-memory").unwrap();
    tree.property_u32("#address-cells", 2).unwrap();
    tree.property_u32("#size-cells", 2).unwrap();
    tree.property_null("ranges").unwrap();
    let child = tree.begin_node("firmware@4002000000").unwrap();
    tree.property_array_u64("reg", &[0x40_0200_0000, 0x10_0000]).unwrap();
    tree.property_null("no-map").unwrap();
    tree.end_node(child).unwrap();
    tree.end_node(node).unwrap();
    let node = tree.begin_node("cpus").unwrap();
    tree.property_u32("#address-cells", 2).unwrap();
    tree.property_u32("#size-cells", 0).unwrap();
    let child = tree.begin_node("cpu@100").unwrap();
    tree.property_string("device_type", "cpu").unwrap();
    tree.property_u64("reg", 0x100).unwrap();
    tree.property_string("enable-method", "spin-table").unwrap();
    tree.property_u64("cpu-release-addr", 0x40_0000_fff8).unwrap();
    tree.end_node(child).unwrap();
    tree.end_node(node).unwrap();
    let node = tree.begin_node("interrupt-controller@78010000").unwrap();
    tree.property_string_list("compatible", vec!["arm,cortex-a15-gic".into()]).unwrap();
    tree.property_u32("#interrupt-cells", 3).unwrap();
    tree.property_array_u64("reg", &[0x7801_0000, 0x1000, 0x7802_0000, 0x2000]).unwrap();
    tree.end_node(node).unwrap();
    let node = tree.begin_node("soc").unwrap();
    tree.property_u32("#address-cells", 1).unwrap();
    tree.property_u32("#size-cells", 1).unwrap();
    tree.property_array_u32("ranges", &[0, 0, 0x1c02_0000, 0x10000]).unwrap();
    for (name, status) in [("serial@0", "disabled"), ("serial@20", "ok")] {
        let child = tree.begin_node(name).unwrap();
        tree.property_string("compatible", "ns16550a").unwrap();
        tree.property_string("status", status).unwrap();
        tree.property_u32("reg-shift", 2).unwrap();
        tree.property_array_u32("reg", &[0x1000, 0x100]).unwrap();
        tree.property_array_u32("interrupts", &[0, 0x4c, 4]).unwrap();
        tree.end_node(child).unwrap();
    }
    tree.end_node(node).unwrap();
    tree.end_node(root).unwrap();
    tree.finish().unwrap()
}

#[test]
fn mach_virt_is_read() {
    let platform = read(MACH_VIRT).unwrap();
    assert_eq!(&*platform.memory, [span(0x4000_0000, 1 << 30)]);
    assert_eq!(
        platform.interrupt_controller,
        InterruptController::V2 {
            distributor: span(0x0800_0000, 0x1_0000),
            cpu_interface: span(0x0801_0000, 0x1_0000),
        }
    );
    assert_eq!(platform.timer_line, 27);
    assert_eq!(platform.conduit, Some(Conduit::Hvc));
    let uart = platform.uart.unwrap();
    assert_eq!((uart.kind, uart.base, uart.line), (UartKind::Pl011, 0x0900_0000, 33));
    assert_eq!(platform.rtc, Some(0x0901_0000));
    assert_eq!(platform.cores.len(), 1);
    assert_eq!(platform.seeds.map(<[u8]>::len), [32, 8]);
}

#[test]
fn the_defaults_are_what_mach_virt_says() {
    let told = read(MACH_VIRT).unwrap();
    let assumed = Platform::mach_virt(Broken::Absent, image(), false);
    assert_eq!(assumed.interrupt_controller, told.interrupt_controller);
    assert_eq!(assumed.timer_line, told.timer_line);
    assert_eq!(assumed.conduit, told.conduit);
    assert_eq!(assumed.uart, told.uart);
    assert_eq!(assumed.rtc, told.rtc);
}

#[test]
fn a_board_unlike_mach_virt_is_read() {
    let bytes = board();
    let platform = read(&bytes).unwrap();
    assert_eq!(platform.command_line, "--verbose /bin/sh");
    assert_eq!(platform.memory.len(), 2);
    assert_eq!(&*platform.unmapped, [span(0x40_0200_0000, 0x10_0000)]);
    assert_eq!(platform.reserved.len(), 2);
    let uart = platform.uart.unwrap();
    assert_eq!((uart.kind, uart.base, uart.line), (UartKind::Ns16550, 0x1c02_1000, 0x4c + 32));
    assert_eq!(platform.conduit, None);
    assert_eq!(platform.cores[0].release_address, Some(0x40_0000_fff8));
    assert_eq!(platform.initrd, Some(span(0x1000, 0x40_0300_0000 - 0x1000)));
}

#[test]
fn an_initrd_outside_ram_is_of_no_use() {
    let bytes = board();
    let platform = Platform::discover(Ok(&bytes), span(0x40_0020_0000, 0x1000), true);
    assert_eq!(platform.origin, Origin::DeviceTree);
    assert_eq!(platform.initrd, None);
}

#[test]
fn a_tree_without_ram_under_the_image_is_not_believed() {
    let bytes = board();
    let platform = Platform::discover(Ok(&bytes), image(), true);
    assert_eq!(platform.origin, Origin::Defaults(Broken::NoMemory));
    assert_eq!(platform.conduit, Some(Conduit::Smc));
}

#[test]
fn removed_tokens_are_skipped() {
    // U-Boot and QEMU overwrite what they remove with NOPs: here the first property of the root.
    let mut bytes = MACH_VIRT.to_vec();
    let before = read(&bytes).unwrap().memory;
    let structure = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    assert_eq!(bytes[structure + 8..structure + 12], [0, 0, 0, 3]);
    for word in bytes[structure + 8..structure + 24].chunks_exact_mut(4) {
        word.copy_from_slice(&[0, 0, 0, 4]);
    }
    assert_eq!(read(&bytes).unwrap().memory, before);
}

#[test]
fn damage_is_named() {
    let damaged = |offset: usize, value: u32| {
        let mut bytes = MACH_VIRT.to_vec();
        bytes[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
        read(&bytes).err()
    };
    assert_eq!(damaged(0, 0), Some(Broken::BadMagic));
    assert_eq!(damaged(4, u32::MAX), Some(Broken::BadHeader));
    assert_eq!(damaged(4, 12), Some(Broken::BadHeader));
    assert_eq!(damaged(8, u32::MAX), Some(Broken::BadHeader));
    assert_eq!(damaged(20, 3), Some(Broken::BadVersion));
    assert_eq!(damaged(64, 2), Some(Broken::BadStructure));
    assert_eq!(read(&[]).err(), Some(Broken::BadHeader));
    assert_eq!(read(&MACH_VIRT[..4000]).err(), Some(Broken::BadHeader));
}

#[test]
fn bottomless_nesting_is_refused() {
    let mut bytes = MACH_VIRT.to_vec();
    let structure = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    for pair in bytes[structure..structure + 4096].chunks_exact_mut(8) {
        pair.copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
    }
    assert_eq!(Blob::new(&bytes).err(), Some(Broken::TooDeep));
}

/// What must hold whatever the device tree says.
fn check(bytes: &[u8], image: Span) -> Result<(), TestCaseError> {
    let platform = Platform::discover(Ok(bytes), image, false);
    let registers = platform.interrupt_controller.registers();
    let taken: Vec<Span> = platform.initrd.into_iter().chain([image]).collect();
    let map = memory_map(&platform, &taken, &registers, 44);
    prop_assert!(platform.memory.iter().any(|ram| ram.contains(image)));
    for free in &*map.free {
        prop_assert!(free.pages_within() == Some(*free));
        prop_assert!(map.ram.iter().any(|ram| ram.contains(*free)));
        prop_assert!(platform.memory.iter().any(|ram| ram.contains(*free)));
        let others = taken.iter().chain(&*platform.reserved).chain(&*map.device);
        prop_assert!(others.into_iter().all(|other| !other.overlaps(*free)));
    }
    for device in &*map.device {
        let others = platform.memory.iter().chain(&registers).chain(&taken);
        prop_assert!(others.into_iter().all(|other| !other.overlaps(*device)));
        prop_assert!(device.end() <= 1 << 44);
    }
    Ok(())
}

/// Returns the places of all bytes that are values of properties.
fn value_bytes(bytes: &[u8]) -> Vec<usize> {
    let values = Blob::new(bytes).unwrap().tokens().filter_map(|token| match token {
        Token::Property(_, value) => Some(value),
        _ => None,
    });
    values
        .flat_map(|value| {
            let start = value.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + value.len()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_trees_do_no_harm(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        words in proptest::collection::vec((any::<prop::sample::Index>(), 0u32..12), 0..6),
        length in any::<prop::sample::Index>(),
        cut in proptest::bool::weighted(0.2),
    ) {
        for (whole, image) in [(MACH_VIRT.to_vec(), image()), (board(), span(0x40_0020_0000, 99))] {
            let mut bytes = whole;
            for (at, value) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            for (at, value) in &words {
                let at = at.index(bytes.len() / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
            }
            if cut {
                bytes.truncate(length.index(bytes.len()));
            }
            check(&bytes, image)?;
        }
    }

    #[test]
    fn sound_trees_that_tell_nonsense_do_no_harm(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
    ) {
        for (whole, image) in [(MACH_VIRT.to_vec(), image()), (board(), span(0x40_0020_0000, 99))] {
            let places = value_bytes(&whole);
            let mut bytes = whole;
            for (at, value) in &damage {
                bytes[places[at.index(places.len())]] = *value;
            }
            prop_assert!(Blob::new(&bytes).is_ok());
            check(&bytes, image)?;
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = bytes;
        check(&bytes, image())?;
        let header = &MACH_VIRT[..40.min(bytes.len())];
        bytes[..header.len()].copy_from_slice(header);
        check(&bytes, image())?;
    }
}
