//! What hostile programs tried: one attempt each, invariants and TLBs checked after every call.

use ipc_proto::abi::boot_info::slots;
use ipc_proto::abi::layout::{BLOCK_BYTES, PAGE_BYTES, WINDOW_BASE};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::syscalls::ipc;
use ipc_proto::abi::word::{MapFlags, ObjectKind, Rights, Word};
use microkernel_core::fake::Fixture;
use microkernel_core::machine::Current;

const RETYPE: u64 = 16;
const COPY: u64 = 17;
const DELETE: u64 = 19;
const REVOKE: u64 = 20;
const IDENTIFY: u64 = 22;
const SUPPLY: u64 = 32;
const ATTACH: u64 = 33;
const DETACH: u64 = 34;
const MAP: u64 = 35;
const UNMAP: u64 = 36;
const SET_WINDOW: u64 = 39;
const MAKE_WINDOW: u64 = 40;
const SET_SPACES: u64 = 48;
const SET_BUFFER: u64 = 49;
const BIND_NOTIFICATION: u64 = 51;
const START: u64 = 53;

const RAM: u64 = slots::FIRST_RANGE.0 as u64;
/// Slots of the things that the tests make.
const A: u64 = 200;
const B: u64 = 201;
const C: u64 = 202;
const D: u64 = 203;
const DOMAIN: u64 = 210;
const PROCESS: u64 = 211;
const MEMORY: u64 = 212;

const READ: Rights = Rights::READ;

/// Starts a thread above root's priority, in root's spaces: it runs.
fn start_above(k: &mut Fixture, slot: u64) {
    k.start_thread(slot, 250);
    assert!(!k.is_root_running());
}

/// Makes a domain, a process that borrows its window, and a Memory of 64 pages.
fn make_spaces(k: &mut Fixture, process_tables: u64) {
    for (space, tables, pages) in [(DOMAIN, 213, 12), (PROCESS, 214, process_tables)] {
        k.make(ObjectKind::VSpace, 0, space);
        k.make(ObjectKind::Tables, pages, tables);
        k.must(SUPPLY, &[space, tables]);
    }
    k.must(MAKE_WINDOW, &[DOMAIN]);
    k.must(SET_WINDOW, &[PROCESS, DOMAIN, 0]);
    k.make(ObjectKind::Memory, 64 * PAGE_BYTES, MEMORY);
}

fn translations_at(k: &mut Fixture, address: u64) -> usize {
    let all = k.kernel.check_invariants(k.root);
    all.keys().filter(|(_, other)| *other == address).count()
}

fn flags(index: u64, access: Rights) -> u64 {
    MapFlags::new(index, access).0
}

#[test]
fn an_attachment_ends_whole_while_another_ends() {
    let mut k = Fixture::new(16);
    make_spaces(&mut k, 8);
    k.must(ATTACH, &[PROCESS, 1, MEMORY]);
    k.must(ATTACH, &[PROCESS, 2, MEMORY]);
    k.must(MAP, &[PROCESS, flags(2, READ), 0, 0, 3]);
    assert_eq!(k.must(DETACH, &[PROCESS, 1]), 1, "a part is done");
    while k.must(DETACH, &[PROCESS, 2]) != 0 {}
    assert_eq!(translations_at(&mut k, 0), 0);
}

#[test]
fn nothing_is_mapped_from_an_attachment_that_ends() {
    let mut k = Fixture::new(16);
    make_spaces(&mut k, 8);
    k.must(ATTACH, &[PROCESS, 1, MEMORY]);
    assert_eq!(k.must(REVOKE, &[MEMORY]), 1, "a part is done");
    assert_eq!(k.call(MAP, &[PROCESS, flags(1, READ), 0, 0, 1]).0, 32 + 1, "NotAttached");
    assert_eq!(k.call(ATTACH, &[PROCESS, 1, MEMORY]).0, 32 + 2, "InUse");
    while k.must(REVOKE, &[MEMORY]) != 0 {}
    k.must(ATTACH, &[PROCESS, 1, MEMORY]);
    k.must(MAP, &[PROCESS, flags(1, READ), 0, 0, 1]);
}

