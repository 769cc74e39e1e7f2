//! Tests of the macro on a protocol of their own, and of every protocol on hostile bytes.

use super::protocol;
use crate::abi::layout::MESSAGE_BYTES;
use crate::abi::word::{CPtr, ObjectKind};
use crate::call::{Badge, CallError, Malformed, Message, Received, Retry, Service};
use crate::capability::{Cap, kind};
use crate::data::{Bytes, Text};
use crate::loopback::Loopback;
use crate::{console, log, supervisor};
use postcard::experimental::max_size::MaxSize;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, MaxSize)]
enum CounterError {
    Overflow,
    NotYours { owner: u64 },
}

mod counter {
    #![allow(unreachable_pub, reason = "the macro declares for the outside")]
    use super::CounterError;
    super::protocol! {
        /// Counts.
        protocol Counter: id = 99, version = 3, error = CounterError;
        /// Returns the value.
        1 Idempotent fn value() -> u64;
        /// Adds.
        7 Once fn add(amount: u64, times: u8) -> u64;
        /// Watches.
        9 Once fn watch(bit: u8) takes (event: Notification, memory: Memory) -> ();
    }
}

#[derive(Debug, Default)]
struct State {
    value: u64,
    watched: Option<(u8, CPtr, CPtr)>,
}

impl counter::Counter for State {
    fn value(&mut self, _: Badge) -> Result<u64, CounterError> {
        Ok(self.value)
    }
    fn add(&mut self, caller: Badge, amount: u64, times: u8) -> Result<u64, CounterError> {
        if caller != Badge(5) {
            return Err(CounterError::NotYours { owner: 5 });
        }
        let sum = amount.checked_mul(times.into()).and_then(|by| self.value.checked_add(by));
        self.value = sum.ok_or(CounterError::Overflow)?;
        Ok(self.value)
    }
    fn watch(
        &mut self,
        _: Badge,
        bit: u8,
        event: Cap<kind::Notification>,
        memory: Cap<kind::Memory>,
    ) -> Result<(), CounterError> {
        self.watched = Some((bit, event.slot(), memory.slot()));
        Ok(())
    }
}

fn client(caller: u64) -> counter::Client<Loopback<counter::Server<State>>> {
    counter::Client(Loopback::new(counter::Server(State::default()), Badge(caller)))
}

#[test]
fn a_call_reaches_the_server_and_comes_back() {
    let client = client(5);
    assert_eq!(client.add(1 << 40, 3), Ok(3 << 40));
    assert_eq!(client.value(), Ok(3 << 40));
    assert_eq!(client.add(u64::MAX, 1), Err(CallError::Server(CounterError::Overflow)));
}

#[test]
fn the_server_sees_who_calls() {
    let refusal = CounterError::NotYours { owner: 5 };
    assert_eq!(client(6).add(1, 1), Err(CallError::Server(refusal)));
}

#[test]
fn capabilities_arrive_by_kind_and_count() {
    let kinds = [Some(ObjectKind::Notification), Some(ObjectKind::Memory), None, None];
    let (event, memory) = (Cap::new(CPtr(20)), Cap::new(CPtr(21)));
    let server = counter::Server(State::default());
    let client = counter::Client(Loopback::new(server, Badge(0)).with_kinds(kinds));
    assert_eq!(client.watch(3, event, memory), Ok(()));
    client.0.with(|server| assert_eq!(server.0.watched, Some((3, CPtr(20), CPtr(21)))));

    let swapped = [kinds[1], kinds[0], None, None];
    let server = counter::Server(State::default());
    let client = counter::Client(Loopback::new(server, Badge(0)).with_kinds(swapped));
    assert_eq!(client.watch(3, event, memory), Err(CallError::Malformed));
}

fn send(service: &mut impl Service, operation: u16, request: &[u8]) -> Result<usize, Malformed> {
    let mut space = [0; MESSAGE_BYTES];
    space[..request.len()].copy_from_slice(request);
    let (caller, capabilities, length) = (Badge(5), Received::NONE, request.len());
    service.request(Message { caller, operation, capabilities, space: &mut space, length })
}

#[test]
fn a_request_with_a_byte_too_many_or_too_few_is_refused() {
    let server = &mut counter::Server(State::default());
    assert_eq!(send(server, 7, &[1, 1]), Ok(2));
    assert_eq!(send(server, 7, &[1, 1, 0]), Err(Malformed));
    assert_eq!(send(server, 7, &[1]), Err(Malformed));
    assert_eq!(send(server, 8, &[1, 1]), Err(Malformed));
    assert_eq!(send(server, 9, &[1]), Err(Malformed));
    assert_eq!(server.0.value, 1);
}

