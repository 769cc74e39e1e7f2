//! Files: what open files and descriptors do, on tmpfs in /tmp, and devices.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::memory::{PAGE, bytes, map_pages, unmap};
use programs::process::{c_str, isolated};
use programs::syscall::*;
use programs::{call, group};

group! { "files":
    open_flags_do_what_they_say
    the_offset_moves_with_reads_and_writes
    positioned_access_leaves_the_offset
    appending_writes_at_the_end
    holes_read_as_zeroes
    truncation_cuts_and_extends
    a_large_file_keeps_its_contents
    the_access_mode_is_enforced
    an_unlinked_file_lives_while_it_is_open
    stat_tells_the_truth
    duplicates_share_their_offset
    descriptor_numbers_are_the_lowest_free
    fcntl_changes_flags
    the_creation_mask_takes_modes_away
    access_is_checked
    devices_behave
    vectored_access_adds_up
}

/// Runs `work` in a child whose working directory is fresh and empty, and removes that afterwards.
pub(crate) fn in_directory(work: impl FnOnce()) {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Relaxed);
    let name = programs::print::format::<64>(format_args!("/tmp/{}-{number}-files\0", getpid()));
    mkdir(c_str(&name), 0o755).unwrap();
    isolated(|| {
        call!(__NR_chdir, c_str(&name)).unwrap();
        work();
    });
    unlink(c_str(&name), AT_REMOVEDIR).expect("the check removes its files");
}

pub(crate) fn create(path: &CStr, text: &[u8]) -> Fd {
    let fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0o644).unwrap();
    assert_eq!(write(fd, text), Ok(text.len()));
    fd
}

pub(crate) fn contents<const N: usize>(path: &CStr) -> [u8; N] {
    let fd = open(path, O_RDONLY, 0).unwrap();
    let mut text = [0; N];
    assert_eq!(read(fd, &mut text), Ok(N));
    assert_eq!(read(fd, &mut [0]), Ok(0), "the file ends there");
    close(fd).unwrap();
    text
}

fn open_flags_do_what_they_say() {
    in_directory(|| {
        assert_eq!(open(c"f", O_RDWR, 0), Err(ENOENT));
        close(create(c"f", b"text")).unwrap();
        assert_eq!(open(c"f", O_RDWR | O_CREAT | O_EXCL, 0o644), Err(EEXIST));
        let again = open(c"f", O_WRONLY | O_CREAT, 0o644).unwrap();
        assert_eq!(fstat(again).unwrap().st_size, 4);
        let cut = open(c"f", O_WRONLY | O_TRUNC, 0).unwrap();
        assert_eq!(fstat(again).unwrap().st_size, 0);
        assert_eq!(open(c"f", O_RDONLY | O_DIRECTORY, 0), Err(ENOTDIR));
        assert_eq!(open(c".", O_WRONLY, 0), Err(EISDIR));
        assert_eq!(open(c"f/", O_RDONLY, 0), Err(ENOTDIR));
        assert_eq!(open(c"new/", O_WRONLY | O_CREAT, 0o644), Err(EISDIR));
        close(again).unwrap();
        close(cut).unwrap();
        unlink(c"f", 0).unwrap();
    });
}

fn the_offset_moves_with_reads_and_writes() {
    in_directory(|| {
        let fd = create(c"f", b"0123456789");
        assert_eq!(seek(fd, 0, SEEK_CUR), Ok(10));
        assert_eq!(seek(fd, -3, SEEK_END), Ok(7));
        let mut buffer = [0; 8];
        assert_eq!(read(fd, &mut buffer), Ok(3));
        assert_eq!(&buffer[..3], b"789");
        assert_eq!(seek(fd, 2, SEEK_SET), Ok(2));
        assert_eq!(write(fd, b"ab"), Ok(2));
        assert_eq!(seek(fd, 1, SEEK_CUR), Ok(5));
        assert_eq!(seek(fd, -1, SEEK_SET), Err(EINVAL));
        assert_eq!(seek(fd, -6, SEEK_CUR), Err(EINVAL));
        assert_eq!(seek(fd, 0, 99), Err(EINVAL));
        assert_eq!(seek(fd, 100, SEEK_SET), Ok(100));
        assert_eq!(read(fd, &mut buffer), Ok(0));
        assert_eq!(&contents::<10>(c"f"), b"01ab456789");
        unlink(c"f", 0).unwrap();
    });
}

fn positioned_access_leaves_the_offset() {
    in_directory(|| {
        let fd = create(c"f", b"0123456789");
        let mut buffer = [0; 4];
        assert_eq!(pread(fd, &mut buffer, 8), Ok(2));
        assert_eq!(pread(fd, &mut buffer, 20), Ok(0));
        assert_eq!(pread(fd, &mut buffer, -1), Err(EINVAL));
        assert_eq!(pwrite(fd, b"xy", 0), Ok(2));
        assert_eq!(seek(fd, 0, SEEK_CUR), Ok(10));
        assert_eq!(&contents::<10>(c"f"), b"xy23456789");
        unlink(c"f", 0).unwrap();
    });
}

