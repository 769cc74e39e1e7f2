//! The terminal's input side: the line being edited, and the bytes that are ready to be read.
//!
//! # Invariants
//!
//! - `input.room`: while the line being edited has bytes, there is room for a line end, so that
//!   finishing it never fails.

use heapless::{Deque, Vec};

/// Bytes that the line being edited and the finished ones hold together.
pub const INPUT_BYTES: usize = 4096;
/// With less room than this, and a line to read, no more input is taken from the UART.
const THROTTLE_BYTES: usize = 128;

/// One place of the ready queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// A byte inside a line, or any byte when lines are not kept apart.
    Byte(u8),
    /// The last byte of a line.
    LineEnd(u8),
    /// The end of a line that has no byte for it: `^D`.
    EndOfFile,
}

/// What a read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes; 0 when nothing is ready.
    Bytes(usize),
    /// The end of the file: `^D` at the start of a line.
    EndOfFile,
}

/// Input on its way to the reader.
#[derive(Debug, Default)]
pub struct Input {
    edited: Vec<u8, INPUT_BYTES>,
    ready: Deque<Cell, INPUT_BYTES>,
    /// Line ends in `ready`, of either kind.
    lines: usize,
    /// Those of them that have no byte.
    marks: usize,
}

impl Input {
    /// Returns the line being edited.
    #[must_use]
    pub fn edited(&self) -> &[u8] {
        &self.edited
    }

    /// Adds a byte to the line being edited; false when there is no room.
    pub fn edit(&mut self, byte: u8) -> bool {
        self.has_room() && self.edited.push(byte).is_ok()
    }

    /// Cuts the line being edited to its first `length` bytes.
    pub fn cut(&mut self, length: usize) {
        self.edited.truncate(length);
    }

    /// Finishes the line being edited with `end`, or without one at `^D`. An empty line for
    /// which there is no room is dropped.
    pub fn finish_line(&mut self, end: Option<u8>) {
        if self.room() == 0 {
            return;
        }
        for &byte in &self.edited {
            let _ = self.ready.push_back(Cell::Byte(byte));
        }
        let _ = self.ready.push_back(end.map_or(Cell::EndOfFile, Cell::LineEnd));
        self.edited.clear();
        self.lines += 1;
        self.marks += usize::from(end.is_none());
    }

    /// Makes a byte ready at once; false when there is no room.
    pub fn push(&mut self, byte: u8) -> bool {
        self.has_room() && self.ready.push_back(Cell::Byte(byte)).is_ok()
    }

    /// Makes the line being edited ready as it is: lines are no longer kept.
    pub fn release(&mut self) {
        for &byte in &self.edited {
            let _ = self.ready.push_back(Cell::Byte(byte));
        }
        self.edited.clear();
    }

    /// Drops everything.
    pub fn flush(&mut self) {
        self.edited.clear();
        self.ready.clear();
        (self.lines, self.marks) = (0, 0);
    }

    /// Reads into `into`: what is ready, at most up to a line's end if `by_lines`.
    pub fn read(&mut self, into: &mut [u8], by_lines: bool) -> ReadOutcome {
        if by_lines && self.lines == 0 {
            return ReadOutcome::Bytes(0);
        }
        let mut count = 0;
        while let Some(slot) = into.get_mut(count) {
            match self.ready.pop_front() {
                None => break,
                Some(Cell::Byte(byte)) => *slot = byte,
                Some(Cell::LineEnd(byte)) => {
                    *slot = byte;
                    self.lines -= 1;
                    if by_lines {
                        return ReadOutcome::Bytes(count + 1);
                    }
                }
                Some(Cell::EndOfFile) => {
                    self.lines -= 1;
                    self.marks -= 1;
                    match (by_lines, count) {
                        (true, 0) => return ReadOutcome::EndOfFile,
                        (true, _) => return ReadOutcome::Bytes(count),
                        (false, _) => continue,
                    }
                }
            }
            count += 1;
        }
        self.take_end_mark(by_lines && count > 0);
        ReadOutcome::Bytes(count)
    }

    /// Takes the end mark behind the last byte of a line that was read exactly to its end: the
    /// mark ended this line and is no end of file of its own.
    fn take_end_mark(&mut self, is_in_line: bool) {
        if is_in_line && self.ready.front() == Some(&Cell::EndOfFile) {
            self.ready.pop_front();
            self.lines -= 1;
            self.marks -= 1;
        }
    }

    /// Returns how many bytes a read would give now.
    #[must_use]
    pub fn readable(&self, by_lines: bool) -> usize {
        if by_lines && self.lines == 0 {
            return 0;
        }
        self.ready.len() - self.marks
    }

    /// Tells whether a read would give something: bytes or the end of the file.
    #[must_use]
    pub fn is_readable(&self, by_lines: bool) -> bool {
        if by_lines { self.lines > 0 } else { self.readable(false) > 0 }
    }

    /// Tells whether more input may be taken: there is room, or nobody could make any.
    #[must_use]
    pub fn can_receive(&self, by_lines: bool) -> bool {
        self.room() > THROTTLE_BYTES || !self.is_readable(by_lines)
    }

    fn has_room(&self) -> bool {
        // [input.room]: one place stays free for a line end.
        self.room() > 1
    }

    fn room(&self) -> usize {
        INPUT_BYTES - self.edited.len() - self.ready.len()
    }
}