#[test]
fn the_table_says_what_was_declared() {
    let [value, add, watch] = counter::OPERATIONS else { panic!("three operations") };
    assert_eq!((counter::ID, counter::VERSION, counter::NAME), (99, 3, "Counter"));
    assert_eq!((value.number, value.retry, value.max_request), (1, Retry::Idempotent, 0));
    assert_eq!((add.number, add.name, add.max_request), (7, "add", 11));
    assert_eq!(add.max_reply, 1 + 11);
    assert_eq!(add.doc, &[" Adds."]);
    assert_eq!(watch.capabilities, &[("event", "Notification"), ("memory", "Memory")]);
    assert_eq!(counter::MAX_MESSAGE, 12);
}

#[test]
fn a_reply_is_what_postcard_makes_of_a_result() {
    let mut space = [0; 64];
    for answer in [Ok(300_u32), Err(CounterError::NotYours { owner: 9 })] {
        let length = crate::call::encode_reply(&answer, &mut space).unwrap();
        let mut plain = [0; 64];
        assert_eq!(postcard::to_slice(&answer, &mut plain).unwrap(), &space[..length]);
    }
}

struct Anything;

impl console::Console for Anything {
    fn write(&mut self, _: Badge, bytes: Bytes<1024>) -> Result<u32, console::ConsoleError> {
        Ok(bytes.len() as u32)
    }
    fn read(&mut self, _: Badge, limit: u32) -> Result<Bytes<1024>, console::ConsoleError> {
        Ok(Bytes::prefix(&[9; 1024][..limit.min(1024) as usize]))
    }
    fn modes(&mut self, _: Badge) -> Result<console::Modes, console::ConsoleError> {
        Ok(console::Modes::default())
    }
    fn set_modes(&mut self, _: Badge, _: console::Modes) -> Result<(), console::ConsoleError> {
        Ok(())
    }
    fn readable(&mut self, _: Badge) -> Result<u32, console::ConsoleError> {
        Ok(0)
    }
    fn window(&mut self, _: Badge) -> Result<console::WindowSize, console::ConsoleError> {
        Ok(console::WindowSize::default())
    }
    fn flush_input(&mut self, _: Badge) -> Result<(), console::ConsoleError> {
        Ok(())
    }
    fn drain(&mut self, _: Badge) -> Result<(), console::ConsoleError> {
        Ok(())
    }
    fn watch(&mut self, _: Badge, _: Cap<kind::Notification>) -> Result<(), console::ConsoleError> {
        Err(console::ConsoleError::TooManyWatchers)
    }
    fn events(&mut self, _: Badge) -> Result<console::Events, console::ConsoleError> {
        Ok(console::Events::INPUT)
    }
}

impl log::Log for Anything {
    fn line(&mut self, _: Badge, _: log::Level, _: Text<240>) -> Result<(), log::LogError> {
        Ok(())
    }
}

impl supervisor::Supervisor for Anything {
    fn exit(&mut self, _: Badge, _: i32) -> Result<(), supervisor::SupervisorError> {
        Err(supervisor::SupervisorError::NotAllowed)
    }
    fn stage(&mut self, _: Badge, _: Text<32>) -> Result<(), supervisor::SupervisorError> {
        Ok(())
    }
    fn memory(
        &mut self,
        _: Badge,
    ) -> Result<supervisor::MemoryReport, supervisor::SupervisorError> {
        Ok(supervisor::MemoryReport { total: u64::MAX, free: 0 })
    }
}

#[test]
fn the_longest_messages_pass() {
    let console = console::Client(Loopback::new(console::Server(Anything), Badge(1)));
    assert_eq!(console.write(Bytes::prefix(&[1; 1024])), Ok(1024));
    assert_eq!(console.read(u32::MAX).map(|bytes| bytes.len()), Ok(1024));
    let log = log::Client(Loopback::new(log::Server(Anything), Badge(1)));
    assert_eq!(log.line(log::Level::Debug, Text::prefix(&"x".repeat(300))), Ok(()));
}

proptest! {
    #[test]
    fn hostile_requests_never_panic(operation in 0_u16..16, request in any_request()) {
        let _ = send(&mut console::Server(Anything), operation, &request);
        let _ = send(&mut log::Server(Anything), operation, &request);
        let _ = send(&mut supervisor::Server(Anything), operation, &request);
        let _ = send(&mut counter::Server(State::default()), operation, &request);
    }

    #[test]
    fn hostile_replies_never_panic(reply in any_request()) {
        let _ = crate::call::decode_reply::<Bytes<1024>, CounterError>(&reply);
        let _ = crate::call::decode_reply::<console::Modes, console::ConsoleError>(&reply);
        let _ = crate::call::decode_reply::<(), log::LogError>(&reply);
    }
}

fn any_request() -> impl Strategy<Value = std::vec::Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(any::<u8>(), 0..MESSAGE_BYTES),
        prop::collection::vec(0_u8..4, 0..80),
    ]
}
