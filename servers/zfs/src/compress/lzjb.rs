//! LZJB: a byte of flags, then for each flag a literal byte or a two-byte copy of earlier output.

/// Bits of a copy that hold its length.
const LENGTH_BITS: u32 = 6;
/// The shortest copy.
const LEAST: usize = 3;

/// Fills `into` from `stored`; `None` when `stored` ends early or copies from before the start.
pub(super) fn decompress(stored: &[u8], into: &mut [u8]) -> Option<()> {
    let mut input = stored.iter().copied();
    let mut at = 0;
    while at < into.len() {
        let flags = input.next()?;
        for bit in 0..8 {
            if at >= into.len() {
                break;
            }
            if flags & (1 << bit) == 0 {
                *into.get_mut(at)? = input.next()?;
                at += 1;
                continue;
            }
            let pair = u16::from_be_bytes([input.next()?, input.next()?]);
            let length = usize::from(pair >> (16 - LENGTH_BITS)) + LEAST;
            let back = usize::from(pair & ((1 << (16 - LENGTH_BITS)) - 1));
            let from = at.checked_sub(back)?;
            let end = into.len().min(at + length);
            // A copy may reach into what it makes itself, so it goes byte by byte.
            for (offset, to) in (at..end).enumerate() {
                *into.get_mut(to)? = *into.get(from + offset)?;
            }
            at = end;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_may_overlap_its_output() {
        let mut into = [0; 9];
        decompress(&[0b10, b'a', 5 << 2, 1], &mut into).unwrap();
        assert_eq!(&into, b"aaaaaaaaa");
    }

    #[test]
    fn a_copy_from_before_the_start_is_refused() {
        assert_eq!(decompress(&[1, 0, 9], &mut [0; 8]), None);
    }
}
