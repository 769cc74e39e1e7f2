//! Why the system cannot be started, for people.

use crate::program::ProgramError;
use alloc::string::{String, ToString};
use core::fmt;
use cpio::CpioError;
use ipc_proto::abi::status::SyscallError;
use ipc_proto::system::{Name, Path};

/// Why the system cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The command line is wrong; the text says how.
    CommandLine(String),
    /// There is no description of the system asked for.
    NoSystem(Name),
    /// The description of a system does not decode.
    BadSystem(Name),
    /// bootfs or the initrd is damaged.
    Archive(&'static str, CpioError),
    /// A server's program is not in bootfs.
    NoProgram(Name, Path),
    /// A server's program cannot be loaded.
    Program(Path, ProgramError),
    /// A server calls or shares what does not exist.
    NotThere(Name, Name),
    /// A server's start information does not fit its page.
    StartTooLong(Name),
    /// There is not enough memory: what for, and how many bytes.
    NoMemory(Name, u64),
    /// The kernel refused something that it should not: what, and why.
    Refused(&'static str, String),
}

impl BootError {
    /// Returns the status that the machine is powered off with.
    #[must_use]
    pub const fn status(&self) -> u64 {
        match self {
            BootError::CommandLine(_) | BootError::NoSystem(_) => 2,
            _ => 70,
        }
    }

    /// Says that the kernel refused `call`.
    pub fn refused<E: fmt::Display>(call: &'static str) -> impl Fn(SyscallError<E>) -> BootError {
        move |error| BootError::Refused(call, error.to_string())
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootError::CommandLine(error) => f.write_str(error),
            BootError::NoSystem(name) => write!(f, "/system/{name}: no such system in bootfs"),
            BootError::BadSystem(name) => write!(f, "/system/{name}: not a system description"),
            BootError::Archive(archive, error) => write!(f, "{archive}: {error}"),
            BootError::NoProgram(server, path) => {
                write!(f, "{path}: not found in bootfs, needed by server {server}")
            }
            BootError::Program(path, error) => write!(f, "{path}: {error}"),
            BootError::NotThere(server, name) => {
                write!(f, "server {server}: there is no `{name}` for it")
            }
            BootError::StartTooLong(server) => {
                write!(f, "server {server}: command line and configuration do not fit a page")
            }
            BootError::NoMemory(server, bytes) => {
                write!(f, "not enough memory for {server}: {} KiB more needed", bytes / 1024)
            }
            BootError::Refused(call, error) => write!(f, "the kernel refused {call}: {error}"),
        }
    }
}
