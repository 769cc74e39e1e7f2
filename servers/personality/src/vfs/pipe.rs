//! Pipes: a ring of bytes between writers and readers.
//!
//! Both ends are one vnode; the access of an open file says which end it is. A FIFO's pipe lives
//! while an open file uses it.
//!
//! # Invariants
//!
//! - `pipe.atomic`: a write of at most `PIPE_BUF` bytes goes in whole or not at all.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use linux_raw_sys::general::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};

use super::transfer::{Sink, Source, partial};
use super::vnode::{Access, Changes, Direction, FileSystemInfo, Kind, Stat, Timestamp, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;
use crate::wait::WaitQueue;

/// Bytes that a pipe holds unless told otherwise.
pub const CAPACITY: usize = 64 * 1024;
/// Most bytes that `F_SETPIPE_SZ` may ask for.
pub const CAPACITY_LIMIT: usize = 1 << 20;
/// Writes up to this size are atomic.
pub const PIPE_BUF: usize = linux_raw_sys::general::PIPE_BUF as usize;
/// Linux's magic number for the file system of pipes (`PIPEFS_MAGIC` in linux/magic.h).
const MAGIC: u32 = 0x5049_5045;
/// The device number of pipes without a name.
const DEVICE: u64 = 11;
/// Bytes that the ring starts with.
const FIRST_RING: usize = 4096;

/// A pipe.
pub struct Pipe {
    identity: (u64, u64),
    created: Timestamp,
    owner: AtomicU64,
    ring: Mutex<Ring>,
    readers: AtomicU32,
    writers: AtomicU32,
    /// How often an end was opened, ever: a FIFO's opener waits for the other's count to grow.
    reader_openings: AtomicU32,
    writer_openings: AtomicU32,
    events: AtomicU64,
    /// Those who wait for bytes, or for a writer to open a FIFO.
    input: WaitQueue,
    /// Those who wait for room, or for a reader to open a FIFO.
    output: WaitQueue,
}

/// The bytes in flight: `bytes` is a circle, `length` of it are in use from `start` on.
struct Ring {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
    capacity: usize,
}

static NEXT_INODE: AtomicU64 = AtomicU64::new(1);

impl Pipe {
    /// A pipe without a name.
    #[must_use]
    pub fn new(created: Timestamp, uid: u32, gid: u32) -> Arc<Self> {
        let inode = NEXT_INODE.fetch_add(1, Ordering::Relaxed);
        let pipe = Self::with_identity((DEVICE, inode), created);
        pipe.owner.store(u64::from(uid) << 32 | u64::from(gid), Ordering::Relaxed);
        Arc::new(pipe)
    }

    /// The pipe behind the FIFO with that identity.
    #[must_use]
    pub fn of_fifo(identity: (u64, u64)) -> Arc<Self> {
        Arc::new(Self::with_identity(identity, Timestamp::default()))
    }

    fn with_identity(identity: (u64, u64), created: Timestamp) -> Self {
        Self {
            identity,
            created,
            owner: AtomicU64::new(0),
            ring: Mutex::new(Ring { bytes: Vec::new(), start: 0, length: 0, capacity: CAPACITY }),
            readers: AtomicU32::new(0),
            writers: AtomicU32::new(0),
            reader_openings: AtomicU32::new(0),
            writer_openings: AtomicU32::new(0),
            events: AtomicU64::new(0),
            input: WaitQueue::new(),
            output: WaitQueue::new(),
        }
    }

    /// How often each end was opened: readers, writers.
    #[must_use]
    pub fn openings(&self) -> (u32, u32) {
        let readers = self.reader_openings.load(Ordering::SeqCst);
        (readers, self.writer_openings.load(Ordering::SeqCst))
    }

    /// How many open files can read and write now.
    #[must_use]
    pub fn ends(&self) -> (u32, u32) {
        (self.readers.load(Ordering::SeqCst), self.writers.load(Ordering::SeqCst))
    }

    /// Bytes that it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.lock().capacity
    }

    /// Changes the capacity to at least `wanted` bytes, a power of two; gives what it is then.
    pub fn set_capacity(&self, wanted: usize) -> Result<usize, Errno> {
        if wanted > CAPACITY_LIMIT {
            return Err(Errno::EPERM);
        }
        let capacity = wanted.max(PIPE_BUF).next_power_of_two();
        let mut ring = self.ring.lock();
        if ring.length > capacity {
            return Err(Errno::EBUSY);
        }
        let bytes = capacity.min(ring.bytes.len());
        ring.resize(bytes);
        ring.capacity = capacity;
        drop(ring);
        self.output.wake_all();
        Ok(capacity)
    }

    fn note_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
}

