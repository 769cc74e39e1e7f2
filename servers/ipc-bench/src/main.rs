//! Two programs in one: the server that answers at once, and the client that measures it. Which
//! of them it is follows from what it holds: an endpoint to serve, or endpoints to call.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use ipc_bench::tenths_of_ns;
use ipc_proto::abi::layout::{PAGE_BYTES, REGISTER_BYTES};
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::syscalls::ipc;
use ipc_proto::abi::word::CPtr;
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
    const MAX_MESSAGE: usize = REGISTER_BYTES;

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
    print("notify_wake", wake(start));
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

/// A signal to a waiting thread of higher priority, until that thread waits again.
fn wake(start: &'static StartInfo<'static>) -> u64 {
    let memory = start.capability("untyped").expect("memory for a thread");
    let vspace = start.capability("self.vspace").expect("the own address space");
    let notification =
        untyped::make::<kind::Notification>(memory).expect("memory for a notification");
    let place = place(start, memory, vspace);
    let setup = thread::Setup {
        name: Text::default(),
        untyped: memory,
        vspace,
        place,
        priority: WOKEN_PRIORITY,
        slice_us: 10_000,
        fault: None,
        notification: None,
    };
    let woken = Box::new(move || while syscall::wait(notification).is_ok() {});
    thread::spawn(setup, woken).expect("a thread");
    timed(|| syscall::signal(notification).expect("the notification is there"))
}

/// Maps a stack and an IPC buffer for one thread.
fn place(
    start: &StartInfo<'_>,
    tables: Cap<kind::Untyped>,
    vspace: Cap<kind::VSpace>,
) -> thread::Place {
    const STACK_BYTES: u64 = 16 << 10;
    const BYTES: u64 = STACK_BYTES + PAGE_BYTES;
    let stack = untyped::make_sized::<kind::Memory>(tables, BYTES).expect("memory for a stack");
    let attachment = u64::from(start.free_attachments.first);
    let attached = syscall::kernel().vspace_attach(vspace.slot(), attachment, stack.slot());
    attached.expect("the attachment is free");
    let (memory, window) = ((stack, BYTES), start.free_window);
    let mut stacks = thread::Stacks::new(vspace, tables, memory, attachment, window, STACK_BYTES);
    stacks.allocate().expect("a stack can be mapped").expect("there is one place")
}
