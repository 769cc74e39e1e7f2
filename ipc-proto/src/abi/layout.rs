//! Sizes and fixed addresses that the kernel and its programs agree on.

/// Size of a page in bytes: the translation granule (Arm ARM D8.2, 4 KiB granule).
pub const PAGE_BYTES: u64 = 4096;

/// Size of a level-2 block in bytes; Memory of at least this size is aligned to it.
pub const BLOCK_BYTES: u64 = 2 << 20;

/// First address of the server window: slot 511 of the level-0 table.
pub const WINDOW_BASE: u64 = 511 << 39;

/// Size of the server window in bytes: one level-0 slot.
pub const WINDOW_BYTES: u64 = 1 << 39;

/// First address after the window: the end of the TTBR0 half (48-bit addresses).
pub const USER_END: u64 = 1 << 48;

/// Longest message in bytes; longer than [`REGISTER_BYTES`] it travels through the IPC buffers.
pub const MESSAGE_BYTES: usize = 4096;

/// Longest message in bytes that travels in registers x0–x7 alone.
pub const REGISTER_BYTES: usize = 64;

/// Most capabilities in one message.
pub const MESSAGE_CAPS: usize = 4;

/// Number of attachments of a VSpace: Memory capabilities it can map from at one time.
pub const ATTACHMENTS: u64 = 64;

/// Number of priorities; 0 is the lowest, 255 the highest.
pub const PRIORITIES: u64 = 256;

/// A deadline that never comes (deadlines are absolute counter values, `CNTVCT_EL0`).
pub const NO_DEADLINE: u64 = 0;
