//! The terminal: the line discipline between the UART's bytes and the reader and writer.
//!
//! Input bytes come in one at a time ([`Terminal::receive`]); what they do depends on the modes,
//! with Linux' meanings (termios(3)). VMIN and VTIME are the client's: a read gives what is
//! there.

use crate::input::{Input, ReadOutcome};
use crate::modes::{self, ModeFlags};
use crate::output::{self, Output};
use ipc_proto::console::{Events, Modes};
use linux_raw_sys::general as linux;

/// A terminal.
#[derive(Debug)]
pub struct Terminal {
    modes: Modes,
    input: Input,
    output: Output,
    events: Events,
    /// Column in which the line being edited starts.
    start_column: usize,
    /// The next byte is taken as it is (`^V`).
    is_literal_next: bool,
}

impl Default for Terminal {
    fn default() -> Terminal {
        Terminal {
            modes: modes::initial(),
            input: Input::default(),
            output: Output::default(),
            events: Events::default(),
            start_column: 0,
            is_literal_next: false,
        }
    }
}

impl Terminal {
    /// Returns the modes.
    #[must_use]
    pub const fn modes(&self) -> &Modes {
        &self.modes
    }

    /// Sets the modes. A line being edited becomes readable when canonical mode ends.
    pub fn set_modes(&mut self, modes: Modes) {
        self.modes = modes;
        self.is_literal_next = false;
        if !self.is_canonical() {
            self.input.release();
        }
        if !modes.has_input(linux::IXON) {
            self.output.resume();
        }
        self.note_input();
    }

    /// Returns the output on its way to the UART.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Tells whether [`Self::receive`] may be called: there is room for input.
    #[must_use]
    pub fn can_receive(&self) -> bool {
        self.input.can_receive(self.is_canonical())
    }