#[test]
fn an_address_space_dies_with_attachments_that_end() {
    let mut k = Fixture::new(16);
    make_spaces(&mut k, 8);
    k.must(ATTACH, &[PROCESS, 1, MEMORY]);
    assert_eq!(k.must(DETACH, &[PROCESS, 1]), 1, "a part is done");
    while k.must(DELETE, &[0, PROCESS]) != 0 {}
    while k.must(REVOKE, &[MEMORY]) != 0 {}
}

#[test]
fn a_process_cannot_unmap_what_its_window_shows() {
    let mut k = Fixture::new(16);
    make_spaces(&mut k, 8);
    k.must(ATTACH, &[DOMAIN, 1, MEMORY]);
    k.must(MAP, &[DOMAIN, flags(1, READ), 0, WINDOW_BASE, 1]);
    assert_eq!(translations_at(&mut k, WINDOW_BASE), 2);
    k.must(ATTACH, &[PROCESS, 1, MEMORY]);
    while k.must(DETACH, &[PROCESS, 1]) != 0 {}
    assert_eq!(translations_at(&mut k, WINDOW_BASE), 2);
}

#[test]
fn an_unmap_that_stops_leaves_nothing_in_the_tlb() {
    let mut k = Fixture::new(16);
    // Two roots, tables of levels 1 and 2, one of level 3.
    make_spaces(&mut k, 5);
    k.make(ObjectKind::Memory, BLOCK_BYTES, A);
    k.must(ATTACH, &[PROCESS, 1, MEMORY]);
    k.must(ATTACH, &[PROCESS, 2, A]);
    let below = BLOCK_BYTES - 40 * PAGE_BYTES;
    k.must(MAP, &[PROCESS, flags(1, READ), 0, below, 40]);
    k.must(MAP, &[PROCESS, flags(2, READ), 0, BLOCK_BYTES, 512]);
    assert_eq!(k.call(UNMAP, &[PROCESS, below, 50]).0, 32 + 2, "NoTables");
}

#[test]
fn many_pages_are_replaced_with_few_invalidations() {
    let mut k = Fixture::new(16);
    make_spaces(&mut k, 8);
    k.must(ATTACH, &[PROCESS, 1, MEMORY]);
    k.must(MAP, &[PROCESS, flags(1, READ), 0, 0, 63]);
    k.syscall(MAP, &[PROCESS, flags(1, READ), PAGE_BYTES, 0, 63]);
    assert!(k.kernel.machine.invalidated.len() <= 2);
    k.check();
}

#[test]
fn a_window_is_borrowed_or_owned() {
    let mut k = Fixture::new(16);
    make_spaces(&mut k, 8);
    while k.must(DELETE, &[0, 214]) != 0 {}
    k.make(ObjectKind::Tables, 8, 215);
    k.must(SUPPLY, &[PROCESS, 215]);
    assert_eq!(k.call(MAKE_WINDOW, &[PROCESS]).0, 32 + 1, "InUse");
}

#[test]
fn device_registers_are_never_executable() {
    let mut k = Fixture::new(16);
    make_spaces(&mut k, 8);
    k.must(ATTACH, &[PROCESS, 1, RAM + 1]);
    let run = READ.union(Rights::EXECUTE);
    assert_eq!(k.call(MAP, &[PROCESS, flags(1, run), 0, 0, 1]).0, 32 + 4, "MissingAccess");
}

#[test]
fn revoking_a_capability_spares_what_its_deleted_sibling_left() {
    let mut k = Fixture::new(16);
    let all = Rights::ALL.to_word();
    k.make(ObjectKind::Endpoint, 0, A);
    k.must(COPY, &[A, 0, B, all, 0]);
    k.must(COPY, &[A, 0, C, all, 0]);
    k.must(COPY, &[B, 0, D, all, 0]);
    k.must(DELETE, &[0, B]);
    k.must(REVOKE, &[C]);
    assert_eq!(k.must(IDENTIFY, &[D]), ObjectKind::Endpoint.to_word());
    k.must(COPY, &[D, 0, B, all, 0]);
    k.must(DELETE, &[0, D]);
    k.must(REVOKE, &[C]);
    assert_eq!(k.must(IDENTIFY, &[B]), ObjectKind::Endpoint.to_word());
    k.must(REVOKE, &[A]);
    assert_eq!(k.must(IDENTIFY, &[B]), 0);
    assert_eq!(k.must(IDENTIFY, &[C]), 0);
}

