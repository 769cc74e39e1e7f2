//! Two programs in one: the server that answers at once, and the client that measures it. Which
//! of them it is follows from what it holds: an endpoint to serve, or endpoints to call.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use core::sync::atomic::{AtomicBool, Ordering};
use ipc_bench::tenths_of_ns;
use ipc_proto::abi::layout::{PAGE_BYTES, REGISTER_BYTES};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::syscalls::ipc;
use ipc_proto::abi::word::{CPtr, MapFlags, Rights};
use ipc_proto::call::{Badge, Malformed, Message, Service};
use ipc_proto::capability::{Cap, kind};
use ipc_proto::data::Text;
use ipc_proto::echo::{self, Echo, EchoError};
use ipc_proto::supervisor;
use libosv::cap::untyped;
use libosv::ipc::Endpoint;
use libosv::start::StartInfo;
use libosv::syscall::{self, Kernel, Sent, Svc, WORDS};
use libosv::{thread, time};

libosv::entry!(program);

/// Calls of one measurement.
const ROUNDS: u64 = 10_000;
/// This program's priority (image/systems/bench.toml).
const OWN_PRIORITY: u8 = 100;
/// Priority of the thread that is woken: above this program's own.
const WOKEN_PRIORITY: u8 = 120;

fn program(start: &'static StartInfo<'static>) {
    match start.capability("serve") {
        Some(endpoint) => serve(start, endpoint),
        None => measure(start),
    }
}

/// The server.
struct Nothing;

impl Echo for Nothing {
    fn null(&mut self, _caller: Badge) -> Result<(), EchoError> {
        Ok(())
    }
}

/// A server that gives back what it gets, in all message registers.
struct Mirror;

impl Service for Mirror {
    const MAX_MESSAGE: usize = 1024;

    fn request(&mut self, message: Message<'_>) -> Result<usize, Malformed> {
        Ok(message.length)
    }
}

fn serve(start: &StartInfo<'_>, endpoint: Cap<kind::Endpoint>) {
    let reply = start.capability("reply").expect("a Reply to serve with");
    let rejection = match start.name {
        "mirror" => libosv::ipc::serve(&mut Mirror, endpoint, reply),
        _ => libosv::ipc::serve(&mut echo::Server(Nothing), endpoint, reply),
    };
    panic!("cannot serve: {rejection}");
}

/// The client: prints a line `bench NAME VALUE UNIT` for each figure, and ends the system.
fn measure(start: &'static StartInfo<'static>) {
    let console = start.capability("debug").expect("the debug console");
    let print = |name: &str, tenths: u64| {
        let line = format!("bench {name} {}.{} ns\n", tenths / 10, tenths % 10);
        // Without a console there is nobody to tell.
        let _ = syscall::debug_write(console, line.as_bytes());
    };
    let near = start.capability("near").expect("the server in this window");
    let far = start.capability("far").expect("the server in another window");
    print("ipc_null_same", null_call(near));
    print("ipc_null_other", null_call(far));
    let mirror = start.capability("mirror").expect("the server that gives back");
    print("ipc_64_other", full_call(mirror));
    print("ipc_1k_other", long_call(mirror));
    let mut room = Room::new(start);
    print("notify_wake", wake(&mut room));
    print("yield", yield_between(&mut room));
    print("fault_reply", fault(&mut room));
    let [map_one, unmap_one, map_many, unmap_many] = mapping(&mut room);
    print("map_one", map_one);
    print("unmap_one", unmap_one);
    print("map_512_each", map_many);
    print("unmap_512_each", unmap_many);
    let supervisor = start.capability("supervisor").expect("an endpoint of root's");
    let _ = supervisor::Client(Endpoint::new(supervisor)).exit(0);
}

/// Measures `work`, in tenths of a nanosecond a round.
fn timed(mut work: impl FnMut()) -> u64 {
    work();
    let begin = time::now();
    for _ in 0..ROUNDS {
        work();
    }
    tenths_of_ns(time::now() - begin, ROUNDS, time::counter_hz())
}

fn null_call(server: Cap<kind::Endpoint>) -> u64 {
    let client = echo::Client(Endpoint::new(server));
    timed(|| client.null().expect("the server answers"))
}

/// A call with all message registers full, both ways.
fn full_call(server: Cap<kind::Endpoint>) -> u64 {
    let sent = Sent {
        words: [1; WORDS],
        endpoint: server.slot(),
        info: MessageInfo::new(1, REGISTER_BYTES, 0),
        capabilities: [CPtr::NULL; 4],
        receive: CPtr::NULL,
        reply: CPtr::NULL,
    };
    timed(|| {
        let arrived = Svc.exchange(ipc::CALL, &sent);
        let length = arrived.check().expect("the server answers").bytes();
        assert_eq!((length, arrived.words), (REGISTER_BYTES, sent.words));
    })
}

/// A call with 1 KiB each way through the IPC buffers.
fn long_call(server: Cap<kind::Endpoint>) -> u64 {
    const BYTES: usize = 1024;
    let sent = Sent {
        words: [],
        endpoint: server.slot(),
        info: MessageInfo::new(1, BYTES, 0),
        capabilities: [CPtr::NULL; 4],
        receive: CPtr::NULL,
        reply: CPtr::NULL,
    };
    timed(|| {
        let arrived = Svc.exchange(ipc::CALL, &sent);
        assert_eq!(arrived.check().map(MessageInfo::bytes), Ok(BYTES));
    })
}

/// What threads and mappings are made from.
struct Room {
    untyped: Cap<kind::Untyped>,
    vspace: Cap<kind::VSpace>,
    attachment: u64,
    address: u64,
}

