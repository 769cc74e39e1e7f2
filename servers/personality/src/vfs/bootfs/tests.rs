//! Tests of the root of the tree: overlay, links, and damaged archives.

use super::*;
use crate::vfs::Backing;
use crate::vfs::tests::{means, read_all};
use proptest::prelude::*;

/// Appends a member.
fn push(archive: &mut Vec<u8>, (inode, links): (u32, u32), path: &str, mode: u32, data: &[u8]) {
    let mut header = String::from("070701");
    let name_bytes = path.len() as u32 + 1;
    for field in [inode, mode, 0, 0, links, 99, data.len() as u32, 0, 0, 1, 3, name_bytes, 0] {
        header += &format!("{field:08x}");
    }
    archive.extend(header.bytes());
    archive.extend(path.bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

fn finish(mut archive: Vec<u8>) -> BootArchive {
    push(&mut archive, (0, 1), "TRAILER!!!", 0, b"");
    BootArchive { bytes: archive.leak(), attachment: 1, offset: 0 }
}

fn find(fs: &TmpFs, path: &str) -> Result<Arc<dyn Vnode>, Errno> {
    let mut at: Arc<dyn Vnode> = fs.root().clone();
    for name in path.split('/') {
        let directory = at.as_directory().ok_or(Errno::ENOTDIR)?;
        at = directory.lookup(name.as_bytes(), &Caller::default())?;
    }
    Ok(at)
}

#[test]
fn an_archive_becomes_a_tree_that_can_be_changed() {
    let mut archive = Vec::new();
    push(&mut archive, (1, 1), ".", 0o040_711, b"");
    push(&mut archive, (2, 1), "bin/sh", 0o120_777, b"busybox");
    push(&mut archive, (3, 1), "bin/busybox", 0o104_755, b"program");
    push(&mut archive, (4, 1), "dev/null", 0o020_666, b"");
    let fs = TmpFs::new(1, 0o755, &means(4));
    assert_eq!(populate(&fs, &finish(archive)), Ok(()));
    assert_eq!(fs.root().stat().permissions, 0o711);
    assert_eq!(find(&fs, "bin").unwrap().stat().permissions, 0o755);
    assert_eq!(find(&fs, "bin/sh").unwrap().kind(), Kind::Symlink);
    assert_eq!(find(&fs, "dev/null").unwrap().stat().rdev, 0x103);
    let file = find(&fs, "bin/busybox").unwrap();
    assert_eq!((file.stat().permissions, file.stat().modified.seconds), (0o4755, 99));
    assert_eq!(read_all(&file), b"program");
    assert_eq!(file.write_at(3, &mut &b"GR"[..]), Ok(2));
    assert_eq!(read_all(&file), b"proGRam");
    assert_eq!(file.append(&mut &b"!"[..]), Ok((1, 8)));
    file.truncate(4).unwrap();
    file.truncate(6).unwrap();
    assert_eq!(read_all(&file), b"proG\0\0");
}

#[test]
fn a_truncated_file_does_not_show_its_old_data_again() {
    let mut archive = Vec::new();
    push(&mut archive, (3, 1), "file", 0o100_755, &[7; 9000]);
    let fs = TmpFs::new(1, 0o755, &means(4));
    populate(&fs, &finish(archive)).unwrap();
    let file = find(&fs, "file").unwrap();
    file.truncate(5000).unwrap();
    file.truncate(9000).unwrap();
    let text = read_all(&file);
    assert!(
        text[..5000].iter().all(|&byte| byte == 7) && text[5000..].iter().all(|&byte| byte == 0)
    );
    assert_eq!(text.len(), 9000);
}

#[test]
fn page_aligned_data_is_mapped_in_place_until_it_is_written() {
    let mut archive = Vec::new();
    push(&mut archive, (3, 1), "file", 0o100_755, &[7; 5000]);
    let mut archive = finish(archive);
    let fs = TmpFs::new(1, 0o755, &means(4));
    // The data starts at byte 116; so the Memory starts that much below a page.
    let start = archive.bytes.iter().position(|&byte| byte == 7).unwrap() as u64;
    archive.offset = 3 * 4096 - start;
    populate(&fs, &archive).unwrap();
    let file = find(&fs, "file").unwrap();
    let in_place = Backing::Region { attachment: 1, offset: 3 * 4096, bytes: 5000 };
    assert_eq!(file.backing(), in_place);
    let frame = file.page(1).unwrap();
    assert_eq!(file.backing(), Backing::Frames);
    assert_eq!(file.page(1), Ok(frame));
    assert_eq!(file.page(2), Err(Errno::EFAULT));
}

#[test]
fn a_later_archive_replaces_files_of_an_earlier_one() {
    let mut first = Vec::new();
    push(&mut first, (1, 1), "bin/tool", 0o100_755, b"old");
    push(&mut first, (2, 1), "bin/other", 0o100_755, b"kept");
    push(&mut first, (3, 1), "link", 0o120_777, b"bin");
    let mut second = Vec::new();
    push(&mut second, (1, 1), "bin", 0o040_700, b"");
    push(&mut second, (2, 1), "bin/tool", 0o100_755, b"new");
    push(&mut second, (3, 1), "link", 0o040_755, b"");
    let fs = TmpFs::new(1, 0o755, &means(4));
    populate(&fs, &finish(first)).unwrap();
    populate(&fs, &finish(second)).unwrap();
    assert_eq!(read_all(&find(&fs, "bin/tool").unwrap()), b"new");
    assert_eq!(read_all(&find(&fs, "bin/other").unwrap()), b"kept");
    assert_eq!(find(&fs, "link").unwrap().kind(), Kind::Directory);
}

#[test]
fn members_with_one_number_are_one_file() {
    let mut archive = Vec::new();
    push(&mut archive, (9, 2), "one", 0o100_644, b"");
    push(&mut archive, (9, 2), "two", 0o100_644, b"data");
    let fs = TmpFs::new(1, 0o755, &means(4));
    populate(&fs, &finish(archive)).unwrap();
    let one = find(&fs, "one").unwrap();
    assert_eq!((read_all(&one), one.stat().links), (b"data".to_vec(), 2));
    assert_eq!(one.identity(), find(&fs, "two").unwrap().identity());
}

#[test]
fn an_archive_cannot_reach_outside_of_the_tree() {
    for path in ["../escape", "a/../../b", "..", "file/below"] {
        let mut archive = Vec::new();
        push(&mut archive, (1, 1), "file", 0o100_644, b"x");
        push(&mut archive, (2, 1), path, 0o100_644, b"x");
        let result = populate(&TmpFs::new(1, 0o755, &means(4)), &finish(archive));
        assert!(matches!(result, Err(BootfsError::BadMember { .. })), "{path}");
    }
}

proptest! {
    #[test]
    fn a_damaged_archive_is_laid_out_as_far_as_it_goes(place in 0usize..700, value in any::<u8>(), cut in 0usize..700) {
        let mut archive = Vec::new();
        push(&mut archive, (1, 2), "a/b", 0o100_644, b"one");
        push(&mut archive, (1, 2), "a/c", 0o100_644, b"two");
        push(&mut archive, (3, 1), "a", 0o040_755, b"");
        push(&mut archive, (4, 1), "a/d", 0o120_777, b"b");
        let archive = finish(archive);
        let mut bytes = archive.bytes.to_vec();
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        bytes.truncate(cut);
        let _ = populate(&TmpFs::new(1, 0o755, &means(4)), &BootArchive { bytes: bytes.leak(), ..archive });
    }
}
