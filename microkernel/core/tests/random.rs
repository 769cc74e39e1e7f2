//! Random system calls, nonsense and almost right ones, from several threads: nothing may panic,
//! and after every one the invariants hold and no TLB keeps what is gone.

use ipc_proto::abi::layout::{BLOCK_BYTES, PAGE_BYTES, WINDOW_BASE};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::syscalls::CALLS;
use microkernel_core::fake::Fixture;
use proptest::prelude::*;

/// A step: a system-call number and registers x0–x17.
type Step = (u64, Vec<u64>);

/// Boot-time memory.
const RAM: u64 = 16;
/// First of the slots that the test uses.
const FIRST: u64 = 200;
/// Number of slots that the test uses.
const SLOTS: u64 = 28;
/// Where things lie that the test begins with.
const UNTYPED: u64 = FIRST;
const DOMAIN: u64 = FIRST + 1;
const PROCESS: u64 = FIRST + 2;
const MEMORY: u64 = FIRST + 3;
const BLOCKS: u64 = FIRST + 4;
const ENDPOINT: u64 = FIRST + 5;
const REPLY: u64 = FIRST + 6;
const NOTIFICATION: u64 = FIRST + 7;
const THREAD: u64 = FIRST + 8;
const OTHER: u64 = FIRST + 9;
const GUEST: u64 = FIRST + 10;
const TABLES: u64 = FIRST + 11;
const MORE_TABLES: u64 = FIRST + 12;
const BUFFER: u64 = FIRST + 13;
/// Not a system call: the timer interrupts, late.
const TIMER: u64 = 1000;
/// Not a system call: an access faults.
const ABORT: u64 = 1001;
/// Not a system call: a line interrupts.
const LINE: u64 = 1002;

/// What the test begins with: a domain, a process that borrows its window, mappings in both, a
/// thread with a guest, another that is not started.
fn prepare(fixture: &mut Fixture) {
    let retype = |kind, argument, slot| (16, vec![UNTYPED, kind, argument, 0, slot, 1]);
    let steps: [Step; 33] = [
        (16, vec![RAM, 1, 5 << 20, 0, UNTYPED, 1]),
        retype(2, BLOCK_BYTES, BLOCKS),
        retype(2, 64 * PAGE_BYTES, MEMORY),
        retype(4, 0, DOMAIN),
        retype(4, 0, PROCESS),
        retype(5, 10, TABLES),
        // Just enough for what is mapped below.
        retype(5, 5, MORE_TABLES),
        retype(6, 0, THREAD),
        retype(6, 0, OTHER),
        retype(7, 0, ENDPOINT),
        retype(8, 0, REPLY),
        retype(9, 0, NOTIFICATION),
        retype(10, 0, GUEST),
        (32, vec![DOMAIN, TABLES]),
        (32, vec![PROCESS, MORE_TABLES]),
        (40, vec![DOMAIN]),
        (39, vec![PROCESS, DOMAIN, 0]),
        (21, vec![MEMORY, 0, BUFFER, 0, 2 * PAGE_BYTES, 3]),
        (33, vec![DOMAIN, 1, MEMORY]),
        (33, vec![PROCESS, 1, MEMORY]),
        (33, vec![PROCESS, 2, BLOCKS]),
        (35, vec![DOMAIN, 0x103, 0, WINDOW_BASE, 40]),
        (35, vec![PROCESS, 0x103, 0, 0, 40]),
        (35, vec![PROCESS, 0x207, 0, BLOCK_BYTES, 512]),
        (64, vec![GUEST, BUFFER, 0]),
        (65, vec![THREAD, GUEST]),
        (49, vec![THREAD, BUFFER, PAGE_BYTES]),
        (51, vec![THREAD, NOTIFICATION]),
        (50, vec![OTHER, ENDPOINT]),
        (48, vec![THREAD, 0, PROCESS]),
        (48, vec![OTHER, 0, DOMAIN]),
        (52, vec![THREAD, 200, 1000]),
        (53, vec![THREAD, 0x1000, 0x2000, 0, 0]),
    ];
    for (number, registers) in steps {
        let (status, _) = fixture.syscall(number, &registers);
        assert_eq!(status, 0, "call {number} with {registers:?}");
        fixture.check();
    }
}

fn slot() -> impl Strategy<Value = u64> + Clone {
    FIRST..FIRST + SLOTS
}

fn space() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(PROCESS), 2 => Just(DOMAIN), 1 => slot()]
}

fn memory() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(MEMORY), 1 => Just(BLOCKS), 1 => Just(BUFFER), 1 => slot()]
}

fn address() -> impl Strategy<Value = u64> {
    let base = prop_oneof![
        3 => Just(0),
        2 => Just(BLOCK_BYTES),
        1 => Just(1 << 30),
        1 => Just(3 << 39),
        2 => Just(WINDOW_BASE),
        1 => Just(WINDOW_BASE - PAGE_BYTES),
    ];
    (base, prop_oneof![2 => Just(0), 1 => 0u64..64])
        .prop_map(|(base, page)| base + page * PAGE_BYTES)
}

