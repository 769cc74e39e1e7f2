//! Reconstruction from parity, for every pair and triple of lost columns.

use super::super::{Leaf, Top};
use super::*;
use crate::device::BlockDevice;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use proptest::prelude::*;

const DATA_START: usize = 4 << 20;
const DEVICE_BYTES: usize = DATA_START + (256 << 10);

/// Writes a block the straightforward way: Horner's scheme, a byte at a time.
fn write(devices: &mut [Vec<u8>], columns: &[Column], parity: usize, data: &[u8]) {
    let mut rest = data;
    let mut parts: Vec<&[u8]> = Vec::new();
    for column in &columns[parity..] {
        let (part, later) = rest.split_at(column.len);
        store(devices, column, part);
        parts.push(part);
        rest = later;
    }
    assert!(rest.is_empty());
    for (p, column) in columns[..parity].iter().enumerate() {
        let sum: Vec<u8> = (0..column.len)
            .map(|at| {
                parts.iter().fold(0, |sum, part| {
                    galois::multiply(sum, galois::power(p)) ^ part.get(at).copied().unwrap_or(0)
                })
            })
            .collect();
        store(devices, column, &sum);
    }
}

fn store(devices: &mut [Vec<u8>], column: &Column, bytes: &[u8]) {
    let start = DATA_START + column.offset as usize;
    devices[column.child][start..start + bytes.len()].copy_from_slice(bytes);
}

fn vdevs(devices: Vec<Vec<u8>>, parity: usize, absent: &[usize]) -> Vdevs {
    let leaf = |at| Leaf {
        guid: at as u64 + 1,
        device: (!absent.contains(&at)).then_some(at),
        good_until: u64::MAX,
        missing_object: 0,
    };
    let children = (0..devices.len()).map(|at| Node::Leaf(leaf(at))).collect();
    let node = Node::Raidz { parity, children };
    let top = Top { id: 0, guid: 9, ashift: 9, is_log: false, node };
    let boxed = devices.into_iter().map(|device| Box::new(device) as Box<dyn BlockDevice>);
    Vdevs::new(boxed.collect(), BTreeMap::from([(0, top)]))
}

#[test]
fn a_small_block_uses_few_columns_and_a_large_one_all() {
    let small = layout(3 << 9, 512, 9, 5, 2).unwrap();
    assert_eq!(
        small.iter().map(|c| (c.child, c.offset)).collect::<Vec<_>>(),
        [(3, 0), (4, 0), (0, 512)]
    );
    let large = layout(0, 7 << 9, 9, 5, 2).unwrap();
    assert_eq!(large.iter().map(|c| c.len >> 9).collect::<Vec<_>>(), [3, 3, 3, 2, 2]);
    let swapped = layout(1 << 20, 512, 9, 3, 1).unwrap();
    assert_eq!(swapped[0].child, (((1 << 20) >> 9) % 3 + 1) % 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn as_many_columns_as_parity_may_be_lost_or_wrong(
        parity in 1_usize..=3,
        data_columns in 1_usize..5,
        sectors in 1_usize..20,
        first in 0_u64..300,
        absent in proptest::sample::subsequence((0..8_usize).collect::<Vec<_>>(), 0..=3),
        wrong in proptest::sample::subsequence((0..8_usize).collect::<Vec<_>>(), 0..=3),
        seed in any::<u8>(),
    ) {
        let children = parity + data_columns;
        let mut devices = vec![vec![0; DEVICE_BYTES]; children];
        let data: Vec<u8> = (0..sectors << 9).map(|i| (i * 7 + i / 300) as u8 ^ seed).collect();
        let columns = layout(first << 9, data.len(), 9, children, parity).unwrap();
        write(&mut devices, &columns, parity, &data);
        let absent: Vec<_> = absent.into_iter().filter(|at| *at < children).collect();
        let wrong: Vec<_> =
            wrong.into_iter().filter(|at| *at < children && !absent.contains(at)).collect();
        for at in &wrong {
            devices[*at][DATA_START..].iter_mut().for_each(|byte| *byte = !*byte);
        }
        let hit = |list: &[usize]| list.iter().filter(|at| columns.iter().any(|c| c.child == **at)).count();
        let lost = hit(&absent) + hit(&wrong);
        let vdevs = vdevs(devices, parity, &absent);
        let result = vdevs.read(0, first << 9, data.len(), 1, false, &mut |read| read == data);
        if lost <= parity {
            prop_assert_eq!(result.as_ref(), Ok(&data));
        } else {
            prop_assert!(result.is_err() || result == Ok(data));
        }
    }
}
