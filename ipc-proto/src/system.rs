//! System descriptions: which servers a machine runs, and what each of them may touch.
//!
//! The source is a TOML file in `image/systems`; the image builder checks it and stores it,
//! encoded by postcard, in bootfs as `/system/NAME`; root decodes it and starts the servers.
//! The types below are both: what TOML is read into and what postcard carries. Hence only
//! positional structs and externally tagged enums, and bounded containers, for root has no heap.

use crate::abi::word::View;
use crate::call::Badge;
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// Most servers of one system.
pub const MAX_SERVERS: usize = 8;
/// Most capabilities that the description of one server names.
pub const MAX_HOLDS: usize = 16;
/// Longest postcard encoding of a description, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 8192;
/// The name that stands for root, as a domain and as a server to call.
pub const ROOT: &str = "root";

/// Bit of the console's notification by which root asks it to bring all output out, and then to
/// call `exit`: root must not wait for a server, it might be the one that faults.
pub const DRAIN_SIGNAL: u64 = 1 << 1;

/// The name of a system, a server, a domain or a capability.
pub type Name = String<16>;
/// The path of a file in bootfs, absolute.
pub type Path = String<64>;

/// A whole system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemDescription {
    /// Its name: that of the file.
    pub name: Name,
    /// The servers, in the order in which root starts them. In TOML: `[[server]]`.
    #[serde(rename = "server")]
    pub servers: Vec<Server, MAX_SERVERS>,
}

/// One server: a program and everything that it may touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name in logs and reports.
    pub name: Name,
    /// The program: a static position-independent ELF file in bootfs.
    pub program: Path,
    /// The domain: servers that name the same domain share a window. `root` is root's own.
    pub domain: Name,
    /// Scheduling priority, 0 to 255. Servers that others call should not be lower than these.
    pub priority: u8,
    /// Slots of its CSpace, filled and free together.
    pub slots: u32,
    /// Size of the main thread's stack.
    pub stack_kib: u32,
    /// Size of its heap.
    pub heap: Amount,
    /// Page-table memory given to the domain for this server, beyond what root's own mappings need.
    pub tables_kib: u32,
    /// Everything the server holds. What is not named here, it has not.
    pub holds: Vec<Hold, MAX_HOLDS>,
    /// The server's own configuration.
    pub config: Option<Config>,
}

/// An amount of memory: a fixed part and a share of the machine's RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// The fixed part in KiB.
    pub kib: u32,
    /// The share of the RAM that root was given, in thousandths.
    pub per_mille: u32,
}

impl Amount {
    /// Returns the amount in bytes, a multiple of the page size, on a machine with `ram` bytes.
    #[must_use]
    pub const fn bytes(self, ram: u64) -> u64 {
        let share = (ram / 1000).saturating_mul(self.per_mille as u64);
        let sum = (self.kib as u64 * 1024).saturating_add(share);
        sum & !(crate::abi::layout::PAGE_BYTES - 1)
    }
}

/// One capability that a server holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The name by which the server finds it in its start information.
    pub name: Name,
    /// What it is.
    pub what: Source,
}

/// Protocols that a client can be given an endpoint for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Protocol {
    /// [`crate::console`].
    Console = 1,
    /// [`crate::log`].
    Log = 2,
    /// [`crate::supervisor`].
    Supervisor = 3,
    /// [`crate::echo`].
    Echo = 4,
}

/// What a capability stands for, and where root takes it from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// The server's own CSpace.
    OwnCspace,
    /// The VSpace of the server's domain.
    OwnVspace,
    /// The server's own main thread.
    OwnThread,
    /// The endpoint that the server receives on.
    Serve {
        /// The protocols it serves there.
        protocols: Vec<Protocol, 4>,
    },
    /// A Reply, to serve with.
    Reply,
    /// The right to call another server (or `root`), with a badge that tells who calls and
    /// by which protocol: see [`Caller`].
    Call {
        /// The server that answers.
        server: Name,
        /// The protocol.
        protocol: Protocol,
    },
    /// A notification, bound to the server's main thread.
    Notification,
    /// The registers of the machine's console UART: device memory, mapped.
    UartRegisters,
    /// The interrupt of the machine's console UART, bound to the server's notification.
    UartIrq,
    /// The kernel's debug console.
    DebugConsole,
    /// The registers of the machine's real-time clock: device memory, mapped read-only.
    RtcRegisters,
    /// The bootfs archive, read and execute, mapped.
    Bootfs,
    /// The initrd that overlays bootfs, read and execute, mapped; absent if there is none.
    Initrd,
    /// Memory for kernel objects of the server's own: threads, address spaces, page tables.
    Untyped(Amount),
    /// All RAM that is left when every server has its own, one Memory range, mapped.
    /// At most one server can have it.
    Pool,
}

/// Who calls, and by which protocol: what the badge of an endpoint capability from root says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's place in the description, from 1; root is 0.
    pub client: u16,
    /// The number of the [`Protocol`]; 0 marks a fault endpoint.
    pub protocol: u8,
}

impl Caller {
    /// Returns the badge; never 0.
    #[must_use]
    pub const fn to_badge(self) -> Badge {
        Badge(1 << 32 | (self.protocol as u64) << 16 | self.client as u64)
    }
    /// Decodes a badge.
    #[must_use]
    pub const fn from_badge(badge: Badge) -> Caller {
        Caller { client: badge.0 as u16, protocol: (badge.0 >> 16) as u8 }
    }
}

/// The configuration of a server, typed by the server that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Config {
    /// For `console`.
    Console(ConsoleConfig),
    /// For `personality`.
    Personality(PersonalityConfig),
}

/// Configuration of the console server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Rows of the terminal, as long as nobody says otherwise.
    pub rows: u16,
    /// Columns of the terminal.
    pub columns: u16,
}

/// Configuration of the Linux personality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalityConfig {
    /// What guests see of the personality's window.
    pub view: View,
}

/// What root passes to the console server as its `config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleStart {
    /// The configured part.
    pub config: ConsoleConfig,
    /// Kind of the UART behind `uart.registers`.
    pub uart: crate::abi::boot_info::UartKind,
    /// Names of the clients, by the `client` of their badges.
    pub clients: Vec<Name, { MAX_SERVERS + 1 }>,
    /// Log lines below this level are dropped.
    pub is_verbose: bool,
}

/// What root passes to the personality as its `config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalityStart<'a> {
    /// The configured part.
    pub config: PersonalityConfig,
    /// The program and its arguments, each ended by a NUL byte; empty: the first of `/bin/sh`
    /// and `/tools/hello` that exists.
    pub arguments: &'a str,
    /// The environment, `NAME=VALUE`, each ended by a NUL byte.
    pub environment: &'a str,
    /// The working directory; empty: `/`.
    pub directory: &'a str,
    /// Log what is unusual.
    pub is_verbose: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_whole_pages_and_does_not_overflow() {
        assert_eq!(Amount { kib: 4096, per_mille: 0 }.bytes(1 << 30), 4 << 20);
        assert_eq!(Amount { kib: 5, per_mille: 100 }.bytes(1000 * 4096), 102 * 4096 - 4096);
        let _ = Amount { kib: u32::MAX, per_mille: u32::MAX }.bytes(u64::MAX);
    }

    #[test]
    fn a_badge_decodes_to_what_was_encoded() {
        let caller = Caller { client: 7, protocol: Protocol::Log as u8 };
        assert_eq!(Caller::from_badge(caller.to_badge()), caller);
        assert_ne!(Caller { client: 0, protocol: 0 }.to_badge(), Badge(0));
    }
}