fn pages() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0u64..50, 2 => Just(512), 1 => 500u64..1100]
}

/// How often a call that works in bounded steps is repeated: x2, which it does not look at.
fn rounds() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), Just(100)]
}

/// A register: a slot in use, a small number, an address, or anything.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => slot(),
        4 => 0u64..20,
        1 => Just(RAM),
        2 => (0u64..64).prop_map(|page| page * PAGE_BYTES),
        1 => (0u64..64).prop_map(|page| WINDOW_BASE + page * PAGE_BYTES),
        1 => any::<u64>(),
    ]
}

/// Objects out of the test's memory, capabilities copied, moved, deleted and revoked.
fn capability_step() -> impl Strategy<Value = Step> {
    let argument = prop_oneof![Just(0), Just(8), Just(PAGE_BYTES), Just(64 * PAGE_BYTES)];
    let source = prop_oneof![1 => Just(RAM), 2 => Just(UNTYPED), 1 => slot()];
    let control = prop_oneof![Just(4u64), slot()];
    prop_oneof![
        4 => (source, 0u64..16, argument, slot(), 1u64..3)
            .prop_map(|(from, kind, bytes, at, count)| (16, vec![from, kind, bytes, 0, at, count])),
        3 => (slot(), slot(), 0u64..16, 0u64..3)
            .prop_map(|(from, to, rights, badge)| (17, vec![from, 0, to, rights, badge])),
        2 => (slot(), slot()).prop_map(|(from, to)| (18, vec![from, 0, to])),
        3 => (slot(), rounds()).prop_map(|(at, rounds)| (19, vec![0, at, rounds])),
        2 => (slot(), rounds()).prop_map(|(at, rounds)| (20, vec![at, 0, rounds])),
        1 => (memory(), slot(), 0u64..4, 1u64..40).prop_map(|(from, to, page, pages)| {
            (21, vec![from, 0, to, page * PAGE_BYTES, pages * PAGE_BYTES, 7])
        }),
        1 => (control, 30u64..40, slot())
            .prop_map(|(control, line, at)| (72, vec![control, UNTYPED, line, 0, 0, at])),
    ]
}

fn space_step() -> impl Strategy<Value = Step> {
    let map = (space(), 0u64..4, 1u64..8, 0u64..64, address(), pages());
    prop_oneof![
        4 => map.prop_map(|(space, index, access, page, address, pages)| {
            (35, vec![space, index << 8 | access, page * PAGE_BYTES, address, pages])
        }),
        3 => (space(), address(), pages()).prop_map(|(space, at, pages)| (36, vec![space, at, pages])),
        2 => (space(), address(), pages(), 0u64..8)
            .prop_map(|(space, at, pages, access)| (37, vec![space, at, pages, access])),
        2 => (space(), 0u64..4, memory()).prop_map(|(space, index, from)| (33, vec![space, index, from])),
        2 => (space(), 0u64..4, rounds())
            .prop_map(|(space, index, rounds)| (34, vec![space, index, rounds])),
        1 => (space(), slot()).prop_map(|(space, tables)| (32, vec![space, tables])),
        1 => (space(), space(), 0u64..2).prop_map(|(space, domain, view)| (39, vec![space, domain, view])),
        1 => space().prop_map(|space| (40, vec![space])),
        1 => (space(), 0u64..4).prop_map(|(space, count)| (38, vec![space, count])),
    ]
}

fn thread() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(THREAD), 3 => Just(OTHER), 1 => slot()]
}

fn thread_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => thread().prop_map(|thread| (53, vec![thread, 0x1000, 0x2000, 1, 0])),
        1 => thread().prop_map(|thread| (54, vec![thread])),
        1 => (thread(), 190u64..203).prop_map(|(thread, priority)| (52, vec![thread, priority, 1000])),
        1 => (thread(), space()).prop_map(|(thread, space)| (48, vec![thread, 0, space])),
        1 => (thread(), memory()).prop_map(|(thread, from)| (49, vec![thread, from, PAGE_BYTES])),
        1 => (thread(), slot()).prop_map(|(thread, endpoint)| (50, vec![thread, endpoint])),
        1 => (thread(), slot()).prop_map(|(thread, object)| (51, vec![thread, object])),
        1 => (slot(), memory()).prop_map(|(guest, from)| (64, vec![guest, from, 0])),
        1 => (thread(), slot()).prop_map(|(thread, guest)| (65, vec![thread, guest])),
        1 => slot().prop_map(|guest| (66, vec![guest])),
        1 => (slot(), slot()).prop_map(|(irq, object)| (73, vec![irq, object])),
        1 => Just((ABORT, vec![])),
        1 => Just((TIMER, vec![])),
        1 => (30u64..40).prop_map(|line| (LINE, vec![line])),
    ]
}

