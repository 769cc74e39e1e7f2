//! The kernel's address space: its constants, its final tables, the switch to them.
//!
//! | addresses | what |
//! | --- | --- |
//! | [`LINEAR_BASE`] + physical | all RAM; the kernel's code and constants read-only in it |
//! | `boot::KERNEL_BASE` | the kernel image, W^X, guard pages under the stacks |
//! | [`WINDOW_BASE`] | the device tree, read-only |
//! | [`DEVICE_BASE`] | registers of the kernel's own devices |
//!
//! # Invariants
//!
//! - `mmu.ram`: every page of `MemoryMap::ram` is mapped at `LINEAR_BASE` for good; device memory
//!   and what must not be mapped never is.
//! - `mmu.tables`: the pool is written only here, before it becomes active.

use crate::boot::{self, Image, KERNEL_BASE, STACK_BYTES, STACK_STRIDE};
use aarch64_cpu::registers::{SCTLR_EL1, TCR_EL1};
use ipc_proto::abi::layout::BLOCK_BYTES;
use microkernel_platform::memory_map::MemoryMap;
use microkernel_platform::span::{Span, Spans};
use microkernel_platform::tables::{Access, Table, TableError, Tables};
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// Where physical address 0 would be in the mapping of all RAM.
pub(crate) const LINEAR_BASE: u64 = 0xffff_0000_0000_0000;
/// The window through which the device tree is seen.
pub(crate) const WINDOW_BASE: u64 = 0xffff_ffff_c000_0000;
/// Bytes of the window.
pub(crate) const WINDOW_BYTES: u64 = 4 << 20;
/// Where the registers of the kernel's devices are mapped.
const DEVICE_BASE: u64 = WINDOW_BASE + 2 * WINDOW_BYTES;

/// SCTLR_EL1 with the MMU off: the bits that are one in Armv8.0.
pub(crate) const SCTLR_RESET: u64 = 0x30d0_0800;
/// SCTLR_EL1: MMU and caches on; EL0 may do cache maintenance by address, DC ZVA, WFE and WFI.
pub(crate) const SCTLR: u64 = SCTLR_RESET
    | SCTLR_EL1::M::Enable.value
    | SCTLR_EL1::C::Cacheable.value
    | SCTLR_EL1::I::Cacheable.value
    | SCTLR_EL1::SA::Enable.value
    | SCTLR_EL1::SA0::Enable.value
    | SCTLR_EL1::UCI::DontTrap.value
    | SCTLR_EL1::UCT::DontTrap.value
    | SCTLR_EL1::DZE::DontTrap.value
    | SCTLR_EL1::NTWE::DontTrap.value
    | SCTLR_EL1::NTWI::DontTrap.value;
/// TCR_EL1: 48-bit halves, 4 KiB granule, tables in write-back memory, the top byte of a user
/// address ignored as Linux has it. The boot code adds the sizes that depend on the core.
pub(crate) const TCR: u64 = TCR_EL1::T0SZ.val(16).value
    | TCR_EL1::T1SZ.val(16).value
    | TCR_EL1::TG0::KiB_4.value
    | TCR_EL1::TG1::KiB_4.value
    | TCR_EL1::SH0::Inner.value
    | TCR_EL1::SH1::Inner.value
    | TCR_EL1::IRGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::ORGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::IRGN1::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::ORGN1::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::TBI0::Ignored.value;
/// MAIR_EL1: 0 Device-nGnRE, 1 Normal write-back, 2 Normal non-cacheable.
pub(crate) const MAIR: u64 = 0x44_ff_04;
/// Attributes of a boot block: Normal, read-write-execute at EL1, for these few instructions.
pub(crate) const BOOT_BLOCK: u64 = 1 | 1 << 2 | 3 << 8 | 1 << 10 | 1 << 54;
/// Attributes of a window block: Normal, read-only, never executed.
pub(crate) const WINDOW_BLOCK: u64 = BOOT_BLOCK | 1 << 7 | 1 << 53;

