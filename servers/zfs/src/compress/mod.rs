//! Compression of blocks.

mod lzjb;
mod zle;

use crate::bytes::{Order, View, index, zeros};
use alloc::vec::Vec;
use ruzstd::decoding::FrameDecoder;

/// How a block's content is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    Off,
    /// The oldest algorithm, in the manner of LZRW1.
    Lzjb,
    /// Nothing is stored: the content is all zeros.
    Empty,
    /// zlib streams.
    Gzip,
    /// Runs of zeros are shortened.
    Zle,
    /// LZ4; the default.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Returns the algorithm of a number in a block pointer.
    pub(crate) const fn decode(number: u8) -> Option<Self> {
        Some(match number {
            2 => Self::Off,
            3 => Self::Lzjb,
            4 => Self::Empty,
            5..=13 => Self::Gzip,
            14 => Self::Zle,
            15 => Self::Lz4,
            16 => Self::Zstd,
            _ => return None,
        })
    }

    /// Restores the `len` bytes that `stored` stands for; `None` when it does not.
    pub(crate) fn decompress(self, stored: Vec<u8>, len: usize) -> Option<Vec<u8>> {
        if self == Self::Off {
            return (stored.len() == len).then_some(stored);
        }
        let mut into = zeros(len);
        match self {
            Self::Off | Self::Empty => {}
            Self::Lzjb => lzjb::decompress(&stored, &mut into)?,
            Self::Gzip => gzip(&stored, &mut into)?,
            Self::Zle => zle::decompress(&stored, &mut into)?,
            Self::Lz4 => lz4(&stored, &mut into)?,
            Self::Zstd => zstd(&stored, &mut into)?,
        }
        Some(into)
    }
}

/// A big-endian length comes before the block; behind it is padding.
fn lz4(stored: &[u8], into: &mut [u8]) -> Option<()> {
    let view = View::new(stored, Order::Big);
    let block = view.part(4, index(view.u32(0).ok()?.into())).ok()?;
    let len = lz4_flex::block::decompress_into(block.data, into).ok()?;
    (len == into.len()).then_some(())
}

fn gzip(stored: &[u8], into: &mut [u8]) -> Option<()> {
    use miniz_oxide::inflate::decompress_slice_iter_to_slice;
    let len = decompress_slice_iter_to_slice(into, core::iter::once(stored), true, false).ok()?;
    (len == into.len()).then_some(())
}

/// The stored frame lacks its magic number and comes after its length and the level.
fn zstd(stored: &[u8], into: &mut [u8]) -> Option<()> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const HEADER_BYTES: usize = 8;
    let view = View::new(stored, Order::Big);
    let frame = view.part(HEADER_BYTES, index(view.u32(0).ok()?.into())).ok()?;
    let whole = [&MAGIC, frame.data].concat();
    let len = FrameDecoder::new().decode_all(&whole, into).ok()?;
    (len == into.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lz4_and_gzip_restore_what_was_compressed() {
        let content: Vec<u8> = (0..10_000_u32).map(|i| (i / 7 % 11) as u8).collect();
        let block = lz4_flex::block::compress(&content);
        let mut stored = (block.len() as u32).to_be_bytes().to_vec();
        stored.extend(block);
        stored.resize(stored.len() + 300, 0);
        assert_eq!(Compression::Lz4.decompress(stored, 10_000).as_ref(), Some(&content));
        let mut stored = miniz_oxide::deflate::compress_to_vec_zlib(&content, 6);
        stored.resize(stored.len() + 300, 0);
        assert_eq!(Compression::Gzip.decompress(stored.clone(), 10_000).as_ref(), Some(&content));
        assert_eq!(Compression::Gzip.decompress(stored, 9_000), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_restored_or_refused(
            number in 2_u8..17,
            stored in proptest::collection::vec(any::<u8>(), 0..600),
            len in 0_usize..4096,
        ) {
            let compression = Compression::decode(number).unwrap();
            if let Some(content) = compression.decompress(stored, len) {
                prop_assert_eq!(content.len(), len);
            }
        }
    }
}
