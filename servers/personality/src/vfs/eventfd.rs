//! Counters as files (`eventfd2`).

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_raw_sys::general::{POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};

use super::transfer::{Sink, Source};
use super::vnode::{Direction, FileSystemInfo, Kind, Stat, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;
use crate::wait::WaitQueue;

/// Linux's magic number for files without a place (`ANON_INODE_FS_MAGIC` in linux/magic.h).
pub const MAGIC: u32 = 0x0904_1934;
/// The device number of files without a place.
pub const DEVICE: u64 = 12;

/// What a read takes from the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// All of it.
    All,
    /// One (`EFD_SEMAPHORE`).
    One,
}

/// A counter.
pub struct EventCounter {
    count: Mutex<u64>,
    taking: Taking,
    inode: u64,
    events: AtomicU64,
    input: WaitQueue,
    output: WaitQueue,
}

static NEXT_INODE: AtomicU64 = AtomicU64::new(1);

/// A new inode number for a file without a place.
pub fn next_inode() -> u64 {
    NEXT_INODE.fetch_add(1, Ordering::Relaxed)
}

impl EventCounter {
    /// A counter that starts at `count`.
    #[must_use]
    pub fn new(count: u64, taking: Taking) -> Arc<Self> {
        Arc::new(Self {
            count: Mutex::new(count),
            taking,
            inode: next_inode(),
            events: AtomicU64::new(0),
            input: WaitQueue::new(),
            output: WaitQueue::new(),
        })
    }
}

impl Vnode for EventCounter {
    fn stat(&self) -> Stat {
        Stat { device: DEVICE, inode: self.inode, ..Stat::new(Kind::File, 0o600) }
    }

    /// Neither file nor device: Linux has no type bits for it, the nearest is a socket's lack of
    /// an offset.
    fn kind(&self) -> Kind {
        Kind::CharDevice
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.inode)
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(MAGIC, DEVICE)
    }

    fn read_at(&self, _offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
        if into.room() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut count = self.count.lock();
        let taken = match self.taking {
            _ if *count == 0 => return Err(Errno::EAGAIN),
            Taking::All => *count,
            Taking::One => 1,
        };
        *count -= taken;
        drop(count);
        self.output.wake_all();
        into.put(&taken.to_le_bytes())?;
        Ok(8)
    }

    fn write_at(&self, _offset: u64, from: &mut dyn Source) -> Result<usize, Errno> {
        if from.left() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut added = [0; 8];
        from.take(&mut added)?;
        let added = u64::from_le_bytes(added);
        if added == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let mut count = self.count.lock();
        // The highest value is kept back, so that a poll tells an overflow.
        let sum = count.checked_add(added).filter(|&sum| sum < u64::MAX).ok_or(Errno::EAGAIN)?;
        *count = sum;
        drop(count);
        self.events.fetch_add(1, Ordering::Relaxed);
        self.input.wake_all();
        Ok(8)
    }

    fn readiness(&self) -> u32 {
        let count = *self.count.lock();
        let input = if count > 0 { POLLIN | POLLRDNORM } else { 0 };
        let output = if count < u64::MAX - 1 { POLLOUT | POLLWRNORM } else { 0 };
        input | output
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::transfer::Bytes;

    fn read(counter: &EventCounter) -> Result<u64, Errno> {
        let mut value = [0; 8];
        counter.read_at(0, &mut Bytes(&mut value)).map(|_| u64::from_le_bytes(value))
    }

    #[test]
    fn reads_take_all_or_one() {
        let counter = EventCounter::new(3, Taking::All);
        assert_eq!((read(&counter), read(&counter)), (Ok(3), Err(Errno::EAGAIN)));
        let semaphore = EventCounter::new(1, Taking::One);
        assert_eq!(semaphore.write_at(0, &mut &1u64.to_le_bytes()[..]), Ok(8));
        assert_eq!((read(&semaphore), read(&semaphore)), (Ok(1), Ok(1)));
        assert_eq!(read(&semaphore), Err(Errno::EAGAIN));
    }

    #[test]
    fn a_full_counter_blocks_writers() {
        let counter = EventCounter::new(u64::MAX - 1, Taking::All);
        assert_eq!(counter.write_at(0, &mut &1u64.to_le_bytes()[..]), Err(Errno::EAGAIN));
        assert_eq!(counter.readiness() & POLLOUT, 0);
        assert_eq!(counter.write_at(0, &mut &u64::MAX.to_le_bytes()[..]), Err(Errno::EINVAL));
    }
}
