//! execve: arguments, descriptors, signals across it, scripts, and what it refuses.
//!
//! The checks start this program again as `selftest --child MODE …`; `child` then looks at what it
//! got and exits with 0 if that is right, or with 101 after a `FAIL` line.

use core::ffi::CStr;
use core::ptr::null;

use linux_raw_sys::auxvec::{AT_EXECFN, AT_RANDOM};
use linux_raw_sys::general::*;
use programs::errno::*;
use programs::memory::{PAGE, map_pages, peek};
use programs::process::{Outcome, c_str, execute, fork, own_path, temporary};
use programs::signal::{self, Context, Info};
use programs::start::{Environment, string};
use programs::syscall::{self, close, getpid, open, pipe, write};
use programs::{call, group, thread};

group! { "exec":
    arguments_and_environment_arrive
    an_empty_argument_list_becomes_an_empty_name
    long_argument_lists_arrive
    the_number_stays_and_memory_goes
    close_on_exec_closes
    ignored_signals_stay_and_handlers_go
    a_script_starts_its_interpreter
    random_bytes_differ_each_time
    other_threads_end
    a_missing_file_is_refused
    a_file_that_may_not_run_is_refused
    a_file_that_is_no_program_is_refused
    a_broken_elf_file_is_refused
    an_argument_that_is_too_long_is_refused
    a_refused_execve_changes_nothing
}

/// The other side: what `selftest --child` does.
pub(crate) fn child(environment: &Environment) -> i32 {
    let mut arguments = environment.arguments(2);
    let mode = arguments.next().unwrap_or("");
    let number = arguments.next().and_then(|text| text.parse::<u64>().ok());
    match (mode, number) {
        ("arguments", _) => {
            assert!(environment.arguments(3).eq(["", "two words", "three"]), "arguments");
            assert!(environment.variables().eq([c"A=1", c"EMPTY="]), "environment");
            assert_eq!(environment.argument(0), Some(c"a name"));
            assert_eq!(string(environment.auxiliary_value(AT_EXECFN).unwrap()), own_path());
        }
        ("count", Some(count)) => assert_eq!(environment.argc() as u64, count),
        ("number", Some(number)) => assert_eq!(getpid() as u64, number),
        ("descriptors", Some(closed)) => {
            assert_eq!(syscall::fcntl(closed as i32, F_GETFD, 0), Err(EBADF));
            assert_eq!(syscall::fcntl(closed as i32 + 1, F_GETFD, 0), Ok(0));
        }
        ("signals", _) => {
            assert_eq!(
                signal::action(SIGUSR1).unwrap().handler,
                0,
                "a handler becomes the default"
            );
            assert_eq!(signal::action(SIGUSR2).unwrap().handler, 1, "ignored stays ignored");
            assert_eq!(signal::mask(SIG_BLOCK, 0), signal::bit(SIGHUP));
            assert_eq!(signal::pending(), signal::bit(SIGHUP), "pending stays pending");
        }
        ("random", Some(fd)) => {
            let address = environment.auxiliary_value(AT_RANDOM).unwrap();
            write(fd as i32, &peek::<[u8; 16]>(address)).unwrap();
        }
        _ => return 3,
    }
    0
}

/// Starts this program with arguments (the first being its name) and reports its end.
fn start(path: &CStr, arguments: &[&CStr], variables: &[&CStr]) -> Outcome {
    fork(|| replace(path, arguments, variables)).join()
}

fn replace(path: &CStr, arguments: &[&CStr], variables: &[&CStr]) -> i32 {
    let list = |texts: &[&CStr]| {
        let mut list = [null(); 16];
        for (slot, text) in list.iter_mut().zip(texts) {
            *slot = text.as_ptr().cast::<u8>();
        }
        list
    };
    let answer = execute(path, &list(arguments), &list(variables));
    panic!("execve of {path:?} gives {answer:?}");
}

/// `selftest --child` with a mode and one more argument, in a child of its own.
fn start_child(mode: &CStr, argument: &CStr) -> Outcome {
    start(own_path(), &[c"selftest", c"--child", mode, argument], &[])
}

const GOOD: Outcome = Outcome::Exited(0);

fn arguments_and_environment_arrive() {
    let arguments = [c"a name", c"--child", c"arguments", c"", c"two words", c"three"];
    assert_eq!(start(own_path(), &arguments, &[c"A=1", c"EMPTY="]), GOOD);
}

