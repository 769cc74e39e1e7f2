//! Address spaces on fake tables and frames.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use ipc_proto::abi::word::Rights;
use proptest::prelude::*;

use super::area::{Backing, Vma};
use super::fake::{FakeGuest, FakeTranslation};
use super::layout::Layout;
use super::object::SharedPages;
use super::space::Placement;
use super::{AddressSpace, FaultError, FaultKind, PAGE};
use crate::errno::Errno;
use crate::frames::fake::FakeFrames;
use crate::frames::{Frame, Frames};
use crate::guest_memory::GuestMemory;

const READ_WRITE: Rights = Rights::READ.union(Rights::WRITE);
const BASE: u64 = 0x10_0000;

fn guest_of(
    space: AddressSpace,
    tables: super::fake::Tables,
    frames: &Arc<FakeFrames>,
) -> FakeGuest {
    let faults = AtomicU64::new(0);
    FakeGuest { space: Arc::new(space), tables, frames: frames.clone(), faults }
}

fn guest(frames: &Arc<FakeFrames>) -> FakeGuest {
    let (translation, tables) = FakeTranslation::new(1);
    let layout = Layout::random([0; 4], 8 << 20);
    let space = AddressSpace::new(Box::new(translation), frames.clone(), layout, 8 << 20);
    guest_of(space, tables, frames)
}

fn fork(parent: &FakeGuest, frames: &Arc<FakeFrames>) -> FakeGuest {
    let (translation, tables) = FakeTranslation::new(2);
    let space = parent.space.fork(Box::new(translation)).expect("room for tables");
    guest_of(space, tables, frames)
}

fn map(guest: &FakeGuest, pages: u64) -> u64 {
    let vma = Vma::anonymous(READ_WRITE, "");
    guest.space.map(BASE, pages * PAGE, Placement::Replace, vma).expect("room")
}

fn total(frames: &Arc<FakeFrames>) -> u64 {
    frames.total() - frames.free()
}

#[test]
fn memory_is_zero_at_first_and_comes_page_by_page() {
    let frames = Arc::new(FakeFrames::new(64));
    let guest = guest(&frames);
    let at = map(&guest, 16);
    assert_eq!((guest.tables.count(), total(&frames)), (0, 0));
    assert_eq!(guest.read_u64(at + 5 * PAGE), Ok(0));
    assert_eq!((guest.tables.count(), total(&frames)), (1, 1));
    assert_eq!(guest.read_u64(at - 8), Err(Errno::EFAULT));
    assert_eq!(guest.space.fault(at - 8, FaultKind::Read), Err(FaultError::NotMapped));
    assert_eq!(guest.space.fault(at, FaultKind::Execute), Err(FaultError::Forbidden));
}

#[test]
fn touching_page_after_page_maps_more_at_a_time() {
    let frames = Arc::new(FakeFrames::new(300));
    let guest = guest(&frames);
    let at = map(&guest, 256);
    for page in 0..256 {
        guest.write_u64(at + page * PAGE, page).expect("mapped");
    }
    assert!(guest.faults.load(Ordering::Relaxed) < 256 / 8);
    assert!((0..256).all(|page| guest.read_u64(at + page * PAGE) == Ok(page)));
    assert_eq!(total(&frames), 256);
}

#[test]
fn everything_is_given_back() {
    let frames = Arc::new(FakeFrames::new(64));
    let parent = guest(&frames);
    let at = map(&parent, 8);
    parent.write(at, &[7; 8 * PAGE as usize]).expect("mapped");
    let child = fork(&parent, &frames);
    child.write(at, &[8; 3 * PAGE as usize]).expect("mapped");
    assert_eq!(total(&frames), 11);
    parent.space.unmap(at + PAGE, PAGE).expect("a range");
    assert_eq!(total(&frames), 10);
    drop(child);
    assert_eq!(total(&frames), 7);
    drop(parent);
    assert_eq!(total(&frames), 0);
}

#[test]
fn a_fork_shares_until_somebody_writes() {
    let frames = Arc::new(FakeFrames::new(64));
    let parent = guest(&frames);
    let at = map(&parent, 4);
    parent.write_u64(at, 1).expect("mapped");
    let child = fork(&parent, &frames);
    assert_eq!((child.read_u64(at), total(&frames)), (Ok(1), 1));
    parent.write_u64(at, 2).expect("mapped");
    assert_eq!((child.read_u64(at), parent.read_u64(at)), (Ok(1), Ok(2)));
    child.write_u64(at, 3).expect("mapped");
    assert_eq!((child.read_u64(at), parent.read_u64(at)), (Ok(3), Ok(2)));
    assert_eq!(total(&frames), 2, "the last one keeps the frame");
}

