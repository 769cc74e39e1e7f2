//! Names: directories, links, renaming, path resolution, and what the boot archive brought.

use core::ffi::CStr;

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::process::{c_str, isolated};
use programs::syscall::*;
use programs::{call, check, group};

use crate::files::{contents, create, in_directory};

group! { "directories":
    rename_replaces
    hard_links_are_one_file
    symbolic_links_are_followed
    directories_list_what_they_hold
    directories_are_removed_only_when_empty
    paths_are_resolved_like_linux_does
    the_working_directory_can_change
    openat_starts_at_a_directory
    files_of_the_boot_archive_can_be_changed
}

fn rename_replaces() {
    in_directory(|| {
        close(create(c"a", b"A")).unwrap();
        close(create(c"b", b"B")).unwrap();
        assert_eq!(rename(c"a", c"b"), Ok(0));
        assert_eq!((stat(c"a", 0).err(), contents::<1>(c"b")), (Some(ENOENT), *b"A"));
        assert_eq!(rename(c"b", c"b"), Ok(0));
        assert_eq!(rename(c"a", c"c"), Err(ENOENT));
        mkdir(c"d", 0o755).unwrap();
        assert_eq!(rename(c"b", c"d"), Err(EISDIR));
        assert_eq!(rename(c"d", c"b"), Err(ENOTDIR));
        assert_eq!(rename(c"d", c"d/inside"), Err(EINVAL));
        assert_eq!(rename(c"b", c"d/b"), Ok(0));
        assert_eq!(&contents::<1>(c"d/b"), b"A");
        let no_replace =
            |to: &CStr| call!(__NR_renameat2, AT_FDCWD, c"d/b", AT_FDCWD, to, RENAME_NOREPLACE);
        assert_eq!((no_replace(c"d"), no_replace(c"b")), (Err(EEXIST), Ok(0)));
        unlink(c"b", 0).unwrap();
        unlink(c"d", AT_REMOVEDIR).unwrap();
    });
}

fn hard_links_are_one_file() {
    in_directory(|| {
        let fd = create(c"a", b"one");
        assert_eq!(call!(__NR_linkat, AT_FDCWD, c"a", AT_FDCWD, c"b", 0), Ok(0));
        assert_eq!(call!(__NR_linkat, AT_FDCWD, c"a", AT_FDCWD, c"b", 0), Err(EEXIST));
        assert_eq!(call!(__NR_linkat, AT_FDCWD, c".", AT_FDCWD, c"c", 0), Err(EPERM));
        let (a, b) = (stat(c"a", 0).unwrap(), stat(c"b", 0).unwrap());
        assert_eq!((a.st_ino, a.st_nlink), (b.st_ino, 2));
        unlink(c"a", 0).unwrap();
        write(fd, b"!").unwrap();
        assert_eq!(&contents::<4>(c"b"), b"one!");
        assert_eq!(stat(c"b", 0).unwrap().st_nlink, 1);
        unlink(c"b", 0).unwrap();
    });
}

fn symlink(target: &CStr, path: &CStr) {
    call!(__NR_symlinkat, target, AT_FDCWD, path).unwrap();
}

fn symbolic_links_are_followed() {
    in_directory(|| {
        mkdir(c"d", 0o755).unwrap();
        close(create(c"d/f", b"text")).unwrap();
        symlink(c"d", c"to-d");
        symlink(c"../d/f", c"d/to-f");
        symlink(c"loop", c"loop");
        symlink(c"nowhere", c"dangling");
        assert_eq!(&contents::<4>(c"to-d/to-f"), b"text");
        let link = stat(c"to-d", AT_SYMLINK_NOFOLLOW).unwrap();
        assert_eq!((link.st_mode & S_IFMT, link.st_size), (S_IFLNK, 1));
        let mut target = [0; 16];
        assert_eq!(readlink(c"d/to-f", &mut target), Ok(6));
        assert_eq!(&target[..6], b"../d/f");
        assert_eq!(readlink(c"d/to-f", &mut target[..2]), Ok(2));
        assert_eq!(readlink(c"d/f", &mut target), Err(EINVAL));
        assert_eq!(open(c"loop", O_RDONLY, 0), Err(ELOOP));
        assert_eq!(open(c"to-d", O_RDONLY | O_NOFOLLOW, 0), Err(ELOOP));
        assert_eq!(open(c"dangling", O_RDONLY, 0), Err(ENOENT));
        assert_eq!(open(c"dangling", O_WRONLY | O_CREAT | O_EXCL, 0o644), Err(EEXIST));
        close(open(c"dangling", O_WRONLY | O_CREAT, 0o644).unwrap()).unwrap();
        assert!(stat(c"nowhere", 0).is_ok(), "creating goes through the link");
        for path in [c"nowhere", c"dangling", c"loop", c"to-d", c"d/to-f", c"d/f"] {
            unlink(path, 0).unwrap();
        }
        unlink(c"d", AT_REMOVEDIR).unwrap();
    });
}

