//! Transport and serve loop over a fake kernel that passes messages as the real one does.

use super::{Badge, CallError, Endpoint, Message, Service, serve_on};
use crate::syscall::{Arrived, Buffer, Kernel, Sent, WORDS};
use ipc_proto::abi::fault::Fault;
use ipc_proto::abi::layout::{MESSAGE_BYTES, REGISTER_BYTES};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::syscalls::{Trap, ipc};
use ipc_proto::abi::word::CPtr;
use ipc_proto::call::{Malformed, Verdict};
use ipc_proto::capability::{Cap, kind};
use ipc_proto::console::{self, Console, ConsoleError};
use ipc_proto::data::{Bytes, Text};
use ipc_proto::log;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What the fake kernel gives at the next trap, or why it does not.
#[derive(Clone, Debug)]
struct Script {
    status: u64,
    badge: u64,
    label: u16,
    message: Vec<u8>,
}

/// What a program sent.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    number: u64,
    label: u16,
    message: Vec<u8>,
}

#[derive(Clone, Default)]
struct Fake(Rc<Inner>);

struct Inner {
    script: RefCell<VecDeque<Script>>,
    seen: RefCell<Vec<Seen>>,
    buffer: RefCell<Box<Buffer>>,
}

impl Default for Inner {
    fn default() -> Self {
        let (script, seen) = (RefCell::default(), RefCell::default());
        Inner { script, seen, buffer: RefCell::new(Box::new([0; MESSAGE_BYTES])) }
    }
}

impl Fake {
    fn gives(self, label: u16, message: &[u8]) -> Fake {
        self.says(Script { status: 0, badge: 7, label, message: message.to_vec() })
    }
    fn rejects(self, rejection: Rejection) -> Fake {
        let (status, message) = (rejection as u64, Vec::new());
        self.says(Script { status, badge: 0, label: 0, message })
    }
    fn says(self, script: Script) -> Fake {
        self.0.script.borrow_mut().push_back(script);
        self
    }
    fn seen(&self) -> Vec<Seen> {
        self.0.seen.borrow().clone()
    }
    fn endpoint(&self) -> Endpoint<Fake> {
        Endpoint::with_kernel(Cap::new(CPtr(3)), self.clone())
    }
}

impl Trap for Fake {
    fn trap(&self, _: u64, _: [u64; 6]) -> (u64, [u64; 4]) {
        (Rejection::NoSuchCall as u64, [0; 4])
    }
}

impl Kernel for Fake {
    fn exchange<const N: usize>(&self, number: u64, sent: &Sent<N>) -> Arrived {
        let length = sent.info.bytes();
        let message = if sent.info.is_short() {
            let mut bytes: Vec<u8> =
                sent.words.iter().flat_map(|word| word.to_le_bytes()).collect();
            assert!(bytes.len() >= length, "a register that the length covers was left out");
            bytes.truncate(length);
            bytes
        } else {
            self.0.buffer.borrow()[..length].to_vec()
        };
        let seen = Seen { number, label: sent.info.label(), message };
        self.0.seen.borrow_mut().push(seen);
        let next = self.0.script.borrow_mut().pop_front();
        let Some(Script { status, badge, label, message }) = next else {
            let status = Rejection::NoSuchSlot as u64;
            return Arrived { status, badge: 0, info: 0, words: [0; WORDS] };
        };
        let mut words = [0x5555; WORDS];
        if message.len() > REGISTER_BYTES {
            self.0.buffer.borrow_mut()[..message.len()].copy_from_slice(&message);
        } else {
            for (word, bytes) in words.iter_mut().zip(message.chunks(8)) {
                let mut padded = [0; 8];
                padded[..bytes.len()].copy_from_slice(bytes);
                *word = u64::from_le_bytes(padded);
            }
        }
        Arrived { status, badge, info: MessageInfo::new(label, message.len(), 0).0, words }
    }

    fn with_buffer<R>(&self, look: impl FnOnce(&mut Buffer) -> R) -> Option<R> {
        Some(look(&mut self.0.buffer.borrow_mut()))
    }
}

