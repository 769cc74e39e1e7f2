//! System calls on the fake machine: one behaviour each, invariants after every call.

use ipc_proto::abi::boot_info::slots;
use ipc_proto::abi::layout::{PAGE_BYTES, WINDOW_BASE};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::syscalls::ipc;
use ipc_proto::abi::word::{MapFlags, ObjectKind, Rights, Word};
use microkernel_core::fake::Fixture;

const RETYPE: u64 = 16;
const COPY: u64 = 17;
const MOVE: u64 = 18;
const DELETE: u64 = 19;
const REVOKE: u64 = 20;
const DERIVE: u64 = 21;
const IDENTIFY: u64 = 22;
const SIZE: u64 = 23;
const SUPPLY: u64 = 32;
const ATTACH: u64 = 33;
const MAP: u64 = 35;
const UNMAP: u64 = 36;
const MAKE_WINDOW: u64 = 40;
const SET_SPACES: u64 = 48;
const SET_FAULT: u64 = 50;
const BIND_NOTIFICATION: u64 = 51;
const START: u64 = 53;

const RAM: u64 = slots::FIRST_RANGE.0 as u64;

const A: u64 = 200;
const B: u64 = 201;
const C: u64 = 202;
const D: u64 = 203;

#[test]
fn root_starts_with_what_the_boot_info_promises() {
    let mut k = Fixture::new(16);
    let kinds = [
        (slots::CSPACE, ObjectKind::CSpace),
        (slots::VSPACE, ObjectKind::VSpace),
        (slots::THREAD, ObjectKind::Thread),
        (slots::BOOTFS, ObjectKind::Memory),
        (slots::FIRST_RANGE, ObjectKind::Untyped),
    ];
    for (slot, kind) in kinds {
        assert_eq!(k.must(IDENTIFY, &[slot.to_word()]), kind.to_word());
    }
}

#[test]
fn a_refused_retype_changes_nothing() {
    let mut k = Fixture::new(16);
    let before = k.must(SIZE, &[RAM]);
    k.make(ObjectKind::Endpoint, 0, A);
    let after = k.must(SIZE, &[RAM]);
    assert_ne!(before, after);
    let kind = ObjectKind::Memory.to_word();
    assert_eq!(k.call(RETYPE, &[RAM, kind, PAGE_BYTES, 0, A, 1]).0, 32 + 3);
    assert_eq!(k.call(RETYPE, &[RAM, kind, 1 << 40, 0, B, 1]).0, 32 + 4);
    assert_eq!(k.call(RETYPE, &[RAM, kind, 5, 0, B, 1]).0, 32 + 2);
    assert_eq!(k.must(SIZE, &[RAM]), after);
    assert_eq!(k.must(IDENTIFY, &[B]), 0);
}

#[test]
fn revoking_an_untyped_gives_every_byte_back() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Untyped, 1 << 20, A);
    let fresh = k.must(SIZE, &[A]);
    k.must(RETYPE, &[A, ObjectKind::CSpace.to_word(), 100, 0, B, 1]);
    k.must(RETYPE, &[A, ObjectKind::Thread.to_word(), 0, B, 5, 4]);
    k.must(RETYPE, &[A, ObjectKind::Endpoint.to_word(), 0, 0, C, 1]);
    k.must(COPY, &[C, B, 20, Rights::ALL.to_word(), 9]);
    k.must(RETYPE, &[A, ObjectKind::Memory.to_word(), 8192, 0, D, 1]);
    k.must(ATTACH, &[2, 9, D]);
    k.finish(REVOKE, &[A]);
    assert_eq!(k.must(SIZE, &[A]), fresh);
    for slot in [B, C, D] {
        assert_eq!(k.must(IDENTIFY, &[slot]), 0);
    }
}

#[test]
fn a_copy_never_has_more_rights_and_keeps_its_badge() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.must(COPY, &[A, 0, B, Rights::WRITE.to_word(), 5]);
    assert_eq!(k.call(COPY, &[B, 0, C, Rights::ALL.to_word(), 6]).0, 32 + 2);
    k.must(COPY, &[B, 0, C, Rights::ALL.to_word(), 0]);
    k.make(ObjectKind::Reply, 0, D);
    k.ipc(ipc::RECV, &[(9, C), (17, D)]);
    assert_eq!(k.register(8), 5, "MissingRight: the copy may only call");
}

#[test]
fn moving_keeps_descendants_and_deleting_the_middle_hands_them_up() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    let all = Rights::ALL.to_word();
    k.must(COPY, &[A, 0, B, all, 0]);
    k.must(COPY, &[B, 0, C, all, 0]);
    k.must(MOVE, &[B, 0, D]);
    k.finish(DELETE, &[0, D]);
    assert_eq!(k.must(IDENTIFY, &[C]), ObjectKind::Endpoint.to_word());
    k.finish(REVOKE, &[A]);
    assert_eq!(k.must(IDENTIFY, &[C]), 0);
    assert_eq!(k.must(IDENTIFY, &[A]), ObjectKind::Endpoint.to_word());
}

