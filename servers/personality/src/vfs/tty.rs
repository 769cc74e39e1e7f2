//! The terminal: the console as a file, and whose session it controls.
//!
//! The console server does the line discipline. Here are the session and the foreground process
//! group, the waiting, and which signals the typed control characters stand for.

use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

pub use ipc_proto::console::{Events, Modes, WindowSize};
use linux_raw_sys::general::{
    ICANON, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, SIGINT, SIGQUIT, SIGTSTP, TOSTOP, VMIN, VTIME,
};

use super::device;
use super::transfer::{Sink, Source, partial};
use super::vnode::{Direction, FileSystemInfo, Kind, Stat, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;
use crate::wait::WaitQueue;

/// Bytes that travel in one message to the console server.
const CHUNK_BYTES: usize = ipc_proto::console::CHUNK_BYTES;

/// The input ended: the end-of-file character on an empty line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOfFile;

/// The console server, or a fake. A server that does not answer reads as nothing there.
pub trait Console: Any + Send + Sync {
    /// Puts bytes out; tells how many were taken.
    fn write(&self, bytes: &[u8]) -> usize;
    /// Takes what there is to read, maybe nothing.
    fn read(&self, into: &mut [u8]) -> Result<usize, EndOfFile>;
    /// The modes.
    fn modes(&self) -> Modes;
    /// Sets the modes.
    fn set_modes(&self, modes: &Modes);
    /// How many bytes a read would find.
    fn readable(&self) -> usize;
    /// The size of the window.
    fn window(&self) -> WindowSize;
    /// Throws away what was typed and not read.
    fn flush_input(&self);
    /// Returns when everything written is out.
    fn drain(&self);
    /// The events since it was last asked.
    fn events(&self) -> Events;
}

/// The session that the terminal controls, and its foreground process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Control {
    session: u32,
    foreground: u32,
}

/// When a read of the terminal is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRule {
    /// Number of bytes to wait for.
    pub minimum: usize,
    /// How long to wait, in tenths of a second; 0: for ever, or with minimum 0 not at all.
    pub tenths: u8,
}

/// A terminal.
pub struct Tty {
    console: Arc<dyn Console>,
    control: Mutex<Option<Control>>,
    /// The modes as last seen or set. Only this terminal sets them.
    modes: Mutex<Option<Modes>>,
    /// The size that a program has set; the console's own until then.
    window: Mutex<Option<WindowSize>>,
    activity: AtomicU64,
    input: WaitQueue,
    output: WaitQueue,
}

impl Tty {
    /// The terminal on `console`, which controls no session yet.
    #[must_use]
    pub fn new(console: Arc<dyn Console>) -> Self {
        Self {
            console,
            control: Mutex::new(None),
            modes: Mutex::new(None),
            window: Mutex::new(None),
            activity: AtomicU64::new(0),
            input: WaitQueue::new(),
            output: WaitQueue::new(),
        }
    }

    /// What is behind it.
    #[must_use]
    pub fn console(&self) -> &Arc<dyn Console> {
        &self.console
    }

    /// The session it controls.
    #[must_use]
    pub fn session(&self) -> Option<u32> {
        self.control.lock().map(|control| control.session)
    }

    /// The foreground process group, if it controls a session.
    #[must_use]
    pub fn foreground(&self) -> Option<u32> {
        self.control.lock().map(|control| control.foreground)
    }

    /// Makes it the controlling terminal of `session`, with `group` in the foreground.
    pub fn attach(&self, session: u32, group: u32) {
        *self.control.lock() = Some(Control { session, foreground: group });
    }

    /// Ends its control of `session`: the session's leader gave it up or ended.
    pub fn detach(&self, session: u32) {
        let mut control = self.control.lock();
        if control.is_some_and(|control| control.session == session) {
            *control = None;
        }
    }

    /// Puts a process group of the session in the foreground.
    pub fn set_foreground(&self, group: u32) {
        if let Some(control) = self.control.lock().as_mut() {
            control.foreground = group;
        }
    }

    /// Tells whether a process of `session` and `group` is in the background of this terminal.
    #[must_use]
    pub fn is_background(&self, session: u32, group: u32) -> bool {
        let control = *self.control.lock();
        control.is_some_and(|control| control.session == session && control.foreground != group)
    }

    /// Takes the console's events: wakes who waits for them and calls `send` with the foreground
    /// process group and the signal for each control character typed.
    pub fn take_events(&self, mut send: impl FnMut(u32, u32)) {
        let events = self.console.events();
        self.activity.fetch_add(1, Ordering::Relaxed);
        let signals =
            [(Events::INTERRUPT, SIGINT), (Events::QUIT, SIGQUIT), (Events::SUSPEND, SIGTSTP)];
        for (event, signal) in signals {
            if let Some(group) = self.foreground()
                && events.contains(event)
            {
                send(group, signal);
            }
        }
        if events.contains(Events::INPUT) {
            self.input.wake_all();
        }
        if events.contains(Events::OUTPUT) {
            self.output.wake_all();
        }
    }

