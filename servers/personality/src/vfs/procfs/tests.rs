//! Tests of `/proc`: what is where, and the formats.

use super::*;
use crate::vfs::tests::{read_all, vfs};
use crate::vfs::tree::Vfs;
use crate::vfs::walk::{LastLink, Walker};

const CALLER: Caller = Caller { pid: 1, tid: 7, session: 0, uid: 0, gid: 0 };

fn text(vfs: &Vfs, path: &str) -> String {
    let located =
        vfs.find(path.as_bytes(), &CALLER).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8(read_all(&located.place.vnode)).unwrap()
}

fn link(vfs: &Vfs, path: &str) -> Result<String, Errno> {
    let root = vfs.root();
    let walker = Walker { mounts: &vfs.mounts, root: &root, caller: &CALLER };
    let place = walker.find(&root, path.as_bytes(), LastLink::Keep)?;
    let text = match place.vnode.link_target(&CALLER)? {
        LinkTarget::Path(path) => path,
        LinkTarget::Place(located) => located.path(&root),
    };
    Ok(String::from_utf8(text).unwrap())
}

fn names(vfs: &Vfs, path: &str) -> Vec<String> {
    let place = vfs.find(path.as_bytes(), &CALLER).unwrap().place;
    let mut names = Vec::new();
    let mut last = 2;
    let mut visit = |entry: &Entry<'_>| {
        assert!(entry.next > last, "positions grow");
        last = entry.next;
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        true
    };
    place.vnode.as_directory().unwrap().entries(0, &CALLER, &mut visit).unwrap();
    names
}

#[test]
fn self_is_the_caller() {
    let vfs = vfs(b"");
    assert_eq!(link(&vfs, "/proc/self").as_deref(), Ok("1"));
    assert_eq!(link(&vfs, "/proc/thread-self").as_deref(), Ok("1/task/7"));
    assert_eq!(text(&vfs, "/proc/thread-self/comm"), "thread7\n");
    assert_eq!(link(&vfs, "/proc/self/cwd").as_deref(), Ok("/"));
    assert_eq!(text(&vfs, "/proc/self/cmdline"), "init\0-x\0");
}

#[test]
fn names_that_are_no_process_are_not_there() {
    let vfs = vfs(b"");
    for path in [
        "/proc/2",
        "/proc/01",
        "/proc/99999999999",
        "/proc/1/fd/0",
        "/proc/1/none",
        "/proc/1/task/3",
    ] {
        assert_eq!(vfs.find(path.as_bytes(), &CALLER).err(), Some(Errno::ENOENT), "{path}");
    }
}

#[test]
fn directories_list_what_they_hold() {
    let vfs = vfs(b"");
    let top = names(&vfs, "/proc");
    for name in ["1", "self", "meminfo", "sys", "mounts", "cpuinfo"] {
        assert!(top.iter().any(|one| one == name), "{name}");
    }
    assert_eq!(names(&vfs, "/proc/1/task"), ["1", "7"]);
    assert!(names(&vfs, "/proc/1").ends_with(&[
        "fd".into(),
        "task".into(),
        "cwd".into(),
        "exe".into(),
        "root".into()
    ]));
    assert!(names(&vfs, "/proc/1/fd").is_empty());
    assert_eq!(
        vfs.find(b"/proc/sys/kernel/../../1/..", &CALLER).unwrap().place.vnode.identity(),
        (20, 1)
    );
}

#[test]
fn every_text_can_be_read() {
    let vfs = vfs(b"");
    for (path, _) in system::FILES {
        assert!(text(&vfs, &format!("/proc/{path}")).ends_with('\n'), "{path}");
    }
    for (name, ..) in texts::FILES {
        assert!(!text(&vfs, &format!("/proc/1/{name}")).is_empty(), "{name}");
        assert!(!text(&vfs, &format!("/proc/1/task/7/{name}")).is_empty(), "{name}");
    }
    assert!(system::FILES.is_sorted_by_key(|(path, _)| path));
    assert!(texts::FILES.is_sorted_by_key(|(name, ..)| name));
}

#[test]
fn the_formats_are_those_that_programs_parse() {
    let vfs = vfs(b"");
    let stat = text(&vfs, "/proc/1/stat");
    assert!(stat.starts_with("1 (init) S 0 "));
    assert_eq!(stat.split(' ').count(), 52);
    assert_eq!(text(&vfs, "/proc/uptime"), "12.34 0.00\n");
    assert!(
        text(&vfs, "/proc/meminfo")
            .starts_with("MemTotal:           4000 kB\nMemFree:            1000 kB\n")
    );
    assert!(text(&vfs, "/proc/cpuinfo").contains("BogoMIPS\t: 125.00\n"));
    assert!(text(&vfs, "/proc/cpuinfo").contains("CPU implementer\t: 0x41\n"));
    assert!(text(&vfs, "/proc/stat").contains("cpu1 "));
    assert_eq!(text(&vfs, "/proc/version"), "Linux version 6.1.0 #1 SMP\n");
    let maps = text(&vfs, "/proc/1/maps");
    let expected = format!("{:73}/bin/sh\n", "00400000-00401000 r-xp 00000000 00:01 9");
    assert!(
        maps.starts_with(&format!("{expected}00500000-00501000 -w-p 00000000 00:00 0 \n")),
        "{maps}"
    );
}

#[test]
fn mounts_are_listed_with_their_places() {
    let vfs = vfs(b"");
    let mounts = text(&vfs, "/proc/mounts");
    assert!(mounts.starts_with("rootfs / rootfs rw,noatime 0 0\n"));
    assert!(mounts.contains("\ntmpfs /dev/shm tmpfs rw,noatime 0 0\n"));
    assert!(mounts.contains("\nproc /proc proc "));
    let info = text(&vfs, "/proc/self/mountinfo");
    assert!(info.starts_with("1 0 0:1 / / rw,noatime - rootfs rootfs rw\n"));
    assert!(info.contains(" / /dev/shm rw,noatime - tmpfs tmpfs rw\n"));
}