fn appending_writes_at_the_end() {
    in_directory(|| {
        close(create(c"f", b"one")).unwrap();
        let fd = open(c"f", O_RDWR | O_APPEND, 0).unwrap();
        assert_eq!(seek(fd, 0, SEEK_CUR), Ok(0));
        write(fd, b" two").unwrap();
        assert_eq!(seek(fd, 0, SEEK_SET), Ok(0));
        write(fd, b" three").unwrap();
        assert_eq!(seek(fd, 0, SEEK_CUR), Ok(13));
        assert_eq!(&contents::<13>(c"f"), b"one two three");
        unlink(c"f", 0).unwrap();
    });
}

fn holes_read_as_zeroes() {
    in_directory(|| {
        let fd = create(c"f", b"start");
        assert_eq!(pwrite(fd, b"end", 3 * PAGE as i64 + 17), Ok(3));
        assert_eq!(fstat(fd).unwrap().st_size, 3 * PAGE as i64 + 20);
        let mut buffer = [1; 32];
        pread(fd, &mut buffer, PAGE as i64).unwrap();
        assert_eq!(buffer, [0; 32]);
        pread(fd, &mut buffer[..10], 0).unwrap();
        assert_eq!(&buffer[..10], b"start\0\0\0\0\0");
        unlink(c"f", 0).unwrap();
    });
}

fn truncation_cuts_and_extends() {
    in_directory(|| {
        let fd = create(c"f", b"0123456789");
        assert_eq!(call!(__NR_ftruncate, fd, 4), Ok(0));
        assert_eq!(&contents::<4>(c"f"), b"0123");
        assert_eq!(call!(__NR_ftruncate, fd, 8), Ok(0));
        assert_eq!(&contents::<8>(c"f"), b"0123\0\0\0\0", "what was cut does not come back");
        assert_eq!(call!(__NR_truncate, c"f", 1), Ok(0));
        assert_eq!(&contents::<1>(c"f"), b"0");
        assert_eq!(call!(__NR_ftruncate, fd, -1_i64), Err(EINVAL));
        assert_eq!(call!(__NR_truncate, c".", 1), Err(EISDIR));
        unlink(c"f", 0).unwrap();
    });
}

fn a_large_file_keeps_its_contents() {
    in_directory(|| {
        let fd = create(c"f", b"");
        let pages = map_pages(256);
        for page in 0..256 {
            bytes(pages + page * PAGE, PAGE).fill(page as u8);
        }
        assert_eq!(write(fd, bytes(pages + 1, 256 * PAGE - 1)), Ok(256 * PAGE - 1));
        let copy = map_pages(256);
        assert_eq!(pread(fd, bytes(copy, 256 * PAGE), 0), Ok(256 * PAGE - 1));
        assert!(bytes(copy, 256 * PAGE - 1) == bytes(pages + 1, 256 * PAGE - 1));
        unmap(pages, 256 * PAGE).unwrap();
        unlink(c"f", 0).unwrap();
    });
}

fn the_access_mode_is_enforced() {
    in_directory(|| {
        close(create(c"f", b"text")).unwrap();
        let reader = open(c"f", O_RDONLY, 0).unwrap();
        let writer = open(c"f", O_WRONLY, 0).unwrap();
        assert_eq!(write(reader, b"x"), Err(EBADF));
        assert_eq!(read(writer, &mut [0]), Err(EBADF));
        assert_eq!(call!(__NR_ftruncate, reader, 0), Err(EINVAL));
        assert_eq!(read(99, &mut [0]), Err(EBADF));
        assert_eq!(read(-1, &mut [0]), Err(EBADF));
        let directory = open(c".", O_RDONLY, 0).unwrap();
        assert_eq!(read(directory, &mut [0]), Err(EISDIR));
        assert_eq!(call!(__NR_getdents64, reader, &mut [0_u8; 64], 64), Err(ENOTDIR));
        unlink(c"f", 0).unwrap();
    });
}

fn an_unlinked_file_lives_while_it_is_open() {
    in_directory(|| {
        let fd = create(c"f", b"still here");
        unlink(c"f", 0).unwrap();
        assert_eq!(open(c"f", O_RDONLY, 0), Err(ENOENT));
        assert_eq!(fstat(fd).unwrap().st_nlink, 0);
        let mut buffer = [0; 10];
        assert_eq!(pread(fd, &mut buffer, 0), Ok(10));
        assert_eq!(&buffer, b"still here");
        assert_eq!(unlink(c"f", 0), Err(ENOENT));
    });
}

