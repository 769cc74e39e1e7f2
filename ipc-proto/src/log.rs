//! The log: lines for people, with a level; the server knows who writes by the badge.

use crate::data::Text;
use crate::protocol::protocol;
use core::fmt;
use postcard::experimental::max_size::MaxSize;
use serde::{Deserialize, Serialize};

/// Most bytes of a line.
pub const LINE_BYTES: usize = 240;

/// How much a line matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, MaxSize,
)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is not as it should be, and goes on.
    Warn,
    /// Something a person wants to know.
    Info,
    /// Something a developer wants to know.
    Debug,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        })
    }
}

/// Why a line was refused: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, MaxSize)]
pub enum LogError {}

protocol! {
    /// The system's log.
    protocol Log: id = 2, version = 1, error = LogError;

    /// Writes one line; line ends inside it are shown as they are.
    1 Once fn line(level: Level, text: Text<LINE_BYTES>) -> ();
}