fn an_empty_argument_list_becomes_an_empty_name() {
    // Bare, this program would run all its checks again; started as a script it has an option.
    let path = temporary("empty");
    make_file(c_str(&path), &[b"#!", own_path().to_bytes(), b" --list\n"], 0o755);
    let child = fork(|| {
        let null_device = open(c"/dev/null", O_WRONLY, 0).unwrap();
        syscall::dup3(null_device, 1, 0).unwrap();
        let answer = execute(c_str(&path), &[null()], &[null()]);
        panic!("{answer:?}");
    });
    assert_eq!(child.join(), GOOD);
    syscall::unlink(c_str(&path), 0).unwrap();
}

fn long_argument_lists_arrive() {
    let text = map_pages(17);
    programs::memory::bytes(text, 64 << 10).fill(b'x');
    let long = string(text);
    assert_eq!(long.count_bytes(), 64 << 10);
    let arguments = [c"selftest", c"--child", c"count", c"8", long, long, long, long];
    assert_eq!(start(own_path(), &arguments, &[long, long]), GOOD);
    programs::memory::unmap(text, 17 * PAGE).unwrap();
}

fn the_number_stays_and_memory_goes() {
    let child = fork(|| {
        let number = programs::print::format::<16>(format_args!("{}\0", getpid()));
        replace(own_path(), &[c"selftest", c"--child", c"number", c_str(&number)], &[])
    });
    assert_eq!(child.join(), GOOD);
}

fn close_on_exec_closes() {
    let file = open(c"/dev/null", O_RDONLY, 0).unwrap();
    syscall::dup3(file, 60, O_CLOEXEC).unwrap();
    syscall::dup3(file, 61, 0).unwrap();
    assert_eq!(syscall::fcntl(60, F_GETFD, 0), Ok(FD_CLOEXEC.into()));
    assert_eq!(start_child(c"descriptors", c"60"), GOOD);
    for fd in [file, 60, 61] {
        close(fd).unwrap();
    }
}

extern "C" fn do_nothing(_: u32, _: &mut Info, _: &mut Context) {}

fn ignored_signals_stay_and_handlers_go() {
    let child = fork(|| {
        signal::handle(SIGUSR1, do_nothing, 0);
        signal::ignore(SIGUSR2);
        signal::mask(SIG_SETMASK, signal::bit(SIGHUP));
        syscall::kill(getpid(), SIGHUP).unwrap();
        replace(own_path(), &[c"selftest", c"--child", c"signals"], &[])
    });
    assert_eq!(child.join(), GOOD);
}

fn make_file(path: &CStr, parts: &[&[u8]], mode: u32) {
    let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode).unwrap();
    for part in parts {
        assert_eq!(write(fd, part), Ok(part.len()));
    }
    close(fd).unwrap();
}

fn a_script_starts_its_interpreter() {
    let path = temporary("script");
    let path = c_str(&path);
    make_file(path, &[b"#! ", own_path().to_bytes(), b"  --list \t\nrest"], 0o755);
    let quiet = |arguments: &[&CStr]| {
        fork(|| {
            let null_device = open(c"/dev/null", O_WRONLY, 0).unwrap();
            syscall::dup3(null_device, 1, 0).unwrap();
            replace(path, arguments, &[])
        })
        .join()
    };
    assert_eq!(quiet(&[c"ignored"]), GOOD);
    make_file(path, &[b"#!", own_path().to_bytes(), b" --child\n"], 0o755);
    assert_eq!(quiet(&[c"ignored"]), Outcome::Exited(3), "the path is the mode: no such mode");
    make_file(path, &[b"#!", own_path().to_bytes(), b" --list two\n"], 0o755);
    assert_eq!(quiet(&[c"ignored"]), Outcome::Exited(1), "one argument with a space");
    make_file(path, &[b"#!/nowhere/at/all\n"], 0o755);
    assert_eq!(
        fork(|| i32::from(execute(path, &[null()], &[null()]) == Err(ENOENT))).join(),
        Outcome::Exited(1)
    );
    syscall::unlink(path, 0).unwrap();
}

