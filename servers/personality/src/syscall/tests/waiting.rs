//! Calls that wait: pipes, polling, the terminal.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl as requests;

use super::{ARGUMENTS, BASE, Program, RESULTS, program};
use crate::errno::Errno;
use crate::guest_memory::GuestMemory;
use crate::signal::Signal;
use crate::syscall::{fd, file, path, poll, process};
use crate::time::SECOND;
use crate::vfs::abi::{read_half, read_long, read_word};
use crate::vfs::tty::Events;

#[test]
fn a_pipe_blocks_until_the_other_end_acts() {
    let p = program();
    let [input, output] = p.pipe();
    let writer = p.file(output);
    p.when_asleep(move || assert_eq!(writer.write(&mut &b"late"[..]), Ok(4)));
    assert_eq!(p.read(input, 10).as_deref(), Ok("late"));
    // A large write goes on as the reader takes.
    let reader = p.file(input);
    for _ in 0..3 {
        let reader = reader.clone();
        p.when_asleep(move || {
            let mut sink = crate::vfs::transfer::Collected { bytes: Vec::new(), limit: 60_000 };
            reader.read(&mut sink).unwrap();
        });
    }
    assert_eq!(p.call(file::write, &[output, BASE, 200_000]), Ok(200_000));
    drop(reader);
    assert_eq!(p.seek(input, 0, linux::SEEK_CUR), Err(Errno::ESPIPE));
    p.call(fd::close, &[input]).unwrap();
    assert_eq!(p.write(output, "x"), Err(Errno::EPIPE));
    assert!(p.task.signals.lock().pending.set().contains(Signal::SIGPIPE));
}

#[test]
fn a_signal_ends_a_wait() {
    let p = program();
    let [input, _output] = p.pipe();
    let task = p.task.clone();
    p.when_asleep(move || {
        let info = crate::signal::SigInfo::kernel(Signal::SIGTERM);
        crate::signal::send::to_task(&task, info);
    });
    assert_eq!(p.read(input, 1), Err(Errno::EINTR));
}

#[test]
fn a_fifo_opens_when_both_ends_are_there() {
    let p = program();
    p.at(path::mknodat, "/tmp/fifo", &[u64::from(linux::S_IFIFO | 0o644)]).unwrap();
    let nonblocking = linux::O_NONBLOCK;
    assert_eq!(p.open("/tmp/fifo", linux::O_WRONLY | nonblocking), Err(Errno::ENXIO));
    let input = p.open("/tmp/fifo", nonblocking).unwrap();
    assert_eq!(p.read(input, 1).as_deref(), Ok(""));
    let output = p.open("/tmp/fifo", linux::O_WRONLY).unwrap();
    assert_eq!(p.write(output, "abc"), Ok(3));
    assert_eq!(p.read(input, 9).as_deref(), Ok("abc"));
    assert_eq!(p.read(input, 9), Err(Errno::EAGAIN));
}

#[test]
fn polling_tells_what_is_ready_and_when_time_is_up() {
    let p = program();
    let [input, output] = p.pipe();
    let entry = |at: u64, fd: i32, events: u32| {
        p.memory.write_u32(ARGUMENTS + at * 8, fd as u32).unwrap();
        p.memory.write_u32(ARGUMENTS + at * 8 + 4, events | 0xffff_0000).unwrap();
    };
    entry(0, input as i32, linux::POLLIN);
    entry(1, output as i32, linux::POLLOUT);
    entry(2, -1, linux::POLLIN);
    entry(3, 77, linux::POLLIN);
    let told = || {
        let bytes = p.memory.read_bytes(ARGUMENTS, 32).unwrap();
        [6, 14, 22, 30].map(|at| u32::from(read_half(&bytes, at)))
    };
    assert_eq!(p.call(poll::ppoll, &[ARGUMENTS, 4, 0, 0, 0]), Ok(2));
    assert_eq!(told(), [0, linux::POLLOUT, 0, linux::POLLNVAL]);
    p.memory.write_u64(RESULTS, 0).unwrap();
    p.memory.write_u64(RESULTS + 8, 5_000_000).unwrap();
    assert_eq!(p.call(poll::ppoll, &[ARGUMENTS, 1, RESULTS, 0, 0]), Ok(0));
    assert!(p.task.process.system.monotonic() >= 5_000_000);
    assert_eq!(p.memory.read_u64(RESULTS + 8), Ok(0));
    let writer = p.file(output);
    p.when_asleep(move || assert_eq!(writer.write(&mut &b"x"[..]), Ok(1)));
    assert_eq!(p.call(poll::ppoll, &[ARGUMENTS, 1, 0, 0, 0]), Ok(1));
    assert_eq!(told()[0], linux::POLLIN);
}

#[test]
fn select_marks_ready_descriptors() {
    let p = program();
    let [input, output] = p.pipe();
    p.memory.write_u64(ARGUMENTS, 1 << input | 1 << output).unwrap();
    p.memory.write_u64(ARGUMENTS + 8, 1 << output).unwrap();
    let select = |count| p.call(poll::pselect6, &[count, ARGUMENTS, ARGUMENTS + 8, 0, 0, 0]);
    assert_eq!(select(output + 1), Ok(1));
    assert_eq!(p.memory.read_u64(ARGUMENTS), Ok(0));
    assert_eq!(p.memory.read_u64(ARGUMENTS + 8), Ok(1 << output));
    p.memory.write_u64(ARGUMENTS, 1 << 40).unwrap();
    assert_eq!(select(64), Err(Errno::EBADF));
}