#[test]
fn a_chain_of_deleted_parents_does_not_deepen() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Notification, 0, A);
    k.make(ObjectKind::Thread, 0, C);
    let (mut from, mut to) = (A, B);
    for _ in 0..50 {
        k.must(COPY, &[from, 0, to, Rights::ALL.to_word(), 0]);
        k.must(DELETE, &[0, from]);
        (from, to) = (to, from);
    }
    k.must(BIND_NOTIFICATION, &[3, from]);
    let root = k.kernel.store.get(k.root);
    assert!(root.bindings[4].depth < 5, "{}", root.bindings[4].depth);
}

#[test]
fn the_deadline_of_a_call_counts_when_the_server_goes_on_at_once() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.make(ObjectKind::Reply, 0, B);
    start_above(&mut k, C);
    k.ipc(ipc::RECV, &[(9, A), (17, B)]);
    k.ipc(ipc::CALL, &[(9, A), (10, 0), (16, 5000)]);
    assert!(!k.is_root_running());
    assert_eq!(k.kernel.machine.timer, Some(5000));
}

#[test]
fn a_message_that_cannot_arrive_passes_no_capability() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.make(ObjectKind::Reply, 0, B);
    k.make(ObjectKind::Memory, PAGE_BYTES, D);
    k.must(SET_BUFFER, &[3, D, 0]);
    start_above(&mut k, C);
    k.ipc(ipc::RECV, &[(9, A), (15, 220), (17, B)]);
    k.ipc(ipc::CALL, &[(9, A), (10, MessageInfo::new(1, 100, 1).0), (11, A)]);
    assert!(k.is_root_running());
    assert_eq!(k.register(8), 8, "NoBuffer");
    assert_eq!(k.must(IDENTIFY, &[220]), 0);
}

#[test]
fn bits_that_are_there_when_a_notification_is_bound_wake_the_receiver() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.make(ObjectKind::Reply, 0, B);
    k.make(ObjectKind::Notification, 0, D);
    start_above(&mut k, C);
    k.ipc(ipc::RECV, &[(9, A), (17, B)]);
    k.ipc(ipc::SIGNAL, &[(0, D)]);
    assert!(k.is_root_running());
    k.ipc(BIND_NOTIFICATION, &[(0, C), (1, D)]);
    assert!(!k.is_root_running());
    assert_eq!([k.register(9), k.register(10)], [1, MessageInfo::SIGNAL.0]);
}

#[test]
fn a_thread_that_revokes_its_own_ground_leaves_no_live_space() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Untyped, 1 << 20, A);
    for (kind, argument, slot) in
        [(ObjectKind::VSpace, 0, B), (ObjectKind::Tables, 4, C), (ObjectKind::Thread, 0, D)]
    {
        k.must(RETYPE, &[A, kind.to_word(), argument, 0, slot, 1]);
    }
    k.must(SUPPLY, &[B, C]);
    k.must(MAKE_WINDOW, &[B]);
    k.must(SET_SPACES, &[D, 1, B]);
    k.must(START, &[D, 0, 0, 0, 0]);
    k.make(ObjectKind::Notification, 0, 220);
    k.ipc(ipc::WAIT, &[(0, 220)]);
    assert!(!k.is_root_running());
    k.ipc(REVOKE, &[(0, A)]);
    assert!(k.kernel.cpu().current.is_none());
    assert_eq!(k.kernel.machine.current, Current::default());
}

#[test]
fn one_call_makes_a_bounded_number_of_slots() {
    let mut k = Fixture::new(16);
    let kind = ObjectKind::CSpace.to_word();
    assert_eq!(k.call(RETYPE, &[RAM, kind, 65_536, 0, A, 2]).0, 32 + 6, "TooMany");
    k.must(RETYPE, &[RAM, kind, 1000, 0, A, 2]);
}