#[test]
fn a_short_call_travels_in_registers() {
    let fake = Fake::default().gives(0, &[0, 5]);
    assert_eq!(console::Client(fake.endpoint()).readable(), Ok(5));
    assert_eq!(fake.seen(), [Seen { number: ipc::CALL, label: 5, message: vec![] }]);
}

#[test]
fn a_long_request_lies_in_the_buffer_and_a_short_one_of_the_same_operation_does_not() {
    let fake = Fake::default().gives(0, &[0, 0xe8, 7]).gives(0, &[0, 3]);
    let client = console::Client(fake.endpoint());
    assert_eq!(client.write(Bytes::prefix(&[b'x'; 1000])), Ok(1000));
    assert_eq!(client.write(Bytes::prefix(b"abc")), Ok(3));
    let [long, short] = &fake.seen()[..] else { panic!("two calls") };
    assert_eq!((long.message.len(), long.message[2..].iter().all(|b| *b == b'x')), (1002, true));
    assert_eq!(short.message, b"\x03abc");
}

#[test]
fn a_long_reply_is_read_from_the_buffer() {
    let mut reply = vec![0, 100];
    reply.extend([9; 100]);
    let fake = Fake::default().gives(0, &reply);
    assert_eq!(console::Client(fake.endpoint()).read(100), Ok(Bytes::prefix(&[9; 100])));
}

#[test]
fn the_servers_refusal_reaches_the_caller() {
    let fake = Fake::default().gives(0, &[1, 0]);
    let refusal = console::Client(fake.endpoint()).read(1);
    assert_eq!(refusal, Err(CallError::Server(ConsoleError::EndOfFile)));
}

#[test]
fn only_an_idempotent_request_is_repeated_when_its_server_dies() {
    let fake = Fake::default().rejects(Rejection::ServerDied).gives(0, &[0, 1]);
    assert_eq!(console::Client(fake.endpoint()).readable(), Ok(1));
    assert_eq!(fake.seen().len(), 2);

    let fake = Fake::default().rejects(Rejection::ServerDied).gives(0, &[0, 1]);
    let written = console::Client(fake.endpoint()).write(Bytes::prefix(b"x"));
    assert_eq!(written, Err(CallError::ServerDied));
}

#[test]
fn rejections_and_malformed_replies_are_told_apart() {
    let rejected = CallError::Rejected(Rejection::MissingRight);
    let cases: [(Fake, CallError<ConsoleError>); 5] = [
        (Fake::default().rejects(Rejection::MissingRight), rejected),
        (Fake::default().gives(MessageInfo::MALFORMED_LABEL, &[]), CallError::Malformed),
        (Fake::default().gives(0, &[]), CallError::Malformed),
        (Fake::default().gives(0, &[0, 1, 1]), CallError::Malformed),
        (Fake::default().gives(0, &[0; 100]), CallError::Malformed),
    ];
    for (fake, error) in cases {
        assert_eq!(console::Client(fake.endpoint()).readable(), Err(error));
    }
}

/// A terminal that remembers, behind the console's protocol and the log's (badge 9).
#[derive(Default)]
struct Terminal {
    written: Vec<u8>,
    signals: Vec<u64>,
    faults: Vec<(Badge, Fault)>,
}

impl Console for Terminal {
    fn write(&mut self, _: Badge, bytes: Bytes<1024>) -> Result<u32, ConsoleError> {
        self.written.extend_from_slice(&bytes);
        Ok(bytes.len() as u32)
    }
    fn read(&mut self, _: Badge, limit: u32) -> Result<Bytes<1024>, ConsoleError> {
        Ok(Bytes::prefix(&vec![b'r'; limit as usize]))
    }
    fn modes(&mut self, _: Badge) -> Result<console::Modes, ConsoleError> {
        Ok(console::Modes::default())
    }
    fn set_modes(&mut self, _: Badge, _: console::Modes) -> Result<(), ConsoleError> {
        Ok(())
    }
    fn readable(&mut self, _: Badge) -> Result<u32, ConsoleError> {
        Err(ConsoleError::EndOfFile)
    }
    fn window(&mut self, _: Badge) -> Result<console::WindowSize, ConsoleError> {
        Ok(console::WindowSize::default())
    }
    fn flush_input(&mut self, _: Badge) -> Result<(), ConsoleError> {
        Ok(())
    }
    fn drain(&mut self, _: Badge) -> Result<(), ConsoleError> {
        Ok(())
    }
    fn watch(&mut self, _: Badge, _: Cap<kind::Notification>) -> Result<(), ConsoleError> {
        Ok(())
    }
    fn events(&mut self, _: Badge) -> Result<console::Events, ConsoleError> {
        Ok(console::Events::default())
    }
}

