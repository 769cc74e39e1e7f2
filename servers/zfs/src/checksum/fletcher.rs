//! Fletcher's checksums over 64-bit and 32-bit words.

use super::Sum;
use crate::bytes::Order;

/// Two interleaved pairs of sums over 64-bit words.
pub(super) fn fletcher2(data: &[u8], order: Order) -> Sum {
    let (mut a0, mut a1, mut b0, mut b1) = (0_u64, 0_u64, 0_u64, 0_u64);
    let (pairs, _) = data.as_chunks::<16>();
    for pair in pairs {
        let ([first, second], _) = pair.as_chunks::<8>() else { continue };
        a0 = a0.wrapping_add(order.u64(*first));
        a1 = a1.wrapping_add(order.u64(*second));
        b0 = b0.wrapping_add(a0);
        b1 = b1.wrapping_add(a1);
    }
    [a0, a1, b0, b1]
}

/// Sums of first to fourth order over 32-bit words.
pub(super) fn fletcher4(data: &[u8], order: Order) -> Sum {
    match order {
        Order::Little => fletcher4_words(data, u32::from_le_bytes),
        Order::Big => fletcher4_words(data, u32::from_be_bytes),
    }
}

#[inline]
fn fletcher4_words(data: &[u8], word: fn([u8; 4]) -> u32) -> Sum {
    let (mut a, mut b, mut c, mut d) = (0_u64, 0_u64, 0_u64, 0_u64);
    let (chunks, _) = data.as_chunks::<4>();
    for chunk in chunks {
        a = a.wrapping_add(u64::from(word(*chunk)));
        b = b.wrapping_add(a);
        c = c.wrapping_add(b);
        d = d.wrapping_add(c);
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_in_the_writers_order() {
        let data = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(fletcher4(&data, Order::Little), [3, 8, 16, 28]);
        assert_eq!(fletcher2(&data, Order::Little), [1, 2, 1, 2]);
        let mut swapped = data;
        swapped.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
        assert_eq!(fletcher4(&swapped, Order::Big), [3, 8, 16, 28]);
    }
}
