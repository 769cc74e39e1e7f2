//! Pipes: order, blocking, ends that close, non-blocking mode, readiness, large transfers.

use linux_raw_sys::general::*;
use linux_raw_sys::ioctl::FIONREAD;
use programs::errno::*;
use programs::memory::{PAGE, bytes, map_pages, unmap};
use programs::process::{Outcome, fork};
use programs::signal;
use programs::syscall::{self, Fd, close, pause_ms, pipe, read, write};
use programs::{call, group};

group! { "pipes":
    bytes_come_out_in_order
    a_reader_waits_for_a_writer
    the_end_comes_when_the_last_writer_closes
    writing_to_nobody_is_a_broken_pipe
    a_full_pipe_makes_the_writer_wait
    non_blocking_ends_do_not_wait
    a_pipe_holds_sixteen_pages
    a_small_write_is_not_split
    large_data_passes_whole
    ends_are_one_way_and_not_seekable
    flags_of_pipe2_are_kept
    vectors_are_gathered_and_scattered
    poll_tells_what_is_ready
    fionread_counts_bytes
}

fn close_all(fds: &[Fd]) {
    for fd in fds {
        close(*fd).unwrap();
    }
}

fn bytes_come_out_in_order() {
    let (input, output) = pipe(0).unwrap();
    assert_eq!(write(output, b"one "), Ok(4));
    assert_eq!(write(output, b"two"), Ok(3));
    let mut buffer = [0; 16];
    assert_eq!(read(input, &mut buffer[..5]), Ok(5));
    assert_eq!(read(input, &mut buffer[5..]), Ok(2));
    assert_eq!(&buffer[..7], b"one two");
    assert_eq!(read(input, &mut []), Ok(0));
    assert_eq!(write(output, b""), Ok(0));
    close_all(&[input, output]);
}

fn a_reader_waits_for_a_writer() {
    let (input, output) = pipe(0).unwrap();
    let child = fork(|| {
        pause_ms(30);
        write(output, b"!").unwrap();
        0
    });
    let mut byte = [0];
    assert_eq!((read(input, &mut byte), byte), (Ok(1), *b"!"));
    assert_eq!(child.join(), Outcome::Exited(0));
    close_all(&[input, output]);
}

fn the_end_comes_when_the_last_writer_closes() {
    let (input, output) = pipe(0).unwrap();
    let child = fork(|| {
        pause_ms(20);
        0
    });
    write(output, b"rest").unwrap();
    close(output).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(read(input, &mut buffer), Ok(4));
    assert_eq!(read(input, &mut buffer), Ok(0), "after the child, a writer too, has ended");
    assert_eq!(read(input, &mut buffer), Ok(0));
    child.join();
    close(input).unwrap();
}

fn writing_to_nobody_is_a_broken_pipe() {
    let (input, output) = pipe(0).unwrap();
    close(input).unwrap();
    let killed = fork(|| {
        let _ = write(output, b"x");
        0
    });
    assert_eq!(killed.join(), Outcome::Killed(SIGPIPE));
    signal::ignore(SIGPIPE);
    assert_eq!(write(output, b"x"), Err(EPIPE));
    signal::set_default(SIGPIPE);
    close(output).unwrap();
}

fn a_full_pipe_makes_the_writer_wait() {
    let (input, output) = pipe(0).unwrap();
    let child = fork(|| {
        close(input).unwrap();
        let data = map_pages(40);
        i32::from(write(output, bytes(data, 40 * PAGE)) != Ok(40 * PAGE))
    });
    close(output).unwrap();
    pause_ms(20);
    let mut total = 0;
    let mut buffer = [0; 1000];
    while let Ok(count @ 1..) = read(input, &mut buffer) {
        total += count;
    }
    assert_eq!(total, 40 * PAGE);
    assert_eq!(child.join(), Outcome::Exited(0));
    close(input).unwrap();
}

fn non_blocking_ends_do_not_wait() {
    let (input, output) = pipe(O_NONBLOCK).unwrap();
    assert_eq!(read(input, &mut [0]), Err(EAGAIN));
    let data = map_pages(32);
    let taken = write(output, bytes(data, 32 * PAGE)).unwrap();
    assert!(taken < 32 * PAGE, "what fits is taken");
    assert_eq!(write(output, b"x"), Err(EAGAIN));
    syscall::fcntl(input, F_SETFL, 0).unwrap();
    assert_eq!(syscall::fcntl(input, F_GETFL, 0), Ok(O_RDONLY.into()));
    let mut left = taken;
    while left > 0 {
        left -= read(input, bytes(data, 32 * PAGE)).unwrap();
    }
    close(output).unwrap();
    assert_eq!(read(input, &mut [0]), Ok(0));
    close(input).unwrap();
    unmap(data, 32 * PAGE).unwrap();
}

fn a_pipe_holds_sixteen_pages() {
    let (input, output) = pipe(O_NONBLOCK).unwrap();
    let data = map_pages(16);
    assert_eq!(write(output, bytes(data, 16 * PAGE)), Ok(16 * PAGE));
    assert_eq!(write(output, b"x"), Err(EAGAIN));
    assert_eq!(syscall::fcntl(output, F_GETPIPE_SZ, 0), Ok(16 * PAGE as u64));
    close_all(&[input, output]);
    unmap(data, 16 * PAGE).unwrap();
}

