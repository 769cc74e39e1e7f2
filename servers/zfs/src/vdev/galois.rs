//! Arithmetic of RAID-Z parity: bytes as elements of GF(2^8) with polynomial 0x11d.

/// The low bits of the polynomial.
const POLYNOMIAL: u8 = 0x1d;
/// Number of elements that are not zero.
const ORDER: usize = 255;

/// Powers of the generator 2.
const POWERS: [u8; ORDER] = powers();
/// Exponents of the elements; that of 0 is never used.
const LOGARITHMS: [u8; 256] = logarithms();

const fn double(value: u8) -> u8 {
    (value << 1) ^ if value & 0x80 != 0 { POLYNOMIAL } else { 0 }
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn powers() -> [u8; ORDER] {
    let (mut table, mut value, mut at) = ([0; ORDER], 1, 0);
    while at < ORDER {
        table[at] = value;
        value = double(value);
        at += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler; the index is below 255"
)]
const fn logarithms() -> [u8; 256] {
    let (mut table, mut at) = ([0; 256], 0);
    while at < ORDER {
        table[POWERS[at] as usize] = at as u8;
        at += 1;
    }
    table
}

/// Returns 2 to the power of `exponent`.
pub(super) fn power(exponent: usize) -> u8 {
    POWERS.get(exponent % ORDER).copied().unwrap_or(0)
}

fn logarithm(value: u8) -> usize {
    LOGARITHMS.get(usize::from(value)).copied().unwrap_or(0).into()
}

/// Multiplies two elements.
pub(super) fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { power(logarithm(a) + logarithm(b)) }
}

/// Returns the inverse of an element that is not zero.
pub(super) fn invert(a: u8) -> u8 {
    power(ORDER - logarithm(a))
}

/// Adds `factor` times `from` to `into`, byte by byte; `from` may be shorter.
pub(super) fn add_multiple(into: &mut [u8], from: &[u8], factor: u8) {
    if factor == 1 {
        into.iter_mut().zip(from).for_each(|(to, byte)| *to ^= byte);
        return;
    }
    let mut products = [0_u8; 256];
    (0..=u8::MAX).zip(products.iter_mut()).for_each(|(b, product)| *product = multiply(factor, b));
    into.iter_mut().zip(from).for_each(|(to, byte)| {
        *to ^= products.get(usize::from(*byte)).copied().unwrap_or(0);
    });
}

/// The largest system of equations: as many unknowns as columns of parity.
pub(super) const MAX_UNKNOWNS: usize = 3;

/// Inverts the upper left `n` by `n` part of a matrix; `None` when it has no inverse.
pub(super) fn invert_matrix(
    mut matrix: [[u8; MAX_UNKNOWNS]; MAX_UNKNOWNS],
    n: usize,
) -> Option<[[u8; MAX_UNKNOWNS]; MAX_UNKNOWNS]> {
    let mut inverse = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    for column in 0..n {
        let pivot = (column..n).find(|row| {
            matrix.get(*row).and_then(|row| row.get(column)).is_some_and(|value| *value != 0)
        })?;
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        let scale = invert(*matrix.get(column)?.get(column)?);
        for row in [matrix.get_mut(column)?, inverse.get_mut(column)?] {
            row.iter_mut().for_each(|value| *value = multiply(*value, scale));
        }
        let (lead, lead_inverse) = (*matrix.get(column)?, *inverse.get(column)?);
        for row in (0..n).filter(|row| *row != column) {
            let factor = *matrix.get(row)?.get(column)?;
            add_multiple(matrix.get_mut(row)?, &lead, factor);
            add_multiple(inverse.get_mut(row)?, &lead_inverse, factor);
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        (1..=u8::MAX).for_each(|a| assert_eq!(multiply(a, invert(a)), 1));
        assert_eq!(power(8), POLYNOMIAL);
    }

    #[test]
    fn a_matrix_times_its_inverse_is_one() {
        let matrix = [[1, 1, 1], [power(5), power(2), 1], [power(10), power(4), 1]];
        let inverse = invert_matrix(matrix, 3).unwrap();
        for (at, row) in matrix.iter().enumerate() {
            for column in 0..3 {
                let products = row.iter().zip(inverse).map(|(a, b)| multiply(*a, b[column]));
                assert_eq!(products.fold(0, |sum, product| sum ^ product), u8::from(at == column));
            }
        }
        assert_eq!(invert_matrix([[1, 1, 0], [1, 1, 0], [0, 0, 1]], 2), None);
    }
}
