//! From the boot loader to `kernel_main`: the assembly, and where the image's parts are.
//!
//! # Invariants
//!
//! - `boot.once`: only the core that boots runs before `kernel_main` returns to nobody; it runs
//!   once.

use crate::mmu;
use core::arch::global_asm;
use core::cell::UnsafeCell;
use ipc_proto::abi::layout::PAGE_BYTES;
use microkernel_platform::span::Span;

global_asm!(
    include_str!("boot.S"),
    sctlr_reset = const mmu::SCTLR_RESET,
    sctlr = const mmu::SCTLR,
    tcr = const mmu::TCR,
    mair = const mmu::MAIR,
    block_attributes = const mmu::BOOT_BLOCK,
    window_attributes = const mmu::WINDOW_BLOCK,
    stacks = sym STACKS,
    stack_stride = const STACK_STRIDE,
);

/// Address that the image is linked for.
pub(crate) const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

macro_rules! linker_symbols {
    ($($(#[doc = $doc:literal])* $name:ident = $symbol:ident;)*) => {
        unsafe extern "C" {
            $( static $symbol: u8; )*
        }
        $( $(#[doc = $doc])*
           pub(crate) fn $name() -> u64 {
               (&raw const $symbol).addr() as u64
           } )*
    };
}

linker_symbols! {
    /// Returns the end of the code, which begins the image.
    text_end = __text_end;
    /// Returns the end of the constants, which follow the code.
    rodata_end = __rodata_end;
    /// Returns the end of the data, which follows the stacks.
    data_end = __data_end;
    /// Returns the start of the cores' stacks, which follow the initialised data.
    stacks_start = __stacks_start;
    /// Returns the end of the cores' stacks.
    stacks_end = __stacks_end;
    /// Returns the place of the payload, right behind the kernel.
    payload_start = __image_payload;
}

/// Most cores that the kernel runs on.
const MAX_CORES: usize = 4;
/// Bytes of one core's stack.
pub(crate) const STACK_BYTES: u64 = 16384;
/// Bytes from one core's stack to the next: a guard page, then the stack.
pub(crate) const STACK_STRIDE: u64 = PAGE_BYTES + STACK_BYTES;

/// The cores' stacks; the guard pages are not mapped any more when the boot tables go.
#[repr(C, align(4096))]
struct Stacks(UnsafeCell<[[u8; STACK_STRIDE as usize]; MAX_CORES]>);

// SAFETY: no Rust code touches it; the only way in is each core's own stack pointer.
unsafe impl Sync for Stacks {}

#[unsafe(link_section = ".bss.stacks")]
static STACKS: Stacks = Stacks(UnsafeCell::new([[0; _]; MAX_CORES]));

unsafe extern "C" {
    /// The size field of the image's header: kernel and payload together.
    static image_header_bytes: u64;
    /// Replaces the boot tables; see boot.S.
    ///
    /// # Safety
    ///
    /// `kernel` is a root table that maps the running image as it is mapped now, `none` an
    /// empty table, `image` the image's physical address; the boot tables are active.
    pub(crate) unsafe fn switch_tables(kernel: u64, none: u64, image: u64);
    /// Reads the word at an address that may not answer.
    ///
    /// # Safety
    ///
    /// The address is mapped, aligned to 4, and the boot vectors are active.
    pub(crate) unsafe fn probe(address: u64) -> u32;
}

/// Where the loader image lies in physical memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    base: u64,
    bytes: u64,
}

impl Image {
    /// Returns the image at physical address `base`, as the boot code found it.
    pub(crate) fn at(base: u64) -> Image {
        // SAFETY: [boot.once] a constant in the image's header, never written while we run.
        let bytes = unsafe { (&raw const image_header_bytes).read_volatile() };
        Image { base, bytes: bytes.max(payload_start() - KERNEL_BASE) }
    }

    /// Returns the physical address of an address in the image.
    pub(crate) fn physical(self, address: u64) -> u64 {
        address - KERNEL_BASE + self.base
    }

    /// Returns the part of the image between two addresses in it.
    pub(crate) fn part(self, from: u64, to: u64) -> Option<Span> {
        Span::between(self.physical(from), self.physical(to))
    }

    /// Returns the physical address of its first byte.
    pub(crate) fn base(self) -> u64 {
        self.base
    }

    /// Returns the whole image with its payload; `None` if the header is nonsense.
    pub(crate) fn whole(self) -> Option<Span> {
        Span::new(self.base, self.bytes)
    }

    /// Returns what lies behind the kernel: the payload, if there is any.
    pub(crate) fn payload(self) -> Option<Span> {
        Span::between(self.physical(payload_start()), self.base + self.bytes)
    }
}