fn stat_tells_the_truth() {
    in_directory(|| {
        let before = clock(CLOCK_REALTIME).unwrap() / 1_000_000_000;
        let fd = create(c"f", &[7; 5000]);
        let (by_fd, by_path) = (fstat(fd).unwrap(), stat(c"f", 0).unwrap());
        assert_eq!((by_fd.st_ino, by_fd.st_dev), (by_path.st_ino, by_path.st_dev));
        assert_eq!((by_fd.st_mode, by_fd.st_nlink, by_fd.st_size), (S_IFREG | 0o644, 1, 5000));
        assert_eq!((by_fd.st_uid, by_fd.st_blksize), (call!(__NR_geteuid).unwrap() as u32, 4096));
        assert!(by_fd.st_blocks >= 10 && by_fd.st_mtime.unsigned_abs() >= before - 1);
        let empty = call!(__NR_newfstatat, fd, c"", &mut by_path.clone(), AT_EMPTY_PATH);
        assert_eq!(empty, Ok(0));
        assert_eq!(stat(c".", 0).unwrap().st_mode, S_IFDIR | 0o755);
        assert_eq!(call!(__NR_fchmodat, AT_FDCWD, c"f", 0o750), Ok(0));
        assert_eq!(stat(c"f", 0).unwrap().st_mode, S_IFREG | 0o750);
        let times = [[12_345_u64, 67], [98_765, 43]];
        assert_eq!(call!(__NR_utimensat, AT_FDCWD, c"f", &times, 0), Ok(0));
        let changed = stat(c"f", 0).unwrap();
        assert_eq!((changed.st_atime, changed.st_atime_nsec), (12_345, 67));
        assert_eq!((changed.st_mtime, changed.st_mtime_nsec), (98_765, 43));
        unlink(c"f", 0).unwrap();
    });
}

fn duplicates_share_their_offset() {
    in_directory(|| {
        let fd = create(c"f", b"0123456789");
        let other = call!(__NR_dup, fd).unwrap() as Fd;
        let own = open(c"f", O_RDONLY, 0).unwrap();
        seek(fd, 4, SEEK_SET).unwrap();
        assert_eq!((seek(other, 0, SEEK_CUR), seek(own, 0, SEEK_CUR)), (Ok(4), Ok(0)));
        close(fd).unwrap();
        assert_eq!(read(other, &mut [0; 2]), Ok(2));
        assert_eq!(dup3(other, 50, O_CLOEXEC), Ok(50));
        assert_eq!(fcntl(50, F_GETFD, 0), Ok(FD_CLOEXEC.into()));
        assert_eq!(fcntl(other, F_GETFD, 0), Ok(0));
        assert_eq!(dup3(own, 50, 0), Ok(50), "what was there is closed");
        assert_eq!(seek(50, 0, SEEK_CUR), Ok(0));
        assert_eq!(dup3(own, own, 0), Err(EINVAL));
        assert_eq!(dup3(99, 50, 0), Err(EBADF));
        assert_eq!(dup3(own, 1 << 30, 0), Err(EBADF));
        unlink(c"f", 0).unwrap();
    });
}

fn descriptor_numbers_are_the_lowest_free() {
    in_directory(|| {
        let first = open(c".", O_RDONLY, 0).unwrap();
        let second = open(c".", O_RDONLY, 0).unwrap();
        close(first).unwrap();
        assert_eq!(open(c".", O_RDONLY, 0), Ok(first));
        assert_eq!(fcntl(second, F_DUPFD, 40), Ok(40));
        assert_eq!(fcntl(second, F_DUPFD_CLOEXEC, 40), Ok(41));
        assert_eq!(fcntl(41, F_GETFD, 0), Ok(FD_CLOEXEC.into()));
        close(first).unwrap();
        assert_eq!(close(first), Err(EBADF));
        let limit = rlimit64 { rlim_cur: 45, rlim_max: 45 };
        call!(__NR_prlimit64, 0, RLIMIT_NOFILE, &limit, 0).unwrap();
        assert_eq!(fcntl(second, F_DUPFD, 42), Ok(42));
        assert_eq!(fcntl(second, F_DUPFD, 45), Err(EINVAL));
        while open(c".", O_RDONLY, 0).is_ok() {}
        assert_eq!(open(c".", O_RDONLY, 0), Err(EMFILE));
    });
}

