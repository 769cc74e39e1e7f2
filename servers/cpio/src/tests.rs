//! Tests of the archive reader: what it finds, and that hostile archives only give errors.

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

fn push(archive: &mut Vec<u8>, path: &str, mode: u32, data: &[u8], name_padding: usize) {
    let name_bytes = path.len() + 1 + name_padding;
    let mut header = String::from("070701");
    for field in [7, mode, 1, 2, 1, 99, data.len() as u32, 0, 0, 4, 64, name_bytes as u32, 0] {
        header += &format!("{field:08x}");
    }
    archive.extend(header.bytes());
    archive.extend(path.bytes());
    archive.resize(archive.len() + 1 + name_padding, 0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

fn sample() -> Vec<u8> {
    let mut archive = Vec::new();
    push(&mut archive, ".", 0o040_755, b"", 0);
    push(&mut archive, "./bin", 0o040_755, b"", 0);
    push(&mut archive, "bin/sh", 0o120_777, b"busybox", 0);
    push(&mut archive, "/bin/busybox", 0o100_755, b"first", 37);
    push(&mut archive, "bin/busybox", 0o100_755, b"second", 0);
    push(&mut archive, "TRAILER!!!", 0, b"", 0);
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

#[test]
fn members_come_in_order_with_their_kinds() {
    let archive = sample();
    let members: Vec<_> = Archive(&archive).members().map(Result::unwrap).collect();
    let kinds: Vec<_> = members.iter().map(|m| (m.path, m.kind())).collect();
    assert_eq!(
        kinds,
        [
            (&b""[..], Kind::Directory),
            (b"bin", Kind::Directory),
            (b"bin/sh", Kind::Symlink),
            (b"bin/busybox", Kind::File),
            (b"bin/busybox", Kind::File),
        ]
    );
    assert_eq!(members[2].data, b"busybox");
    assert_eq!((members[3].inode, members[3].user, members[3].group), (7, 1, 2));
    assert_eq!((members[3].links, members[3].modified, members[3].device), (1, 99, (4, 64)));
}

#[test]
fn the_last_member_of_a_path_wins_and_keeps_its_offset() {
    let archive = sample();
    let member = Archive(&archive).find(b"/bin/busybox").unwrap().unwrap();
    assert_eq!(member.data, b"second");
    assert_eq!(&archive[member.data_offset..][..6], b"second");
    assert_eq!(Archive(&archive).find(b"/bin/nosuch"), Ok(None));
}

#[test]
fn an_archive_without_trailer_is_truncated() {
    let mut archive = Vec::new();
    push(&mut archive, "a", 0o100_644, b"x", 0);
    let end = archive.len();
    let last = Archive(&archive).members().last().unwrap();
    assert_eq!(last, Err(CpioError::Truncated { offset: end }));
    assert_eq!(Archive(b"").members().next(), Some(Err(CpioError::Truncated { offset: 0 })));
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_always_end(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Archive(&bytes).members().count() <= bytes.len() / HEADER_BYTES + 1);
    }

    #[test]
    fn damaged_archives_never_panic(place in 0usize..800, value in any::<u8>(), cut in 0usize..900) {
        let mut archive = sample();
        let place = place % archive.len();
        archive[place] = value;
        archive.truncate(cut);
        for member in Archive(&archive).members().flatten() {
            prop_assert_eq!(&archive[member.data_offset..][..member.data.len()], member.data);
        }
    }
}
