//! Tests of the server over a loopback, on a UART with a small FIFO that the test empties.

use super::*;
use ipc_proto::abi::boot_info::UartKind;
use ipc_proto::abi::word::{CPtr, ObjectKind};
use ipc_proto::call::CallError;
use ipc_proto::loopback::Loopback;
use ipc_proto::system::ConsoleConfig;
use std::collections::VecDeque;

#[derive(Debug, Default)]
struct FakeUart {
    arrived: VecDeque<u8>,
    fifo: usize,
    fifo_bytes: usize,
    /// The wire takes what is in the FIFO whenever the interrupts are chosen.
    is_sending: bool,
    sent: std::vec::Vec<u8>,
    interrupts: Option<(ReceiveInterrupt, TransmitInterrupt)>,
}

impl Uart for FakeUart {
    fn configure(&mut self) {
        self.set_interrupts(ReceiveInterrupt::On, TransmitInterrupt::Off);
    }
    fn receive(&mut self) -> Option<Received> {
        self.arrived.pop_front().map(Received::Byte)
    }
    fn transmit(&mut self, byte: u8) -> bool {
        let has_room = self.fifo < self.fifo_bytes;
        if has_room {
            self.fifo += 1;
            self.sent.push(byte);
        }
        has_room
    }
    fn is_idle(&mut self) -> bool {
        self.fifo == 0
    }
    fn set_interrupts(&mut self, receive: ReceiveInterrupt, transmit: TransmitInterrupt) {
        self.interrupts = Some((receive, transmit));
        if self.is_sending {
            self.fifo = 0;
        }
    }
    fn clear_interrupts(&mut self) {}
}

#[derive(Debug, Default)]
struct FakeHost {
    signals: std::vec::Vec<CPtr>,
    acknowledged: usize,
    drained: usize,
}

impl Host for FakeHost {
    fn signal(&mut self, notification: Cap<kind::Notification>) {
        self.signals.push(notification.slot());
    }
    fn acknowledge(&mut self) {
        self.acknowledged += 1;
    }
    fn report_drained(&mut self) {
        self.drained += 1;
    }
}

type Fake = Loopback<ConsoleServer<FakeUart, FakeHost>>;

fn connect(protocol: Protocol, fifo_bytes: usize) -> Fake {
    let clients = ["root", "personality"].map(|name| name.try_into().unwrap());
    let start = ConsoleStart {
        config: ConsoleConfig { rows: 24, columns: 80 },
        uart: UartKind::Pl011,
        clients: clients.into_iter().collect(),
        is_verbose: false,
    };
    let uart = FakeUart { fifo_bytes, ..FakeUart::default() };
    let server = ConsoleServer::new(uart, FakeHost::default(), start);
    let kinds = [Some(ObjectKind::Notification), None, None, None];
    let badge = Caller { client: 1, protocol: protocol as u8 }.to_badge();
    Loopback::new(server, badge).with_kinds(kinds)
}

fn write_text(client: &console::Client<&Fake>, text: &str) -> u32 {
    client.write(Bytes::from_slice(text.as_bytes()).unwrap()).unwrap()
}

fn type_in(fake: &Fake, text: &str) {
    fake.with(|server| {
        server.uart.arrived.extend(text.bytes());
        server.signal(1);
    });
}

#[test]
fn what_does_not_fit_the_fifo_follows_by_interrupt() {
    let fake = connect(Protocol::Console, 4);
    let client = console::Client(&fake);
    assert_eq!(write_text(&client, "hello\n"), 6);
    fake.with(|server| {
        assert_eq!(server.uart.sent, b"hell");
        let both = (ReceiveInterrupt::On, TransmitInterrupt::On);
        assert_eq!(server.uart.interrupts, Some(both));
        server.uart.fifo = 0;
        server.signal(1);
        assert_eq!(server.uart.sent, b"hello\r\n");
        let receive_only = (ReceiveInterrupt::On, TransmitInterrupt::Off);
        assert_eq!(server.uart.interrupts, Some(receive_only));
        assert_eq!(server.host.acknowledged, 1);
    });
}

#[test]
fn drain_returns_when_everything_is_out() {
    let fake = connect(Protocol::Console, 2);
    let client = console::Client(&fake);
    write_text(&client, "0123456789");
    fake.with(|server| server.uart.is_sending = true);
    client.drain().unwrap();
    fake.with(|server| assert_eq!(server.uart.sent, b"0123456789"));
}