/// The calls that block or switch, with registers that make sense in most cases.
fn ipc_step() -> impl Strategy<Value = Step> {
    let object = prop_oneof![2 => Just(NOTIFICATION), 1 => slot()];
    let endpoint = prop_oneof![4 => Just(ENDPOINT), 1 => slot()];
    let reply = prop_oneof![4 => Just(REPLY), 1 => slot()];
    let bytes = prop_oneof![3 => 0usize..65, 1 => Just(200)];
    let deadline = prop_oneof![3 => Just(0u64), 1 => 1u64..1000];
    let number = proptest::sample::select(vec![1u64, 2, 3, 4, 4, 8, 9, 9]);
    let parts = (number, endpoint, reply, bytes, 0usize..2, slot(), slot(), deadline.clone());
    let message = parts.prop_map(|(number, endpoint, reply, bytes, caps, sent, into, deadline)| {
        let mut registers = vec![0; 18];
        registers[9] = endpoint;
        registers[10] = MessageInfo::new(1, bytes, caps).0;
        registers[11] = sent;
        registers[15] = into;
        registers[16] = deadline;
        registers[17] = reply;
        (number, registers)
    });
    let signal = (proptest::sample::select(vec![5u64, 6, 7, 7]), object, deadline)
        .prop_map(|(number, object, deadline)| (number, vec![object, deadline]));
    prop_oneof![3 => message, 2 => signal]
}

/// Any call at all.
fn wild_step() -> impl Strategy<Value = Step> {
    let table: Vec<u64> = CALLS.iter().map(|call| call.number).collect();
    let number = prop_oneof![
        3 => proptest::sample::select(table),
        2 => proptest::sample::select((1u64..11).collect::<Vec<_>>()),
        1 => any::<u64>(),
    ];
    (number, proptest::collection::vec(word(), 18))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => capability_step(),
        4 => space_step(),
        3 => thread_step(),
        3 => ipc_step(),
        2 => wild_step(),
    ]
}

/// Calls that would take root's own ground away are left out: the test could not go on.
fn spares_root(number: u64, registers: &[u64]) -> bool {
    let first = registers.first().copied().unwrap_or(0);
    match number {
        19 => registers.get(1).is_some_and(|slot| (FIRST..FIRST + SLOTS).contains(slot)),
        18 | 20 => (FIRST..FIRST + SLOTS).contains(&first),
        54 | 80 | 81 => first != 3,
        32..=40 | 48 => first != 2 && first != 3,
        _ => true,
    }
}

/// A system call of the current thread, which may not be there any more afterwards.
fn trap(fixture: &mut Fixture, number: u64, registers: &[u64]) {
    let Some(thread) = fixture.kernel.cpu().current else { return };
    let context = &mut fixture.kernel.store.get_mut(thread).context;
    context.x[..registers.len()].copy_from_slice(registers);
    context.x[8] = number;
    fixture.kernel.exception(0x15 << 26, 0);
    let rounds = if matches!(number, 19 | 20 | 34) { registers[2].min(100) } else { 1 };
    if fixture.kernel.cpu().current == Some(thread) && rounds > 1 {
        let [left, .., status] = fixture.kernel.store.get(thread).context.x[..9] else { return };
        if status == 0 && left != 0 {
            fixture.check();
            let mut again = registers.to_vec();
            again[2] = rounds - 1;
            trap(fixture, number, &again);
        }
    }
}

fn run(steps: Vec<Step>) {
    let mut fixture = Fixture::new(8);
    prepare(&mut fixture);
    for (number, registers) in steps {
        if !spares_root(number, &registers) {
            continue;
        }
        let kernel = &mut fixture.kernel;
        if kernel.cpu().current.is_none() {
            // Everybody waits: time passes until somebody's deadline comes.
            let Some(first) = kernel.first_deadline else { return };
            let deadline = kernel.store.get(first).deadline;
            kernel.machine.now = kernel.machine.now.max(deadline);
            kernel.timer();
            fixture.check();
            continue;
        }
        match number {
            TIMER => {
                kernel.machine.now = kernel.machine.now.saturating_add(1_000_000);
                kernel.timer();
            }
            LINE => {
                kernel.interrupt(registers[0] as u32);
            }
            // One that is in its guest gets out of it first.
            _ if number == ABORT || kernel.machine.current.in_guest => {
                kernel.exception(0x24 << 26, 0x123_4000);
            }
            _ => trap(&mut fixture, number, &registers),
        }
        fixture.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 2000, ..Default::default() })]

    #[test]
    fn random_calls_keep_the_invariants(steps in proptest::collection::vec(step(), 1..80)) {
        run(steps);
    }
}
