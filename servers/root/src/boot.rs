//! Starting a system: from its description to running servers.

use crate::archives::Archives;
use crate::command_line::CommandLine;
use crate::domain::{Domains, FIRST_BLOCK_ATTACHMENT, Place};
use crate::error::BootError;
use crate::grant::{Grantee, is_root};
use crate::layout;
use crate::load::{self, BUFFER_OFFSET, Loaded, Window};
use crate::objects::Objects;
use crate::random::Random;
use alloc::vec::Vec;
use ipc_proto::abi::boot_info::{BootInfo, UartKind};
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::syscalls::Trap;
use ipc_proto::abi::word::{CPtr, ObjectKind, Rights};
use ipc_proto::call::decode_exactly;
use ipc_proto::start::{Span, StartInfo};
use ipc_proto::system::{
    Caller, Config, ConsoleStart, Name, PersonalityStart, Server, Source, SystemDescription,
};

/// Time slice of servers' threads in microseconds.
const SLICE_US: u64 = 10_000;
/// Most bytes of a server's encoded configuration.
const CONFIG_BYTES: usize = 3 << 10;

/// What root knows while it starts the servers.
#[derive(Debug)]
pub struct Machine<'a> {
    /// What the kernel told.
    pub info: &'a BootInfo<'a>,
    /// What the command line asks for.
    pub line: CommandLine<'a>,
    /// Where files come from.
    pub archives: Archives<'a>,
    /// The endpoint that root itself serves.
    pub own_endpoint: CPtr,
    /// The endpoints of the servers that serve.
    pub endpoints: Vec<(Name, CPtr)>,
}

impl Machine<'_> {
    /// Returns the endpoint that `server` receives on.
    #[must_use]
    pub fn endpoint(&self, server: &Name) -> Option<CPtr> {
        if is_root(server) {
            return Some(self.own_endpoint);
        }
        self.endpoints.iter().find(|(name, _)| name == server).map(|(_, slot)| *slot)
    }
}

/// A server that was started.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name.
    pub name: Name,
    /// Its main thread.
    pub thread: CPtr,
    /// The notification bound to its main thread.
    pub notification: Option<CPtr>,
    /// Its memory.
    pub loaded: Loaded,
    /// It serves the console.
    pub is_console: bool,
}

/// Reads the description of the system that the command line names.
///
/// # Errors
/// If there is none, or it does not decode.
pub fn find_system(
    archives: &Archives<'_>,
    line: &CommandLine<'_>,
) -> Result<SystemDescription, BootError> {
    let mut name = Name::new();
    // The name of the default system fits.
    let _ = name.push_str(line.system.as_deref().unwrap_or("strict"));
    let mut path = heapless::String::<32>::new();
    let _ = path.push_str("/system/");
    let _ = path.push_str(&name);
    let file = archives.find(&path)?.ok_or_else(|| BootError::NoSystem(name.clone()))?;
    decode_exactly(file.data).map_err(|_| BootError::BadSystem(name))
}

/// Makes the endpoints of all servers that serve.
///
/// # Errors
/// If there is no memory for them.
pub fn make_endpoints<T: Trap>(
    objects: &Objects<T>,
    system: &SystemDescription,
) -> Result<Vec<(Name, CPtr)>, BootError> {
    let serves = |server: &&Server| {
        server.holds.iter().any(|hold| matches!(hold.what, Source::Serve { .. }))
    };
    let make = |server: &Server| {
        let endpoint = objects.make(&server.name, ObjectKind::Endpoint, 0)?;
        Ok((server.name.clone(), endpoint))
    };
    system.servers.iter().filter(serves).map(make).collect()
}

/// Starts every server of `system`, in its order.
///
/// # Errors
/// What keeps one from being started.
pub fn start_servers<T: Trap>(
    objects: &Objects<T>,
    window: &mut impl Window,
    machine: &Machine<'_>,
    system: &SystemDescription,
    random: &mut Random,
) -> Result<Vec<Running>, BootError> {
    let mut domains = Domains::new(objects, system)?;
    let mut running = Vec::new();
    let mut waiting = Vec::new();
    for (index, server) in system.servers.iter().enumerate() {
        let no_domain = || BootError::NotThere(server.name.clone(), server.domain.clone());
        let mut place = domains.place(&server.domain, random.word()).ok_or_else(no_domain)?;
        let pages = u64::from(server.tables_kib) * 1024 / PAGE_BYTES;
        if pages > 0 {
            objects.supply(&server.name, place.vspace, pages)?;
        }
        let seen = (layout::server_address(index), FIRST_BLOCK_ATTACHMENT + index as u64);
        let archives = &machine.archives;
        let loaded = load::load(objects, window, archives, server, &mut place, seen)?;
        let mut grantee = Grantee::new(objects, server, index as u16 + 1)?;
        set_up_thread(objects, machine, &grantee, &place, &loaded)?;
        // The pool is what everybody else leaves.
        let is_pool = |what: &Source| *what == Source::Pool;
        for hold in server.holds.iter().filter(|hold| !is_pool(&hold.what)) {
            grantee.grant(objects, machine, &mut place, hold)?;
        }
        let serves_console = |hold: &ipc_proto::system::Hold| {
            use ipc_proto::system::Protocol;
            matches!(&hold.what, Source::Serve { protocols } if protocols.contains(&Protocol::Console))
        };
        running.push(Running {
            name: server.name.clone(),
            thread: grantee.thread,
            notification: grantee.notification,
            loaded,
            is_console: server.holds.iter().any(serves_console),
        });
        waiting.push((grantee, place, loaded));
    }
    for (grantee, place, loaded) in &mut waiting {
        let server = grantee.server;
        if let Some(hold) = server.holds.iter().find(|hold| hold.what == Source::Pool) {
            grantee.grant(objects, machine, place, hold)?;
        }
        write_start(window, machine, system, grantee, place, loaded, random.seed())?;
        start_thread(objects, grantee.thread, loaded)?;
    }
    Ok(running)
}

