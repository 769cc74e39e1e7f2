//! Files and descriptors: opening, moving bytes, sharing.

use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl as requests;

use super::{ARGUMENTS, AT_FDCWD, BASE, RESULTS, SIZE, program};
use crate::errno::Errno;
use crate::guest_memory::GuestMemory;
use crate::mm::layout::HIGHEST;
use crate::syscall::{fd, file, lock, path, pipe};
use crate::vfs::OnExec;
use crate::vfs::abi::{O_DIRECTORY, O_LARGEFILE, O_NOFOLLOW};

#[test]
fn a_file_is_made_written_and_read() {
    let p = program();
    let fd = p.create("/tmp/file");
    assert_eq!(fd, 3);
    assert_eq!(p.write(fd, "hello"), Ok(5));
    assert_eq!(p.seek(fd, 1, linux::SEEK_SET), Ok(1));
    assert_eq!(p.read(fd, 100).as_deref(), Ok("ello"));
    assert_eq!(p.read(fd, 100).as_deref(), Ok(""));
    assert_eq!(p.seek(fd, -2, linux::SEEK_END), Ok(3));
    assert_eq!(p.seek(fd, -9, linux::SEEK_CUR), Err(Errno::EINVAL));
    assert_eq!(p.mode("/tmp/file"), Ok(0o100_644));
    let appending = p.open("/tmp/file", linux::O_WRONLY | linux::O_APPEND).unwrap();
    assert_eq!(p.write(appending, "!"), Ok(1));
    assert_eq!(p.read(appending, 1), Err(Errno::EBADF));
    assert_eq!(p.call(file::pread64, &[fd, RESULTS, 9, 4]), Ok(2));
    assert_eq!(p.result(2), "o!");
    p.open("/tmp/file", linux::O_WRONLY | linux::O_TRUNC).unwrap();
    assert_eq!(p.seek(fd, 0, linux::SEEK_END), Ok(0));
}

#[test]
fn opening_gives_linux_errors() {
    let p = program();
    p.create("/tmp/file");
    p.two(path::linkat, "/tmp/file", "/tmp/link", 0).unwrap();
    let target = p.string(ARGUMENTS, "file");
    let name = p.string(ARGUMENTS + 0x2000, "/tmp/symlink");
    p.call(path::symlinkat, &[target, AT_FDCWD, name]).unwrap();
    for (path, flags, error) in [
        ("/tmp/none", 0, Errno::ENOENT),
        ("/none/none", linux::O_CREAT, Errno::ENOENT),
        ("/tmp/file", linux::O_CREAT | linux::O_EXCL, Errno::EEXIST),
        ("/tmp/symlink", linux::O_CREAT | linux::O_EXCL, Errno::EEXIST),
        ("/tmp/symlink", O_NOFOLLOW, Errno::ELOOP),
        ("/tmp/file", O_DIRECTORY, Errno::ENOTDIR),
        ("/tmp/file/", 0, Errno::ENOTDIR),
        ("/tmp/new/", linux::O_CREAT, Errno::EISDIR),
        ("/tmp", linux::O_WRONLY, Errno::EISDIR),
        ("/tmp", linux::O_CREAT, Errno::EISDIR),
        ("/proc/none", linux::O_CREAT, Errno::EACCES),
        ("", 0, Errno::ENOENT),
    ] {
        assert_eq!(p.open(path, flags), Err(error), "{path} {flags:o}");
    }
    assert_eq!(p.call(path::openat, &[99, p.string(ARGUMENTS, "x"), 0]), Err(Errno::EBADF));
    assert_eq!(p.call(path::openat, &[AT_FDCWD, 8, 0]), Err(Errno::EFAULT));
    let only_path = p.open("/tmp/symlink", linux::O_PATH | O_NOFOLLOW).unwrap();
    assert_eq!(p.read(only_path, 1), Err(Errno::EBADF));
    assert_eq!(
        p.call(fd::ioctl, &[only_path, u64::from(requests::TCGETS), RESULTS]),
        Err(Errno::EBADF)
    );
    let empty = p.string(ARGUMENTS, "");
    assert_eq!(p.call(path::readlinkat, &[only_path, empty, RESULTS, 99]), Ok(4));
    assert_eq!(p.result(4), "file");
}