fn a_small_write_is_not_split() {
    let (input, output) = pipe(0).unwrap();
    for writer in 1..=4_u8 {
        fork(|| {
            for _ in 0..50 {
                assert_eq!(write(output, &[writer; 512]), Ok(512));
            }
            0
        });
    }
    close(output).unwrap();
    let mut block = [0; 512];
    for _ in 0..200 {
        let mut filled = 0;
        while filled < 512 {
            filled += read(input, &mut block[filled..]).unwrap();
        }
        assert!(block.iter().all(|byte| *byte == block[0]), "blocks of 512 stay whole");
    }
    assert_eq!(read(input, &mut block), Ok(0));
    for _ in 0..4 {
        syscall::wait(-1, 0).unwrap();
    }
    close(input).unwrap();
}

fn large_data_passes_whole() {
    const WORDS: usize = 1 << 18;
    let (input, output) = pipe(0).unwrap();
    let mix = |index: usize| (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let child = fork(|| {
        let data = map_pages(WORDS * 8 / PAGE);
        for index in 0..WORDS {
            programs::memory::poke(data + 8 * index, mix(index));
        }
        let mut sent = 0;
        while sent < WORDS * 8 {
            sent += write(output, bytes(data + sent, (WORDS * 8 - sent).min(100_003))).unwrap();
        }
        0
    });
    close(output).unwrap();
    let data = map_pages(WORDS * 8 / PAGE);
    let mut got = 0;
    while let Ok(count @ 1..) = read(input, bytes(data + got, WORDS * 8 - got)) {
        got += count;
    }
    assert_eq!(got, WORDS * 8);
    assert!((0..WORDS).all(|index| programs::memory::peek::<u64>(data + 8 * index) == mix(index)));
    assert_eq!(child.join(), Outcome::Exited(0));
    close(input).unwrap();
    unmap(data, WORDS * 8).unwrap();
}

fn ends_are_one_way_and_not_seekable() {
    let (input, output) = pipe(0).unwrap();
    assert_eq!(write(input, b"x"), Err(EBADF));
    assert_eq!(read(output, &mut [0]), Err(EBADF));
    assert_eq!(syscall::seek(input, 0, SEEK_CUR), Err(ESPIPE));
    assert_eq!(syscall::pread(input, &mut [0], 0), Err(ESPIPE));
    assert_eq!(syscall::fstat(input).unwrap().st_mode & S_IFMT, S_IFIFO);
    close_all(&[input, output]);
}

fn flags_of_pipe2_are_kept() {
    let (input, output) = pipe(O_CLOEXEC | O_NONBLOCK).unwrap();
    for (fd, mode) in [(input, O_RDONLY), (output, O_WRONLY)] {
        assert_eq!(syscall::fcntl(fd, F_GETFD, 0), Ok(FD_CLOEXEC.into()));
        assert_eq!(syscall::fcntl(fd, F_GETFL, 0), Ok((mode | O_NONBLOCK).into()));
    }
    assert_eq!(pipe(O_APPEND), Err(EINVAL));
    close_all(&[input, output]);
}

fn vectors_are_gathered_and_scattered() {
    let (input, output) = pipe(0).unwrap();
    let vector = |text: &[u8]| [text.as_ptr().expose_provenance() as u64, text.len() as u64];
    let parts = [vector(b"ab"), vector(b""), vector(b"cde")];
    assert_eq!(call!(__NR_writev, output, &parts, 3), Ok(5));
    let (first, second) = ([0; 1], [0; 10]);
    let places = [vector(&first), vector(&second)];
    assert_eq!(call!(__NR_readv, input, &places, 2), Ok(5));
    assert_eq!(programs::memory::peek::<u8>(places[0][0] as usize), b'a');
    assert_eq!(&programs::memory::peek::<[u8; 4]>(places[1][0] as usize), b"bcde");
    assert_eq!(call!(__NR_writev, output, &parts, 1025), Err(EINVAL));
    close_all(&[input, output]);
}

fn poll(fd: Fd, events: u32) -> i16 {
    let mut entry = pollfd { fd, events: events as i16, revents: 0 };
    let ready = call!(__NR_ppoll, &mut entry, 1, &syscall::timespec(0), 0, 8).unwrap();
    assert_eq!(ready, u64::from(entry.revents != 0));
    entry.revents
}

fn poll_tells_what_is_ready() {
    let (input, output) = pipe(0).unwrap();
    assert_eq!(poll(input, POLLIN), 0);
    assert_eq!(poll(output, POLLOUT), POLLOUT as i16);
    write(output, b"x").unwrap();
    assert_eq!(poll(input, POLLIN), POLLIN as i16);
    close(output).unwrap();
    assert_eq!(poll(input, POLLIN), (POLLIN | POLLHUP) as i16);
    read(input, &mut [0]).unwrap();
    assert_eq!(poll(input, POLLIN), POLLHUP as i16);
    assert_eq!(poll(output, POLLIN), POLLNVAL as i16);
    close(input).unwrap();
    let (input, output) = pipe(0).unwrap();
    close(input).unwrap();
    assert_eq!(poll(output, POLLOUT), (POLLOUT | POLLERR) as i16);
    close(output).unwrap();
}

fn fionread_counts_bytes() {
    let (input, output) = pipe(0).unwrap();
    write(output, b"twelve bytes").unwrap();
    let mut count = 0_i32;
    assert_eq!(call!(__NR_ioctl, input, FIONREAD, &mut count), Ok(0));
    assert_eq!(count, 12);
    close_all(&[input, output]);
}
