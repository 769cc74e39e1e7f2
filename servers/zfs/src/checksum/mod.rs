//! Checksums of blocks: the algorithms, and those that a block carries in itself.

mod edonr;
mod fletcher;
mod skein;

use crate::bytes::{Order, View};
use sha2::{Digest, Sha256, Sha512_256};

/// A checksum as block pointers hold it.
pub type Sum = [u64; 4];
/// The pool's secret for keyed checksums.
pub(crate) type Salt = [u8; 32];

/// Marks the end of a block that carries its own checksum.
const TRAILER_MAGIC: u64 = 0x0210_da7a_b10c_7a11;
/// Bytes of the magic and the checksum at the end of such a block.
const TRAILER_BYTES: usize = 40;

/// How a block's content is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Not at all.
    Off,
    /// Sums of 64-bit words; also of intent-log blocks, in another place.
    Fletcher2,
    /// Sums of 32-bit words; the default.
    Fletcher4,
    /// SHA-256.
    Sha256,
    /// SHA-512 cut to 256 bits, by its own starting values.
    Sha512,
    /// Skein-512 with 256 bits of output, keyed with the pool's salt.
    Skein,
    /// Edon-R-512 cut to 256 bits, keyed with the pool's salt.
    Edonr,
    /// BLAKE3, keyed with the pool's salt.
    Blake3,
}

impl Checksum {
    /// Returns the algorithm of a number in a block pointer.
    pub(crate) const fn decode(number: u8) -> Option<Self> {
        Some(match number {
            2 | 10 => Self::Off,
            6 => Self::Fletcher2,
            7 => Self::Fletcher4,
            8 => Self::Sha256,
            11 => Self::Sha512,
            12 => Self::Skein,
            13 => Self::Edonr,
            14 => Self::Blake3,
            _ => return None,
        })
    }

    /// Tells whether `data`, written in `order`, has the checksum `sum`.
    pub(crate) fn verify(self, data: &[u8], order: Order, salt: &Salt, sum: &Sum) -> bool {
        let actual = match self {
            Self::Off => return true,
            Self::Fletcher2 => fletcher::fletcher2(data, order),
            Self::Fletcher4 => fletcher::fletcher4(data, order),
            // SHA-256 is kept as big-endian words by all writers, the others as bytes.
            Self::Sha256 => words(&Sha256::digest(data), Order::Big),
            Self::Sha512 => words(&Sha512_256::digest(data), order),
            Self::Skein => words(&skein::keyed_512_256(salt, data), order),
            Self::Blake3 => words(blake3::keyed_hash(salt, data).as_bytes(), order),
            Self::Edonr => words(&edonr::keyed_256(salt, data), order),
        };
        actual == *sum
    }
}

fn words(digest: &[u8], order: Order) -> Sum {
    View::new(digest, order).words(0).unwrap_or_default()
}

/// Verifies a block that ends in its own SHA-256 and returns the byte order it was written in.
///
/// `verifier` says where the block must lie; it stands for the checksum while that is computed.
pub(crate) fn verify_embedded(data: &[u8], verifier: &Sum) -> Option<Order> {
    let at = data.len().checked_sub(TRAILER_BYTES)?;
    let order = [Order::Little, Order::Big]
        .into_iter()
        .find(|order| View::new(data, *order).u64(at) == Ok(TRAILER_MAGIC))?;
    let stored: Sum = View::new(data, order).words(at + 8).ok()?;
    let mut hash = Sha256::new();
    hash.update(data.get(..at + 8)?);
    verifier.iter().for_each(|word| hash.update(order.u64_bytes(*word)));
    (words(&hash.finalize(), Order::Big) == stored).then_some(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_its_own_checksum_is_bound_to_its_place() {
        for order in [Order::Little, Order::Big] {
            let mut block = alloc::vec![7; 512];
            block[472..480].copy_from_slice(&order.u64_bytes(TRAILER_MAGIC));
            let verifier = [4096, 0, 0, 0];
            verifier.iter().enumerate().for_each(|(i, word)| {
                block[480 + i * 8..488 + i * 8].copy_from_slice(&order.u64_bytes(*word));
            });
            let sum = words(&Sha256::digest(&block), Order::Big);
            sum.iter().enumerate().for_each(|(i, word)| {
                block[480 + i * 8..488 + i * 8].copy_from_slice(&order.u64_bytes(*word));
            });
            assert_eq!(verify_embedded(&block, &verifier), Some(order));
            assert_eq!(verify_embedded(&block, &[8192, 0, 0, 0]), None);
            block[3] ^= 1;
            assert_eq!(verify_embedded(&block, &verifier), None);
        }
        assert_eq!(verify_embedded(&[0; 12], &[0; 4]), None);
    }
}
