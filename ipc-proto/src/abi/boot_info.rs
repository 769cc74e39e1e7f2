//! What the kernel tells the first program, `root`.
//!
//! `root` is entered at its entry point with x0 = address of the postcard-encoded [`BootInfo`]
//! (read-only, in its window) and x1 = its length in bytes. Its IPC buffer, stack and image are
//! mapped as [`RootImage`] says; its capabilities lie in the slots of [`slots`].
//!
//! `root` reaches the kernel as a flat image (the kernel knows no file formats): the image
//! builder lays the program out at [`ROOT_BASE`], relocated, behind a [`RootImage`] header.

use super::layout::WINDOW_BASE;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Address that the root program is laid out for.
pub const ROOT_BASE: u64 = WINDOW_BASE + (1 << 30);
/// Address of the encoded [`BootInfo`] in root's window; read-only.
pub const BOOT_INFO_ADDRESS: u64 = WINDOW_BASE + 0x1000_0000;
/// Address of root's IPC buffer.
pub const ROOT_BUFFER_ADDRESS: u64 = WINDOW_BASE + 0x1010_0000;
/// Lowest address of root's stack; the page below it is not mapped.
pub const ROOT_STACK_ADDRESS: u64 = WINDOW_BASE + 0x1020_0000;
/// Bytes of root's stack.
pub const ROOT_STACK_BYTES: u64 = 256 << 10;
/// Number of slots of root's CSpace.
pub const ROOT_SLOTS: u64 = 4096;

/// The slots of root's CSpace that the kernel fills.
pub mod slots {
    use crate::abi::word::CPtr;
    /// Root's own CSpace.
    pub const CSPACE: CPtr = CPtr(1);
    /// Root's own VSpace. Attachments 0–3 are the kernel's: image, stack, buffer, boot info.
    pub const VSPACE: CPtr = CPtr(2);
    /// Root's own thread.
    pub const THREAD: CPtr = CPtr(3);
    /// The right to claim interrupt lines.
    pub const IRQ_CONTROL: CPtr = CPtr(4);
    /// The right to power off and reset.
    pub const POWER: CPtr = CPtr(5);
    /// The debug console.
    pub const DEBUG_CONSOLE: CPtr = CPtr(6);
    /// The bootfs archive (cpio newc), read-only Memory, rounded up to pages.
    pub const BOOTFS: CPtr = CPtr(7);
    /// The initrd that overlays bootfs (cpio newc), if there is one; read-only Memory.
    pub const INITRD: CPtr = CPtr(8);
    /// The device tree blob, if there is one; read-only Memory.
    pub const DEVICE_TREE: CPtr = CPtr(9);
    /// First slot of the untyped ranges and device ranges that [`super::BootInfo::memory`] lists.
    pub const FIRST_RANGE: CPtr = CPtr(16);
}

/// Header of the flat root image, little endian, at a page boundary; the image follows at the
/// next page boundary. All sizes are multiples of the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RootImage {
    /// [`RootImage::MAGIC`].
    pub magic: u64,
    /// Entry point, an address in the window.
    pub entry: u64,
    /// Bytes of the executable part, from [`ROOT_BASE`] on.
    pub text_bytes: u64,
    /// Bytes of the read-only part behind it.
    pub rodata_bytes: u64,
    /// Bytes of the initialised writable part behind that; the file ends here.
    pub data_bytes: u64,
    /// Bytes of the zeroed writable part behind that.
    pub bss_bytes: u64,
}

impl RootImage {
    /// "OSVROOT1", little endian.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"OSVROOT1");
}

/// A range of physical memory that root got a capability for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Slot of the capability: Untyped, or a device Memory if `is_device`.
    pub slot: u32,
    /// Physical address of the first byte.
    pub base: u64,
    /// Length in bytes; a multiple of the page size.
    pub bytes: u64,
    /// Device memory rather than RAM.
    pub is_device: bool,
}

/// Kinds of UART that the machine's console may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UartKind {
    /// Arm PrimeCell PL011 (DDI 0183).
    Pl011,
    /// 16550 with 32-bit registers.
    Ns16550,
}

/// The console device that the kernel found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uart {
    /// What it is.
    pub kind: UartKind,
    /// Physical address of its registers.
    pub base: u64,
    /// Bytes of its registers, a multiple of the page size.
    pub bytes: u64,
    /// Its interrupt line (INTID), level triggered.
    pub line: u32,
}

/// What the kernel found out about the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Frequency of `CNTVCT_EL0` in Hz.
    pub counter_hz: u64,
    /// Number of cores running.
    pub cores: u32,
    /// The console device.
    pub uart: Option<Uart>,
    /// Physical address of a PL031 real-time clock (one page).
    pub rtc: Option<u64>,
    /// HWCAP bits for guests (`AT_HWCAP`), as Linux numbers them.
    pub hwcap: u64,
    /// HWCAP2 bits for guests (`AT_HWCAP2`).
    pub hwcap2: u64,
}

/// A stage of the boot and when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage<'a> {
    /// The stage's name.
    pub name: &'a str,
    /// `CNTVCT_EL0` when it was reached.
    pub counter: u64,
}

/// Most ranges in a [`BootInfo`].
pub const MAX_RANGES: usize = 48;
/// Most stages in a [`BootInfo`].
pub const MAX_STAGES: usize = 16;

/// What the kernel tells root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootInfo<'a> {
    /// The kernel command line, whole.
    #[serde(borrow)]
    pub command_line: &'a str,
    /// The machine.
    pub platform: Platform,
    /// The memory and device ranges, in slot order.
    pub memory: Vec<Range, MAX_RANGES>,
    /// First slot of root's CSpace that is free; all after it are, too.
    pub first_free: u32,
    /// Bytes of the bootfs archive.
    pub bootfs_bytes: u64,
    /// Bytes of the initrd; 0 if there is none.
    pub initrd_bytes: u64,
    /// Bytes of the device tree; 0 if there is none.
    pub device_tree_bytes: u64,
    /// Bytes that nobody can guess, if the machine had any to give; mixed with the counter.
    pub seed: [u8; 32],
    /// The kernel's boot stages.
    #[serde(borrow)]
    pub stages: Vec<Stage<'a>, MAX_STAGES>,
}
