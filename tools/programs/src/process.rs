//! Child processes: fork with a closure, statuses, execve, pipes as one-way messages.

use core::ffi::CStr;

use linux_raw_sys::general::*;

use crate::syscall::{Fd, Result, exit, getpid, read, wait, write};
use crate::{call, print};

/// A child that was started and not yet waited for.
pub struct Child(pub i32);

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Killed(u32),
    /// A signal stopped it, or another status this library does not name.
    Other(i32),
}

/// Decodes a status of wait4.
pub fn outcome(status: i32) -> Outcome {
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, code) => Outcome::Exited(code),
        (0x7f, _) => Outcome::Other(status),
        (signal, _) => Outcome::Killed(signal as u32),
    }
}

/// Forks; the child does `work` and exits with its result.
pub fn fork(work: impl FnOnce() -> i32) -> Child {
    match call!(__NR_clone, SIGCHLD, 0, 0, 0, 0).expect("fork") {
        0 => exit(work()),
        pid => Child(pid as i32),
    }
}

impl Child {
    /// Waits for the child's end.
    pub fn join(self) -> Outcome {
        let (pid, status) = wait(self.0, 0).expect("wait for the child");
        assert_eq!(pid, self.0);
        outcome(status)
    }
}

/// Runs `work` in a child and expects status 0 of it.
pub fn isolated(work: impl FnOnce()) {
    let child = fork(|| {
        work();
        0
    });
    assert_eq!(child.join(), Outcome::Exited(0));
}

/// Replaces the program; returns only when refused. Lists end with a null pointer.
pub fn execute(path: &CStr, arguments: &[*const u8], variables: &[*const u8]) -> Result {
    call!(__NR_execve, path, arguments, variables)
}

/// The path that this program was started by.
pub fn own_path() -> &'static CStr {
    let environment = crate::start::environment();
    environment.auxiliary_value(linux_raw_sys::auxvec::AT_EXECFN).map_or(c"", crate::start::string)
}

/// A name under /tmp that no other process uses, ready for system calls.
pub fn temporary(name: &str) -> heapless::String<64> {
    print::format(format_args!("/tmp/{}-{name}\0", getpid()))
}

/// A string that ends with a zero byte, as the kernel wants it.
pub fn c_str(text: &str) -> &CStr {
    CStr::from_bytes_until_nul(text.as_bytes()).expect("a terminated string")
}

/// Writes a number into a pipe.
pub fn send(fd: Fd, value: u64) {
    assert_eq!(write(fd, &value.to_le_bytes()), Ok(8));
}

/// Reads a number from a pipe.
pub fn receive(fd: Fd) -> u64 {
    let mut bytes = [0; 8];
    assert_eq!(read(fd, &mut bytes), Ok(8));
    u64::from_le_bytes(bytes)
}
