//! The terminal's output side: post-processing, column tracking, and the ring to the UART.

use crate::modes::ModeFlags;
use heapless::Deque;
use ipc_proto::console::Modes;
use linux_raw_sys::general as linux;

/// Bytes that the output ring holds.
pub const OUTPUT_BYTES: usize = 16 << 10;
/// Bytes of the ring that only echo and log lines may fill.
pub const RESERVE_BYTES: usize = 512;
/// Most bytes that one byte becomes in post-processing: a tab stop.
const EXPANSION_BYTES: usize = 8;

/// Output on its way to the UART.
#[derive(Debug, Default)]
pub struct Output {
    ring: Deque<u8, OUTPUT_BYTES>,
    column: usize,
    is_stopped: bool,
    is_writer_waiting: bool,
}

impl Output {
    /// Takes as many of `bytes` as there is room for, post-processed as `modes` say; returns how
    /// many it took.
    pub fn write(&mut self, modes: &Modes, bytes: &[u8]) -> usize {
        for (taken, &byte) in bytes.iter().enumerate() {
            if self.room() < RESERVE_BYTES + EXPANSION_BYTES {
                self.is_writer_waiting = true;
                return taken;
            }
            self.put(modes, byte);
        }
        bytes.len()
    }

    /// Puts one post-processed byte into the ring; drops it when there is no room.
    pub fn put(&mut self, modes: &Modes, byte: u8) {
        if !modes.has_output(linux::OPOST) {
            return self.put_raw(byte);
        }
        match byte {
            b'\n' if modes.has_output(linux::ONLCR) => {
                self.put_raw(b'\r');
                self.put_raw(b'\n');
            }
            b'\r' if modes.has_output(linux::ONOCR) && self.column == 0 => {}
            b'\r' if modes.has_output(linux::OCRNL) => self.put_raw(b'\n'),
            b'\t' if modes.output & linux::TABDLY == linux::XTABS => {
                for _ in 0..tab_width(self.column) {
                    self.put_raw(b' ');
                }
            }
            _ => self.put_raw(byte),
        }
    }

    /// Puts one byte into the ring as it is; drops it when there is no room.
    pub fn put_raw(&mut self, byte: u8) {
        if self.ring.push_back(byte).is_ok() {
            self.column = next_column(self.column, byte);
        }
    }

    /// Returns the next byte for the UART, unless output is stopped.
    pub fn take(&mut self) -> Option<u8> {
        if self.is_stopped { None } else { self.ring.pop_front() }
    }

    /// Puts back a byte that the UART had no room for.
    pub fn put_back(&mut self, byte: u8) {
        let _ = self.ring.push_front(byte);
    }

    /// Tells whether there are bytes that may go to the UART now.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.is_stopped && !self.ring.is_empty()
    }

    /// Tells, once, that a writer that was turned away should try again.
    pub fn take_ready(&mut self) -> bool {
        let is_ready = self.is_writer_waiting && self.room() >= OUTPUT_BYTES / 2;
        if is_ready {
            self.is_writer_waiting = false;
        }
        is_ready
    }

    /// Returns the number of bytes the ring has room for.
    #[must_use]
    pub fn room(&self) -> usize {
        OUTPUT_BYTES - self.ring.len()
    }

    /// Returns the column of the cursor, as far as one can tell from the bytes sent.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// Stops output (`^S`).
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Lets stopped output go on (`^Q`).
    pub fn resume(&mut self) {
        self.is_stopped = false;
    }
}

/// Returns the columns from `column` to the next tab stop.
#[must_use]
pub const fn tab_width(column: usize) -> usize {
    8 - column % 8
}

/// Returns the column of the cursor after `byte` was shown in `column`.
#[must_use]
pub const fn next_column(column: usize, byte: u8) -> usize {
    match byte {
        b'\r' | b'\n' => 0,
        0x08 => column.saturating_sub(1),
        b'\t' => column + tab_width(column),
        // Other control characters and the continuation bytes of UTF-8 take no column.
        0..0x20 | 0x7f | 0x80..0xc0 => column,
        _ => column + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes;
    use std::vec::Vec;

    fn drain(output: &mut Output) -> Vec<u8> {
        core::iter::from_fn(|| output.take()).collect()
    }

    #[test]
    fn a_newline_becomes_carriage_return_and_newline() {
        let mut output = Output::default();
        assert_eq!(output.write(&modes::initial(), b"a\nb"), 3);
        assert_eq!(drain(&mut output), b"a\r\nb");
        assert_eq!(output.column(), 1);
    }

    #[test]
    fn raw_output_is_not_touched() {
        let mut output = Output::default();
        let modes = Modes { output: linux::ONLCR, ..modes::initial() };
        output.write(&modes, b"a\nb\t");
        assert_eq!(drain(&mut output), b"a\nb\t");
    }

    #[test]
    fn tabs_expand_to_the_next_stop() {
        let mut output = Output::default();
        let modes = Modes { output: linux::OPOST | linux::XTABS, ..modes::initial() };
        output.write(&modes, "aé\tb".as_bytes());
        assert_eq!(drain(&mut output), "aé      b".as_bytes());
    }

    #[test]
    fn a_long_write_is_taken_in_part_and_the_writer_told_when_to_go_on() {
        let mut output = Output::default();
        let taken = output.write(&modes::initial(), &[b'x'; 2 * OUTPUT_BYTES]);
        assert!(taken < OUTPUT_BYTES && taken > OUTPUT_BYTES / 2);
        assert!(!output.take_ready());
        assert_eq!(drain(&mut output).len(), taken);
        assert!(output.take_ready());
        assert!(!output.take_ready());
    }

    #[test]
    fn stopped_output_waits() {
        let mut output = Output::default();
        output.write(&modes::initial(), b"x");
        output.stop();
        assert_eq!((output.take(), output.has_pending()), (None, false));
        output.resume();
        assert_eq!(output.take(), Some(b'x'));
    }
}
