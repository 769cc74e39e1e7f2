//! The flat image of `root`, the first program: relocated for its one address, parts in order.
//!
//! The kernel knows no file formats; it maps the parts that the [`RootImage`] header counts.

use crate::PAGE_BYTES;
use crate::elf::{Access, ElfError, Program};
use ipc_proto::abi::boot_info::{ROOT_BASE, RootImage};
use thiserror::Error;

/// Why a program could not become the root image.
#[derive(Debug, Error)]
pub enum RootError {
    /// The program could not be read.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// It was linked for a fixed address.
    #[error("root is not position-independent: link it with `-pie`")]
    Fixed,
    /// The linker laid its parts out in another order.
    #[error(
        "root's parts are not in the order text, read-only data, data: link it with image/link/server.ld"
    )]
    Order,
}

/// Lays out `program` at [`ROOT_BASE`]: a page with the header, then the image.
///
/// # Errors
/// If the program is not static, position-independent and linked by `link/server.ld`.
pub fn flatten(program: &[u8]) -> Result<Vec<u8>, RootError> {
    let program = Program::parse(program)?;
    if !program.is_position_independent() {
        return Err(RootError::Fixed);
    }
    let layout = Layout::of(&program)?;
    let mut image = layout.image;
    for (address, addend) in program.relocations()? {
        let place = usize::try_from(address).ok().and_then(|start| image.get_mut(start..start + 8));
        let place = place.ok_or(ElfError::RelocationOutside(address))?;
        place.copy_from_slice(&(ROOT_BASE + addend).to_le_bytes());
    }
    let header = RootImage {
        magic: RootImage::MAGIC,
        entry: ROOT_BASE + program.entry(),
        text_bytes: layout.bytes[0],
        rodata_bytes: layout.bytes[1],
        data_bytes: layout.bytes[2],
        bss_bytes: layout.bss_bytes,
    };
    let mut file = encode(&header).to_vec();
    file.resize(PAGE_BYTES, 0);
    file.append(&mut image);
    Ok(file)
}

/// The parts of a program, one behind the other from address 0 on.
struct Layout {
    image: Vec<u8>,
    /// Bytes of text, read-only data and data.
    bytes: [u64; 3],
    bss_bytes: u64,
}

impl Layout {
    fn of(program: &Program<'_>) -> Result<Layout, RootError> {
        let page = PAGE_BYTES as u64;
        let segments = program.segments()?;
        if !segments.is_sorted_by_key(|segment| (segment.access, segment.address)) {
            return Err(RootError::Order);
        }
        let (mut image, mut bytes, mut end) = (Vec::new(), [0; 3], 0);
        for segment in &segments {
            let start = usize::try_from(segment.address).map_err(|_| RootError::Order)?;
            // A part starts at the page where the one before it ends.
            if start < image.len() || start / PAGE_BYTES * PAGE_BYTES != image.len() {
                return Err(RootError::Order);
            }
            image.resize(start, 0);
            image.extend_from_slice(segment.data);
            image.resize(image.len().next_multiple_of(PAGE_BYTES), 0);
            end = (segment.address + segment.bytes).next_multiple_of(page);
            // Only the last part, data, may have zeroes behind what is in the file.
            if segment.access != Access::Write && end != image.len() as u64 {
                return Err(RootError::Order);
            }
            bytes[segment.access as usize] += image.len() as u64 - bytes.iter().sum::<u64>();
        }
        let bss_bytes = end - image.len() as u64;
        Ok(Layout { image, bytes, bss_bytes })
    }
}

fn encode(header: &RootImage) -> [u8; size_of::<RootImage>()] {
    let RootImage { magic, entry, text_bytes, rodata_bytes, data_bytes, bss_bytes } = *header;
    let mut bytes = [0; size_of::<RootImage>()];
    let words = [magic, entry, text_bytes, rodata_bytes, data_bytes, bss_bytes];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