/// Calls `seen` with name and type of each entry; reads through a buffer of `N` bytes.
fn list<const N: usize>(fd: Fd, mut seen: impl FnMut(&CStr, u8)) {
    let mut buffer = [0_u64; 64];
    assert!(N <= 512);
    loop {
        let count = call!(__NR_getdents64, fd, &mut buffer, N).unwrap() as usize;
        if count == 0 {
            return;
        }
        let (mut at, base) = (0, (&raw const buffer).addr());
        while at < count {
            // struct linux_dirent64: inode, offset, u16 length, u8 type, name.
            let length: u16 = programs::memory::peek(base + at + 16);
            let kind: u8 = programs::memory::peek(base + at + 18);
            assert_eq!(length % 8, 0);
            assert_ne!(programs::memory::peek::<u64>(base + at), 0, "an inode number");
            seen(programs::start::string(base + at + 19), kind);
            at += usize::from(length);
        }
    }
}

fn directories_list_what_they_hold() {
    in_directory(|| {
        mkdir(c"d", 0o755).unwrap();
        symlink(c"x", c"l");
        let name = |number: u32| programs::print::format::<16>(format_args!("file-{number:02}\0"));
        for number in 0..30 {
            close(create(c_str(&name(number)), b"")).unwrap();
        }
        let fd = open(c".", O_RDONLY | O_DIRECTORY, 0).unwrap();
        for _ in 0..2 {
            let (mut dots, mut others, mut files) = (0, 0, 0_u32);
            list::<128>(fd, |name, kind| match (name.to_bytes(), u32::from(kind)) {
                (b"." | b"..", DT_DIR) => dots += 1,
                (b"d", DT_DIR) | (b"l", DT_LNK) => others += 1,
                (_, DT_REG) => files |= 1 << name.to_str().unwrap()[5..].parse::<u32>().unwrap(),
                _ => panic!("{name:?} of type {kind}"),
            });
            assert_eq!((dots, others, files), (2, 2, (1 << 30) - 1));
            assert_eq!(seek(fd, 0, SEEK_SET), Ok(0), "and once more from the start");
        }
        assert_eq!(
            call!(__NR_getdents64, fd, &mut [0_u64; 2], 16),
            Err(EINVAL),
            "too small for one"
        );
        for number in 0..30 {
            unlink(c_str(&name(number)), 0).unwrap();
        }
        unlink(c"l", 0).unwrap();
        unlink(c"d", AT_REMOVEDIR).unwrap();
    });
}

fn directories_are_removed_only_when_empty() {
    in_directory(|| {
        mkdir(c"d", 0o755).unwrap();
        assert_eq!(mkdir(c"d", 0o755), Err(EEXIST));
        assert_eq!(stat(c".", 0).unwrap().st_nlink, 3);
        mkdir(c"d/e", 0o755).unwrap();
        assert_eq!(unlink(c"d", AT_REMOVEDIR), Err(ENOTEMPTY));
        assert_eq!(unlink(c"d", 0), Err(EISDIR));
        assert_eq!(unlink(c"d/e/.", AT_REMOVEDIR), Err(EINVAL));
        unlink(c"d/e/", AT_REMOVEDIR).unwrap();
        unlink(c"d", AT_REMOVEDIR).unwrap();
        assert_eq!(unlink(c"d", AT_REMOVEDIR), Err(ENOENT));
        close(create(c"f", b"")).unwrap();
        assert_eq!(unlink(c"f", AT_REMOVEDIR), Err(ENOTDIR));
        unlink(c"f", 0).unwrap();
    });
}

fn paths_are_resolved_like_linux_does() {
    in_directory(|| {
        mkdir(c"d", 0o755).unwrap();
        close(create(c"f", b"x")).unwrap();
        for path in [c"f", c"./f", c"d/../f", c"d/./../f", c".//f", c"d//..//./f"] {
            assert!(stat(path, 0).is_ok(), "{path:?}");
        }
        assert_eq!(stat(c"f/..", 0).err(), Some(ENOTDIR));
        assert_eq!(stat(c"f/.", 0).err(), Some(ENOTDIR));
        assert_eq!(stat(c"", 0).err(), Some(ENOENT));
        assert_eq!(stat(c"no/../f", 0).err(), Some(ENOENT));
        assert_eq!(stat(c"/../..", 0).unwrap().st_ino, stat(c"/", 0).unwrap().st_ino);
        let mut long = [b'n'; 257];
        long[256] = 0;
        assert_eq!(open(CStr::from_bytes_with_nul(&long).unwrap(), O_RDONLY, 0), Err(ENAMETOOLONG));
        unlink(c"f", 0).unwrap();
        unlink(c"d", AT_REMOVEDIR).unwrap();
    });
}