#[test]
fn shared_memory_stays_shared_after_a_fork() {
    let frames = Arc::new(FakeFrames::new(64));
    let parent = guest(&frames);
    let backing = Backing::Object(Arc::new(SharedPages::new(frames.clone())), 0);
    let vma = Vma { is_shared: true, backing, ..Vma::anonymous(READ_WRITE, "") };
    parent.space.map(BASE, 4 * PAGE, Placement::Replace, vma).expect("room");
    parent.write_u64(BASE, 1).expect("mapped");
    let child = fork(&parent, &frames);
    child.write_u64(BASE, 2).expect("mapped");
    child.write_u64(BASE + PAGE, 3).expect("mapped");
    assert_eq!((parent.read_u64(BASE), parent.read_u64(BASE + PAGE)), (Ok(2), Ok(3)));
    drop((parent, child));
    assert_eq!(total(&frames), 0);
}

#[test]
fn protection_is_enforced_and_comes_back() {
    let frames = Arc::new(FakeFrames::new(64));
    let guest = guest(&frames);
    let at = map(&guest, 4);
    guest.write_u64(at, 5).expect("mapped");
    guest.space.protect(at, PAGE, Rights::READ).expect("mapped");
    assert_eq!((guest.write_u64(at, 6), guest.read_u64(at)), (Err(Errno::EFAULT), Ok(5)));
    guest.space.protect(at, PAGE, Rights(0)).expect("mapped");
    assert_eq!(guest.read_u64(at), Err(Errno::EFAULT));
    guest.space.protect(at, PAGE, READ_WRITE).expect("mapped");
    assert_eq!((guest.read_u64(at), guest.write_u64(at, 6)), (Ok(5), Ok(())));
    assert_eq!(guest.space.protect(at, 5 * PAGE, READ_WRITE), Err(Errno::ENOMEM));
    assert_eq!(guest.space.protect(at + 1, PAGE, READ_WRITE), Err(Errno::EINVAL));
}

#[test]
fn the_heap_grows_and_shrinks() {
    let frames = Arc::new(FakeFrames::new(64));
    let guest = guest(&frames);
    guest.space.set_heap(BASE);
    let limit = u64::MAX;
    assert_eq!(guest.space.brk(0, limit), BASE);
    assert_eq!(guest.space.brk(BASE + 5000, limit), BASE + 5000);
    guest.write_u64(BASE + 4992, 1).expect("mapped");
    assert_eq!(guest.space.brk(BASE + 10, limit), BASE + 10);
    assert_eq!((guest.read_u64(BASE + PAGE), total(&frames)), (Err(Errno::EFAULT), 0));
    assert_eq!(guest.space.brk(BASE + 5000, 100), BASE + 10, "beyond the limit");
}

#[test]
fn a_stack_grows_down_to_its_limit_and_no_further() {
    let frames = Arc::new(FakeFrames::new(64));
    let guest = guest(&frames);
    let top = 0x8000_0000;
    let vma = Vma { grows_down: true, ..Vma::anonymous(READ_WRITE, "[stack]") };
    guest.space.map(top - PAGE, PAGE, Placement::Replace, vma).expect("room");
    guest.write_u64(top - 100 * PAGE, 1).expect("the stack grows");
    assert_eq!(guest.write_u64(top - (9 << 20), 1), Err(Errno::EFAULT));
    let blocker = Vma::anonymous(READ_WRITE, "");
    guest.space.map(top - 300 * PAGE, PAGE, Placement::Replace, blocker).expect("room");
    assert_eq!(guest.write_u64(top - 200 * PAGE, 1), Err(Errno::EFAULT), "too near");
}

#[test]
fn a_moved_mapping_keeps_its_pages() {
    let frames = Arc::new(FakeFrames::new(64));
    let guest = guest(&frames);
    let at = map(&guest, 2);
    guest.write_u64(at + PAGE, 9).expect("mapped");
    let blocker = Vma::anonymous(READ_WRITE, "b");
    guest.space.map(at + 2 * PAGE, PAGE, Placement::IfFree, blocker).expect("room");
    assert_eq!(guest.space.remap(at, 2 * PAGE, 4 * PAGE, false, None), Err(Errno::ENOMEM));
    let moved = guest.space.remap(at, 2 * PAGE, 4 * PAGE, true, None).expect("room");
    assert_eq!(guest.read_u64(moved + PAGE), Ok(9));
    assert_eq!((guest.read_u64(at), guest.read_u64(moved + 3 * PAGE)), (Err(Errno::EFAULT), Ok(0)));
    assert_eq!(guest.space.remap(moved, 4 * PAGE, PAGE, true, None), Ok(moved));
    assert_eq!(guest.read_u64(moved + PAGE), Err(Errno::EFAULT));
}