impl Ring {
    /// Moves the content to a circle of `bytes` bytes.
    fn resize(&mut self, bytes: usize) {
        let mut new = Vec::with_capacity(bytes);
        let (first, second) = self.used();
        new.extend_from_slice(first);
        new.extend_from_slice(second);
        new.resize(bytes, 0);
        self.bytes = new;
        self.start = 0;
    }

    /// The bytes in use, in order.
    fn used(&self) -> (&[u8], &[u8]) {
        let end = self.start + self.length;
        if end <= self.bytes.len() {
            (self.bytes.get(self.start..end).unwrap_or_default(), &[])
        } else {
            let (tail, head) =
                (self.bytes.get(self.start..), self.bytes.get(..end - self.bytes.len()));
            (tail.unwrap_or_default(), head.unwrap_or_default())
        }
    }

    /// The longest free piece behind the bytes in use, growing the circle if there is none.
    fn free_piece(&mut self, wanted: usize) -> &mut [u8] {
        let target = (self.length + wanted).min(self.capacity);
        if self.bytes.len() < target {
            self.resize(target.next_power_of_two().clamp(FIRST_RING, self.capacity));
        }
        if self.length == 0 {
            self.start = 0;
        }
        let all = self.bytes.len();
        let end = self.start + self.length;
        let piece = if end < all { end..all } else { end - all..self.start };
        self.bytes.get_mut(piece).unwrap_or_default()
    }

    fn free(&self) -> usize {
        self.capacity - self.length
    }

    fn consume(&mut self, count: usize) {
        self.length -= count;
        self.start = (self.start + count) % self.bytes.len().max(1);
    }
}

impl Vnode for Pipe {
    fn stat(&self) -> Stat {
        let owner = self.owner.load(Ordering::Relaxed);
        Stat {
            device: self.identity.0,
            inode: self.identity.1,
            uid: (owner >> 32) as u32,
            gid: owner as u32,
            accessed: self.created,
            modified: self.created,
            changed: self.created,
            created: self.created,
            ..Stat::new(Kind::Fifo, 0o600)
        }
    }

    fn kind(&self) -> Kind {
        Kind::Fifo
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(MAGIC, DEVICE)
    }

    fn change(&self, changes: &Changes) -> Result<(), Errno> {
        let owner = self.owner.load(Ordering::Relaxed);
        let uid = changes.uid.unwrap_or((owner >> 32) as u32);
        let gid = changes.gid.unwrap_or(owner as u32);
        self.owner.store(u64::from(uid) << 32 | u64::from(gid), Ordering::Relaxed);
        Ok(())
    }

    fn opened(&self, access: Access) {
        if access.read {
            self.readers.fetch_add(1, Ordering::SeqCst);
            self.reader_openings.fetch_add(1, Ordering::SeqCst);
            self.output.wake_all();
        }
        if access.write {
            self.writers.fetch_add(1, Ordering::SeqCst);
            self.writer_openings.fetch_add(1, Ordering::SeqCst);
            self.input.wake_all();
        }
    }