fn random_bytes_differ_each_time() {
    let (input, output) = pipe(0).unwrap();
    syscall::dup3(output, 62, 0).unwrap();
    let mut bytes = [[0; 16]; 2];
    for bytes in &mut bytes {
        assert_eq!(start_child(c"random", c"62"), GOOD);
        assert_eq!(syscall::read(input, bytes), Ok(16));
    }
    assert_ne!(bytes[0], bytes[1]);
    for fd in [input, output, 62] {
        close(fd).unwrap();
    }
}

extern "C" fn sleep_long(_: u64) -> u64 {
    syscall::pause_ms(60_000);
    0
}

extern "C" fn replace_process(_: u64) -> u64 {
    let number = programs::print::format::<16>(format_args!("{}\0", getpid()));
    replace(own_path(), &[c"selftest", c"--child", c"number", c_str(&number)], &[]) as u64
}

fn other_threads_end() {
    let from_main = fork(|| {
        thread::spawn(sleep_long, 0);
        replace_process(0) as i32
    });
    assert_eq!(from_main.join(), GOOD);
    let from_another = fork(|| {
        thread::spawn(replace_process, 0);
        sleep_long(0) as i32
    });
    assert_eq!(from_another.join(), GOOD, "the new program has the process's number");
}

fn a_missing_file_is_refused() {
    assert_eq!(call!(__NR_execve, c"/no/such/file", 0, 0), Err(ENOENT));
    assert_eq!(call!(__NR_execve, c"", 0, 0), Err(ENOENT));
    assert_eq!(call!(__NR_execve, c"/dev/null/x", 0, 0), Err(ENOTDIR));
}

fn a_file_that_may_not_run_is_refused() {
    let path = temporary("data");
    make_file(c_str(&path), &[b"#!/bin/sh\n"], 0o644);
    assert_eq!(call!(__NR_execve, c_str(&path), 0, 0), Err(EACCES));
    assert_eq!(call!(__NR_execve, c"/tmp", 0, 0), Err(EACCES));
    assert_eq!(call!(__NR_execve, c"/dev/null", 0, 0), Err(EACCES));
    syscall::unlink(c_str(&path), 0).unwrap();
}

fn a_file_that_is_no_program_is_refused() {
    let path = temporary("text");
    for text in [b"just text\n".as_slice(), b"", b"\x7fELF"] {
        make_file(c_str(&path), &[text], 0o755);
        assert_eq!(call!(__NR_execve, c_str(&path), 0, 0), Err(ENOEXEC), "{text:?}");
    }
    syscall::unlink(c_str(&path), 0).unwrap();
}

fn a_broken_elf_file_is_refused() {
    let path = temporary("elf");
    let own = open(own_path(), O_RDONLY, 0).unwrap();
    let mut head = [0; 512];
    assert_eq!(syscall::read(own, &mut head), Ok(512));
    close(own).unwrap();
    make_file(c_str(&path), &[&head[..40]], 0o755);
    assert_eq!(call!(__NR_execve, c_str(&path), 0, 0), Err(ENOEXEC), "a truncated header");
    let mut other = head;
    other[18] = 62; // e_machine: x86-64
    make_file(c_str(&path), &[&other], 0o755);
    assert_eq!(call!(__NR_execve, c_str(&path), 0, 0), Err(ENOEXEC), "another machine");
    other = head;
    other[4] = 1; // EI_CLASS: 32 bits, with a 64-bit machine
    other[54] = 32; // e_phentsize
    make_file(c_str(&path), &[&other], 0o755);
    assert_eq!(call!(__NR_execve, c_str(&path), 0, 0), Err(ENOEXEC), "a wrong size of headers");
    syscall::unlink(c_str(&path), 0).unwrap();
}

fn an_argument_that_is_too_long_is_refused() {
    let text = map_pages(34);
    programs::memory::bytes(text, 33 * PAGE).fill(b'x');
    let arguments = [text as *const u8, null()];
    assert_eq!(execute(own_path(), &arguments, &[null()]), Err(E2BIG), "over 128 KiB");
    programs::memory::unmap(text, 34 * PAGE).unwrap();
}

fn a_refused_execve_changes_nothing() {
    let file = open(c"/dev/null", O_RDONLY | O_CLOEXEC, 0).unwrap();
    signal::handle(SIGUSR1, do_nothing, 0);
    assert_eq!(call!(__NR_execve, c"/no/such/file", 0, 0), Err(ENOENT));
    assert_ne!(signal::action(SIGUSR1).unwrap().handler, 0);
    signal::set_default(SIGUSR1);
    assert_eq!(close(file), Ok(0));
}
