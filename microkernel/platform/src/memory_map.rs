//! Which memory is whose: what is mapped, what is free, what is devices'.

use crate::platform::Platform;
use crate::span::{Span, Spans};
use ipc_proto::abi::layout::PAGE_BYTES;

/// Bits of the physical addresses that the kernel's linear mapping can reach: all below the
/// kernel image's own slot of the root table.
const LINEAR_END: u64 = 511 << 39;

/// The division of the physical addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryMap {
    /// RAM, in whole pages, without what must not be mapped.
    pub ram: Spans<24>,
    /// RAM that nobody uses, in whole pages.
    pub free: Spans<24>,
    /// What is neither RAM nor the kernel's, in whole pages: devices, or nothing at all.
    pub device: Spans<16>,
}

/// Divides the addresses of a machine with `physical_bits` address bits. `taken` is RAM in use:
/// the loader image, the device tree, the initrd. `registers` are the kernel's own devices.
#[must_use]
pub fn memory_map(
    platform: &Platform<'_>,
    taken: &[Span],
    registers: &[Span],
    physical_bits: u32,
) -> MemoryMap {
    let end = 1u64.checked_shl(physical_bits).unwrap_or(u64::MAX).min(LINEAR_END);
    let mut map = MemoryMap { ram: Spans::new(), free: Spans::new(), device: Spans::new() };
    // One range fits each list.
    let _ = Span::between(0, end).map(|all| map.device.add(all));
    for span in platform.memory.iter().chain(&*platform.unmapped) {
        map.device.remove(span.pages_around());
    }
    for span in taken.iter().chain(registers) {
        map.device.remove(span.pages_around());
    }
    for span in platform.memory.iter().filter_map(|span| span.pages_within()) {
        // More pieces than there is room for are not used.
        let _ = Span::between(span.base(), span.end().min(end)).map(|span| map.ram.add(span));
    }
    for span in &*platform.unmapped {
        map.ram.remove(span.pages_around());
    }
    // Both lists have the same size.
    map.free = map.ram.clone();
    for span in platform.reserved.iter().chain(taken) {
        map.free.remove(span.pages_around());
    }
    // Address 0 stands for "none" in kernel objects.
    let _ = Span::new(0, PAGE_BYTES).map(|first| map.free.remove(first));
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Broken;

    const MIB: u64 = 1 << 20;

    fn span(base: u64, bytes: u64) -> Span {
        Span::new(base, bytes).unwrap()
    }

    #[test]
    fn what_is_taken_is_neither_free_nor_devices() {
        let image = span(0x4020_0000, 3 * MIB + 5);
        let mut platform = Platform::mach_virt(Broken::Absent, image, false);
        platform.unmapped.add(span(0x4500_0000, 0x1234)).unwrap();
        platform.reserved.add(span(0x4500_0000, 0x1234)).unwrap();
        let registers = platform.interrupt_controller.registers();
        let map = memory_map(&platform, &[image], &registers, 40);
        let free: std::vec::Vec<_> = map.free.iter().map(|s| (s.base(), s.end())).collect();
        assert_eq!(
            free,
            [(0x4000_0000, 0x4020_0000), (0x4050_1000, 0x4500_0000), (0x4500_2000, 0x4800_0000),]
        );
        assert_eq!(map.ram.len(), 2);
        let device: std::vec::Vec<_> = map.device.iter().map(|s| (s.base(), s.end())).collect();
        assert_eq!(device, [(0, 0x0800_0000), (0x0802_0000, 0x4000_0000), (0x4800_0000, 1 << 40)]);
    }

    #[test]
    fn ram_beyond_the_linear_mapping_is_left_out() {
        let mut platform = Platform::mach_virt(Broken::Absent, span(0x4020_0000, MIB), false);
        platform.memory.add(span(LINEAR_END - MIB, 4 * MIB)).unwrap();
        let map = memory_map(&platform, &[], &[], 48);
        assert_eq!(map.ram.last().map(|s| s.end()), Some(LINEAR_END));
    }
}