    /// The modes.
    #[must_use]
    pub fn modes(&self) -> Modes {
        *self.modes.lock().get_or_insert_with(|| self.console.modes())
    }

    /// Sets the modes.
    pub fn set_modes(&self, modes: &Modes) {
        self.console.set_modes(modes);
        *self.modes.lock() = Some(*modes);
        // What is readable depends on the modes.
        self.input.wake_all();
    }

    /// The size of the window.
    #[must_use]
    pub fn window(&self) -> WindowSize {
        let set = *self.window.lock();
        set.unwrap_or_else(|| self.console.window())
    }

    /// Sets the size of the window; tells whether it changed.
    pub fn set_window(&self, size: WindowSize) -> bool {
        let changed = self.window() != size;
        *self.window.lock() = Some(size);
        changed
    }

    /// Throws away what was typed and not read.
    pub fn flush_input(&self) {
        self.console.flush_input();
    }

    /// Returns when everything written is out.
    pub fn drain(&self) {
        self.console.drain();
    }

    /// Tells whether output of a background process stops it (`TOSTOP`).
    #[must_use]
    pub fn stops_background_output(&self) -> bool {
        self.modes().local & TOSTOP != 0
    }

    /// Tells when a read is done in the current modes.
    #[must_use]
    pub fn read_rule(&self) -> ReadRule {
        let modes = self.modes();
        if modes.local & ICANON != 0 {
            return ReadRule { minimum: 1, tenths: 0 };
        }
        let character = |index: u32| modes.characters.get(index as usize).copied().unwrap_or(0);
        ReadRule { minimum: usize::from(character(VMIN)), tenths: character(VTIME) }
    }

    /// Puts all of a chunk out, waiting while the console's ring is full. `false` when the console
    /// takes nothing though all before is out.
    fn write_chunk(&self, mut bytes: &[u8]) -> bool {
        let mut is_drained = false;
        while !bytes.is_empty() {
            match self.console.write(bytes) {
                0 if is_drained => return false,
                0 => {
                    self.console.drain();
                    is_drained = true;
                }
                count => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    is_drained = false;
                }
            }
        }
        true
    }

    /// Reads what is there, be it less than the minimum of the modes.
    pub fn read_now(&self, into: &mut dyn Sink) -> Result<usize, Errno> {
        Ok(self.read_available(into).unwrap_or(0))
    }

    /// Takes what there is to read, as far as it goes into one message; nothing there is 0.
    fn read_available(&self, into: &mut dyn Sink) -> Result<usize, EndOfFile> {
        let mut bytes = [0; CHUNK_BYTES];
        let room = into.room().min(CHUNK_BYTES);
        let count = self.console.read(bytes.get_mut(..room).unwrap_or_default())?;
        let bytes = bytes.get(..count).unwrap_or_default();
        // The bytes are lost when the program's buffer is bad, as on Linux.
        Ok(into.put(bytes).map_or(0, |()| count))
    }
}

impl Vnode for Tty {
    fn stat(&self) -> Stat {
        let rdev = device::CONSOLE;
        Stat { rdev, block_bytes: 1024, ..Stat::new(Kind::CharDevice, 0o600) }
    }

    fn kind(&self) -> Kind {
        Kind::CharDevice
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(super::tmpfs::MAGIC, 0)
    }

    /// Reads once the minimum of the modes is there; with minimum 0 at once, maybe nothing.
    fn read_at(&self, _offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
        if into.room() == 0 {
            return Ok(0);
        }
        let minimum = self.read_rule().minimum.min(into.room());
        if minimum > 1 && self.console.readable() < minimum {
            return Err(Errno::EAGAIN);
        }
        match self.read_available(into) {
            Ok(0) if minimum > 0 => Err(Errno::EAGAIN),
            Ok(count) => Ok(count),
            Err(EndOfFile) => Ok(0),
        }
    }

    fn write_at(&self, _offset: u64, from: &mut dyn Source) -> Result<usize, Errno> {
        let mut done = 0;
        while from.left() > 0 {
            let mut bytes = [0; CHUNK_BYTES];
            let length = from.left().min(CHUNK_BYTES);
            let bytes = bytes.get_mut(..length).unwrap_or_default();
            if let Err(error) = from.take(bytes) {
                return partial(done, error);
            }
            if !self.write_chunk(bytes) {
                return partial(done, Errno::EIO);
            }
            done += length;
        }
        Ok(done)
    }

    fn append(&self, from: &mut dyn Source) -> Result<(usize, u64), Errno> {
        self.write_at(0, from).map(|count| (count, 0))
    }

    fn readiness(&self) -> u32 {
        let input = if self.console.readable() > 0 { POLLIN | POLLRDNORM } else { 0 };
        input | POLLOUT | POLLWRNORM
    }

    fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    fn queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Input => &self.input,
            Direction::Output => &self.output,
        })
    }

    fn readable_bytes(&self) -> Option<u64> {
        Some(self.console.readable() as u64)
    }
}

/// A console whose input tests put in and whose output they look at.
#[cfg(test)]
#[derive(Default)]
pub struct FakeConsole {
    /// What was written.
    pub output: Mutex<alloc::vec::Vec<u8>>,
    /// What there is to read.
    pub input: Mutex<alloc::vec::Vec<u8>>,
    /// Events to report.
    pub pending: Mutex<Events>,
    /// The modes.
    pub modes: Mutex<Modes>,
    /// It takes no output any more.
    pub is_dead: core::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl Console for FakeConsole {
    fn write(&self, bytes: &[u8]) -> usize {
        if self.is_dead.load(Ordering::Relaxed) {
            return 0;
        }
        // Takes little at a time, as a full ring does.
        let count = bytes.len().min(7);
        self.output.lock().extend_from_slice(&bytes[..count]);
        count
    }
    fn read(&self, into: &mut [u8]) -> Result<usize, EndOfFile> {
        let mut input = self.input.lock();
        if input.first() == Some(&4) {
            input.remove(0);
            return Err(EndOfFile);
        }
        let count = input.len().min(into.len());
        into[..count].copy_from_slice(&input[..count]);
        input.drain(..count);
        Ok(count)
    }
    fn modes(&self) -> Modes {
        *self.modes.lock()
    }
    fn set_modes(&self, modes: &Modes) {
        *self.modes.lock() = *modes;
    }
    fn readable(&self) -> usize {
        self.input.lock().len()
    }
    fn window(&self) -> WindowSize {
        WindowSize { rows: 24, columns: 80 }
    }
    fn flush_input(&self) {
        self.input.lock().clear();
    }
    fn drain(&self) {}
    fn events(&self) -> Events {
        core::mem::take(&mut *self.pending.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::transfer::Bytes;

    fn tty(modes: Modes) -> (Arc<FakeConsole>, Tty) {
        let console = Arc::new(FakeConsole { modes: Mutex::new(modes), ..Default::default() });
        (console.clone(), Tty::new(console))
    }

    fn canonical() -> Modes {
        Modes { local: ICANON, ..Modes::default() }
    }

    #[test]
    fn a_write_goes_out_whole_however_little_the_console_takes() {
        let (console, tty) = tty(canonical());
        let text = [b'x'; 3000];
        assert_eq!(tty.write_at(0, &mut &text[..]), Ok(3000));
        assert_eq!(*console.output.lock(), text);
    }

    #[test]
    fn a_console_that_takes_nothing_is_an_error_and_no_endless_wait() {
        let (console, tty) = tty(canonical());
        console.is_dead.store(true, Ordering::Relaxed);
        assert_eq!(tty.write_at(0, &mut &b"x"[..]), Err(Errno::EIO));
    }

    #[test]
    fn reading_waits_for_a_line_and_ends_at_end_of_file() {
        let (console, tty) = tty(canonical());
        let mut room = [0; 8];
        assert_eq!(tty.read_at(0, &mut Bytes(&mut room)), Err(Errno::EAGAIN));
        console.input.lock().extend_from_slice(b"ab\n");
        assert_eq!(tty.read_at(0, &mut Bytes(&mut room)), Ok(3));
        console.input.lock().push(4);
        assert_eq!(tty.read_at(0, &mut Bytes(&mut room)), Ok(0));
    }

    #[test]
    fn without_lines_the_minimum_counts() {
        let mut modes = Modes::default();
        modes.characters[VMIN as usize] = 3;
        let (console, tty) = tty(modes);
        let mut room = [0; 8];
        console.input.lock().extend_from_slice(b"ab");
        assert_eq!(tty.read_at(0, &mut Bytes(&mut room)), Err(Errno::EAGAIN));
        // A smaller request than the minimum is done when it is full.
        assert_eq!(tty.read_at(0, &mut Bytes(&mut room[..2])), Ok(2));
        tty.set_modes(&Modes::default());
        assert_eq!(tty.read_at(0, &mut Bytes(&mut room)), Ok(0));
    }

    #[test]
    fn control_characters_signal_the_foreground_group() {
        let (console, tty) = tty(canonical());
        *console.pending.lock() = Events::INTERRUPT.union(Events::SUSPEND);
        let mut sent = alloc::vec::Vec::new();
        tty.take_events(|group, signal| sent.push((group, signal)));
        assert_eq!(sent, []);
        tty.attach(1, 1);
        tty.set_foreground(9);
        *console.pending.lock() = Events::INTERRUPT.union(Events::SUSPEND);
        tty.take_events(|group, signal| sent.push((group, signal)));
        assert_eq!(sent, [(9, SIGINT), (9, SIGTSTP)]);
        assert!(tty.is_background(1, 1) && !tty.is_background(1, 9) && !tty.is_background(2, 1));
    }
}