const POOL_TABLES: usize = 32;

/// The tables; the last one stays empty.
#[repr(C, align(4096))]
struct Pool([Table; POOL_TABLES]);

static POOL: SpinMutex<Pool> = SpinMutex::new(Pool([[0; 512]; POOL_TABLES]));

/// Returns the address of physical memory in the mapping of all RAM.
pub(crate) const fn linear(physical: u64) -> u64 {
    LINEAR_BASE + physical
}

/// Returns the address in the device tree's window of the boot mapping.
pub(crate) const fn in_window(physical: u64) -> u64 {
    WINDOW_BASE + physical % BLOCK_BYTES
}

/// The kernel's final tables under construction.
pub(crate) struct KernelTables {
    tables: Tables<'static>,
    image: Image,
    empty: u64,
    next_device: u64,
}

impl KernelTables {
    /// Begins with the kernel image mapped. To be called once.
    pub(crate) fn new(image: Image) -> Result<KernelTables, TableError> {
        let pool = &mut SpinMutexGuard::leak(POOL.lock()).0;
        let base = image.physical(pool.as_ptr().addr() as u64);
        let (used, empty) = pool.split_at_mut(POOL_TABLES - 1);
        let empty = image.physical(empty.as_ptr().addr() as u64);
        let tables = Tables::new(used, base)?;
        let mut new = KernelTables { tables, image, empty, next_device: DEVICE_BASE };
        new.part(KERNEL_BASE, boot::text_end(), Access::Code)?;
        new.part(boot::text_end(), boot::rodata_end(), Access::Constant)?;
        new.part(boot::rodata_end(), boot::stacks_start(), Access::Data)?;
        new.part(boot::stacks_end(), boot::data_end(), Access::Data)?;
        let mut stack = boot::stacks_start() + STACK_STRIDE - STACK_BYTES;
        while stack < boot::stacks_end() {
            new.part(stack, stack + STACK_BYTES, Access::Data)?;
            stack += STACK_STRIDE;
        }
        Ok(new)
    }

    fn part(&mut self, from: u64, to: u64, access: Access) -> Result<(), TableError> {
        self.image.part(from, to).map_or(Ok(()), |span| self.tables.map(from, span, access))
    }

    /// Maps all RAM; RAM for which there are no tables is dropped from the map.
    pub(crate) fn map_ram(&mut self, map: &mut MemoryMap) {
        let constant = self.image.part(KERNEL_BASE, boot::rodata_end());
        let mut writable = map.ram.clone();
        if let Some(span) = constant {
            writable.remove(span);
        }
        let mut lost = Spans::<24>::new();
        let constant = constant.into_iter().map(|span| (span, Access::Constant));
        for (span, access) in constant.chain(writable.iter().map(|span| (*span, Access::Data))) {
            if self.tables.map(linear(span.base()), span, access).is_err() {
                // As long as the list of what there is.
                let _ = lost.add(span);
            }
        }
        map.ram.remove_all(&lost);
        map.free.remove_all(&lost);
    }

    /// Keeps the device tree visible where it is.
    pub(crate) fn map_window(&mut self, blob: Span) -> Result<(), TableError> {
        let pages = blob.pages_around();
        self.tables.map(in_window(pages.base()), pages, Access::Constant)
    }

    /// Maps a device's registers; returns their address.
    pub(crate) fn map_device(&mut self, registers: Span) -> Result<u64, TableError> {
        let pages = registers.pages_around();
        let at = self.next_device;
        self.tables.map(at, pages, Access::Device)?;
        self.next_device += pages.bytes();
        Ok(at + (registers.base() - pages.base()))
    }

    /// Makes the tables the active ones; nothing is mapped for EL0. Returns the physical
    /// address of the empty root table.
    pub(crate) fn activate(self) -> u64 {
        // SAFETY: [mmu.tables] the image is mapped as before, page by page; boot.once.
        unsafe { boot::switch_tables(self.tables.root(), self.empty, self.image.base()) };
        self.empty
    }
}