#[test]
fn a_new_child_does_not_adopt_what_a_deleted_sibling_left() {
    let mut k = Fixture::new(16);
    let all = Rights::ALL.to_word();
    k.make(ObjectKind::Endpoint, 0, A);
    k.must(COPY, &[A, 0, B, all, 0]);
    k.must(COPY, &[B, 0, C, all, 0]);
    k.finish(DELETE, &[0, B]);
    k.must(COPY, &[A, 0, B, all, 0]);
    k.finish(REVOKE, &[B]);
    assert_eq!(k.must(IDENTIFY, &[C]), ObjectKind::Endpoint.to_word());
    k.finish(REVOKE, &[A]);
    assert_eq!(k.must(IDENTIFY, &[C]), 0);
}

#[test]
fn untyped_memory_has_one_holder() {
    let mut k = Fixture::new(16);
    assert_eq!(k.call(COPY, &[RAM, 0, A, Rights::ALL.to_word(), 0]).0, 32 + 3);
}

#[test]
fn a_call_hands_over_and_the_answer_comes_back() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.must(COPY, &[A, 0, B, Rights::ALL.to_word(), 0x77]);
    k.make(ObjectKind::Reply, 0, C);
    k.start_thread(D, 250);
    assert!(!k.is_root_running(), "the server has the higher priority");
    assert_eq!(k.register(0), 7);
    k.ipc(ipc::RECV, &[(9, A), (17, C)]);
    assert!(k.is_root_running());
    let request = MessageInfo::new(3, 16, 0);
    k.ipc(ipc::CALL, &[(0, 0xaaaa), (1, 0xbbbb), (9, B), (10, request.0)]);
    assert!(!k.is_root_running());
    assert_eq!([k.register(0), k.register(1)], [0xaaaa, 0xbbbb]);
    assert_eq!([k.register(8), k.register(9), k.register(10)], [0, 0x77, request.0]);
    k.ipc(ipc::REPLY_RECV, &[(0, 0xcccc), (9, A), (10, MessageInfo::new(0, 8, 0).0), (17, C)]);
    assert!(k.is_root_running());
    assert_eq!([k.register(8), k.register(0), k.register(1)], [0, 0xcccc, 0xbbbb]);
}

#[test]
fn callers_queue_first_come_first_served() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.make(ObjectKind::Reply, 0, C);
    for (slot, word) in [(D, 1), (D + 1, 2), (D + 2, 3)] {
        k.start_thread(slot, 250);
        k.ipc(ipc::CALL, &[(0, word), (9, A), (10, MessageInfo::new(1, 8, 0).0)]);
        assert!(k.is_root_running());
    }
    for word in [1, 2, 3] {
        k.ipc(ipc::RECV, &[(9, A), (17, C)]);
        assert!(k.is_root_running());
        assert_eq!([k.register(8), k.register(0)], [0, word]);
        k.ipc(ipc::REPLY, &[(9, A), (10, 0), (17, C)]);
        assert!(!k.is_root_running(), "the caller has the higher priority");
        k.ipc(ipc::WAIT, &[(0, 0)]);
        let thread = k.kernel.cpu().current.expect("it was refused and runs on");
        k.kernel.store.get_mut(thread).context.x[8] = 0;
        k.must(54, &[D + word - 1]);
    }
}

#[test]
fn a_dying_reply_fails_its_caller_and_a_dying_endpoint_its_queue() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.make(ObjectKind::Reply, 0, C);
    k.start_thread(D, 250);
    let call = [(9, A), (10, MessageInfo::new(1, 0, 0).0)];
    k.ipc(ipc::CALL, &call);
    k.ipc(ipc::RECV, &[(9, A), (17, C)]);
    assert!(k.is_root_running());
    k.ipc(DELETE, &[(0, 0), (1, C)]);
    k.ipc(ipc::YIELD, &[]);
    assert!(!k.is_root_running());
    assert_eq!(k.register(8), 6, "ServerDied");
    k.ipc(ipc::CALL, &call);
    assert!(k.is_root_running());
    k.ipc(DELETE, &[(0, 0), (1, A)]);
    k.ipc(ipc::YIELD, &[]);
    assert_eq!(k.register(8), 6, "ServerDied");
}