fn current(buffer: &mut [u8]) -> &CStr {
    let count = call!(__NR_getcwd, &mut *buffer, 128).unwrap() as usize;
    CStr::from_bytes_with_nul(&buffer[..count]).unwrap()
}

fn the_working_directory_can_change() {
    in_directory(|| {
        let mut buffer = [0; 128];
        mkdir(c"d", 0o755).unwrap();
        assert_eq!(call!(__NR_chdir, c"d"), Ok(0));
        let here = current(&mut buffer).to_bytes();
        assert!(here.starts_with(b"/tmp/") && here.ends_with(b"-files/d"), "{here:?}");
        assert_eq!(call!(__NR_chdir, c".."), Ok(0));
        let back = open(c".", O_RDONLY, 0).unwrap();
        assert_eq!(call!(__NR_chdir, c"/dev/null"), Err(ENOTDIR));
        assert_eq!(call!(__NR_chdir, c"/no/such"), Err(ENOENT));
        assert_eq!(call!(__NR_chdir, c"/"), Ok(0));
        assert_eq!(current(&mut buffer), c"/");
        assert_eq!(call!(__NR_fchdir, back), Ok(0));
        assert!(current(&mut buffer).to_bytes().ends_with(b"-files"));
        assert_eq!(call!(__NR_getcwd, &mut buffer, 4), Err(ERANGE));
        isolated(|| assert_eq!(call!(__NR_chdir, c"/"), Ok(0)));
        assert!(current(&mut buffer).to_bytes().ends_with(b"-files"), "a child's is its own");
        unlink(c"d", AT_REMOVEDIR).unwrap();
    });
}

fn openat_starts_at_a_directory() {
    in_directory(|| {
        mkdir(c"d", 0o755).unwrap();
        close(create(c"d/f", b"x")).unwrap();
        let directory = open(c"d", O_RDONLY | O_DIRECTORY, 0).unwrap();
        let at = |fd: Fd, path: &CStr| call!(__NR_openat, fd, path, O_RDONLY, 0);
        let file = at(directory, c"f").expect("a path below the descriptor") as Fd;
        assert!(at(directory, c"/dev/null").is_ok(), "an absolute path");
        assert_eq!(at(file, c"f"), Err(ENOTDIR));
        assert_eq!(at(99, c"f"), Err(EBADF));
        assert_eq!(call!(__NR_unlinkat, directory, c"f", 0), Ok(0));
        unlink(c"d", AT_REMOVEDIR).unwrap();
    });
}

fn files_of_the_boot_archive_can_be_changed() {
    let path = c"/tools/hello";
    if stat(path, 0).is_err() || call!(__NR_getuid) != Ok(0) {
        return check::skip("no /tools/hello that is ours");
    }
    let file = open(path, O_RDONLY, 0).unwrap();
    let mut magic = [0; 4];
    assert_eq!(read(file, &mut magic), Ok(4));
    assert_eq!(&magic, b"\x7fELF");
    let before = fstat(file).unwrap();
    assert_eq!(before.st_mode & (S_IFMT | 0o111), S_IFREG | 0o111);
    // A write changes one byte of what the archive gave, and nothing around it.
    let writer = open(path, O_WRONLY, 0).unwrap();
    assert_eq!(pwrite(writer, b"F", 3), Ok(1));
    assert_eq!((pread(file, &mut magic, 0), &magic), (Ok(4), b"\x7fELF"));
    assert_eq!(pwrite(writer, b"G", 3), Ok(1));
    assert_eq!((pread(file, &mut magic, 0), &magic), (Ok(4), b"\x7fELG"));
    assert_eq!(pwrite(writer, b"F", 3), Ok(1));
    assert_eq!(fstat(file).unwrap().st_size, before.st_size);
    close(create(c"/tools/new", b"new")).unwrap();
    assert_eq!(&contents::<3>(c"/tools/new"), b"new");
    assert_eq!(rename(c"/tools/new", c"/tools/newer"), Ok(0));
    unlink(c"/tools/newer", 0).unwrap();
    close(writer).unwrap();
    close(file).unwrap();
}