impl log::Log for Terminal {
    fn line(&mut self, _: Badge, _: log::Level, text: Text<240>) -> Result<(), log::LogError> {
        self.written.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Service for Terminal {
    const MAX_MESSAGE: usize = console::MAX_MESSAGE;
    fn request(&mut self, message: Message<'_>) -> Result<usize, Malformed> {
        match message.caller {
            Badge(9) => log::dispatch(self, message),
            _ => console::dispatch(self, message),
        }
    }
    fn signal(&mut self, bits: u64) {
        self.signals.push(bits);
    }
    fn fault(&mut self, thread: Badge, fault: Fault) -> Verdict {
        self.faults.push((thread, fault));
        if fault.pc == 1 { Verdict::Resume } else { Verdict::Leave }
    }
}

fn run(fake: &Fake) -> Terminal {
    let mut terminal = Terminal::default();
    let end = serve_on(fake, &mut terminal, Cap::new(CPtr(4)), Cap::new(CPtr(5)));
    assert_eq!(end, Rejection::NoSuchSlot);
    terminal
}

#[test]
fn the_loop_answers_each_request_with_the_next_receive() {
    let log = Script { status: 0, badge: 9, label: 1, message: vec![2, 2, b'h', b'i'] };
    let mut long = vec![0x80, 1];
    long.extend([b'l'; 128]);
    let fake = Fake::default().gives(1, b"\x01a").gives(5, &[]).gives(1, &long).says(log);
    assert_eq!(run(&fake).written, [b"a".as_slice(), &[b'l'; 128], b"hi"].concat());
    let seen = fake.seen();
    let sent: Vec<_> = seen.iter().map(|seen| (seen.number, &seen.message[..])).collect();
    let again = ipc::REPLY_RECV;
    let (one, end, many): (&[u8], &[u8], &[u8]) = (&[0, 1], &[1, 0], &[0, 0x80, 1]);
    assert_eq!(
        sent,
        [(ipc::RECV, &[][..]), (again, one), (again, end), (again, many), (again, &[0])]
    );
}

#[test]
fn a_long_answer_goes_through_the_buffer() {
    let fake = Fake::default().gives(2, &[200, 1]);
    run(&fake);
    let answer = &fake.seen()[1].message;
    assert_eq!((answer.len(), &answer[..4]), (203, &[0, 200, 1, b'r'][..]));
}

#[test]
fn a_request_that_stands_for_nothing_is_answered_so() {
    let fake = Fake::default().gives(77, &[]).gives(5, &[1]).gives(1, &[0; 4000]);
    run(&fake);
    let labels: Vec<_> = fake.seen()[1..].iter().map(|seen| seen.label).collect();
    assert_eq!(labels, [MessageInfo::MALFORMED_LABEL; 3]);
}

#[test]
fn signals_and_faults_reach_the_service() {
    let fault = |pc: u64| {
        let words = Fault { syndrome: 1, address: 2, pc, sp: 4 }.to_words();
        let message = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Script { status: 0, badge: 21, label: MessageInfo::FAULT_LABEL, message }
    };
    let signal =
        Script { status: 0, badge: 6, label: MessageInfo::SIGNAL_LABEL, message: Vec::new() };
    let fake = Fake::default().says(signal).says(fault(1)).says(fault(3));
    let terminal = run(&fake);
    assert_eq!(terminal.signals, [6]);
    assert_eq!(terminal.faults.iter().map(|(who, _)| who.0).collect::<Vec<_>>(), [21, 21]);
    let calls: Vec<_> = fake.seen().iter().map(|seen| seen.number).collect();
    assert_eq!(calls, [ipc::RECV, ipc::RECV, ipc::REPLY_RECV, ipc::RECV]);
}
