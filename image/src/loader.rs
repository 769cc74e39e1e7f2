//! The loader image: kernel, root and bootfs in one file with the header of a Linux arm64 kernel.
//!
//! ```text
//! 0                 the kernel as linked, .bss included as zeroes; begins with the Linux header
//! __image_payload   one page: magic, offset and bytes of root, offset and bytes of bootfs
//!                   the flat image of root (`image::root`)
//!                   bootfs (`image::cpio`)
//! ```
//!
//! Offsets in the payload page count from that page. Everything starts at a page boundary.

use crate::PAGE_BYTES;
use crate::elf::{ElfError, Program};
use thiserror::Error;

/// The first eight bytes of the payload page.
pub const PAYLOAD_MAGIC: &[u8; 8] = b"OSVPAYL1";
/// The symbol at which the kernel expects the payload.
const PAYLOAD_SYMBOL: &str = "__image_payload";
/// Where the Linux header has its magic, and what it is.
const LINUX_MAGIC: (usize, &[u8; 4]) = (56, b"ARM\x64");
/// Where the Linux header has the size of the image in memory.
const LINUX_IMAGE_SIZE: usize = 16;

/// Why a loader image could not be made.
#[derive(Debug, Error)]
pub enum LoaderError {
    /// The kernel could not be read.
    #[error("kernel: {0}")]
    Elf(#[from] ElfError),
    /// The kernel does not begin with the header that boot loaders look for.
    #[error("the kernel does not begin with a Linux arm64 image header")]
    NoHeader,
    /// The payload would not start at a page, or inside the kernel.
    #[error("`__image_payload` at {0:#x} is not a page boundary behind the kernel")]
    PayloadPlace(u64),
}

/// Puts the loader image together from the kernel (an ELF file), root (flat) and bootfs.
///
/// # Errors
/// If the kernel was not linked as its linker script says.
pub fn build(kernel: &[u8], root: &[u8], bootfs: &[u8]) -> Result<Vec<u8>, LoaderError> {
    let mut image = flatten_kernel(&Program::parse(kernel)?)?;
    let root_offset = PAGE_BYTES;
    let bootfs_offset = root_offset + root.len().next_multiple_of(PAGE_BYTES);
    let payload = image.len();
    image.extend_from_slice(PAYLOAD_MAGIC);
    for word in [root_offset, root.len(), bootfs_offset, bootfs.len()] {
        image.extend_from_slice(&(word as u64).to_le_bytes());
    }
    image.resize(payload + root_offset, 0);
    image.extend_from_slice(root);
    image.resize(payload + bootfs_offset, 0);
    image.extend_from_slice(bootfs);
    image.resize(image.len().next_multiple_of(PAGE_BYTES), 0);
    let size = (image.len() as u64).to_le_bytes();
    image[LINUX_IMAGE_SIZE..LINUX_IMAGE_SIZE + 8].copy_from_slice(&size);
    Ok(image)
}

/// Lays out the kernel's segments from its lowest address up to the payload.
fn flatten_kernel(kernel: &Program<'_>) -> Result<Vec<u8>, LoaderError> {
    let segments = kernel.segments()?;
    let base = segments.iter().map(|segment| segment.address).min().unwrap_or(0);
    let payload = kernel.symbol(PAYLOAD_SYMBOL)?;
    let bytes = payload
        .checked_sub(base)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .filter(|bytes| bytes % PAGE_BYTES == 0 && *bytes < 1 << 30)
        .ok_or(LoaderError::PayloadPlace(payload))?;
    let mut image = vec![0; bytes];
    for segment in segments {
        let start = (segment.address - base) as usize;
        let place = image.get_mut(start..).and_then(|rest| rest.get_mut(..segment.data.len()));
        place.ok_or(LoaderError::PayloadPlace(payload))?.copy_from_slice(segment.data);
        if start as u64 + segment.bytes > bytes as u64 {
            return Err(LoaderError::PayloadPlace(payload));
        }
    }
    let (offset, magic) = LINUX_MAGIC;
    match image.get(offset..offset + magic.len()) {
        Some(found) if found == magic => Ok(image),
        _ => Err(LoaderError::NoHeader),
    }
}
