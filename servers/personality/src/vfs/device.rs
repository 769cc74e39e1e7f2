//! Character devices: what the nodes in `/dev` do.

use alloc::sync::Arc;

use super::abi::make_device;
use super::environment::Environment;
use super::transfer::{Sink, Source, partial};
use super::tty::Tty;
use super::vnode::{Caller, FileSystemInfo, Kind, Stat, Vnode};
use crate::errno::Errno;

/// Number of `/dev/null`.
pub const NULL: u64 = make_device(1, 3);
/// Number of `/dev/zero`.
pub const ZERO: u64 = make_device(1, 5);
/// Number of `/dev/full`.
pub const FULL: u64 = make_device(1, 7);
/// Number of `/dev/random`.
pub const RANDOM: u64 = make_device(1, 8);
/// Number of `/dev/urandom`.
pub const URANDOM: u64 = make_device(1, 9);
/// Number of `/dev/tty`, the caller's controlling terminal.
pub const TTY: u64 = make_device(5, 0);
/// Number of `/dev/console`.
pub const CONSOLE: u64 = make_device(5, 1);

/// The devices in `/dev` by name: the number and the permission bits of each.
pub const NODES: [(&str, u64, u16); 7] = [
    ("null", NULL, 0o666),
    ("zero", ZERO, 0o666),
    ("full", FULL, 0o666),
    ("random", RANDOM, 0o666),
    ("urandom", URANDOM, 0o666),
    ("tty", TTY, 0o666),
    ("console", CONSOLE, 0o600),
];

/// The devices of a system.
pub struct Devices {
    environment: Arc<dyn Environment>,
    tty: Arc<Tty>,
}

impl Devices {
    /// The devices, with `tty` as the console.
    #[must_use]
    pub fn new(environment: Arc<dyn Environment>, tty: Arc<Tty>) -> Self {
        Self { environment, tty }
    }

    /// The console's terminal.
    #[must_use]
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// Gives what does the reading and writing for device `number`. `ENXIO` if there is no such
    /// device, or the caller has no controlling terminal.
    pub fn open(&self, number: u64, caller: &Caller) -> Result<Arc<dyn Vnode>, Errno> {
        let memory = |kind| {
            let environment = self.environment.clone();
            let device: Arc<dyn Vnode> = Arc::new(MemoryDevice { kind, number, environment });
            Ok(device)
        };
        match number {
            NULL => memory(MemoryKind::Null),
            ZERO => memory(MemoryKind::Zero),
            FULL => memory(MemoryKind::Full),
            RANDOM | URANDOM => memory(MemoryKind::Random),
            CONSOLE => Ok(self.tty.clone()),
            TTY if self.tty.session() == Some(caller.session) => Ok(self.tty.clone()),
            _ => Err(Errno::ENXIO),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MemoryKind {
    Null,
    Zero,
    Full,
    Random,
}

/// A device that needs no hardware.
struct MemoryDevice {
    kind: MemoryKind,
    number: u64,
    environment: Arc<dyn Environment>,
}

/// Bytes that are made at a time.
const CHUNK_BYTES: usize = 256;
static ZEROS: [u8; 4096] = [0; 4096];

impl MemoryDevice {
    fn read_zeros(into: &mut dyn Sink) -> Result<usize, Errno> {
        let mut done = 0;
        while into.room() > 0 {
            let chunk = ZEROS.get(..into.room()).unwrap_or(&ZEROS);
            match into.put(chunk) {
                Ok(()) => done += chunk.len(),
                Err(error) => return partial(done, error),
            }
        }
        Ok(done)
    }

    fn read_random(&self, into: &mut dyn Sink) -> Result<usize, Errno> {
        let mut done = 0;
        while into.room() > 0 {
            let mut chunk = [0; CHUNK_BYTES];
            let count = into.room().min(CHUNK_BYTES);
            let chunk = chunk.get_mut(..count).unwrap_or_default();
            self.environment.fill_random(chunk);
            match into.put(chunk) {
                Ok(()) => done += count,
                Err(error) => return partial(done, error),
            }
        }
        Ok(done)
    }
}

impl Vnode for MemoryDevice {
    fn stat(&self) -> Stat {
        Stat { rdev: self.number, ..Stat::new(Kind::CharDevice, 0o666) }
    }

    fn kind(&self) -> Kind {
        Kind::CharDevice
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(super::tmpfs::MAGIC, 0)
    }

    /// Offsets are taken and mean nothing, as `lseek` on these devices succeeds in Linux.
    fn is_seekable(&self) -> bool {
        true
    }

    fn read_at(&self, _offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
        match self.kind {
            MemoryKind::Null => Ok(0),
            MemoryKind::Zero | MemoryKind::Full => Self::read_zeros(into),
            MemoryKind::Random => self.read_random(into),
        }
    }

    fn write_at(&self, _offset: u64, from: &mut dyn Source) -> Result<usize, Errno> {
        if self.kind == MemoryKind::Full { Err(Errno::ENOSPC) } else { Ok(from.left()) }
    }

    fn append(&self, from: &mut dyn Source) -> Result<(usize, u64), Errno> {
        self.write_at(0, from).map(|count| (count, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::environment::FakeEnvironment;
    use crate::vfs::transfer::Bytes;
    use crate::vfs::tty::FakeConsole;

    fn devices() -> Devices {
        let tty = Arc::new(Tty::new(Arc::new(FakeConsole::default())));
        Devices::new(Arc::new(FakeEnvironment::default()), tty)
    }

    #[test]
    fn the_memory_devices_do_what_their_names_say() {
        let devices = devices();
        let open = |number| devices.open(number, &Caller::default()).unwrap();
        let mut room = [7; 5];
        assert_eq!(open(NULL).read_at(0, &mut Bytes(&mut room)), Ok(0));
        assert_eq!(open(NULL).write_at(0, &mut &b"abc"[..]), Ok(3));
        assert_eq!(open(ZERO).read_at(9, &mut Bytes(&mut room)), Ok(5));
        assert_eq!(room, [0; 5]);
        assert_eq!(open(FULL).write_at(0, &mut &b"abc"[..]), Err(Errno::ENOSPC));
        assert_eq!(open(URANDOM).read_at(0, &mut Bytes(&mut room)), Ok(5));
        assert_eq!(room, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn the_controlling_terminal_is_that_of_the_callers_session() {
        let devices = devices();
        let caller = Caller { session: 4, ..Caller::default() };
        assert_eq!(devices.open(TTY, &caller).err(), Some(Errno::ENXIO));
        devices.tty().attach(4, 4);
        assert!(devices.open(TTY, &caller).is_ok());
        let other = Caller { session: 5, ..Caller::default() };
        assert_eq!(devices.open(TTY, &other).err(), Some(Errno::ENXIO));
    }
}
