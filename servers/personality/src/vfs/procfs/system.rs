//! The texts of the system's files, as proc(5) describes them.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use super::Shared;
use super::source::SystemInfo;
use crate::frames::PAGE;
use crate::vfs::synthetic::{Files, line};

/// Clock ticks in a second, as programs know them (`AT_CLKTCK`).
const TICKS: u64 = 100;
const NS_PER_TICK: u64 = 1_000_000_000 / TICKS;

/// The files, in the order of their paths.
pub(super) static FILES: Files<Arc<Shared>> = &[
    ("cgroups", |_| line("#subsys_name\thierarchy\tnum_cgroups\tenabled")),
    ("cmdline", |shared| with_newline(system(shared).command_line)),
    ("cpuinfo", |shared| cpuinfo(&system(shared))),
    ("filesystems", |_| b"nodev\tproc\nnodev\tsysfs\nnodev\ttmpfs\nnodev\tdevtmpfs\n".to_vec()),
    ("loadavg", |shared| loadavg(&system(shared))),
    ("meminfo", |shared| meminfo(&system(shared))),
    ("stat", |shared| stat(&system(shared))),
    ("sys/fs/file-max", |_| line("1048576")),
    ("sys/fs/nr_open", |_| line("1048576")),
    ("sys/fs/pipe-max-size", |_| line("1048576")),
    ("sys/kernel/cap_last_cap", |_| line("40")),
    ("sys/kernel/hostname", |shared| with_newline(system(shared).host_name)),
    ("sys/kernel/ngroups_max", |_| line("65536")),
    ("sys/kernel/osrelease", |shared| line(system(shared).release)),
    ("sys/kernel/ostype", |_| line("Linux")),
    ("sys/kernel/pid_max", |_| line("4194304")),
    ("sys/kernel/threads-max", |_| line("32768")),
    ("sys/kernel/version", |shared| line(system(shared).version)),
    ("sys/net/core/somaxconn", |_| line("4096")),
    ("sys/vm/max_map_count", |_| line("65530")),
    ("sys/vm/overcommit_memory", |_| line("0")),
    ("uptime", |shared| uptime(&system(shared))),
    ("version", |shared| version(&system(shared))),
];

fn system(shared: &Shared) -> SystemInfo {
    shared.source.system()
}

fn with_newline(mut text: Vec<u8>) -> Vec<u8> {
    text.push(b'\n');
    text
}

fn version(info: &SystemInfo) -> Vec<u8> {
    line(&format!("Linux version {} {}", info.release, info.version))
}

/// Seconds with two digits behind the point.
fn seconds(ns: u64) -> String {
    format!("{}.{:02}", ns / 1_000_000_000, ns % 1_000_000_000 / 10_000_000)
}

fn uptime(info: &SystemInfo) -> Vec<u8> {
    line(&format!("{} {}", seconds(info.uptime_ns), seconds(info.idle_ns)))
}

fn loadavg(info: &SystemInfo) -> Vec<u8> {
    let SystemInfo { running, threads, last_pid, .. } = info;
    line(&format!("0.00 0.00 0.00 {running}/{threads} {last_pid}"))
}

fn meminfo(info: &SystemInfo) -> Vec<u8> {
    let kib = |pages: u64| pages * (PAGE as u64 / 1024);
    let (total, free) = (kib(info.total_pages), kib(info.free_pages));
    let mut text = String::new();
    let rows = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", total - free),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Shmem", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
    ];
    for (name, value) in rows {
        // Writing to a string cannot fail. The value ends in column 24, as Linux has it.
        let _ = writeln!(text, "{:<16}{value:8} kB", format!("{name}:"));
    }
    text.into_bytes()
}

fn stat(info: &SystemInfo) -> Vec<u8> {
    let cpus = u64::from(info.cpus.max(1));
    let idle = info.idle_ns / NS_PER_TICK;
    let busy = (cpus * info.uptime_ns / NS_PER_TICK).saturating_sub(idle);
    let mut text = String::new();
    let mut row = |name: &str, busy: u64, idle: u64| {
        let _ = writeln!(text, "{name} {busy} 0 0 {idle} 0 0 0 0 0 0");
    };
    row("cpu ", busy, idle);
    for cpu in 0..cpus {
        row(&format!("cpu{cpu}"), busy / cpus, idle / cpus);
    }
    let _ = write!(
        text,
        "intr 0\nctxt 0\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked 0\n",
        info.boot_seconds, info.forks, info.running
    );
    text.into_bytes()
}

fn cpuinfo(info: &SystemInfo) -> Vec<u8> {
    let mut text = String::new();
    // BogoMIPS is twice the counter's frequency in MHz on arm64, with two digits.
    let bogo = info.counter_hz / 5_000;
    for cpu in 0..info.cpus.max(1) {
        let _ = write!(
            text,
            "processor\t: {cpu}\nBogoMIPS\t: {}.{:02}\nFeatures\t: {}\nCPU implementer\t: 0x{:02x}\n\
             CPU architecture: 8\nCPU variant\t: 0x{:x}\nCPU part\t: 0x{:03x}\nCPU revision\t: {}\n\n",
            bogo / 100,
            bogo % 100,
            info.features,
            info.midr >> 24,
            info.midr >> 20 & 0xf,
            info.midr >> 4 & 0xfff,
            info.midr & 0xf,
        );
    }
    text.into_bytes()
}
