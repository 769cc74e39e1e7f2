//! Random system calls, nonsense and almost right ones: nothing may panic, and the invariants
//! hold after every one.

use ipc_proto::abi::layout::{PAGE_BYTES, WINDOW_BASE};
use ipc_proto::abi::syscalls::CALLS;
use microkernel_core::fake::Fixture;
use proptest::prelude::*;

/// First of the slots that the test uses.
const FIRST: u64 = 200;
/// Number of slots that the test uses.
const SLOTS: u64 = 12;

/// A register: a slot in use, a small number, an address, or anything.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => FIRST..FIRST + SLOTS,
        4 => 0u64..20,
        1 => Just(16),
        2 => (0u64..64).prop_map(|page| page * PAGE_BYTES),
        1 => (0u64..64).prop_map(|page| WINDOW_BASE + page * PAGE_BYTES),
        1 => any::<u64>(),
    ]
}

/// A `retype` of the boot-time memory into one of the test's slots.
fn retype() -> impl Strategy<Value = (u64, Vec<u64>)> {
    let argument = prop_oneof![Just(0), Just(8), Just(PAGE_BYTES), Just(64 * PAGE_BYTES)];
    let source = prop_oneof![Just(16u64), FIRST..FIRST + SLOTS];
    (source, 0u64..16, argument, FIRST..FIRST + SLOTS, 1u64..3)
        .prop_map(|(source, kind, bytes, slot, count)| (16, vec![source, kind, bytes, 0, slot, count]))
}

/// A call: its number and registers x0–x17.
fn call() -> impl Strategy<Value = (u64, Vec<u64>)> {
    let table: Vec<u64> = CALLS.iter().map(|call| call.number).collect();
    let number = prop_oneof![
        3 => proptest::sample::select(table),
        // The calls that block or switch; not `run`: there is no guest to come back.
        2 => proptest::sample::select(vec![1u64, 2, 3, 4, 5, 6, 7, 8, 10]),
        1 => any::<u64>(),
    ];
    let any_call = (number, proptest::collection::vec(word(), 18));
    prop_oneof![2 => retype(), 3 => any_call]
}

/// Calls that would take root's own ground away are left out: the test could not go on.
fn spares_root(number: u64, registers: &[u64]) -> bool {
    let first = registers.first().copied().unwrap_or(0);
    match number {
        19 => registers.get(1).is_some_and(|slot| (FIRST..FIRST + SLOTS).contains(slot)),
        18 | 20 => (FIRST..FIRST + SLOTS).contains(&first),
        54 | 80 | 81 => first != 3,
        _ => true,
    }
}

fn run(calls: Vec<(u64, Vec<u64>)>) {
    let mut fixture = Fixture::new(8);
    for (number, registers) in calls {
        if !spares_root(number, &registers) {
            continue;
        }
        if fixture.kernel.cpu().current.is_none() {
            // Everybody waits: time passes until somebody's deadline comes.
            fixture.kernel.machine.now = u64::MAX - 1;
            fixture.kernel.timer();
        }
        let Some(thread) = fixture.kernel.cpu().current else { return };
        let context = &mut fixture.kernel.store.get_mut(thread).context;
        context.x[..registers.len()].copy_from_slice(&registers);
        context.x[8] = number;
        fixture.kernel.exception(0x15 << 26, 0);
        fixture.kernel.check_invariants(fixture.root);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2000, ..Default::default() })]

    #[test]
    fn random_calls_keep_the_invariants(calls in proptest::collection::vec(call(), 1..80)) {
        run(calls);
    }
}