    /// Takes as many of `bytes` for output as there is room for; returns how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        self.output.write(&self.modes, bytes)
    }

    /// Reads what is ready, in canonical mode at most a line.
    pub fn read(&mut self, into: &mut [u8]) -> ReadOutcome {
        self.input.read(into, self.is_canonical())
    }

    /// Returns how many bytes are ready to be read.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.input.readable(self.is_canonical())
    }

    /// Drops all input.
    pub fn flush_input(&mut self) {
        self.input.flush();
    }

    /// Takes what has happened since the last call.
    pub fn take_events(&mut self) -> Events {
        core::mem::take(&mut self.events)
    }

    /// Returns what has happened and was not taken.
    pub fn events(&mut self) -> Events {
        if self.output.take_ready() {
            self.note(Events::OUTPUT);
        }
        self.events
    }

    /// Takes a byte from the UART.
    pub fn receive(&mut self, byte: u8) {
        let byte = if self.modes.has_input(linux::ISTRIP) { byte & 0x7f } else { byte };
        if core::mem::take(&mut self.is_literal_next) {
            self.insert(byte);
        } else if !self.control_flow(byte) && !self.signal(byte) {
            self.receive_data(byte);
        }
        self.note_input();
    }

    /// Takes a break condition: an interrupt if BRKINT says so, else a NUL byte.
    pub fn receive_break(&mut self) {
        if self.modes.has_input(linux::IGNBRK) {
            return;
        }
        if self.modes.has_input(linux::BRKINT) {
            self.note(Events::INTERRUPT);
        } else {
            self.receive(0);
        }
    }

    fn note(&mut self, event: Events) {
        self.events = self.events.union(event);
    }

    fn note_input(&mut self) {
        if self.input.is_readable(self.is_canonical()) {
            self.note(Events::INPUT);
        }
    }

    fn is_canonical(&self) -> bool {
        self.modes.has_local(linux::ICANON)
    }

    /// Handles `^S` and `^Q`; tells whether the byte was one of them.
    fn control_flow(&mut self, byte: u8) -> bool {
        if !self.modes.has_input(linux::IXON) {
            return false;
        }
        if self.modes.is_character(linux::VSTOP, byte) {
            self.output.stop();
            return true;
        }
        let is_start = self.modes.is_character(linux::VSTART, byte);
        if is_start || self.modes.has_input(linux::IXANY) {
            self.output.resume();
        }
        is_start
    }

    /// Handles the characters that make signals; tells whether the byte was one of them.
    fn signal(&mut self, byte: u8) -> bool {
        if !self.modes.has_local(linux::ISIG) {
            return false;
        }
        if self.modes.is_character(linux::VINTR, byte) {
            self.note(Events::INTERRUPT);
        } else if self.modes.is_character(linux::VQUIT, byte) {
            self.note(Events::QUIT);
        } else if self.modes.is_character(linux::VSUSP, byte) {
            self.note(Events::SUSPEND);
        } else {
            return false;
        }
        if !self.modes.has_local(linux::NOFLSH) {
            self.input.flush();
        }
        self.output.resume();
        if self.modes.has_local(linux::ECHO) {
            self.show(byte);
        }
        self.start_column = self.output.column();
        true
    }

    fn receive_data(&mut self, byte: u8) {
        let byte = match byte {
            b'\r' if self.modes.has_input(linux::IGNCR) => return,
            b'\r' if self.modes.has_input(linux::ICRNL) => b'\n',
            b'\n' if self.modes.has_input(linux::INLCR) => b'\r',
            _ => byte,
        };
        if !self.is_canonical() {
            return self.insert(byte);
        }
        if self.modes.is_character(linux::VERASE, byte) || byte == 0x08 {
            self.erase_character();
        } else if self.modes.is_character(linux::VKILL, byte) {
            self.kill_line(byte);
        } else if self.modes.is_extended(linux::VWERASE, byte) {
            self.erase_word();
        } else if self.modes.is_extended(linux::VREPRINT, byte) {
            self.reprint(byte);
        } else if self.modes.is_extended(linux::VLNEXT, byte) {
            self.is_literal_next = true;
        } else if self.modes.is_character(linux::VEOF, byte) {
            self.input.finish_line(None);
        } else if self.is_line_end(byte) {
            if self.modes.has_local(linux::ECHO)
                || byte == b'\n' && self.modes.has_local(linux::ECHONL)
            {
                self.show(byte);
            }
            self.input.finish_line(Some(byte));
        } else {
            self.insert(byte);
        }
    }

    fn is_line_end(&self, byte: u8) -> bool {
        byte == b'\n'
            || self.modes.is_character(linux::VEOL, byte)
            || self.modes.is_extended(linux::VEOL2, byte)
    }

    /// Adds a byte of data and echoes it.
    fn insert(&mut self, byte: u8) {
        if self.input.edited().is_empty() {
            self.start_column = self.output.column();
        }
        let has_room =
            if self.is_canonical() { self.input.edit(byte) } else { self.input.push(byte) };
        if !has_room {
            if self.modes.has_input(linux::IMAXBEL) {
                self.output.put_raw(0x07);
            }
        } else if self.modes.has_local(linux::ECHO) {
            self.show(byte);
        }
    }

    /// Erases the last character of the line, all bytes of it.
    fn erase_character(&mut self) {
        let line = self.input.edited();
        let length = line.iter().rposition(|&byte| byte & 0xc0 != 0x80).unwrap_or(0);
        self.cut(length);
    }

    /// Erases the last word of the line and the blanks behind it.
    fn erase_word(&mut self) {
        let line = self.input.edited();
        let is_word = |byte: &u8| !byte.is_ascii_whitespace();
        let word_end = line.iter().rposition(is_word).map_or(0, |last| last + 1);
        let word = line.get(..word_end).unwrap_or_default();
        let length = word.iter().rposition(|byte| !is_word(byte)).map_or(0, |blank| blank + 1);
        self.cut(length);
    }

    /// Erases the whole line.
    fn kill_line(&mut self, byte: u8) {
        let has_flag = |flag| self.modes.has_local(flag);
        if has_flag(linux::ECHOKE) && has_flag(linux::ECHOE) {
            return self.cut(0);
        }
        let (echo, echo_newline) = (has_flag(linux::ECHO), has_flag(linux::ECHOK));
        self.input.cut(0);
        if echo {
            self.show(byte);
            if echo_newline {
                self.show(b'\n');
            }
        }
    }

    /// Shows the line anew below.
    fn reprint(&mut self, byte: u8) {
        if !self.modes.has_local(linux::ECHO) {
            return;
        }
        self.show(byte);
        self.show(b'\n');
        self.start_column = self.output.column();
        for index in 0..self.input.edited().len() {
            if let Some(&byte) = self.input.edited().get(index) {
                self.show(byte);
            }
        }
    }

    /// Cuts the line to `length` bytes and takes what was shown of the rest off the screen.
    fn cut(&mut self, length: usize) {
        let line = self.input.edited();
        let Some(&last) = line.last() else { return };
        let width = self.shown_width(line);
        let kept = self.shown_width(line.get(..length).unwrap_or_default());
        self.input.cut(length);
        if !self.modes.has_local(linux::ECHO) {
            return;
        }
        if !self.modes.has_local(linux::ECHOE) {
            let erase = self.modes.characters.get(linux::VERASE as usize).copied();
            return self.show(erase.unwrap_or(last));
        }
        for _ in kept..width {
            for byte in *b"\x08 \x08" {
                self.output.put_raw(byte);
            }
        }
    }

    /// Returns the columns that `line` takes on the screen.
    fn shown_width(&self, line: &[u8]) -> usize {
        let end = line.iter().fold(self.start_column, |column, &byte| {
            if self.is_shown_with_caret(byte) {
                column + 2
            } else {
                output::next_column(column, byte)
            }
        });
        end.saturating_sub(self.start_column)
    }

    fn is_shown_with_caret(&self, byte: u8) -> bool {
        self.modes.has_local(linux::ECHOCTL)
            && byte.is_ascii_control()
            && !matches!(byte, b'\t' | b'\n')
    }

    /// Echoes a byte: control characters as `^X` under ECHOCTL.
    fn show(&mut self, byte: u8) {
        if self.is_shown_with_caret(byte) {
            self.output.put_raw(b'^');
            self.output.put_raw(byte ^ 0x40);
        } else {
            self.output.put(&self.modes, byte);
        }
    }
}

#[cfg(test)]
mod tests;
