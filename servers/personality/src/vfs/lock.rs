//! Advisory locks: of byte ranges by process (`F_SETLK`) or open file, and of whole files (`flock`).
//!
//! One table for all files. Most programs lock nothing, so closing a file asks first whether the
//! table is empty.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::errno::Errno;
use crate::sync::Mutex;
use crate::wait::WaitQueue;

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A process, through any descriptor.
    Process(u32),
    /// An open file, by its number: a lock of a range.
    OpenFile(u64),
    /// An open file, by its number: a lock of the whole file, which ranges do not see.
    Whole(u64),
}

/// Whether others may hold it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Read locks together.
    Shared,
    /// One write lock alone.
    Exclusive,
}

/// One lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// First byte.
    pub start: u64,
    /// Byte behind the last.
    pub end: u64,
    /// Who.
    pub owner: Owner,
    /// How.
    pub sharing: Sharing,
}

impl Lock {
    fn overlaps(&self, other: &Lock) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn conflicts(&self, other: &Lock) -> bool {
        let is_whole = |lock: &Lock| matches!(lock.owner, Owner::Whole(_));
        self.owner != other.owner
            && is_whole(self) == is_whole(other)
            && self.overlaps(other)
            && (self.sharing == Sharing::Exclusive || other.sharing == Sharing::Exclusive)
    }
}

/// The locks of all files.
#[derive(Default)]
pub struct LockTable {
    /// Locks by device and inode number of the file.
    by_file: Mutex<BTreeMap<(u64, u64), Vec<Lock>>>,
    files: AtomicUsize,
    /// Woken whenever a lock goes.
    pub released: WaitQueue,
}

impl LockTable {
    /// A table without locks.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            by_file: Mutex::new(BTreeMap::new()),
            files: AtomicUsize::new(0),
            released: WaitQueue::new(),
        }
    }

    /// The first lock that keeps `wanted` from being taken.
    #[must_use]
    pub fn find_conflict(&self, file: (u64, u64), wanted: &Lock) -> Option<Lock> {
        let by_file = self.by_file.lock();
        by_file.get(&file)?.iter().find(|held| held.conflicts(wanted)).copied()
    }

    /// Takes a lock; what the owner held there before gives way. `EAGAIN` on a conflict.
    pub fn acquire(&self, file: (u64, u64), wanted: Lock) -> Result<(), Errno> {
        let mut by_file = self.by_file.lock();
        let locks = by_file.entry(file).or_default();
        if locks.iter().any(|held| held.conflicts(&wanted)) {
            if locks.is_empty() {
                by_file.remove(&file);
            }
            return Err(Errno::EAGAIN);
        }
        let was_downgraded = cut(locks, &wanted);
        locks.push(wanted);
        self.files.store(by_file.len(), Ordering::Relaxed);
        drop(by_file);
        if was_downgraded {
            self.released.wake_all();
        }
        Ok(())
    }

    /// Gives up what `range.owner` holds in the range.
    pub fn release(&self, file: (u64, u64), range: &Lock) {
        if self.is_empty() {
            return;
        }
        let mut by_file = self.by_file.lock();
        let Some(locks) = by_file.get_mut(&file) else { return };
        let changed = cut(locks, range);
        if locks.is_empty() {
            by_file.remove(&file);
        }
        self.files.store(by_file.len(), Ordering::Relaxed);
        drop(by_file);
        if changed {
            self.released.wake_all();
        }
    }

    /// Gives up everything that `owner` holds of a file.
    pub fn release_all(&self, file: (u64, u64), owner: Owner) {
        self.release(file, &Lock { start: 0, end: u64::MAX, owner, sharing: Sharing::Exclusive });
    }

    /// Gives up everything that a process holds: it ends.
    pub fn release_process(&self, pid: u32) {
        if self.is_empty() {
            return;
        }
        let files: Vec<(u64, u64)> = self.by_file.lock().keys().copied().collect();
        for file in files {
            self.release_all(file, Owner::Process(pid));
        }
    }

    /// Tells whether nobody holds any lock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // A lock taken at the same time by another thread may be missed, and would be by chance
        // of timing in any case.
        self.files.load(Ordering::Relaxed) == 0
    }
}

/// Takes `range` out of its owner's locks; tells whether there was anything.
fn cut(locks: &mut Vec<Lock>, range: &Lock) -> bool {
    let mut rest = Vec::new();
    let before = locks.len();
    locks.retain(|held| {
        if held.owner != range.owner || !held.overlaps(range) {
            return true;
        }
        if held.start < range.start {
            rest.push(Lock { end: range.start, ..*held });
        }
        if held.end > range.end {
            rest.push(Lock { start: range.end, ..*held });
        }
        false
    });
    let changed = locks.len() != before;
    locks.append(&mut rest);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: (u64, u64) = (1, 1);

    fn lock(start: u64, end: u64, pid: u32, sharing: Sharing) -> Lock {
        Lock { start, end, owner: Owner::Process(pid), sharing }
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        let table = LockTable::new();
        table.acquire(FILE, lock(0, 10, 1, Sharing::Shared)).unwrap();
        table.acquire(FILE, lock(5, 15, 2, Sharing::Shared)).unwrap();
        let wanted = lock(8, 20, 1, Sharing::Exclusive);
        assert_eq!(table.acquire(FILE, wanted), Err(Errno::EAGAIN));
        assert_eq!(
            table.find_conflict(FILE, &wanted).map(|held| held.owner),
            Some(Owner::Process(2))
        );
        table.release_all(FILE, Owner::Process(2));
        assert_eq!(table.acquire(FILE, wanted), Ok(()));
        table.release_all(FILE, Owner::Process(1));
        assert!(table.is_empty());
    }

    #[test]
    fn whole_file_locks_and_ranges_do_not_see_each_other() {
        let table = LockTable::new();
        table.acquire(FILE, lock(0, 10, 1, Sharing::Exclusive)).unwrap();
        let whole =
            |id| Lock { owner: Owner::Whole(id), ..lock(0, u64::MAX, 0, Sharing::Exclusive) };
        assert_eq!(table.acquire(FILE, whole(1)), Ok(()));
        assert_eq!(table.acquire(FILE, whole(2)), Err(Errno::EAGAIN));
    }

    proptest! {
        #[test]
        fn every_byte_is_locked_as_the_steps_say(
            steps in proptest::collection::vec((0u64..20, 1u64..8, 1u32..3, 0u8..3), 1..40)
        ) {
            let table = LockTable::new();
            let mut model = [[0u8; 2]; 32];
            for (start, length, pid, what) in steps {
                let (end, me, other) = (start + length, pid as usize - 1, 2 - pid as usize);
                let bytes = start as usize..end as usize;
                if what == 0 {
                    table.release(FILE, &lock(start, end, pid, Sharing::Shared));
                    model[bytes].iter_mut().for_each(|byte| byte[me] = 0);
                    continue;
                }
                let sharing = if what == 1 { Sharing::Shared } else { Sharing::Exclusive };
                let free = model[bytes.clone()].iter().all(|byte| byte[other] == 0 || byte[other] + what == 2);
                prop_assert_eq!(table.acquire(FILE, lock(start, end, pid, sharing)).is_ok(), free);
                if free {
                    model[bytes].iter_mut().for_each(|byte| byte[me] = what);
                }
            }
        }
    }
}