    fn closed(&self, access: Access) {
        if access.read && self.readers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.note_event();
            self.output.wake_all();
        }
        if access.write && self.writers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.note_event();
            self.input.wake_all();
        }
    }

    fn read_at(&self, _offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
        if into.room() == 0 {
            return Ok(0);
        }
        let mut ring = self.ring.lock();
        if ring.length == 0 {
            let has_writer = self.writers.load(Ordering::SeqCst) > 0;
            return if has_writer { Err(Errno::EAGAIN) } else { Ok(0) };
        }
        let was_full = ring.free() < PIPE_BUF;
        let mut done = 0;
        while ring.length > 0 && into.room() > 0 {
            let (piece, _) = ring.used();
            let piece = piece.get(..into.room()).unwrap_or(piece);
            let count = piece.len();
            if let Err(error) = into.put(piece) {
                return partial(done, error);
            }
            ring.consume(count);
            done += count;
        }
        let has_room = ring.free() >= PIPE_BUF;
        drop(ring);
        if was_full && has_room {
            self.note_event();
            self.output.wake_all();
        }
        Ok(done)
    }

    fn write_at(&self, _offset: u64, from: &mut dyn Source) -> Result<usize, Errno> {
        if from.left() == 0 {
            return Ok(0);
        }
        if self.readers.load(Ordering::SeqCst) == 0 {
            return Err(Errno::EPIPE);
        }
        let mut ring = self.ring.lock();
        let needed = if from.left() <= PIPE_BUF { from.left() } else { 1 };
        if ring.free() < needed {
            return Err(Errno::EAGAIN);
        }
        let mut done = 0;
        let mut result = Ok(());
        while from.left() > 0 && ring.free() > 0 {
            let wanted = from.left().min(ring.free());
            let piece = ring.free_piece(wanted);
            let count = piece.len().min(wanted);
            result = from.take(piece.get_mut(..count).unwrap_or_default());
            if result.is_err() {
                break;
            }
            ring.length += count;
            done += count;
        }
        drop(ring);
        if done > 0 {
            self.note_event();
            self.input.wake_all();
        }
        result.map_or_else(|error| partial(done, error), |()| Ok(done))
    }

    fn readiness(&self) -> u32 {
        let ring = self.ring.lock();
        let (readers, writers) = self.ends();
        let mut bits = 0;
        if ring.length > 0 {
            bits |= POLLIN | POLLRDNORM;
        }
        if writers == 0 && self.writer_openings.load(Ordering::SeqCst) > 0 {
            bits |= POLLHUP;
        }
        if ring.free() >= PIPE_BUF {
            bits |= POLLOUT | POLLWRNORM;
        }
        if readers == 0 {
            bits |= POLLERR;
        }
        bits
    }

    fn activity(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    fn queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(match direction {
            Direction::Input => &self.input,
            Direction::Output => &self.output,
        })
    }

    fn readable_bytes(&self) -> Option<u64> {
        Some(self.ring.lock().length as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::transfer::Bytes;
    use proptest::prelude::*;

    const READ: Access = Access { read: true, write: false };
    const WRITE: Access = Access { read: false, write: true };

    fn open_pipe() -> Arc<Pipe> {
        let pipe = Pipe::new(Timestamp::default(), 0, 0);
        pipe.opened(READ);
        pipe.opened(WRITE);
        pipe
    }

    fn write(pipe: &Pipe, mut bytes: &[u8]) -> Result<usize, Errno> {
        pipe.write_at(0, &mut bytes)
    }

    fn read(pipe: &Pipe, limit: usize) -> Result<Vec<u8>, Errno> {
        let mut room = vec![0; limit];
        let count = pipe.read_at(0, &mut Bytes(&mut room))?;
        room.truncate(count);
        Ok(room)
    }

    #[test]
    fn an_empty_pipe_blocks_readers_until_the_last_writer_goes() {
        let pipe = open_pipe();
        assert_eq!(read(&pipe, 1), Err(Errno::EAGAIN));
        pipe.closed(WRITE);
        assert_eq!(read(&pipe, 1), Ok(vec![]));
        assert_eq!(pipe.readiness() & POLLHUP, POLLHUP);
    }

    #[test]
    fn a_pipe_without_readers_is_broken() {
        let pipe = open_pipe();
        pipe.closed(READ);
        assert_eq!(write(&pipe, b"x"), Err(Errno::EPIPE));
        assert_eq!(pipe.readiness() & POLLERR, POLLERR);
    }

    #[test]
    fn a_small_write_is_whole_or_nothing_and_a_large_one_takes_what_fits() {
        let pipe = open_pipe();
        assert_eq!(write(&pipe, &[1; CAPACITY - 10]), Ok(CAPACITY - 10));
        assert_eq!(write(&pipe, &[2; 11]), Err(Errno::EAGAIN));
        assert_eq!(pipe.readiness() & POLLOUT, 0);
        assert_eq!(write(&pipe, &[3; PIPE_BUF + 1]), Ok(10));
        assert_eq!(pipe.readable_bytes(), Some(CAPACITY as u64));
        assert_eq!(write(&pipe, &[3; PIPE_BUF + 1]), Err(Errno::EAGAIN));
    }

    #[test]
    fn the_capacity_follows_the_wish_but_keeps_the_content() {
        let pipe = open_pipe();
        write(&pipe, &[7; 9000]).unwrap();
        assert_eq!(pipe.set_capacity(4096), Err(Errno::EBUSY));
        assert_eq!(pipe.set_capacity(9001), Ok(16384));
        assert_eq!(pipe.set_capacity(CAPACITY_LIMIT + 1), Err(Errno::EPERM));
        assert_eq!(read(&pipe, 10_000), Ok(vec![7; 9000]));
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(steps in proptest::collection::vec((any::<bool>(), 1usize..20_000), 1..60)) {
            let pipe = open_pipe();
            let (mut sent, mut received) = (0usize, 0usize);
            for (is_write, size) in steps {
                if is_write {
                    let bytes: Vec<u8> = (sent..sent + size).map(|at| (at % 251) as u8).collect();
                    sent += write(&pipe, &bytes).unwrap_or(0);
                } else {
                    for byte in read(&pipe, size).unwrap_or_default() {
                        prop_assert_eq!(byte, (received % 251) as u8);
                        received += 1;
                    }
                }
                prop_assert_eq!(pipe.readable_bytes(), Some((sent - received) as u64));
            }
        }
    }
}
