//! Log lines for people: through the log server, or to the debug console where there is none.

use crate::ipc::Endpoint;
use crate::start;
use crate::sync::Once;
use crate::syscall;
use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};
use ipc_proto::capability::{Cap, kind};
use ipc_proto::data::Text;
use ipc_proto::log::{Client, LINE_BYTES};

pub use crate::{debug, error, info, warn};
pub use ipc_proto::log::Level;

/// Where lines go.
#[derive(Clone, Copy, Debug)]
struct Sinks {
    server: Option<Client<Endpoint>>,
    console: Option<Cap<kind::DebugConsole>>,
}

static SINKS: Once<Sinks> = Once::new();

/// The least important level that is written. Nothing else depends on its value.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Says where lines go; done once, at the start.
pub(crate) fn initialise(
    server: Option<Cap<kind::Endpoint>>,
    console: Option<Cap<kind::DebugConsole>>,
) {
    let server = server.map(|endpoint| Client(Endpoint::new(endpoint)));
    SINKS.call_once(|| Sinks { server, console });
}

/// Says down to which level lines are written; at the start it is [`Level::Info`].
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Tells whether lines of `level` are written.
#[must_use]
#[inline]
pub fn is_enabled(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Writes one line; what is longer than a line is cut.
pub fn write(level: Level, arguments: fmt::Arguments<'_>) {
    let text = Text::format(arguments);
    let Some(sinks) = SINKS.get() else { return };
    match &sinks.server {
        Some(server) if server.line(level, text.clone()).is_ok() => (),
        _ => write_debug(level, &text),
    }
}

/// Writes one line to the debug console, past the log server; for the end of a program.
pub(crate) fn write_debug(level: Level, text: &str) {
    let Some(console) = SINKS.get().and_then(|sinks| sinks.console) else { return };
    let program = start::image().map_or("?", |image| image.name);
    let line = Text::<{ LINE_BYTES + 32 }>::format(format_args!("{program}: {level}: {text}"));
    // The last resort: there is nobody to tell when it fails.
    let _ = syscall::debug_write(console, line.as_bytes());
    let _ = syscall::debug_write(console, b"\n");
}

/// Writes a line of any level.
#[doc(hidden)]
#[macro_export]
macro_rules! log_line {
    ($level:ident, $($text:tt)+) => {
        if $crate::log::is_enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, ::core::format_args!($($text)+));
        }
    };
}

/// Logs that something failed.
#[macro_export]
macro_rules! error { ($($text:tt)+) => { $crate::log_line!(Error, $($text)+) }; }
/// Logs that something is not as it should be, and goes on.
#[macro_export]
macro_rules! warn { ($($text:tt)+) => { $crate::log_line!(Warn, $($text)+) }; }
/// Logs something a person wants to know.
#[macro_export]
macro_rules! info { ($($text:tt)+) => { $crate::log_line!(Info, $($text)+) }; }
/// Logs something a developer wants to know.
#[macro_export]
macro_rules! debug { ($($text:tt)+) => { $crate::log_line!(Debug, $($text)+) }; }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_below_the_limit_are_left_out() {
        assert!(is_enabled(Level::Error) && is_enabled(Level::Info) && !is_enabled(Level::Debug));
        error!("no sink yet: {} is dropped", 1);
    }
}
