//! What lies behind the kernel in the loader image: the root image and bootfs.

use crate::span::Span;
use ipc_proto::abi::boot_info::RootImage;
use ipc_proto::abi::layout::PAGE_BYTES;

/// Words of the header that the payload begins with, in a page of its own.
pub const HEADER_WORDS: usize = 5;
/// "OSVPAYL1", little endian: the first word.
pub const MAGIC: u64 = u64::from_le_bytes(*b"OSVPAYL1");

/// Where the parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The flat root image with its [`RootImage`] header.
    pub root: Span,
    /// The bootfs archive.
    pub bootfs: Span,
}

/// Why a loader image is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// There is nothing behind the kernel.
    Missing,
    /// A part does not lie on pages inside the image.
    OutOfBounds,
}

impl Payload {
    /// Reads the header at the start of `payload`, the rest of the loader image.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if there is no header or it does not make sense.
    pub fn read(header: &[u64; HEADER_WORDS], payload: Span) -> Result<Payload, PayloadError> {
        let [magic, root, root_bytes, bootfs, bootfs_bytes] = *header;
        if magic != MAGIC {
            return Err(PayloadError::Missing);
        }
        let part = |offset: u64, bytes: u64| {
            let base = payload.base().checked_add(offset)?;
            let inside = Span::new(base, bytes).filter(|part| payload.contains(*part));
            inside.filter(|part| part.base() % PAGE_BYTES == 0)
        };
        let root = part(root, root_bytes).ok_or(PayloadError::OutOfBounds)?;
        let bootfs = part(bootfs, bootfs_bytes).ok_or(PayloadError::OutOfBounds)?;
        if root.bytes() < size_of::<RootImage>() as u64 || root.overlaps(bootfs) {
            return Err(PayloadError::OutOfBounds);
        }
        Ok(Payload { root, bootfs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_outside_the_image_is_refused() {
        let payload = Span::new(0x4030_0000, 0x10_0000).unwrap();
        let read = |header| Payload::read(&header, payload);
        let good = read([MAGIC, 0x1000, 0x5000, 0x6000, 0xfa000]).unwrap();
        assert_eq!(good.bootfs.end(), payload.end());
        assert_eq!(good.root.base(), 0x4030_1000);
        assert_eq!(read([0; 5]), Err(PayloadError::Missing));
        for bad in [
            [MAGIC, 0x1000, 0x5000, 0x6000, 0xfa001],
            [MAGIC, 0x1001, 0x5000, 0x6000, 0x1000],
            [MAGIC, 0x1000, 0x5001, 0x6000, 0x1000],
            [MAGIC, 0x1000, 8, 0x6000, 0x1000],
            [MAGIC, u64::MAX - 0xfff, 0x5000, 0x6000, 0x1000],
            [MAGIC, 0x1000, u64::MAX, 0x6000, 0x1000],
            [MAGIC, 0x1000, 0x5000, 0x6000, 0],
        ] {
            assert_eq!(read(bad), Err(PayloadError::OutOfBounds));
        }
    }
}