/// Bytes of window for each use of the room.
const STEP: u64 = 4 << 20;

impl Room {
    fn new(start: &StartInfo<'_>) -> Room {
        Room {
            untyped: start.capability("untyped").expect("memory for threads"),
            vspace: start.capability("self.vspace").expect("the own address space"),
            attachment: u64::from(start.free_attachments.first),
            // Block-aligned, so that tables are shared with nobody.
            address: start.free_window.next_multiple_of(STEP),
        }
    }

    /// Makes and attaches memory; returns it with its attachment and a range of the window.
    fn memory(&mut self, bytes: u64) -> (Cap<kind::Memory>, u64, u64) {
        let memory = untyped::make_sized::<kind::Memory>(self.untyped, bytes).expect("memory");
        let (attachment, address) = (self.attachment, self.address);
        let attached =
            syscall::kernel().vspace_attach(self.vspace.slot(), attachment, memory.slot());
        attached.expect("the attachment is free");
        self.attachment += 1;
        self.address += STEP;
        (memory, attachment, address)
    }

    /// Starts a thread.
    fn spawn(
        &mut self,
        priority: u8,
        fault: Option<Cap<kind::Endpoint>>,
        body: impl FnOnce() + Send + 'static,
    ) {
        const STACK_BYTES: u64 = 16 << 10;
        const BYTES: u64 = STACK_BYTES + PAGE_BYTES;
        let (memory, attachment, address) = self.memory(BYTES);
        let memory = (memory, BYTES);
        let mut stacks = thread::Stacks::new(
            self.vspace,
            self.untyped,
            memory,
            attachment,
            address,
            STACK_BYTES,
        );
        let place = stacks.allocate().expect("a stack can be mapped").expect("there is a place");
        let setup = thread::Setup {
            name: Text::default(),
            untyped: self.untyped,
            vspace: self.vspace,
            place,
            priority,
            slice_us: 10_000,
            fault,
            notification: None,
        };
        thread::spawn(setup, body).expect("a thread");
    }
}

/// A signal to a waiting thread of higher priority, until that thread waits again.
fn wake(room: &mut Room) -> u64 {
    let notification = untyped::make::<kind::Notification>(room.untyped).expect("memory");
    room.spawn(WOKEN_PRIORITY, None, move || while syscall::wait(notification).is_ok() {});
    timed(|| syscall::signal(notification).expect("the notification is there"))
}

/// Set when the thread that yields back should end.
static IS_DONE: AtomicBool = AtomicBool::new(false);

/// A yield that makes another thread run.
fn yield_between(room: &mut Room) -> u64 {
    room.spawn(OWN_PRIORITY, None, || {
        // The same core writes and reads it.
        while !IS_DONE.load(Ordering::Relaxed) {
            syscall::yield_now();
        }
    });
    let both = timed(syscall::yield_now);
    IS_DONE.store(true, Ordering::Relaxed);
    syscall::yield_now();
    both / 2
}

/// A fault, its message to the handler, the answer, and the thread at the same place again.
fn fault(room: &mut Room) -> u64 {
    let endpoint = untyped::make::<kind::Endpoint>(room.untyped).expect("memory");
    let reply = untyped::make::<kind::Reply>(room.untyped).expect("memory");
    let sent = Sent {
        words: [],
        endpoint: endpoint.slot(),
        info: MessageInfo(0),
        capabilities: [CPtr::NULL; 4],
        receive: CPtr::NULL,
        reply: reply.slot(),
    };
    room.spawn(OWN_PRIORITY, Some(endpoint), || syscall::breakpoint());
    let first = Svc.exchange(ipc::RECV, &sent);
    assert_eq!(first.check().map(MessageInfo::label), Ok(MessageInfo::FAULT_LABEL));
    timed(|| {
        let arrived = Svc.exchange(ipc::REPLY_RECV, &sent);
        assert_eq!(arrived.check().map(MessageInfo::label), Ok(MessageInfo::FAULT_LABEL));
    })
}

/// Mapping and unmapping, single pages and 512 in one call: tenths of a nanosecond a page.
fn mapping(room: &mut Room) -> [u64; 4] {
    const PAGES: u64 = 512;
    const REPEAT: u64 = 20;
    let (_, attachment, address) = room.memory(2 * PAGES * PAGE_BYTES);
    let vspace = room.vspace;
    let flags = MapFlags::new(attachment, Rights::READ.union(Rights::WRITE));
    // An odd page first, so that no block is used.
    let map = |page: u64, pages: u64| {
        let at = page * PAGE_BYTES;
        libosv::cap::vspace::map(vspace, room.untyped, flags, at + PAGE_BYTES, address + at, pages)
            .expect("it can be mapped");
    };
    let unmap = |page: u64, pages: u64| {
        let at = address + page * PAGE_BYTES;
        syscall::kernel().unmap(vspace.slot(), at, pages).expect("it can be unmapped");
    };
    let mut ticks = [0; 4];
    let mut count = |index: usize, work: &mut dyn FnMut()| {
        let begin = time::now();
        work();
        ticks[index] += time::now() - begin;
    };
    for _ in 0..REPEAT {
        count(0, &mut || (0..PAGES).for_each(|page| map(page, 1)));
        count(1, &mut || (0..PAGES).for_each(|page| unmap(page, 1)));
        count(2, &mut || map(0, PAGES));
        count(3, &mut || unmap(0, PAGES));
    }
    ticks.map(|ticks| tenths_of_ns(ticks, REPEAT * PAGES, time::counter_hz()))
}