#[test]
fn capabilities_travel_with_the_right_to_grant_only() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.make(ObjectKind::Reply, 0, C);
    k.make(ObjectKind::Notification, 0, 210);
    k.must(COPY, &[A, 0, B, Rights::WRITE.to_word(), 1]);
    k.must(COPY, &[A, 0, 211, Rights::WRITE.union(Rights::GRANT).to_word(), 2]);
    k.start_thread(D, 250);
    k.ipc(ipc::RECV, &[(9, A), (15, 220), (17, C)]);
    let info = MessageInfo::new(1, 0, 1).0;
    k.ipc(ipc::CALL, &[(9, B), (10, info), (11, 210)]);
    assert!(k.is_root_running());
    assert_eq!(k.register(8), 9, "NotPassed");
    k.ipc(ipc::CALL, &[(9, 211), (10, info), (11, 210)]);
    assert!(!k.is_root_running());
    assert_eq!(k.must(IDENTIFY, &[220]), ObjectKind::Notification.to_word());
}

#[test]
fn signals_wake_waiters_and_receivers() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Notification, 0, A);
    k.must(COPY, &[A, 0, B, Rights::WRITE.to_word(), 4]);
    k.start_thread(D, 250);
    k.ipc(ipc::WAIT, &[(0, A)]);
    assert!(k.is_root_running());
    k.ipc(ipc::SIGNAL, &[(0, B)]);
    assert!(!k.is_root_running());
    assert_eq!([k.register(8), k.register(0)], [0, 4]);
    k.must(BIND_NOTIFICATION, &[D, A]);
    k.make(ObjectKind::Endpoint, 0, C);
    k.make(ObjectKind::Reply, 0, 210);
    k.ipc(ipc::RECV, &[(9, C), (17, 210)]);
    assert!(k.is_root_running());
    k.ipc(ipc::SIGNAL, &[(0, B)]);
    assert!(!k.is_root_running());
    assert_eq!([k.register(9), k.register(10)], [4, MessageInfo::SIGNAL.0]);
}

#[test]
fn a_deadline_ends_a_wait() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Notification, 0, A);
    k.ipc(ipc::WAIT, &[(0, A), (1, 5000)]);
    assert!(k.kernel.cpu().current.is_none(), "idle");
    assert_eq!(k.kernel.machine.timer, Some(5000));
    k.kernel.machine.now = 5001;
    k.kernel.timer();
    assert!(k.is_root_running());
    assert_eq!(k.register(8), 7, "TimedOut");
}

#[test]
fn a_fault_is_a_message_and_the_answer_resumes() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::Endpoint, 0, A);
    k.must(COPY, &[A, 0, B, Rights::ALL.to_word(), 42]);
    k.make(ObjectKind::Reply, 0, C);
    k.make(ObjectKind::Thread, 0, D);
    k.must(SET_FAULT, &[D, B]);
    k.must(SET_SPACES, &[D, 1, 2]);
    k.must(START, &[D, 0x1000, 0x2000, 7, 0]);
    k.ipc(ipc::RECV, &[(9, A), (17, C)]);
    assert!(!k.is_root_running());
    k.kernel.exception(0x24 << 26, 0xdead);
    assert!(k.is_root_running());
    assert_eq!([k.register(9), k.register(1), k.register(2)], [42, 0xdead, 0x1000]);
    k.ipc(ipc::REPLY_RECV, &[(9, A), (10, 0), (17, C)]);
    assert!(!k.is_root_running());
    assert_eq!(k.register(0), 7, "its registers are as they were");
    k.kernel.exception(0x3c << 26, 0xdead);
    assert_eq!(k.register(1), 0, "a breakpoint has no address; the register holds an older one");
}

#[test]
fn revoking_memory_removes_its_mappings() {
    let mut k = Fixture::new(16);
    k.make(ObjectKind::VSpace, 0, A);
    k.make(ObjectKind::Tables, 8, B);
    k.must(SUPPLY, &[A, B]);
    k.must(MAKE_WINDOW, &[A]);
    k.make(ObjectKind::Memory, 4 * PAGE_BYTES, C);
    k.must(DERIVE, &[C, 0, D, PAGE_BYTES, PAGE_BYTES, Rights::READ.to_word()]);
    k.must(ATTACH, &[A, 5, D]);
    let read = MapFlags::new(5, Rights::READ).0;
    let write = MapFlags::new(5, Rights::READ.union(Rights::WRITE)).0;
    let at = WINDOW_BASE + 0x5000;
    assert_eq!(k.call(MAP, &[A, write, 0, at, 1]).0, 32 + 4, "MissingAccess");
    assert_eq!(k.call(MAP, &[A, read, 0, at, 2]).0, 32 + 3, "OutOfRange");
    assert_eq!(k.call(MAP, &[A, read, 0, at + 1, 1]).0, 32 + 2, "BadAddress");
    k.must(MAP, &[A, read, 0, at, 1]);
    k.finish(REVOKE, &[C]);
    assert_eq!(k.call(MAP, &[A, read, 0, at, 1]).0, 32 + 1, "NotAttached");
    k.must(UNMAP, &[A, at, 1]);
}
