//! Uberblocks: the roots of the pool's states, the newest of which counts.

use crate::block::BlockPointer;
use crate::bytes::View;
use crate::checksum;
use crate::error::Malformed;

/// Marks an uberblock, and its byte order.
const MAGIC: u64 = 0x00ba_b10c;
/// Marks the fields about several hosts.
const MMP_MAGIC: u64 = 0xa11c_ea11;
/// Bounds of the size of an uberblock's slot, as powers of two.
const SLOT_SHIFT: core::ops::RangeInclusive<u64> = 10..=13;

/// The root of one state of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uberblock {
    /// On-disk version: 1 to 28, or 5000 with feature flags.
    pub version: u64,
    /// The transaction group that made this state.
    pub txg: u64,
    /// The sum of the identities of all virtual devices.
    pub guid_sum: u64,
    /// When it was written, in seconds since 1970.
    pub timestamp: u64,
    /// The pool's metadata.
    pub root: BlockPointer,
    /// Of a state that was gone back to: the transaction group that it was checkpointed in.
    pub checkpoint_txg: u64,
    /// Counts uberblocks with the same transaction group, for pools that several hosts may open.
    sequence: u64,
}

impl Uberblock {
    /// Newer uberblocks have a higher rank.
    pub(crate) const fn rank(&self) -> (u64, u64, u64) {
        (self.txg, self.timestamp, self.sequence)
    }

    fn decode(view: View<'_>) -> Result<Self, Malformed> {
        if view.u64(0)? != MAGIC {
            return Err(Malformed("uberblock: magic"));
        }
        let has_sequence = view.u64(176)? == MMP_MAGIC;
        Ok(Self {
            version: view.u64(8)?,
            txg: view.u64(16)?,
            guid_sum: view.u64(24)?,
            timestamp: view.u64(32)?,
            root: BlockPointer::decode(view, 40)?,
            checkpoint_txg: view.u64(200)?,
            sequence: if has_sequence { view.u64(192)? >> 8 & 0xffff_ffff } else { 0 },
        })
    }
}

/// Finds the newest good uberblock of a ring that lies at `start` on its device.
pub(super) fn newest(ring: &[u8], start: u64, ashift: u64) -> Option<Uberblock> {
    // The slot's size is that of the device's unit, which a damaged label may not tell.
    let slot_bytes = 1_usize << ashift.clamp(*SLOT_SHIFT.start(), *SLOT_SHIFT.end());
    let slots = ring.chunks_exact(slot_bytes).enumerate();
    let good = slots.filter_map(|(slot, data)| {
        let order =
            checksum::verify_embedded(data, &[start + (slot * slot_bytes) as u64, 0, 0, 0])?;
        Uberblock::decode(View::new(data, order)).ok()
    });
    good.max_by_key(Uberblock::rank)
}
