//! Dnodes: the description of an object, with its block pointers and bonus.

use crate::block::{BlockPointer, POINTER_BYTES};
use crate::bytes::{Order, View};
use crate::error::Malformed;
use alloc::vec::Vec;

/// Bytes of a slot; a dnode takes one or more.
pub(crate) const SLOT_BYTES: usize = 512;
/// Bytes before the pointers.
const HEADER_BYTES: usize = 64;
/// Flag: the last pointer's worth of bytes is a pointer to more attributes.
const HAS_SPILL: u8 = 4;
/// Flag: `used` is in bytes.
const USED_IN_BYTES: u8 = 1;
/// The most pointers in a dnode.
const MAX_POINTERS: u8 = 3;
/// The most levels of pointers.
const MAX_LEVELS: u8 = 12;
/// Bounds of the size of blocks of pointers, as powers of two.
const INDIRECT_SHIFT: core::ops::RangeInclusive<u8> = 10..=24;
/// The largest size of a block of data, in sectors.
const MAX_BLOCK_SECTORS: u16 = 32768;

/// The description of an object.
#[derive(Clone, Debug)]
pub(crate) struct Dnode {
    pub(crate) kind: u8,
    pub(crate) bonus_kind: u8,
    pub(crate) levels: u8,
    /// How many slots of the array it takes.
    pub(crate) slots: usize,
    indirect_shift: u8,
    pub(crate) block_bytes: u64,
    pub(crate) max_block: u64,
    /// Bytes on devices, all copies and parity.
    pub(crate) used_bytes: u64,
    pointers: Vec<BlockPointer>,
    pub(crate) bonus: Vec<u8>,
    pub(crate) spill: Option<BlockPointer>,
    pub(crate) order: Order,
}

impl Dnode {
    /// Decodes the dnode that begins where `view` does; `None` when the slot is free.
    pub(crate) fn decode(view: View<'_>) -> Result<Option<Self>, Malformed> {
        let kind = view.u8(0)?;
        if kind == 0 {
            return Ok(None);
        }
        let (indirect_shift, levels, count) = (view.u8(1)?, view.u8(2)?, view.u8(3)?);
        let (flags, sectors, bonus_bytes) = (view.u8(7)?, view.u16(8)?, usize::from(view.u16(10)?));
        let slots = usize::from(view.u8(12)?) + 1;
        if count == 0 || count > MAX_POINTERS {
            return Err(Malformed("dnode: number of pointers"));
        }
        if levels == 0 || levels > MAX_LEVELS || !INDIRECT_SHIFT.contains(&indirect_shift) {
            return Err(Malformed("dnode: levels of pointers"));
        }
        if sectors == 0 || sectors > MAX_BLOCK_SECTORS {
            return Err(Malformed("dnode: size of blocks"));
        }
        let whole = view.part(0, slots * SLOT_BYTES)?;
        let bonus_start = HEADER_BYTES + usize::from(count) * POINTER_BYTES;
        let has_spill = flags & HAS_SPILL != 0;
        let bonus_end = slots * SLOT_BYTES - if has_spill { POINTER_BYTES } else { 0 };
        if bonus_start + bonus_bytes > bonus_end {
            return Err(Malformed("dnode: size of bonus"));
        }
        let pointer = |at: usize| BlockPointer::decode(whole, at);
        let used = whole.u64(24)?;
        let pointers =
            (0..usize::from(count)).map(|slot| pointer(HEADER_BYTES + slot * POINTER_BYTES));
        Ok(Some(Self {
            kind,
            bonus_kind: view.u8(4)?,
            levels,
            slots,
            indirect_shift,
            block_bytes: u64::from(sectors) * SLOT_BYTES as u64,
            max_block: whole.u64(16)?,
            used_bytes: if flags & USED_IN_BYTES != 0 { used } else { used.saturating_mul(512) },
            pointers: pointers.collect::<Result<_, _>>()?,
            bonus: whole.part(bonus_start, bonus_bytes)?.data.to_vec(),
            spill: if has_spill { Some(pointer(bonus_end)?) } else { None },
            order: view.order,
        }))
    }

    /// Returns the pointers of the highest level.
    pub(crate) fn pointers(&self) -> &[BlockPointer] {
        &self.pointers
    }

    /// Returns a pointer of the highest level.
    pub(crate) fn pointer(&self, number: u64) -> Option<BlockPointer> {
        usize::try_from(number).ok().and_then(|number| self.pointers.get(number)).copied()
    }

    /// Returns how many pointers a block of pointers has, as a power of two.
    pub(crate) const fn pointers_shift(&self) -> u32 {
        self.indirect_shift as u32 - POINTER_BYTES.trailing_zeros()
    }

    pub(crate) fn bonus_view(&self) -> View<'_> {
        View::new(&self.bonus, self.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(data in proptest::collection::vec(any::<u8>(), 0..1100)) {
            for order in [Order::Little, Order::Big] {
                let _ = Dnode::decode(View::new(&data, order));
            }
        }
    }
}