fn fcntl_changes_flags() {
    in_directory(|| {
        let fd = create(c"f", b"abc");
        assert_eq!(fcntl(fd, F_GETFL, 0), Ok((O_RDWR | O_LARGEFILE).into()));
        assert_eq!(fcntl(fd, F_SETFL, (O_APPEND | O_NONBLOCK).into()), Ok(0));
        assert_eq!(
            fcntl(fd, F_GETFL, 0),
            Ok((O_RDWR | O_LARGEFILE | O_APPEND | O_NONBLOCK).into())
        );
        seek(fd, 0, SEEK_SET).unwrap();
        write(fd, b"d").unwrap();
        assert_eq!(&contents::<4>(c"f"), b"abcd");
        assert_eq!(fcntl(fd, F_SETFD, FD_CLOEXEC.into()), Ok(0));
        assert_eq!(fcntl(fd, F_GETFD, 0), Ok(FD_CLOEXEC.into()));
        assert_eq!(fcntl(fd, 9999, 0), Err(EINVAL));
        assert_eq!(fcntl(99, F_GETFD, 0), Err(EBADF));
        unlink(c"f", 0).unwrap();
    });
}

fn the_creation_mask_takes_modes_away() {
    in_directory(|| {
        let before = call!(__NR_umask, 0o027).unwrap();
        assert_eq!(before, 0o022);
        close(open(c"f", O_WRONLY | O_CREAT, 0o777).unwrap()).unwrap();
        mkdir(c"d", 0o777).unwrap();
        assert_eq!(stat(c"f", 0).unwrap().st_mode, S_IFREG | 0o750);
        assert_eq!(stat(c"d", 0).unwrap().st_mode, S_IFDIR | 0o750);
        assert_eq!(call!(__NR_umask, 0o022), Ok(0o027));
        unlink(c"f", 0).unwrap();
        unlink(c"d", AT_REMOVEDIR).unwrap();
    });
}

fn access_is_checked() {
    in_directory(|| {
        close(create(c"f", b"")).unwrap();
        let access = |path: &CStr, mode: u32| call!(__NR_faccessat, AT_FDCWD, path, mode);
        assert_eq!(access(c"f", F_OK), Ok(0));
        assert_eq!(access(c"f", R_OK | W_OK), Ok(0));
        assert_eq!(access(c"f", X_OK), Err(EACCES));
        assert_eq!(access(c".", X_OK), Ok(0));
        assert_eq!(access(c"no", F_OK), Err(ENOENT));
        assert_eq!(access(c"f", 8), Err(EINVAL));
        unlink(c"f", 0).unwrap();
    });
}

fn devices_behave() {
    let null = open(c"/dev/null", O_RDWR, 0).unwrap();
    let mut buffer = [1; 64];
    assert_eq!((read(null, &mut buffer), write(null, &buffer)), (Ok(0), Ok(64)));
    let zero = open(c"/dev/zero", O_RDWR, 0).unwrap();
    assert_eq!((read(zero, &mut buffer), write(zero, &buffer)), (Ok(64), Ok(64)));
    assert_eq!(buffer, [0; 64]);
    let full = open(c"/dev/full", O_RDWR, 0).unwrap();
    assert_eq!((read(full, &mut buffer), write(full, &buffer)), (Ok(64), Err(ENOSPC)));
    let random = open(c"/dev/urandom", O_RDONLY, 0).unwrap();
    let mut other = [0; 64];
    assert_eq!((read(random, &mut buffer), read(random, &mut other)), (Ok(64), Ok(64)));
    assert_ne!(buffer, other);
    for (path, minor) in
        [(c"/dev/null", 3), (c"/dev/zero", 5), (c"/dev/full", 7), (c"/dev/urandom", 9)]
    {
        let device = stat(path, 0).unwrap();
        assert_eq!(
            (device.st_mode & S_IFMT, device.st_rdev),
            (S_IFCHR, 1 << 8 | minor),
            "{path:?}"
        );
    }
    assert_eq!(seek(null, 10, SEEK_SET), Ok(0));
    let mapped =
        programs::memory::map(0, PAGE, PROT_READ, MAP_PRIVATE, zero, 0).expect("maps /dev/zero");
    assert_eq!(programs::memory::peek::<u64>(mapped), 0);
    unmap(mapped, PAGE).unwrap();
    for fd in [null, zero, full, random] {
        close(fd).unwrap();
    }
}

fn vectored_access_adds_up() {
    in_directory(|| {
        let fd = create(c"f", b"");
        let vector = |text: &[u8]| [text.as_ptr().expose_provenance() as u64, text.len() as u64];
        let parts = [vector(b"con"), vector(b"cat"), vector(b"enate")];
        assert_eq!(call!(__NR_writev, fd, &parts, 3), Ok(11));
        assert_eq!(&contents::<11>(c"f"), b"concatenate");
        assert_eq!(call!(__NR_writev, fd, &parts, 0), Ok(0));
        assert_eq!(call!(__NR_writev, fd, &parts, -1_i64), Err(EINVAL));
        unlink(c"f", 0).unwrap();
    });
}
