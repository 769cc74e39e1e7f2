//! Hostile and sound nvlists.

use super::*;
use proptest::prelude::*;

fn pair(name: &str, kind: u32, count: u32, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((name.len() as u32).to_be_bytes());
    body.extend(name.as_bytes());
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(kind.to_be_bytes());
    body.extend(count.to_be_bytes());
    body.extend(data);
    let mut whole = ((body.len() + 8) as u32).to_be_bytes().to_vec();
    whole.extend([0; 4]);
    whole.extend(body);
    whole
}

fn list(pairs: &[Vec<u8>]) -> Vec<u8> {
    let mut data = alloc::vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    pairs.iter().for_each(|pair| data.extend(pair));
    data.extend([0; 8]);
    data
}

#[test]
fn values_of_each_shape_are_decoded() {
    let data = list(&[
        pair("flag", 1, 0, &[]),
        pair("small", 5, 1, &(-2_i32).to_be_bytes()),
        pair("large", 8, 1, &7_u64.to_be_bytes()),
        pair("bytes", 10, 5, b"abcde\0\0\0"),
        pair("text", 9, 1, b"\0\0\0\x02hi\0\0"),
        pair(
            "wide",
            16,
            2,
            &[[0, 0, 0, 2].as_slice(), &1_u64.to_be_bytes(), &2_u64.to_be_bytes()].concat(),
        ),
    ]);
    let list = List::decode(&data).unwrap();
    assert_eq!(list.lookup("flag"), Some(&Value::Flag));
    assert_eq!(list.lookup("small"), Some(&Value::Signed(-2)));
    assert_eq!(list.number("large"), Some(7));
    assert_eq!(list.lookup("bytes"), Some(&Value::Bytes(b"abcde".to_vec())));
    assert_eq!(list.text("text"), Some("hi"));
    assert_eq!(list.lookup("wide"), Some(&Value::Numbers(alloc::vec![1, 2])));
}

#[test]
fn a_count_larger_than_the_data_is_refused_before_memory_is_taken() {
    let data = list(&[pair("wide", 16, u32::MAX, &u32::MAX.to_be_bytes())]);
    assert_eq!(List::decode(&data), Err(Malformed("name-value list: count of an array")));
}

#[test]
fn endless_nesting_is_refused() {
    let mut data = alloc::vec![1, 1, 0, 0];
    for _ in 0..100 {
        data.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        data.extend([0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 19, 0, 0, 0, 1]);
    }
    assert_eq!(List::decode(&data), Err(Malformed("name-value list: nested too deep")));
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = List::decode(&data);
        let _ = List::decode(&[[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].as_slice(), &data].concat());
    }
}