#[test]
fn bad_addresses_give_what_was_done_before_them() {
    let p = program();
    let fd = p.create("/tmp/file");
    p.write(fd, &"x".repeat(10_000)).unwrap();
    assert_eq!(p.call(file::write, &[fd, 16, 1]), Err(Errno::EFAULT));
    let end = BASE + SIZE as u64;
    p.seek(fd, 0, linux::SEEK_SET).unwrap();
    // Whole pages fit before the end of memory, the next does not.
    assert_eq!(p.call(file::read, &[fd, end - 5000, 10_000]), Ok(4096));
    assert_eq!(p.call(file::read, &[fd, end - 100, 10_000]), Err(Errno::EFAULT));
    assert_eq!(p.seek(fd, 0, linux::SEEK_CUR), Ok(4096));
}

#[test]
fn vectors_are_one_transfer() {
    let p = program();
    let fd = p.create("/tmp/file");
    for (index, (address, length)) in
        [(RESULTS, 3u64), (RESULTS + 3, 0), (RESULTS + 8, 4)].into_iter().enumerate()
    {
        p.memory.write_u64(ARGUMENTS + index as u64 * 16, address).unwrap();
        p.memory.write_u64(ARGUMENTS + index as u64 * 16 + 8, length).unwrap();
    }
    p.memory.write(RESULTS, b"abc-----defg").unwrap();
    assert_eq!(p.call(file::writev, &[fd, ARGUMENTS, 3]), Ok(7));
    assert_eq!(p.call(file::pread64, &[fd, RESULTS + 100, 20, 0]), Ok(7));
    p.memory.write(RESULTS, &[b'-'; 12]).unwrap();
    assert_eq!(p.call(file::preadv, &[fd, ARGUMENTS, 3, 1]), Ok(6));
    assert_eq!(p.result(12), "bcd-----efg-");
    assert_eq!(p.call(file::readv, &[fd, ARGUMENTS, 1025]), Err(Errno::EINVAL));
}

#[test]
fn descriptors_are_duplicated_and_closed() {
    let p = program();
    let fd = p.create("/tmp/file");
    assert_eq!(p.call(fd::dup, &[fd]), Ok(4));
    assert_eq!(p.call(fd::dup3, &[fd, 9, u64::from(linux::O_CLOEXEC)]), Ok(9));
    assert_eq!(p.call(fd::dup3, &[fd, fd, 0]), Err(Errno::EINVAL));
    assert_eq!(p.call(fd::dup3, &[50, 9, 0]), Err(Errno::EBADF));
    let fcntl = |fd, command, argument| p.call(fd::fcntl, &[fd, u64::from(command), argument]);
    assert_eq!(fcntl(9, linux::F_GETFD, 0), Ok(1));
    assert_eq!(fcntl(4, linux::F_GETFD, 0), Ok(0));
    assert_eq!(fcntl(fd, linux::F_DUPFD, 6), Ok(6));
    assert_eq!(fcntl(fd, linux::F_DUPFD, 1 << 30), Err(Errno::EINVAL));
    assert_eq!(fcntl(fd, linux::F_GETFL, 0), Ok(0o400_002));
    fcntl(fd, linux::F_SETFL, u64::from(linux::O_APPEND | linux::O_WRONLY)).unwrap();
    assert_eq!(fcntl(4, linux::F_GETFL, 0), Ok(0o402_002));
    assert_eq!(fcntl(99, linux::F_GETFD, 0), Err(Errno::EBADF));
    assert_eq!(p.call(fd::close_range, &[4, u64::from(u32::MAX), 0]), Ok(0));
    assert_eq!(p.call(fd::close, &[6]), Err(Errno::EBADF));
    assert_eq!(p.call(fd::close, &[fd]), Ok(0));
    assert_eq!(p.open("/dev/null", 0), Ok(3));
}

#[test]
fn bytes_are_copied_between_files() {
    let p = program();
    let (from, to) = (p.create("/tmp/from"), p.create("/tmp/to"));
    p.call(file::write, &[from, BASE, 150_000]).unwrap();
    p.seek(from, 0, linux::SEEK_SET).unwrap();
    assert_eq!(p.call(file::sendfile, &[to, from, 0, 100_000]), Ok(100_000));
    assert_eq!(p.call(file::copy_file_range, &[from, 0, to, 0, 1 << 40, 0]), Ok(50_000));
    assert_eq!(p.seek(to, 0, linux::SEEK_CUR), Ok(150_000));
    p.memory.write_u64(ARGUMENTS, 10).unwrap();
    assert_eq!(p.call(file::sendfile, &[to, from, ARGUMENTS, 5]), Ok(5));
    assert_eq!(p.memory.read_u64(ARGUMENTS), Ok(15));
    let [_input, output] = p.pipe();
    assert_eq!(p.call(file::sendfile, &[output, from, ARGUMENTS, 5]), Ok(5));
    assert_eq!(p.call(file::sendfile, &[to, output, 0, 5]), Err(Errno::EBADF));
}

