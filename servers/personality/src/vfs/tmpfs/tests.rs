//! Tests of files in memory: content and names against naive models.

use super::*;
use crate::vfs::abi::mode;
use crate::vfs::tests::{means, read_all};
use crate::vfs::transfer::Bytes;
use crate::vfs::vnode::{
    Allocation, Caller, Directory, Entry, Kind, Removal, RenameMode, Seek, Vnode,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

fn fs() -> TmpFs {
    TmpFs::new(1, 0o755, &means(200))
}

fn new(kind: NewKind<'_>) -> New<'_> {
    New { kind, permissions: 0o755, uid: 0, gid: 0 }
}

fn as_vnode(node: &Arc<Node>) -> Arc<dyn Vnode> {
    node.clone()
}

fn names(directory: &dyn Directory) -> Vec<String> {
    let mut names = Vec::new();
    let mut visit = |entry: &Entry<'_>| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        true
    };
    directory.entries(0, &Caller::default(), &mut visit).unwrap();
    names.sort();
    names
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<u8>),
    Append(Vec<u8>),
    Truncate(usize),
    Grow(usize, usize),
    Punch(usize, usize),
    Page(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0usize..20_000;
    let bytes = proptest::collection::vec(1u8..255, 0..6000);
    prop_oneof![
        (at.clone(), bytes.clone()).prop_map(|(at, bytes)| Step::Write(at, bytes)),
        bytes.prop_map(Step::Append),
        at.clone().prop_map(Step::Truncate),
        (at.clone(), 1usize..9000).prop_map(|(at, length)| Step::Grow(at, length)),
        (at.clone(), 1usize..9000).prop_map(|(at, length)| Step::Punch(at, length)),
        (0usize..6).prop_map(Step::Page),
    ]
}

fn apply(model: &mut Vec<u8>, file: &Node, step: &Step) {
    match step {
        Step::Write(at, bytes) => {
            assert_eq!(file.write_at(*at as u64, &mut &bytes[..]), Ok(bytes.len()));
            if !bytes.is_empty() {
                model.resize(model.len().max(at + bytes.len()), 0);
                model[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        Step::Append(bytes) => {
            model.extend_from_slice(bytes);
            assert_eq!(file.append(&mut &bytes[..]), Ok((bytes.len(), model.len() as u64)));
        }
        Step::Truncate(size) => {
            file.truncate(*size as u64).unwrap();
            model.resize(*size, 0);
        }
        Step::Grow(at, length) => {
            file.allocate(Allocation::Grow, *at as u64, *length as u64).unwrap();
            model.resize(model.len().max(at + length), 0);
        }
        Step::Punch(at, length) => {
            file.allocate(Allocation::PunchHole, *at as u64, *length as u64).unwrap();
            let end = (at + length).min(model.len());
            if *at < end {
                model[*at..end].fill(0);
            }
        }
        Step::Page(index) => {
            let exists = index * PAGE < model.len();
            let frame = file.page(*index as u64);
            assert_eq!(frame.is_ok(), exists);
            if let Ok(frame) = frame {
                file.shared().frames.release(frame);
            }
        }
    }
}

/// Holes and data must cover the file, and holes must read as zeros.
fn check_seek(model: &[u8], file: &Node) {
    let size = model.len() as u64;
    let mut at = 0;
    while at < size {
        let data = file.seek_data(at, Seek::Data).unwrap_or(size);
        assert!(model[at as usize..data as usize].iter().all(|&byte| byte == 0));
        if data == size {
            break;
        }
        at = file.seek_data(data, Seek::Hole).unwrap();
        assert!(at > data && at <= size);
    }
    assert_eq!(file.seek_data(size, Seek::Data), Err(Errno::ENXIO));
}

proptest! {
    #[test]
    fn content_is_what_a_vector_would_hold(
        base in proptest::collection::vec(1u8..255, 0..10_000),
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let fs = fs();
        let frames = fs.root().shared().frames.clone();
        let before = frames.free();
        let file = fs.nameless_file(0o600, 0, 0).unwrap();
        let mut model = base.clone();
        file.set_base(base.leak(), 1, 0);
        for step in &steps {
            apply(&mut model, &file, step);
            prop_assert_eq!(file.stat().size, model.len() as u64);
        }
        prop_assert_eq!(&read_all(&as_vnode(&file)), &model);
        let mut middle = [0; 777];
        let count = file.read_at(4000, &mut Bytes(&mut middle)).unwrap();
        let expected = model.get(4000..).unwrap_or_default();
        prop_assert_eq!(&middle[..count], &expected[..expected.len().min(777)]);
        check_seek(&model, &file);
        drop(file);
        prop_assert_eq!(frames.free(), before);
    }

    #[test]
    fn names_are_what_maps_would_hold(
        steps in proptest::collection::vec((0u8..7, 0usize..2, 0usize..4, 0usize..2, 0usize..4), 1..60)
    ) {
        let fs = fs();
        let directories: Vec<Arc<dyn Vnode>> = ["x", "y"]
            .map(|name| fs.root().create(name.as_bytes(), &new(NewKind::Directory)).unwrap())
            .into();
        let mut model: [BTreeMap<String, (u64, Kind)>; 2] = Default::default();
        for (what, from, name, to, target) in steps {
            let directory = directories[from].as_directory().unwrap();
            let (name, target) = (format!("n{name}"), format!("n{target}"));
            let existing = model[from].get(&name).copied();
            match what {
                0 | 1 => {
                    let kind = if what == 0 { NewKind::File } else { NewKind::Directory };
                    let made = directory.create(name.as_bytes(), &new(kind));
                    prop_assert_eq!(made.is_ok(), existing.is_none());
                    if let Ok(made) = made {
                        model[from].insert(name, (made.identity().1, made.kind()));
                    }
                }
                2 | 3 => {
                    let (removal, kind, wrong) = if what == 2 {
                        (Removal::File, Kind::File, Errno::EISDIR)
                    } else {
                        (Removal::Directory, Kind::Directory, Errno::ENOTDIR)
                    };
                    let expected = match existing {
                        None => Err(Errno::ENOENT),
                        Some((_, is)) if is != kind => Err(wrong),
                        Some(_) => Ok(()),
                    };
                    prop_assert_eq!(directory.unlink(name.as_bytes(), removal), expected);
                    if expected.is_ok() {
                        model[from].remove(&name);
                    }
                }
                _ => {
                    let mode = match what {
                        4 => RenameMode::Replace,
                        5 => RenameMode::KeepTarget,
                        _ => RenameMode::Exchange,
                    };
                    let victim = model[to].get(&target).copied();
                    let expected = match (mode, existing, victim) {
                        (_, None, _) => Err(Errno::ENOENT),
                        (RenameMode::KeepTarget, _, Some(_)) => Err(Errno::EEXIST),
                        (RenameMode::Exchange, _, None) => Err(Errno::ENOENT),
                        (RenameMode::Exchange, ..) => Ok(()),
                        (_, Some((a, _)), Some((b, _))) if a == b => Ok(()),
                        (_, Some((_, Kind::Directory)), Some((_, Kind::File))) => Err(Errno::ENOTDIR),
                        (_, Some((_, Kind::File)), Some((_, Kind::Directory))) => Err(Errno::EISDIR),
                        _ => Ok(()),
                    };
                    let result =
                        directory.rename(name.as_bytes(), &directories[to], target.as_bytes(), mode);
                    prop_assert_eq!(result, expected);
                    if let (Ok(()), Some(existing)) = (expected, existing) {
                        model[from].remove(&name);
                        model[to].insert(target, existing);
                        if let (RenameMode::Exchange, Some(victim)) = (mode, victim)
                            && victim != existing
                        {
                            model[from].insert(name, victim);
                        }
                    }
                }
            }
            for (directory, model) in directories.iter().zip(&model) {
                let list = directory.as_directory().unwrap();
                prop_assert!(names(list).iter().eq(model.keys()));
                let below = model.values().filter(|(_, kind)| *kind == Kind::Directory).count();
                prop_assert_eq!(directory.stat().links as usize, 2 + below);
                for (name, (inode, kind)) in model {
                    let found = list.lookup(name.as_bytes(), &Caller::default()).unwrap();
                    prop_assert_eq!((found.identity().1, found.kind()), (*inode, *kind));
                    if let Some(found) = found.as_directory() {
                        prop_assert_eq!(found.name(), Some(name.clone().into_bytes()));
                        let parent = found.parent().unwrap();
                        prop_assert_eq!(parent.identity(), directory.identity());
                    }
                }
            }
        }
    }
}

#[test]
fn a_directory_does_not_move_below_itself_and_not_over_a_full_one() {
    let fs = fs();
    let a = fs.root().create(b"a", &new(NewKind::Directory)).unwrap();
    let b = a.as_directory().unwrap().create(b"b", &new(NewKind::Directory)).unwrap();
    let root = as_vnode(fs.root());
    let mode = RenameMode::Replace;
    assert_eq!(fs.root().rename(b"a", &b, b"c", mode), Err(Errno::EINVAL));
    assert_eq!(fs.root().rename(b"a", &a, b"c", mode), Err(Errno::EINVAL));
    let in_a = a.as_directory().unwrap();
    assert_eq!(in_a.rename(b"b", &root, b"a", mode), Err(Errno::ENOTEMPTY));
    assert_eq!(in_a.rename(b"b", &root, b"a", RenameMode::Exchange), Err(Errno::EINVAL));
}

#[test]
fn an_unlinked_file_lives_while_it_is_held() {
    let fs = fs();
    let file = fs.root().create(b"f", &new(NewKind::File)).unwrap();
    file.write_at(0, &mut &b"data"[..]).unwrap();
    fs.root().link(b"g", &file).unwrap();
    assert_eq!(file.stat().links, 2);
    fs.root().unlink(b"f", Removal::File).unwrap();
    fs.root().unlink(b"g", Removal::File).unwrap();
    assert_eq!((file.stat().links, read_all(&file)), (0, b"data".to_vec()));
}

#[test]
fn a_removed_directory_takes_no_new_names() {
    let fs = fs();
    let directory = fs.root().create(b"d", &new(NewKind::Directory)).unwrap();
    fs.root().unlink(b"d", Removal::Directory).unwrap();
    let held = directory.as_directory().unwrap();
    assert_eq!(held.create(b"x", &new(NewKind::File)).err(), Some(Errno::ENOENT));
    assert_eq!(directory.stat().links, 0);
    assert!(held.parent().is_none());
}

#[test]
fn a_reader_of_names_misses_and_repeats_nothing_while_others_change() {
    let fs = fs();
    for name in ["a", "b", "c"] {
        fs.root().create(name.as_bytes(), &new(NewKind::File)).unwrap();
    }
    let mut first = (Vec::new(), 0);
    let read = |after, limit: usize, into: &mut (Vec<u8>, u64)| {
        let mut left = limit;
        let mut visit = |entry: &Entry<'_>| {
            if left == 0 {
                return false;
            }
            left -= 1;
            into.0.extend_from_slice(entry.name);
            into.1 = entry.next;
            true
        };
        fs.root().entries(after, &Caller::default(), &mut visit).unwrap();
    };
    read(0, 1, &mut first);
    fs.root().unlink(b"a", Removal::File).unwrap();
    fs.root().create(b"d", &new(NewKind::File)).unwrap();
    let mut rest = (Vec::new(), 0);
    read(first.1, 9, &mut rest);
    assert_eq!((&first.0[..], &rest.0[..]), (&b"a"[..], &b"bcd"[..]));
}

#[test]
fn a_full_store_gives_enospc_and_keeps_what_was_written() {
    let fs = TmpFs::new(1, 0o755, &means(2));
    let file = fs.nameless_file(0o600, 0, 0).unwrap();
    assert_eq!(file.write_at(0, &mut &[1; 3 * PAGE][..]), Ok(2 * PAGE));
    assert_eq!(file.write_at(2 * PAGE as u64, &mut &[1][..]), Err(Errno::ENOSPC));
    assert_eq!(file.allocate(Allocation::Grow, 0, 1 << 40), Err(Errno::ENOSPC));
    assert_eq!(file.stat().size, 2 * PAGE as u64);
    assert_eq!(file.write_at(i64::MAX as u64, &mut &[1][..]), Err(Errno::EFBIG));
}

#[test]
fn special_files_have_their_modes_and_fifos_their_pipes() {
    let fs = fs();
    let fifo = fs.root().create(b"p", &new(NewKind::Fifo)).unwrap();
    assert_eq!(mode(&fifo.stat()), 0o010_755);
    let caller = Caller::default();
    let (one, two) = (fifo.open(&caller).unwrap().unwrap(), fifo.open(&caller).unwrap().unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    let device = fs.root().create(b"n", &new(NewKind::CharDevice(0x103))).unwrap();
    assert_eq!(device.open(&caller).unwrap().unwrap().write_at(0, &mut &b"abc"[..]), Ok(3));
    let unknown = fs.root().create(b"u", &new(NewKind::CharDevice(0x9903))).unwrap();
    assert_eq!(unknown.open(&caller).err(), Some(Errno::ENXIO));
    let link = fs.root().create(b"l", &new(NewKind::Symlink(b"target"))).unwrap();
    assert_eq!((link.stat().size, mode(&link.stat()) >> 12), (6, 0o12));
}

#[test]
fn names_do_not_cross_file_systems() {
    let (one, other) = (fs(), fs());
    let file = one.root().create(b"f", &new(NewKind::File)).unwrap();
    assert_eq!(other.root().link(b"f", &file), Err(Errno::EXDEV));
    let target = as_vnode(other.root());
    let result = one.root().rename(b"f", &target, b"f", RenameMode::Replace);
    assert_eq!(result, Err(Errno::EXDEV));
}