/// Binds a server's main thread to its spaces, buffer, fault endpoint and notification.
fn set_up_thread<T: Trap>(
    objects: &Objects<T>,
    machine: &Machine<'_>,
    grantee: &Grantee<'_>,
    place: &Place,
    loaded: &Loaded,
) -> Result<(), BootError> {
    let (kernel, thread) = (&objects.kernel, grantee.thread);
    kernel
        .thread_set_spaces(thread, grantee.cspace, place.vspace)
        .map_err(BootError::refused("thread_set_spaces"))?;
    kernel
        .thread_set_buffer(thread, loaded.block, BUFFER_OFFSET)
        .map_err(BootError::refused("thread_set_buffer"))?;
    let fault = objects.slot()?;
    let badge = Caller { client: grantee.client, protocol: 0 }.to_badge().0;
    kernel
        .copy(machine.own_endpoint, CPtr::NULL, fault, Rights::WRITE.union(Rights::GRANT), badge)
        .map_err(BootError::refused("copy"))?;
    kernel.thread_set_fault(thread, fault).map_err(BootError::refused("thread_set_fault"))?;
    let priority = u64::from(grantee.server.priority);
    kernel
        .thread_set_schedule(thread, priority, SLICE_US)
        .map_err(BootError::refused("thread_set_schedule"))?;
    match grantee.notification {
        Some(notification) => kernel
            .thread_bind_notification(thread, notification)
            .map_err(BootError::refused("thread_bind_notification")),
        None => Ok(()),
    }
}

/// Writes a server's start information into its start page, and the length before it.
fn write_start(
    window: &mut impl Window,
    machine: &Machine<'_>,
    system: &SystemDescription,
    grantee: &Grantee<'_>,
    place: &Place,
    loaded: &mut Loaded,
    seed: [u8; 32],
) -> Result<(), BootError> {
    let server = grantee.server;
    let too_long = || BootError::StartTooLong(server.name.clone());
    let mut config = [0; CONFIG_BYTES];
    let config = encode_config(machine, system, server, &mut config).ok_or_else(too_long)?;
    let (free_window, free_window_bytes) = place.slice.rest();
    let free_slots = server.slots.saturating_sub(grantee.next_slot);
    let start = StartInfo {
        arguments: machine.info.command_line,
        config,
        capabilities: grantee.capabilities.iter().copied().collect(),
        regions: grantee.regions.iter().copied().collect(),
        free_slots: Span { first: grantee.next_slot, count: free_slots },
        free_attachments: place.free_attachments(),
        free_window,
        free_window_bytes,
        image: loaded.image.0,
        image_bytes: loaded.image.1,
        heap: loaded.heap.0,
        heap_bytes: loaded.heap.1,
        stack: loaded.stack.0,
        stack_bytes: loaded.stack.1,
        buffer: loaded.buffer,
        seed,
        ..StartInfo::new(&server.name, machine.info.platform)
    };
    let page = window.bytes(loaded.seen_at, PAGE_BYTES);
    loaded.start_bytes = start.encode(page).map_err(|_| too_long())? as u64;
    Ok(())
}

fn encode_config<'a>(
    machine: &Machine<'_>,
    system: &SystemDescription,
    server: &Server,
    space: &'a mut [u8],
) -> Option<&'a [u8]> {
    let encoded = match &server.config {
        None => return Some(&[]),
        Some(Config::Console(config)) => {
            let mut clients = heapless::Vec::new();
            clients.push(Name::try_from(ipc_proto::system::ROOT).ok()?).ok()?;
            clients.extend(system.servers.iter().map(|server| server.name.clone()));
            let uart = machine.info.platform.uart.map_or(UartKind::Pl011, |uart| uart.kind);
            let is_verbose = machine.line.is_verbose;
            let start = ConsoleStart { config: *config, uart, clients, is_verbose };
            postcard::to_slice(&start, space)
        }
        Some(Config::Personality(config)) => {
            let start = PersonalityStart {
                config: *config,
                arguments: &machine.line.arguments,
                environment: &machine.line.environment,
                directory: machine.line.directory,
                is_verbose: machine.line.is_verbose,
            };
            postcard::to_slice(&start, space)
        }
    };
    encoded.ok().map(|bytes| &*bytes)
}

/// Starts a server's main thread: the start page's address in x0, the length of what is in it
/// in TPIDR_EL0, for there is one argument.
fn start_thread<T: Trap>(
    objects: &Objects<T>,
    thread: CPtr,
    loaded: &Loaded,
) -> Result<(), BootError> {
    let sp = loaded.stack.0 + loaded.stack.1;
    let started =
        objects.kernel.thread_start(thread, loaded.entry, sp, loaded.start, loaded.start_bytes);
    started.map_err(BootError::refused("thread_start"))
}