#[test]
fn locks_keep_other_open_files_out() {
    let p = program();
    let (one, other) = (p.create("/tmp/file"), p.create("/tmp/file"));
    let exclusive = u64::from(linux::LOCK_EX | linux::LOCK_NB);
    assert_eq!(p.call(lock::flock, &[one, exclusive]), Ok(0));
    assert_eq!(p.call(lock::flock, &[other, exclusive]), Err(Errno::EAGAIN));
    p.call(fd::close, &[one]).unwrap();
    assert_eq!(p.call(lock::flock, &[other, exclusive]), Ok(0));
}

#[test]
fn a_process_without_descriptors_left_gets_emfile() {
    let p = program();
    let table = p.task.process.fd_table();
    let file = p.file(0);
    while table.lock().insert(file.clone(), 0, 1024, OnExec::Keep).is_ok() {}
    assert_eq!(p.open("/dev/null", 0), Err(Errno::EMFILE));
    p.call(fd::close, &[500]).unwrap();
    assert_eq!(p.call(pipe::pipe2, &[RESULTS, 0]), Err(Errno::EMFILE));
    assert_eq!(p.open("/dev/null", 0), Ok(500));
}

#[test]
fn only_files_opened_by_name_are_large_files() {
    let p = program();
    let flags = |fd| p.call(fd::fcntl, &[fd, u64::from(linux::F_GETFL), 0]);
    let [input, output] = p.pipe();
    assert_eq!((flags(input), flags(output)), (Ok(0), Ok(1)));
    let only_path = p.open("/tmp", linux::O_PATH).unwrap();
    assert_eq!(flags(only_path), Ok(u64::from(linux::O_PATH)));
    let name = p.string(ARGUMENTS, "memory");
    let memory = p.call(pipe::memfd_create, &[name, 0]).unwrap();
    assert_eq!(flags(memory), Ok(u64::from(linux::O_RDWR | O_LARGEFILE)));
}

#[test]
fn a_buffer_lies_below_the_end_of_user_addresses() {
    let p = program();
    let null = p.open("/dev/null", linux::O_RDWR).unwrap();
    let fault = Err(Errno::EFAULT);
    let write = |address, length| p.call(file::write, &[null, address, length]);
    assert_eq!(write(BASE, 1 << 32), Ok(0x7fff_f000));
    assert_eq!(write(BASE, u64::MAX >> 1), fault);
    assert_eq!(write(BASE, u64::MAX), fault);
    assert_eq!((write(HIGHEST, 0), write(HIGHEST, 1)), (Ok(0), fault));
    assert_eq!(p.call(file::read, &[null, BASE, u64::MAX >> 1]), fault);
    assert_eq!(p.call(file::pread64, &[null, BASE, u64::MAX, 0]), fault);
    let writev = |length| {
        p.memory.write_u64(ARGUMENTS, BASE).unwrap();
        p.memory.write_u64(ARGUMENTS + 8, length).unwrap();
        p.call(file::writev, &[null, ARGUMENTS, 1])
    };
    assert_eq!(writev(1 << 32), Ok(0x7fff_f000));
    assert_eq!((writev(1 << 62), writev(1 << 63)), (fault, Err(Errno::EINVAL)));
}

#[test]
fn devices_have_no_offset_to_seek() {
    let p = program();
    for path in ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"] {
        let fd = p.open(path, 0).unwrap();
        p.read(fd, 5).unwrap();
        for whence in [linux::SEEK_SET, linux::SEEK_CUR, linux::SEEK_END, linux::SEEK_DATA] {
            assert_eq!(p.seek(fd, 10, whence), Ok(0), "{path} {whence}");
        }
        assert_eq!(p.seek(fd, 10, linux::SEEK_MAX + 1), Err(Errno::EINVAL));
    }
}
