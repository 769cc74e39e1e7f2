//! Output: formatted text to standard output, a line a write.

use core::fmt::{self, Write};

use heapless::String;

use crate::syscall::{Fd, write};

/// Text of at most `N` bytes; what does not fit is dropped. New lines become spaces.
pub struct Line<const N: usize>(pub String<N>);

impl<const N: usize> Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let _ = self.0.push(if c == '\n' { ' ' } else { c });
        }
        Ok(())
    }
}

/// Formats into a line.
pub fn format<const N: usize>(text: fmt::Arguments<'_>) -> String<N> {
    let mut line = Line(String::new());
    let _ = line.write_fmt(text);
    line.0
}

/// Writes one line to `fd`, in one piece as far as the kernel takes it.
pub fn line(fd: Fd, text: fmt::Arguments<'_>) {
    let mut line = format::<1024>(text);
    if line.push('\n').is_err() {
        line.pop();
        let _ = line.push('\n');
    }
    let mut rest = line.as_bytes();
    while let Ok(count @ 1..) = write(fd, rest) {
        rest = &rest[count..];
    }
}

/// Prints one line to standard output.
#[macro_export]
macro_rules! println {
    ($($text:tt)*) => { $crate::print::line(1, format_args!($($text)*)) };
}
