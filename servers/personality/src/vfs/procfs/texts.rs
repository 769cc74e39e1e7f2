//! The texts of a process' files, as proc(5) describes them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::Shared;
use super::source::ProcessInfo;
use crate::frames::PAGE;
use crate::vfs::abi::{major, minor};
use crate::vfs::synthetic::line;

/// Makes the text of a file of a process or thread; `None` when it has ended.
type Generate = fn(&Shared, u32, u32) -> Option<Vec<u8>>;

/// The files in `/proc/PID` and `/proc/PID/task/TID`: name, permission bits, text.
pub(super) const FILES: &[(&str, u16, Generate)] = &[
    ("cgroup", 0o444, |shared, pid, _| shared.source.process(pid).map(|_| line("0::/"))),
    ("cmdline", 0o444, |shared, pid, _| shared.source.arguments(pid)),
    ("comm", 0o444, comm),
    ("coredump_filter", 0o444, |shared, pid, _| {
        shared.source.process(pid).map(|_| line("00000033"))
    }),
    ("environ", 0o400, |shared, pid, _| shared.source.environment(pid)),
    ("maps", 0o444, maps),
    ("mountinfo", 0o444, |shared, _, _| Some(mount_info(shared))),
    ("mounts", 0o444, |shared, _, _| Some(mounts(shared))),
    ("oom_score_adj", 0o444, |shared, pid, _| shared.source.process(pid).map(|_| line("0"))),
    ("stat", 0o444, stat),
    ("statm", 0o444, statm),
    ("status", 0o444, status),
];

fn comm(shared: &Shared, pid: u32, tid: u32) -> Option<Vec<u8>> {
    let mut name = shared.source.thread_name(pid, tid)?;
    name.push(b'\n');
    Some(name)
}

fn info(shared: &Shared, pid: u32, tid: u32) -> Option<ProcessInfo> {
    let mut info = shared.source.process(pid)?;
    if tid != pid {
        info.name = shared.source.thread_name(pid, tid)?;
        info.pid = tid;
    }
    Some(info)
}

/// The 52 fields of `/proc/PID/stat`.
fn stat(shared: &Shared, pid: u32, tid: u32) -> Option<Vec<u8>> {
    let info = info(shared, pid, tid)?;
    let mut text = Vec::from(format!("{} (", info.pid));
    text.extend_from_slice(&info.name);
    let ProcessInfo { state, parent, group, session, user_ticks, system_ticks, .. } = info;
    let ProcessInfo { threads, start_ticks, virtual_bytes, resident_pages, .. } = info;
    let ProcessInfo { pending, blocked, ignored, caught, .. } = info;
    // tty_nr and tpgid: the console is the only terminal there is.
    let tty = crate::vfs::device::CONSOLE;
    let rest = format!(
        ") {state} {parent} {group} {session} {tty} {group} 0 0 0 0 0 {user_ticks} {system_ticks} 0 0 \
         20 0 {threads} 0 {start_ticks} {virtual_bytes} {resident_pages} 18446744073709551615 \
         0 0 0 0 0 {pending} {blocked} {ignored} {caught} 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    );
    text.extend_from_slice(rest.as_bytes());
    Some(text)
}

fn statm(shared: &Shared, pid: u32, _: u32) -> Option<Vec<u8>> {
    let info = shared.source.process(pid)?;
    let pages = info.virtual_bytes / PAGE as u64;
    Some(line(&format!("{pages} {} 0 0 0 {pages} 0", info.resident_pages)))
}

fn status(shared: &Shared, pid: u32, tid: u32) -> Option<Vec<u8>> {
    let info = info(shared, pid, tid)?;
    let state = match info.state {
        'R' => "R (running)",
        'T' => "T (stopped)",
        'Z' => "Z (zombie)",
        _ => "S (sleeping)",
    };
    let name = String::from_utf8_lossy(&info.name);
    let mut text = format!(
        "Name:\t{name}\nUmask:\t{:04o}\nState:\t{state}\nTgid:\t{pid}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\n\
         TracerPid:\t0\n",
        shared.source.fs(pid).map_or(0, |fs| fs.umask),
        info.pid,
        info.parent,
    );
    for (label, ids) in [("Uid", info.uids), ("Gid", info.gids)] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label}:\t{}\t{}\t{}\t{}", ids[0], ids[1], ids[2], ids[3]);
    }
    let _ = write!(
        text,
        "FDSize:\t64\nGroups:\t\nVmPeak:\t{0:8} kB\nVmSize:\t{0:8} kB\nVmRSS:\t{1:8} kB\nThreads:\t{2}\n\
         SigPnd:\t{3:016x}\nShdPnd:\t{3:016x}\nSigBlk:\t{4:016x}\nSigIgn:\t{5:016x}\nSigCgt:\t{6:016x}\n",
        info.virtual_bytes / 1024,
        info.resident_pages * (PAGE as u64 / 1024),
        info.threads,
        info.pending,
        info.blocked,
        info.ignored,
        info.caught,
    );
    Some(text.into_bytes())
}

fn maps(shared: &Shared, pid: u32, _: u32) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for map in shared.source.maps(pid)? {
        let flag = |is_set, letter| if is_set { letter } else { '-' };
        let (device, inode) = map.identity;
        let mut line = format!(
            "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {inode} ",
            map.start,
            map.end,
            flag(map.read, 'r'),
            flag(map.write, 'w'),
            flag(map.execute, 'x'),
            if map.shared { 's' } else { 'p' },
            map.offset,
            major(device),
            minor(device),
        );
        if !map.name.is_empty() {
            // The name starts in column 73.
            while line.len() < 73 {
                line.push(' ');
            }
        }
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(&map.name);
        text.push(b'\n');
    }
    Some(text)
}

/// Where a mount is, from the root of everything, with blanks as octal escapes.
fn mount_point(shared: &Shared, mount: &crate::vfs::place::Mount) -> String {
    let path = mount.covers.as_ref().map(|covered| covered.path(&shared.mounts.root()));
    let path = match path {
        Some(Ok(path)) => path,
        _ => b"/".to_vec(),
    };
    let mut text = String::new();
    for byte in path {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => {
                let _ = write!(text, "\\{byte:03o}");
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

const OPTIONS: &str = "rw,noatime";

fn mounts(shared: &Shared) -> Vec<u8> {
    let mut text = String::new();
    for mount in shared.mounts.list() {
        let kind = mount.type_name;
        let _ = writeln!(text, "{kind} {} {kind} {OPTIONS} 0 0", mount_point(shared, &mount));
    }
    text.into_bytes()
}

fn mount_info(shared: &Shared) -> Vec<u8> {
    let mut text = String::new();
    for mount in shared.mounts.list() {
        let above = mount.covers.as_ref().map_or(0, |covered| covered.mount.id);
        let device = mount.root.identity().0;
        let _ = writeln!(
            text,
            "{} {above} {}:{} / {} {OPTIONS} - {kind} {kind} rw",
            mount.id,
            major(device),
            minor(device),
            mount_point(shared, &mount),
            kind = mount.type_name,
        );
    }
    text.into_bytes()
}