#[test]
fn epoll_tells_the_programs_own_word() {
    let p = program();
    let [input, output] = p.pipe();
    let set = p.call(poll::epoll_create1, &[0]).unwrap();
    p.memory.write_u32(ARGUMENTS, linux::EPOLLIN).unwrap();
    p.memory.write_u64(ARGUMENTS + 8, 0x1234_5678_9abc).unwrap();
    let add = u64::from(linux::EPOLL_CTL_ADD);
    assert_eq!(p.call(poll::epoll_ctl, &[set, add, input, ARGUMENTS]), Ok(0));
    assert_eq!(p.call(poll::epoll_ctl, &[set, add, set, ARGUMENTS]), Err(Errno::EINVAL));
    let regular = p.create("/tmp/file");
    p.memory.write_u32(ARGUMENTS, linux::EPOLLIN).unwrap();
    assert_eq!(p.call(poll::epoll_ctl, &[set, add, regular, ARGUMENTS]), Err(Errno::EPERM));
    assert_eq!(p.call(poll::epoll_pwait, &[set, RESULTS, 4, 10, 0, 8]), Ok(0));
    let writer = p.file(output);
    p.when_asleep(move || assert_eq!(writer.write(&mut &b"x"[..]), Ok(1)));
    assert_eq!(p.call(poll::epoll_pwait, &[set, RESULTS, 4, u64::MAX, 0, 8]), Ok(1));
    let event = p.memory.read_bytes(RESULTS, 16).unwrap();
    assert_eq!((read_word(&event, 0), read_long(&event, 8)), (linux::EPOLLIN, 0x1234_5678_9abc));
}

#[test]
fn the_console_is_a_terminal() {
    let p = program();
    let ioctl = |request: u32| p.call(fd::ioctl, &[0, u64::from(request), RESULTS]);
    assert_eq!(ioctl(requests::TIOCGWINSZ), Ok(0));
    assert_eq!(p.memory.read_u32(RESULTS), Ok(80 << 16 | 24));
    // The first process leads its session: opening the console made it the terminal.
    assert_eq!(ioctl(requests::TIOCGPGRP), Ok(0));
    assert_eq!(p.memory.read_u32(RESULTS), Ok(1));
    assert_eq!(ioctl(requests::TCGETS), Ok(0));
    p.memory.write_u32(RESULTS + 12, linux::ICANON).unwrap();
    assert_eq!(ioctl(requests::TCSETSW), Ok(0));
    assert_eq!(p.console.modes.lock().local, linux::ICANON);
    assert_eq!(p.write(1, "a long line for the console\n"), Ok(28));
    assert_eq!(&*p.console.output.lock(), b"a long line for the console\n");
    p.console.input.lock().extend_from_slice(b"typed\n");
    assert_eq!(p.read(0, 100).as_deref(), Ok("typed\n"));
    let regular = p.create("/tmp/file");
    let request = u64::from(requests::TCGETS);
    assert_eq!(p.call(fd::ioctl, &[regular, request, RESULTS]), Err(Errno::ENOTTY));
    // In the background, without a parent to let it go on: no stopping, an error.
    p.task.process.group.store(2, Ordering::Relaxed);
    assert_eq!(p.read(0, 1), Err(Errno::EIO));
}

#[test]
fn a_timed_read_of_the_terminal_ends() {
    let p = program();
    let request = |request: u32| p.call(fd::ioctl, &[0, u64::from(request), RESULTS]);
    request(requests::TCGETS).unwrap();
    p.memory.write_u32(RESULTS + 12, 0).unwrap();
    p.memory.write(RESULTS + 17 + u64::from(linux::VTIME), &[3]).unwrap();
    request(requests::TCSETS).unwrap();
    assert_eq!(p.read(0, 5).as_deref(), Ok(""));
    assert!(p.task.process.system.monotonic() >= 3 * SECOND / 10);
}

#[test]
fn what_was_typed_comes_before_a_change_of_groups() {
    let type_interrupt = |p: &Program| *p.console.pending.lock() = Events::INTERRUPT;
    let is_sent =
        |p: &Program| p.task.process.signals.lock().pending.set().contains(Signal::SIGINT);
    let p = program();
    type_interrupt(&p);
    assert_eq!(p.call(process::clone, &[u64::from(linux::SIGCHLD)]), Err(Errno::EINTR));
    assert!(is_sent(&p));
    let p = program();
    type_interrupt(&p);
    // A session's leader keeps its group; what was typed it hears all the same.
    assert_eq!(p.call(process::setpgid, &[0, 0]), Err(Errno::EPERM));
    assert!(is_sent(&p));
    let p = program();
    type_interrupt(&p);
    p.memory.write_u32(RESULTS, 1).unwrap();
    p.call(fd::ioctl, &[0, u64::from(requests::TIOCSPGRP), RESULTS]).unwrap();
    assert!(is_sent(&p));
}
