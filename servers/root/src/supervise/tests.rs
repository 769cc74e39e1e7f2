//! Tests of supervision with a host that only notes what it is asked.

use super::*;
use crate::load::Loaded;
use ipc_proto::call::CallError;
use ipc_proto::loopback::Loopback;
use ipc_proto::supervisor::Client;

#[derive(Debug, Default)]
struct FakeHost {
    text: String,
    status: Option<i32>,
    drained: Option<CPtr>,
}

impl Host for FakeHost {
    fn write(&mut self, text: &str) {
        self.text += text;
    }
    fn counter(&self) -> u64 {
        5_000
    }
    fn power_off(&mut self, status: i32) {
        self.status = Some(status);
    }
    fn ask_to_drain(&mut self, notification: CPtr) {
        self.drained = Some(notification);
    }
    fn registers(&mut self, _: CPtr) -> Option<[u64; REGISTERS]> {
        let mut registers = [0; REGISTERS];
        registers[29] = 0x9000;
        registers[32] = 0x40_0010;
        Some(registers)
    }
    fn word(&self, address: u64) -> u64 {
        if address == 0x1_2008 { 0x40_0020 } else { 0 }
    }
    fn memory(&self) -> MemoryReport {
        MemoryReport { total: 2, free: 1 }
    }
}

fn running(name: &str, is_console: bool) -> Running {
    let loaded = Loaded {
        block: CPtr(1),
        seen_at: 0x1_0000,
        start: 0,
        start_bytes: 0,
        buffer: 0,
        stack: (0x9000, 0x1000),
        image: (0x40_0000, 0x1000),
        heap: (0, 0),
        entry: 0x40_0000,
    };
    let name = name.try_into().unwrap();
    Running { name, thread: CPtr(2), notification: Some(CPtr(9)), loaded, is_console }
}

fn root() -> Root<FakeHost> {
    let servers = [running("console", true), running("personality", false)];
    Root::new(FakeHost::default(), servers.into(), Timeline::new(1_000_000), true, true)
}

fn connect(client: u16, root: Root<FakeHost>) -> Loopback<Root<FakeHost>> {
    Loopback::new(root, Caller { client, protocol: Protocol::Supervisor as u8 }.to_badge())
}

#[test]
fn exit_waits_until_the_console_is_drained() {
    let personality = connect(2, root());
    Client(&personality).stage(Text::prefix("first program")).unwrap();
    Client(&personality).exit(3).unwrap();
    Client(&personality).exit(4).unwrap();
    personality
        .with(|root| assert_eq!((root.host.status, root.host.drained), (None, Some(CPtr(9)))));
    let console = connect(1, personality.into_inner());
    Client(&console).exit(0).unwrap();
    let host = console.into_inner().host;
    assert_eq!(host.status, Some(3));
    assert!(host.text.contains("personality: first program"));
    assert!(host.text.contains("osv: exit status 3\n"));
}

#[test]
fn a_death_is_reported_and_ends_the_system() {
    let mut root = root();
    let badge = Caller { client: 2, protocol: 0 }.to_badge();
    let fault = Fault { syndrome: 0x24 << 26 | 7, address: 8, pc: 0x40_0010, sp: 0x9000 };
    assert_eq!(root.fault(badge, fault), Verdict::Leave);
    assert_eq!(root.host.status, Some(DEATH_STATUS));
    let text = &root.host.text;
    assert!(text.contains("server personality died: data abort, nothing mapped reading 0x8"));
    assert!(text.contains("    personality+0x20\n"), "{text}");
    assert!(text.contains("osv: the system stops\n"));
}

#[test]
fn other_protocols_and_strangers_get_nothing() {
    let stranger = Loopback::new(root(), Caller { client: 2, protocol: 1 }.to_badge());
    assert_eq!(Client(&stranger).exit(0), Err(CallError::Malformed));
    let mut root = root();
    let badge = Caller { client: 77, protocol: 0 }.to_badge();
    root.fault(badge, Fault { syndrome: 0, address: 0, pc: 0x10, sp: 0 });
    assert!(root.host.text.contains("an unknown thread died at 0x10"));
}
