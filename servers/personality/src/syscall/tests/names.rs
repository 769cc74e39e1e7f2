//! Names and attributes of files.

use linux_raw_sys::general as linux;

use super::{ARGUMENTS, AT_FDCWD, RESULTS, program};
use crate::errno::Errno;
use crate::guest_memory::GuestMemory;
use crate::syscall::{attributes, dir, file, path, stat};
use crate::vfs::abi::O_TMPFILE;

#[test]
fn names_are_made_moved_and_removed() {
    let p = program();
    assert_eq!(p.at(path::mkdirat, "/tmp/d", &[0o777]), Ok(0));
    assert_eq!(p.at(path::mkdirat, "/tmp/d/", &[0o777]), Err(Errno::EEXIST));
    assert_eq!(p.at(path::mkdirat, "/tmp/e/", &[0o777]), Ok(0));
    assert_eq!(p.mode("/tmp/d"), Ok(0o040_755));
    p.create("/tmp/d/one");
    p.create("/tmp/d/two");
    assert_eq!(p.names("/tmp/d"), [".", "..", "one", "two"]);
    assert_eq!(p.two(path::renameat, "/tmp/d/one", "/tmp/three", 0), Ok(0));
    let keep = linux::RENAME_NOREPLACE;
    assert_eq!(p.two(path::renameat2, "/tmp/three", "/tmp/d/two", keep), Err(Errno::EEXIST));
    assert_eq!(p.two(path::renameat2, "/tmp/d", "/root/d", 0), Err(Errno::EXDEV));
    assert_eq!(p.two(path::renameat2, "/tmp", "/other", 0), Err(Errno::EBUSY));
    assert_eq!(p.two(path::renameat2, "/tmp/three/", "/tmp/x", 0), Err(Errno::ENOTDIR));
    let remove = u64::from(linux::AT_REMOVEDIR);
    for (path, flags, expected) in [
        ("/tmp/d", 0, Err(Errno::EISDIR)),
        ("/tmp/d", remove, Err(Errno::ENOTEMPTY)),
        ("/tmp/d/.", remove, Err(Errno::EINVAL)),
        ("/tmp/d/..", remove, Err(Errno::ENOTEMPTY)),
        ("/", remove, Err(Errno::EBUSY)),
        ("/tmp", remove, Err(Errno::EBUSY)),
        ("/tmp/three", remove, Err(Errno::ENOTDIR)),
        ("/tmp/three/", 0, Err(Errno::ENOTDIR)),
        ("/tmp/d/two", 0, Ok(0)),
        ("/tmp/d/two", 0, Err(Errno::ENOENT)),
        ("/tmp/d", remove, Ok(0)),
        ("/proc/meminfo", 0, Err(Errno::EPERM)),
    ] {
        assert_eq!(p.at(path::unlinkat, path, &[flags]), expected, "{path}");
    }
    assert_eq!(p.names("/tmp"), [".", "..", "e", "three"]);
}

#[test]
fn the_working_directory_follows_its_directory() {
    let p = program();
    p.at(path::mkdirat, "/tmp/d", &[0o777]).unwrap();
    let enter = p.string(ARGUMENTS, "/tmp/d");
    p.call(dir::chdir, &[enter]).unwrap();
    p.create("file");
    p.two(path::renameat, "/tmp/d", "/tmp/moved", 0).unwrap();
    assert_eq!(p.call(dir::getcwd, &[RESULTS, 100]), Ok(11));
    assert_eq!(p.result(10), "/tmp/moved");
    assert_eq!(p.call(dir::getcwd, &[RESULTS, 10]), Err(Errno::ERANGE));
    assert_eq!(p.mode("file"), Ok(0o100_644));
    p.at(path::unlinkat, "/tmp/moved/file", &[0]).unwrap();
    p.at(path::unlinkat, "/tmp/moved", &[u64::from(linux::AT_REMOVEDIR)]).unwrap();
    assert_eq!(p.call(dir::getcwd, &[RESULTS, 100]), Err(Errno::ENOENT));
    assert_eq!(p.open("new", linux::O_CREAT), Err(Errno::ENOENT));
}

#[test]
fn links_of_proc_lead_to_open_files() {
    let p = program();
    let fd = p.create("/tmp/file");
    // Descriptors of process 1 are what the tree's source shows, which this test does not feed.
    assert_eq!(p.open("/proc/self/fd/3", 0), Err(Errno::ENOENT));
    assert_eq!(p.file(fd).path(&p.task.process.system.vfs.root()), b"/tmp/file");
    p.at(path::unlinkat, "/tmp/file", &[0]).unwrap();
    assert_eq!(p.file(fd).path(&p.task.process.system.vfs.root()), b"/tmp/file (deleted)");
    let nameless = p.open("/tmp", O_TMPFILE | linux::O_RDWR).unwrap();
    assert_eq!(p.write(nameless, "x"), Ok(1));
    let empty = p.string(ARGUMENTS, "");
    let name = p.string(ARGUMENTS + 0x2000, "/tmp/named");
    let flags = u64::from(linux::AT_EMPTY_PATH);
    assert_eq!(p.call(path::linkat, &[nameless, empty, AT_FDCWD, name, flags]), Ok(0));
    assert_eq!(p.mode("/tmp/named"), Ok(0o100_644));
}

#[test]
fn attributes_change_and_are_told() {
    let p = program();
    let fd = p.create("/tmp/file");
    assert_eq!(p.at(attributes::fchmodat, "/tmp/file", &[0o4755]), Ok(0));
    assert_eq!(p.at(attributes::fchownat, "/tmp/file", &[5, u64::from(u32::MAX), 0]), Ok(0));
    assert_eq!(p.mode("/tmp/file"), Ok(0o100_755));
    assert_eq!(p.memory.read_u32(RESULTS + 24), Ok(5));
    for (at, value) in [(0, 77), (8, 5), (16, 0), (24, u64::from(linux::UTIME_OMIT))] {
        p.memory.write_u64(RESULTS + at, value).unwrap();
    }
    assert_eq!(p.at(attributes::utimensat, "/tmp/file", &[RESULTS, 0]), Ok(0));
    p.call(stat::fstat, &[fd, RESULTS]).unwrap();
    assert_eq!((p.memory.read_u64(RESULTS + 72), p.memory.read_u64(RESULTS + 80)), (Ok(77), Ok(5)));
    assert_eq!(p.call(file::ftruncate, &[fd, 5000]), Ok(0));
    assert_eq!(p.call(file::fallocate, &[fd, 0, 4096, 8192]), Ok(0));
    let empty = p.string(ARGUMENTS, "");
    let flags = u64::from(linux::AT_EMPTY_PATH);
    assert_eq!(p.call(stat::statx, &[fd, empty, flags, 0x7ff, RESULTS]), Ok(0));
    assert_eq!(p.memory.read_u64(RESULTS + 0x28), Ok(4096 + 8192));
    assert_eq!(p.at(stat::faccessat, "/tmp/file", &[1]), Ok(0));
    assert_eq!(p.at(stat::faccessat, "/tmp/none", &[0]), Err(Errno::ENOENT));
    let (path, name) = (p.string(ARGUMENTS, "/tmp/file"), p.string(ARGUMENTS + 99, "user.x"));
    assert_eq!(p.call(attributes::getxattr, &[path, name]), Err(Errno::EOPNOTSUPP));
}