#[test]
fn running_out_of_memory_leaks_nothing() {
    let frames = Arc::new(FakeFrames::new(4));
    let parent = guest(&frames);
    let at = map(&parent, 16);
    let outcome =
        (0..16).try_for_each(|page| parent.space.fault(at + page * PAGE, FaultKind::Write));
    assert_eq!(outcome, Err(FaultError::NoMemory));
    let (translation, _) = FakeTranslation::new(2);
    translation.limit(2);
    assert!(parent.space.fork(Box::new(translation)).is_err());
    assert!((0..4).all(|frame| frames.count(Frame(frame)) <= 1));
    drop(parent);
    assert_eq!(frames.free(), 4);
}

#[derive(Clone, Debug)]
enum Action {
    Write(bool, u64, u8),
    Unmap(bool, u64, u64),
    Map(bool, u64, u64),
    Discard(bool, u64, u64),
    Fork,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let range = || (any::<bool>(), 0..24_u64, 1..8_u64);
    let action = prop_oneof![
        4 => (any::<bool>(), 0..24_u64, 1..u8::MAX).prop_map(|(c, p, v)| Action::Write(c, p, v)),
        1 => range().prop_map(|(c, p, n)| Action::Unmap(c, p, n)),
        1 => range().prop_map(|(c, p, n)| Action::Map(c, p, n)),
        1 => range().prop_map(|(c, p, n)| Action::Discard(c, p, n)),
        1 => Just(Action::Fork),
    ];
    prop::collection::vec(action, 1..40)
}

/// What a process should see: a byte a page, `None` where nothing is mapped.
type Model = [Option<u8>; 32];

fn apply(guest: &FakeGuest, model: &mut Model, action: &Action) {
    let mut each = |page: u64, count: u64, change: fn(&mut Option<u8>)| {
        model[page as usize..(page + count) as usize].iter_mut().for_each(change);
    };
    match *action {
        Action::Write(_, page, value) => {
            let done = guest.write(BASE + page * PAGE + 7, &[value]).is_ok();
            assert_eq!(done, model[page as usize].is_some());
            if done {
                model[page as usize] = Some(value);
            }
        }
        Action::Unmap(_, page, count) => {
            guest.space.unmap(BASE + page * PAGE, count * PAGE).expect("a range");
            each(page, count, |cell| *cell = None);
        }
        Action::Map(_, page, count) => {
            let vma = Vma::anonymous(READ_WRITE, "");
            let at = BASE + page * PAGE;
            guest.space.map(at, count * PAGE, Placement::Replace, vma).expect("room");
            each(page, count, |cell| *cell = Some(0));
        }
        Action::Discard(_, page, count) => {
            // Holes are reported, and the rest is done all the same.
            let _ = guest.space.discard(BASE + page * PAGE, count * PAGE);
            each(page, count, |cell| *cell = cell.map(|_| 0));
        }
        Action::Fork => unreachable!("two processes are concerned"),
    }
}

fn compare(guest: &FakeGuest, model: &Model) {
    for (page, expected) in (0..).zip(model) {
        let mut byte = [0];
        let seen = guest.read(BASE + page * PAGE + 7, &mut byte).ok().map(|()| byte[0]);
        assert_eq!(seen, *expected, "page {page}");
    }
}

proptest! {
    #[test]
    fn two_processes_see_what_a_byte_a_page_says(actions in actions()) {
        let frames = Arc::new(FakeFrames::new(256));
        let mut guests = [guest(&frames), guest(&frames)];
        let mut models: [Model; 2] = [[None; 32]; 2];
        for action in &actions {
            let side = match action {
                Action::Fork => {
                    guests[1] = fork(&guests[0], &frames);
                    models[1] = models[0];
                    continue;
                }
                Action::Write(side, ..)
                | Action::Unmap(side, ..)
                | Action::Map(side, ..)
                | Action::Discard(side, ..) => usize::from(*side),
            };
            apply(&guests[side], &mut models[side], action);
        }
        compare(&guests[0], &models[0]);
        compare(&guests[1], &models[1]);
        drop(guests);
        prop_assert_eq!(frames.free(), 256);
    }
}
