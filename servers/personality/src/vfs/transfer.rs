//! Where the bytes of a read go and the bytes of a write come from.
//!
//! Vnodes hand bytes to a [`Sink`] and take them from a [`Source`], so that data goes from a file's
//! page or a pipe's ring straight into the program's memory, whatever the shape of the request.
//!
//! # Context
//!
//! Touching a sink or source may fault pages of the program in, which may ask a file for a page
//! ([`super::vnode::Vnode::page`]). So no lock that `page` takes is held around these calls.

use alloc::vec::Vec;

use crate::errno::Errno;
use crate::guest_copy::is_guest_range;
use crate::guest_memory::GuestMemory;

/// Takes the bytes that a read produces.
pub trait Sink {
    /// How many bytes still fit.
    fn room(&self) -> usize;

    /// Takes all of `bytes`, at most [`Sink::room`]; fails when the memory behind it cannot be written.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno>;
}

/// Gives the bytes that a write stores.
pub trait Source {
    /// How many bytes are still to come.
    fn left(&self) -> usize;

    /// Fills all of `into`, at most [`Source::left`]; fails when the memory behind it cannot be read.
    fn take(&mut self, into: &mut [u8]) -> Result<(), Errno>;
}

/// Memory of this server as the end of a transfer.
pub struct Bytes<'a>(pub &'a mut [u8]);

impl Sink for Bytes<'_> {
    fn room(&self) -> usize {
        self.0.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let here = core::mem::take(&mut self.0);
        let (head, tail) = here.split_at_mut_checked(bytes.len()).ok_or(Errno::EFAULT)?;
        head.copy_from_slice(bytes);
        self.0 = tail;
        Ok(())
    }
}

impl Source for &[u8] {
    fn left(&self) -> usize {
        self.len()
    }

    fn take(&mut self, into: &mut [u8]) -> Result<(), Errno> {
        let (head, tail) = self.split_at_checked(into.len()).ok_or(Errno::EFAULT)?;
        into.copy_from_slice(head);
        *self = tail;
        Ok(())
    }
}

/// A sink that collects at most `limit` bytes on the heap.
pub struct Collected {
    /// What came so far.
    pub bytes: Vec<u8>,
    /// The most it takes.
    pub limit: usize,
}

impl Sink for Collected {
    fn room(&self) -> usize {
        self.limit - self.bytes.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// One contiguous piece of program memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Its first address in the program.
    pub address: u64,
    /// Its length in bytes.
    pub length: usize,
}

impl Segment {
    /// The piece of `length` bytes at `address`.
    ///
    /// # Errors
    /// `EFAULT` if it leaves the program's part of the address space.
    pub fn new(address: u64, length: u64) -> Result<Self, Errno> {
        let length = length as usize;
        if is_guest_range(address, length) {
            Ok(Self { address, length })
        } else {
            Err(Errno::EFAULT)
        }
    }
}

/// Program memory as the end of a transfer: the pieces of an I/O vector, in order.
pub struct Guest<'a> {
    memory: &'a dyn GuestMemory,
    segments: &'a [Segment],
    current: Segment,
    total: usize,
}

impl<'a> Guest<'a> {
    /// One buffer. Its length is capped as Linux caps every transfer.
    ///
    /// # Errors
    /// `EFAULT` if the whole of it, not only the part that is moved, leaves the program's part of
    /// the address space.
    pub fn buffer(memory: &'a dyn GuestMemory, address: u64, length: u64) -> Result<Self, Errno> {
        let Segment { address, length } = Segment::new(address, length)?;
        let length = length.min(TRANSFER_LIMIT);
        Ok(Self { memory, segments: &[], current: Segment { address, length }, total: length })
    }

    /// The pieces of an I/O vector.
    #[must_use]
    pub fn vector(memory: &'a dyn GuestMemory, segments: &'a [Segment]) -> Self {
        let total = segments.iter().map(|segment| segment.length).sum::<usize>();
        Self { memory, segments, current: Segment::default(), total: total.min(TRANSFER_LIMIT) }
    }

    /// The address and size of the next contiguous part of at most `limit` bytes; consumes it.
    fn advance(&mut self, limit: usize) -> Result<Segment, Errno> {
        while self.current.length == 0 {
            let (next, rest) = self.segments.split_first().ok_or(Errno::EFAULT)?;
            (self.current, self.segments) = (*next, rest);
        }
        let length = limit.min(self.current.length);
        let part = Segment { address: self.current.address, length };
        self.current.address = self.current.address.wrapping_add(length as u64);
        self.current.length -= length;
        Ok(part)
    }
}

/// The most bytes that one read or write moves (`MAX_RW_COUNT`).
pub const TRANSFER_LIMIT: usize = 0x7fff_f000;

impl Sink for Guest<'_> {
    fn room(&self) -> usize {
        self.total
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let part = self.advance(bytes.len())?;
            let (now, later) = bytes.split_at(part.length);
            self.memory.write(part.address, now)?;
            self.total = self.total.saturating_sub(part.length);
            bytes = later;
        }
        Ok(())
    }
}

impl Source for Guest<'_> {
    fn left(&self) -> usize {
        self.total
    }

    fn take(&mut self, mut into: &mut [u8]) -> Result<(), Errno> {
        while !into.is_empty() {
            let part = self.advance(into.len())?;
            let (now, later) = into.split_at_mut(part.length);
            self.memory.read(part.address, now)?;
            self.total = self.total.saturating_sub(part.length);
            into = later;
        }
        Ok(())
    }
}

/// The result of a transfer that moved `done` bytes before `error`: a partial count wins.
pub fn partial(done: usize, error: Errno) -> Result<usize, Errno> {
    if done > 0 { Ok(done) } else { Err(error) }
}

/// Puts `bytes` from `offset` on into `into`, as far as they go: the read of data in memory.
pub fn put_from(bytes: &[u8], offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let rest = bytes.get(start..).unwrap_or_default();
    let count = rest.len().min(into.room());
    let mut done = 0;
    // In chunks, so that a bad address late in the buffer still gives the part before it.
    for chunk in rest.get(..count).unwrap_or_default().chunks(CHUNK_BYTES) {
        match into.put(chunk) {
            Ok(()) => done += chunk.len(),
            Err(error) => return partial(done, error),
        }
    }
    Ok(done)
}

/// How much is moved between two checks for a partial result.
const CHUNK_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_gives_its_bytes_in_order() {
        let mut source: &[u8] = b"abcdef";
        let mut first = [0; 4];
        source.take(&mut first).unwrap();
        assert_eq!((&first, source.left()), (b"abcd", 2));
        assert_eq!(source.take(&mut [0; 3]), Err(Errno::EFAULT));
    }

    #[test]
    fn reading_past_the_end_gives_nothing() {
        let mut room = [0; 4];
        assert_eq!(put_from(b"abc", 3, &mut Bytes(&mut room)), Ok(0));
        assert_eq!(put_from(b"abc", u64::MAX, &mut Bytes(&mut room)), Ok(0));
        assert_eq!(put_from(b"abc", 1, &mut Bytes(&mut room)), Ok(2));
    }
}
