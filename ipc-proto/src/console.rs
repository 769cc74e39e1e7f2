//! The console: one terminal with Linux's line discipline.

use crate::data::Bytes;
use crate::protocol::protocol;
use postcard::experimental::max_size::MaxSize;
use serde::{Deserialize, Serialize};

/// Most bytes that one `write` or `read` moves.
pub const CHUNK_BYTES: usize = 1024;

/// The modes of the terminal, in Linux's bit values (`struct termios`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, MaxSize)]
pub struct Modes {
    /// `c_iflag`.
    pub input: u32,
    /// `c_oflag`.
    pub output: u32,
    /// `c_cflag`.
    pub control: u32,
    /// `c_lflag`.
    pub local: u32,
    /// `c_cc`: the control characters.
    pub characters: [u8; 19],
}

/// The size of the terminal in characters; 0 where unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, MaxSize)]
pub struct WindowSize {
    /// Number of lines.
    pub rows: u16,
    /// Number of characters in a line.
    pub columns: u16,
}

/// A set of things that happened at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, MaxSize)]
pub struct Events(pub u32);

impl Events {
    /// There is something to read, or the input ended.
    pub const INPUT: Events = Events(1);
    /// The interrupt character (^C) was typed.
    pub const INTERRUPT: Events = Events(2);
    /// The quit character (^\) was typed.
    pub const QUIT: Events = Events(4);
    /// The suspend character (^Z) was typed.
    pub const SUSPEND: Events = Events(8);
    /// A `write` that took less than all it was given may be tried again.
    pub const OUTPUT: Events = Events(16);

    /// Tells whether every event of `other` is in `self`.
    #[must_use]
    pub const fn contains(self, other: Events) -> bool {
        self.0 & other.0 == other.0
    }
    /// Returns the events in either.
    #[must_use]
    pub const fn union(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }
}

/// Why a console request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, MaxSize)]
pub enum ConsoleError {
    /// The input ended: the end-of-file character was typed on an empty line.
    EndOfFile,
    /// The console is watched by as many clients as it can tell.
    TooManyWatchers,
}

protocol! {
    /// The system's console.
    protocol Console: id = 1, version = 1, error = ConsoleError;

    /// Puts bytes out, under the output modes; returns how many were taken.
    1 Once fn write(bytes: Bytes<CHUNK_BYTES>) -> u32;

    /// Takes at most `limit` bytes of what there is to read under the line discipline, maybe none.
    2 Once fn read(limit: u32) -> Bytes<CHUNK_BYTES>;

    /// Returns the modes.
    3 Idempotent fn modes() -> Modes;

    /// Sets the modes.
    4 Idempotent fn set_modes(modes: Modes) -> ();

    /// Returns how many bytes `read` would find now.
    5 Idempotent fn readable() -> u32;

    /// Returns the size of the terminal.
    6 Idempotent fn window() -> WindowSize;

    /// Throws away what was typed and not read.
    7 Idempotent fn flush_input() -> ();

    /// Returns when everything written is out.
    8 Idempotent fn drain() -> ();

    /// Signals `event` whenever there are new events, from now on.
    9 Once fn watch() takes (event: Notification) -> ();

    /// Returns the events since it was last asked, and clears them.
    10 Once fn events() -> Events;
}