#[test]
fn root_hears_when_the_last_bytes_are_out() {
    let fake = connect(Protocol::Console, 2);
    write_text(&console::Client(&fake), "bye\n");
    fake.with(|server| {
        server.uart.is_sending = true;
        server.signal(system::DRAIN_SIGNAL);
        assert_eq!(server.uart.sent, b"bye\r\n");
        assert_eq!((server.host.drained, server.host.acknowledged), (1, 0));
    });
}

#[test]
fn a_watcher_is_signalled_once_until_it_asks() {
    let fake = connect(Protocol::Console, 16);
    let client = console::Client(&fake);
    client.watch(Cap::new(CPtr(9))).unwrap();
    type_in(&fake, "a");
    fake.with(|server| assert!(server.host.signals.is_empty()));
    type_in(&fake, "\rb\r");
    type_in(&fake, "c\r");
    fake.with(|server| assert_eq!(server.host.signals, [CPtr(9)]));
    assert_eq!(client.events(), Ok(Events::INPUT));
    assert_eq!(client.events(), Ok(Events::default()));
    assert_eq!(client.read(100).unwrap().as_slice(), b"a\n");
    assert_eq!(client.readable(), Ok(4));
    type_in(&fake, "\x03");
    fake.with(|server| assert_eq!(server.host.signals, [CPtr(9), CPtr(9)]));
    assert_eq!(client.events(), Ok(Events::INTERRUPT));
}

#[test]
fn a_writer_that_was_turned_away_hears_when_there_is_room() {
    let fake = connect(Protocol::Console, 0);
    let client = console::Client(&fake);
    client.watch(Cap::new(CPtr(9))).unwrap();
    let chunk = Bytes::from_slice(&[b'x'; CHUNK_BYTES]).unwrap();
    let mut taken = 0;
    loop {
        match client.write(chunk.clone()).unwrap() {
            0 => break,
            count => taken += count as usize,
        }
    }
    fake.with(|server| {
        assert!(server.host.signals.is_empty());
        server.uart.fifo_bytes = usize::MAX;
        server.signal(1);
        assert_eq!(server.uart.sent.len(), taken);
        assert_eq!(server.host.signals, [CPtr(9)]);
    });
    assert_eq!(client.events(), Ok(Events::OUTPUT));
}

#[test]
fn input_waits_in_the_uart_while_nobody_reads() {
    let fake = connect(Protocol::Console, usize::MAX);
    let client = console::Client(&fake);
    let typed = "0123456\r".repeat(2000);
    type_in(&fake, &typed);
    fake.with(|server| {
        assert!(!server.uart.arrived.is_empty());
        let none = (ReceiveInterrupt::Off, TransmitInterrupt::Off);
        assert_eq!(server.uart.interrupts, Some(none));
    });
    let lines = core::iter::from_fn(|| client.read(100).ok().filter(|line| !line.is_empty()));
    assert_eq!(lines.filter(|line| line.as_slice() == b"0123456\n").count(), 2000);
}

#[test]
fn the_end_of_the_file_is_an_error_of_its_own() {
    let fake = connect(Protocol::Console, 16);
    let client = console::Client(&fake);
    type_in(&fake, "\x04");
    assert_eq!(client.read(10), Err(CallError::Server(ConsoleError::EndOfFile)));
    assert_eq!(client.read(10).unwrap().as_slice(), b"");
}

#[test]
fn log_lines_have_a_line_of_their_own_and_the_clients_name() {
    let fake = connect(Protocol::Log, 1000);
    let client = log::Client(&fake);
    fake.with(|server| server.terminal.write(b"$ "));
    client.line(Level::Warn, Text::prefix("no such call\nat all")).unwrap();
    client.line(Level::Info, Text::prefix("not shown")).unwrap();
    let expected = b"$ \r\npersonality: warning: no such call\r\nat all\r\n";
    fake.with(|server| assert_eq!(server.uart.sent, expected));
}

#[test]
fn a_badge_of_another_protocol_is_refused() {
    let fake = connect(Protocol::Supervisor, 16);
    assert_eq!(console::Client(&fake).readable(), Err(CallError::Malformed));
}

#[test]
fn what_comes_during_the_set_up_is_kept() {
    let config = ConsoleConfig { rows: 24, columns: 80 };
    let (uart, clients) = (UartKind::Pl011, heapless::Vec::new());
    let start = ConsoleStart { config, uart, clients, is_verbose: false };
    let uart = FakeUart { arrived: b"ls\n".iter().copied().collect(), ..FakeUart::default() };
    let mut server = ConsoleServer::new(uart, FakeHost::default(), start);
    let mut line = [0; 8];
    assert_eq!(server.terminal.read(&mut line), crate::input::ReadOutcome::Bytes(3));
    assert_eq!(&line[..3], b"ls\n");
}
