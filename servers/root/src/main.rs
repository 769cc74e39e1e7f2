//! Root's program: starts the system that the command line names, then supervises it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

#[expect(unsafe_code, reason = "memory that root has mapped for itself")]
mod window;

use alloc::format;
use alloc::string::ToString;
use core::convert::Infallible;
use ipc_proto::abi::boot_info::{BootInfo, slots};
use ipc_proto::abi::word::{CPtr, ObjectKind, Rights};
use ipc_proto::capability::Cap;
use ipc_proto::supervisor::MemoryReport;
use ipc_proto::system::{DRAIN_SIGNAL, Name, ROOT};
use libosv::slots as free_slots;
use libosv::syscall::{self, Kernel, Svc, kernel};
use libosv::time;
use root::archives::Archives;
use root::boot::{self, Machine};
use root::command_line;
use root::domain::{BOOTFS_ATTACHMENT, INITRD_ATTACHMENT};
use root::error::BootError;
use root::layout::{BOOTFS_ADDRESS, INITRD_ADDRESS};
use root::objects::{Mapping, Objects};
use root::random::Random;
use root::report::REGISTERS;
use root::supervise::{DEATH_STATUS, Host, Root};
use root::timeline::Timeline;
use window::Mapped;

/// Root answers before anything else happens.
const PRIORITY: u64 = 255;
/// Root's time slice in microseconds.
const SLICE_US: u64 = 10_000;

// The heap holds names, lists and texts.
libosv::boot_entry!(program, 128 << 10);

fn program(info: &'static BootInfo<'static>) {
    libosv::start::at_panic(|| power_off(DEATH_STATUS));
    let Err(error) = run(info);
    write(&format!("osv: {error}\n"));
    power_off(error.status() as i32);
    write("osv: the machine cannot power itself off\n");
}

/// Starts the system and serves it, for ever.
fn run(info: &'static BootInfo<'static>) -> Result<Infallible, BootError> {
    let mut timeline = Timeline::new(info.platform.counter_hz);
    for stage in &info.stages {
        timeline.note("kernel", stage.name, stage.counter);
    }
    timeline.note(ROOT, "started", time::now());
    kernel()
        .thread_set_schedule(slots::THREAD, PRIORITY, SLICE_US)
        .map_err(BootError::refused("thread_set_schedule"))?;
    let line = command_line::parse(info.command_line)
        .map_err(|error| BootError::CommandLine(error.to_string()))?;
    let objects = Objects::new(kernel(), &info.memory, free_slots::allocate);
    let own = Name::try_from(ROOT).unwrap_or_default();
    let own_endpoint = objects.make(&own, ObjectKind::Endpoint, 0)?;
    let reply = objects.make(&own, ObjectKind::Reply, 0)?;
    let archives = map_archives(&objects, &own, info)?;
    let system = boot::find_system(&archives, &line)?;
    timeline.note(ROOT, "system description read", time::now());
    let endpoints = boot::make_endpoints(&objects, &system)?;
    let machine = Machine { info, line, archives, own_endpoint, endpoints };
    let mut random = Random::new(info.seed, time::now());
    let servers = boot::start_servers(&objects, &mut Mapped, &machine, &system, &mut random)?;
    timeline.note(ROOT, "servers started", time::now());
    let (has_bootchart, is_verbose) = (machine.line.has_bootchart, machine.line.is_verbose);
    let mut root = Root::new(Supervised { objects }, servers, timeline, has_bootchart, is_verbose);
    let rejection = libosv::ipc::serve(&mut root, Cap::new(own_endpoint), Cap::new(reply));
    Err(BootError::Refused("to serve", rejection.to_string()))
}

/// Maps bootfs and the initrd for root to read.
fn map_archives(
    objects: &Objects<Svc>,
    own: &Name,
    info: &BootInfo<'_>,
) -> Result<Archives<'static>, BootError> {
    let map = |memory: CPtr, attachment: u64, address: u64, bytes: u64| {
        objects.attach(slots::VSPACE, attachment, memory)?;
        let (vspace, access, offset) = (slots::VSPACE, Rights::READ, 0);
        objects.map(own, Mapping { vspace, attachment, access, offset, address, bytes })?;
        #[expect(unsafe_code, reason = "memory that root has mapped for itself")]
        // SAFETY: [window.mapped] mapped just now.
        Ok(unsafe { Mapped.archive(address, bytes) })
    };
    let bootfs = map(slots::BOOTFS, BOOTFS_ATTACHMENT, BOOTFS_ADDRESS, info.bootfs_bytes)?;
    let initrd = match info.initrd_bytes {
        0 => None,
        bytes => Some(map(slots::INITRD, INITRD_ATTACHMENT, INITRD_ADDRESS, bytes)?),
    };
    Ok(Archives { bootfs, initrd })
}

fn write(text: &str) {
    // There is nobody to tell if it fails.
    let _ = syscall::debug_write(Cap::new(slots::DEBUG_CONSOLE), text.as_bytes());
}

fn power_off(status: i32) {
    // It returns only if the machine cannot be powered off.
    let _ = kernel().power_off(slots::POWER, u64::from(status as u32));
}

/// The machine under supervision.
struct Supervised {
    objects: Objects<Svc>,
}

impl Host for Supervised {
    fn write(&mut self, text: &str) {
        write(text);
    }
    fn counter(&self) -> u64 {
        time::now()
    }
    fn power_off(&mut self, status: i32) {
        power_off(status);
    }
    fn ask_to_drain(&mut self, notification: CPtr) {
        let asked = self.objects.slot().and_then(|slot| {
            let minted = kernel().copy(notification, CPtr::NULL, slot, Rights::WRITE, DRAIN_SIGNAL);
            minted.map(|()| slot).map_err(BootError::refused("copy"))
        });
        let signalled = asked.map(|slot| syscall::signal(Cap::new(slot)));
        if !matches!(signalled, Ok(Ok(()))) {
            // Without the console's help its last bytes are lost, but the system ends.
            power_off(DEATH_STATUS);
        }
    }
    fn registers(&mut self, thread: CPtr) -> Option<[u64; REGISTERS]> {
        kernel().thread_read_registers(thread).ok()?;
        Svc.with_buffer(|buffer| {
            let mut words = [0; REGISTERS];
            for (word, bytes) in words.iter_mut().zip(buffer.chunks_exact(8)) {
                *word = bytes.try_into().map_or(0, u64::from_le_bytes);
            }
            words
        })
    }
    fn word(&self, address: u64) -> u64 {
        Mapped.word(address)
    }
    fn memory(&self) -> MemoryReport {
        MemoryReport { total: self.objects.ram, free: self.objects.free_bytes() }
    }
}
