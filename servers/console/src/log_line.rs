//! How a log line looks: `client: text`, with the level in between where it matters.

use crate::output::Output;
use ipc_proto::log::{LINE_BYTES, Level};

/// Most bytes that a log line puts out: each byte of the text may become two.
pub const MAX_BYTES: usize = 64 + 2 * LINE_BYTES;

/// Puts a log line out, on a line of its own.
pub fn put(output: &mut Output, client: &str, level: Level, text: &str) {
    if output.column() != 0 {
        put_text(output, "\n");
    }
    put_text(output, client);
    put_text(
        output,
        match level {
            Level::Error => ": error: ",
            Level::Warn => ": warning: ",
            Level::Info => ": ",
            Level::Debug => ": debug: ",
        },
    );
    put_text(output, text);
    put_text(output, "\n");
}

/// Puts text out whatever the terminal's modes are.
fn put_text(output: &mut Output, text: &str) {
    for byte in text.bytes() {
        if byte == b'\n' {
            output.put_raw(b'\r');
        }
        output.put_raw(byte);
    }
}
