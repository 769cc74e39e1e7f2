//! ZLE: counts of literal bytes and of zeros.

/// Counts up to this are of literal bytes, more are of zeros.
const LITERALS: usize = 64;

/// Fills `into`, which is all zeros, from `stored`; `None` when `stored` ends early.
pub(super) fn decompress(stored: &[u8], into: &mut [u8]) -> Option<()> {
    let (mut stored, mut into) = (stored, into);
    while !into.is_empty() {
        let (count, rest) = stored.split_first()?;
        let count = usize::from(*count) + 1;
        if count <= LITERALS {
            let count = count.min(into.len());
            let (literals, rest) = rest.split_at_checked(count)?;
            let (here, later) = into.split_at_mut(count);
            here.copy_from_slice(literals);
            (stored, into) = (rest, later);
        } else {
            let zeros = (count - LITERALS).min(into.len());
            (stored, into) = (rest, into.split_at_mut(zeros).1);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_zeros_alternate() {
        let mut into = [0; 6];
        decompress(&[1, 7, 8, 66, 0, 9], &mut into).unwrap();
        assert_eq!(into, [7, 8, 0, 0, 0, 9]);
        assert_eq!(decompress(&[5, 1], &mut [0; 6]), None);
    }
}
