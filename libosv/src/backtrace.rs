//! Return addresses on the calling thread's stack, by its frame records.

use crate::{start, syscall};
use core::fmt;

/// Most frames of a backtrace.
const MAX_FRAMES: usize = 32;

/// Shows the calling thread's frames, innermost first, one a line: `name+0xoffset`.
#[derive(Clone, Copy, Debug)]
pub struct Backtrace(u64);

impl Backtrace {
    /// Begins at the caller's frame.
    #[must_use]
    #[inline(always)]
    pub fn here() -> Self {
        Backtrace(syscall::frame_pointer())
    }

    /// Returns the return addresses.
    pub fn frames(self) -> impl Iterator<Item = u64> {
        walk(self.0, start::stack_word)
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for address in self.frames() {
            writeln!(f, "  {}", Place(address))?;
        }
        Ok(())
    }
}

/// Shows a code address as `name+0xoffset` of the program, or plainly if it is not in it.
#[derive(Clone, Copy, Debug)]
pub struct Place(pub u64);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match start::image() {
            Some(image) if self.0 >= image.base => {
                write!(f, "{}+{:#x}", image.name, self.0 - image.base)
            }
            _ => write!(f, "{:#x}", self.0),
        }
    }
}

/// Follows frame records (the caller's x29, then the return address: AAPCS64 6.4.6). Each lies
/// above the one before, so the walk ends.
fn walk(first: u64, read: impl Fn(u64) -> Option<u64>) -> impl Iterator<Item = u64> {
    let mut frame = Some(first);
    core::iter::from_fn(move || {
        let at = frame?;
        let (next, address) = (read(at)?, read(at.checked_add(8)?)?);
        frame = (next > at).then_some(next);
        (address != 0).then_some(address)
    })
    .take(MAX_FRAMES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn trace(stack: &[u64], first: u64) -> Vec<u64> {
        walk(first, |address| stack.get(address as usize / 8).copied()).collect()
    }

    #[test]
    fn frames_are_followed_to_the_end_of_the_chain() {
        assert_eq!(trace(&[16, 0x100, 32, 0x200, 0, 0x300], 0), [0x100, 0x200, 0x300]);
    }

    #[test]
    fn a_loop_or_a_wild_record_ends_the_walk() {
        assert_eq!(trace(&[0, 0x100], 0), [0x100]);
        assert_eq!(trace(&[16, 0x100, 8, 0x200], 0), [0x100, 0x200]);
        assert_eq!(trace(&[u64::MAX, 0x100], 0), [0x100]);
    }
}
