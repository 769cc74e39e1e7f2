//! /proc: what programs read about themselves and the system.

use core::ffi::CStr;

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::memory::{PAGE, bytes, map_pages, protect, unmap};
use programs::print::format;
use programs::process::{c_str, fork, own_path};
use programs::syscall::{close, fstat, getpid, getppid, open, pipe, read, readlink, stat};
use programs::{group, start, syscall};

group! { "proc":
    self_leads_to_the_own_number
    exe_is_the_program
    maps_show_text_stack_and_new_mappings
    stat_has_number_name_state_and_parent
    fd_lists_open_descriptors
    cmdline_holds_the_arguments
    another_process_shows_until_it_is_gone
    system_files_have_their_fields
}

/// Reads a whole file of at most 64 KiB, in odd pieces, and hands its text on.
fn with_text<T>(path: &CStr, look: impl FnOnce(&str) -> T) -> T {
    let fd = open(path, O_RDONLY, 0).unwrap_or_else(|errno| panic!("{path:?}: {errno:?}"));
    let buffer = map_pages(16);
    let text = bytes(buffer, 16 * PAGE);
    let mut len = 0;
    while let Ok(count @ 1..) = read(fd, &mut text[len..][..1000]) {
        len += count;
    }
    let answer = look(core::str::from_utf8(&text[..len]).expect("text"));
    unmap(buffer, 16 * PAGE).unwrap();
    close(fd).unwrap();
    answer
}

fn self_leads_to_the_own_number() {
    let mut target = [0; 16];
    let len = readlink(c"/proc/self", &mut target).unwrap();
    assert_eq!(&target[..len], format::<16>(format_args!("{}", getpid())).as_bytes());
}

fn exe_is_the_program() {
    let mut target = [0; 256];
    let len = readlink(c"/proc/self/exe", &mut target).unwrap();
    assert_eq!(target[0], b'/');
    assert!(len < 256);
    let (link, path) = (stat(c"/proc/self/exe", 0).unwrap(), stat(own_path(), 0).unwrap());
    assert_eq!((link.st_ino, link.st_dev), (path.st_ino, path.st_dev));
}

/// Permissions and name of the mapping that holds `address`.
fn mapping<T>(address: usize, look: impl FnOnce(Option<(&str, &str)>) -> T) -> T {
    with_text(c"/proc/self/maps", |text| {
        let line = text.lines().find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (first, end) = fields.next()?.split_once('-')?;
            let range =
                usize::from_str_radix(first, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
            let rights = fields.next()?;
            range.contains(&address).then(|| (rights, fields.nth(3).unwrap_or("")))
        });
        look(line)
    })
}

fn maps_show_text_stack_and_new_mappings() {
    let text = (maps_show_text_stack_and_new_mappings as *const ()).addr();
    mapping(text, |line| {
        let (rights, name) = line.expect("the text's mapping");
        assert!(rights == "r-xp" && name.starts_with('/'), "{rights} {name}");
    });
    let stack = start::environment().address();
    mapping(stack, |line| assert_eq!(line, Some(("rw-p", "[stack]"))));
    let fresh = map_pages(2);
    mapping(fresh + PAGE, |line| assert_eq!(line.map(|fields| fields.0), Some("rw-p")));
    protect(fresh + PAGE, PAGE, PROT_READ).unwrap();
    mapping(fresh + PAGE, |line| assert_eq!(line.map(|fields| fields.0), Some("r--p")));
    mapping(fresh, |line| assert_eq!(line.map(|fields| fields.0), Some("rw-p")));
    unmap(fresh, 2 * PAGE).unwrap();
    mapping(0, |line| assert_eq!(line, None));
}

fn stat_has_number_name_state_and_parent() {
    with_text(c"/proc/self/stat", |text| {
        let (number, rest) = text.split_once(" (").unwrap();
        let (name, rest) = rest.split_once(") ").unwrap();
        assert_eq!(number.parse(), Ok(getpid()));
        assert!(name.len() <= 15 && own_path().to_str().unwrap().contains(name), "{name}");
        let mut fields = rest.split_ascii_whitespace();
        assert_eq!(fields.next(), Some("R"));
        assert_eq!(fields.next().unwrap().parse(), Ok(getppid()));
        assert!(fields.count() >= 42, "at least the fields up to guest_time");
    });
    with_text(c"/proc/self/status", |text| {
        let line = format::<32>(format_args!("Pid:\t{}", getpid()));
        assert!(text.lines().any(|found| found == line.as_str()));
    });
}

fn fd_lists_open_descriptors() {
    let (input, output) = pipe(0).unwrap();
    let path = format::<32>(format_args!("/proc/self/fd/{output}\0"));
    let mut target = [0; 32];
    let len = readlink(c_str(&path), &mut target).unwrap();
    let expected = format::<32>(format_args!("pipe:[{}]", fstat(output).unwrap().st_ino));
    assert_eq!(&target[..len], expected.as_bytes());
    let again = open(c_str(&path), O_WRONLY, 0).expect("opens the same pipe");
    syscall::write(again, b"x").unwrap();
    assert_eq!(read(input, &mut [0]), Ok(1));
    for fd in [input, output, again] {
        close(fd).unwrap();
    }
    assert_eq!(readlink(c_str(&path), &mut target), Err(ENOENT));
}

fn cmdline_holds_the_arguments() {
    with_text(c"/proc/self/cmdline", |text| {
        let arguments = start::environment().arguments(0);
        assert!(text.split_terminator('\0').eq(arguments), "{text:?}");
    });
}

fn another_process_shows_until_it_is_gone() {
    let (input, output) = pipe(O_CLOEXEC).unwrap();
    let child = fork(|| {
        close(output).unwrap();
        let _ = read(input, &mut [0]);
        0
    });
    let path = format::<32>(format_args!("/proc/{}/stat\0", child.0));
    with_text(c_str(&path), |text| {
        let parent = text.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap();
        assert_eq!(parent.parse(), Ok(getpid()));
    });
    close(input).unwrap();
    close(output).unwrap();
    child.join();
    assert_eq!(open(c_str(&path), O_RDONLY, 0), Err(ENOENT));
}

fn system_files_have_their_fields() {
    with_text(c"/proc/meminfo", |text| {
        let kib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
            line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
        };
        assert!(kib("MemTotal:") > 1024 && kib("MemFree:") < kib("MemTotal:"));
    });
    with_text(c"/proc/uptime", |text| assert!(text.contains('.') && text.contains(' ')));
    with_text(c"/proc/mounts", |text| {
        assert!(text.lines().any(|line| line.contains(" /tmp tmpfs ")))
    });
}
