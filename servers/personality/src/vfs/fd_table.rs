//! Descriptors of a process: small numbers for open files.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::open_file::OpenFile;
use crate::errno::Errno;

/// One descriptor.
#[derive(Clone)]
struct Descriptor {
    file: Arc<OpenFile>,
    closes_on_exec: bool,
}

/// The descriptors of a process; `CLONE_FILES` shares the table, `fork` clones it.
#[derive(Clone, Default)]
pub struct FdTable {
    descriptors: Vec<Option<Descriptor>>,
    /// No descriptor below this one is free.
    first_free: usize,
}

/// What happens to a descriptor at `execve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExec {
    /// It stays open.
    Keep,
    /// It is closed.
    Close,
}

impl OnExec {
    /// From a bit of some flags word.
    #[must_use]
    pub fn from_flag(flags: u32, bit: u32) -> Self {
        if flags & bit != 0 { OnExec::Close } else { OnExec::Keep }
    }
}

impl FdTable {
    /// Gives the open file of a descriptor. `EBADF`.
    pub fn get(&self, fd: u32) -> Result<&Arc<OpenFile>, Errno> {
        match self.descriptors.get(fd as usize) {
            Some(Some(descriptor)) => Ok(&descriptor.file),
            _ => Err(Errno::EBADF),
        }
    }

    /// Puts a file at the lowest free descriptor from `from` on, below `limit`. `EMFILE`.
    pub fn insert(
        &mut self,
        file: Arc<OpenFile>,
        from: u32,
        limit: u64,
        on_exec: OnExec,
    ) -> Result<u32, Errno> {
        let start = self.first_free.max(from as usize);
        let rest = self.descriptors.get(start..).unwrap_or_default();
        let free = rest
            .iter()
            .position(Option::is_none)
            .map_or(self.descriptors.len().max(start), |position| start + position);
        if free as u64 >= limit {
            return Err(Errno::EMFILE);
        }
        self.put(free, Descriptor { file, closes_on_exec: on_exec == OnExec::Close });
        if from as usize <= self.first_free {
            self.first_free = free + 1;
        }
        Ok(free as u32)
    }

    fn put(&mut self, at: usize, descriptor: Descriptor) -> Option<Descriptor> {
        if at >= self.descriptors.len() {
            self.descriptors.resize(at + 1, None);
        }
        self.descriptors.get_mut(at)?.replace(descriptor)
    }

    /// Puts a file at `fd` (`dup3`); gives what was there, for the caller to drop without a lock.
    pub fn replace(
        &mut self,
        fd: u32,
        file: Arc<OpenFile>,
        limit: u64,
        on_exec: OnExec,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        if u64::from(fd) >= limit {
            return Err(Errno::EBADF);
        }
        let closes_on_exec = on_exec == OnExec::Close;
        let old = self.put(fd as usize, Descriptor { file, closes_on_exec });
        Ok(old.map(|descriptor| descriptor.file))
    }

    /// Takes a descriptor away; the caller drops the file without a lock. `EBADF`.
    pub fn remove(&mut self, fd: u32) -> Result<Arc<OpenFile>, Errno> {
        let slot = self.descriptors.get_mut(fd as usize).ok_or(Errno::EBADF)?;
        let descriptor = slot.take().ok_or(Errno::EBADF)?;
        self.first_free = self.first_free.min(fd as usize);
        Ok(descriptor.file)
    }

    /// Tells whether `execve` closes it. `EBADF`.
    pub fn on_exec(&self, fd: u32) -> Result<OnExec, Errno> {
        match self.descriptors.get(fd as usize) {
            Some(Some(descriptor)) if descriptor.closes_on_exec => Ok(OnExec::Close),
            Some(Some(_)) => Ok(OnExec::Keep),
            _ => Err(Errno::EBADF),
        }
    }

    /// Says whether `execve` closes it. `EBADF`.
    pub fn set_on_exec(&mut self, fd: u32, on_exec: OnExec) -> Result<(), Errno> {
        match self.descriptors.get_mut(fd as usize) {
            Some(Some(descriptor)) => {
                descriptor.closes_on_exec = on_exec == OnExec::Close;
                Ok(())
            }
            _ => Err(Errno::EBADF),
        }
    }

    /// The open descriptors, lowest first.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let open = self.descriptors.iter().enumerate().filter(|(_, slot)| slot.is_some());
        open.map(|(fd, _)| fd as u32)
    }

    /// Takes away what `execve` closes; the caller drops the files without a lock.
    #[must_use]
    pub fn take_closing(&mut self) -> Vec<Arc<OpenFile>> {
        let closing: Vec<u32> =
            self.numbers().filter(|&fd| self.on_exec(fd) == Ok(OnExec::Close)).collect();
        closing.into_iter().filter_map(|fd| self.remove(fd).ok()).collect()
    }

    /// Takes everything away; the caller drops the files without a lock.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Arc<OpenFile>> {
        self.first_free = 0;
        let all = core::mem::take(&mut self.descriptors);
        all.into_iter().flatten().map(|descriptor| descriptor.file).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::tests::open_nameless;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const LIMIT: u64 = 16;

    proptest! {
        #[test]
        fn numbers_are_always_the_lowest_free(steps in proptest::collection::vec((0u8..5, 0u32..20), 1..80)) {
            let mut table = FdTable::default();
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            for (step, fd) in steps {
                let file = open_nameless();
                let id = file.id();
                match step {
                    0 | 1 => {
                        let from = if step == 0 { 0 } else { fd };
                        let lowest = (from..LIMIT as u32).find(|at| !model.contains_key(at));
                        let got = table.insert(file, from, LIMIT, OnExec::Keep);
                        prop_assert_eq!(got, lowest.ok_or(Errno::EMFILE));
                        if let Some(lowest) = lowest {
                            model.insert(lowest, id);
                        }
                    }
                    2 => {
                        let old = table.remove(fd).map(|file| file.id());
                        prop_assert_eq!(old, model.remove(&fd).ok_or(Errno::EBADF));
                    }
                    3 => {
                        let old = table.replace(fd, file, LIMIT, OnExec::Close);
                        if u64::from(fd) < LIMIT {
                            let old = old.map(|old| old.map(|file| file.id()));
                            prop_assert_eq!(old, Ok(model.insert(fd, id)));
                        } else {
                            prop_assert_eq!(old.err(), Some(Errno::EBADF));
                        }
                    }
                    _ => prop_assert_eq!(
                        table.get(fd).map(|file| file.id()),
                        model.get(&fd).copied().ok_or(Errno::EBADF)
                    ),
                }
                prop_assert!(table.numbers().eq(model.keys().copied()));
            }
        }
    }

    #[test]
    fn exec_closes_what_is_marked_and_fork_copies_the_marks() {
        let mut table = FdTable::default();
        for on_exec in [OnExec::Keep, OnExec::Close, OnExec::Keep] {
            table.insert(open_nameless(), 0, LIMIT, on_exec).unwrap();
        }
        table.set_on_exec(2, OnExec::Close).unwrap();
        let mut copy = table.clone();
        assert_eq!(copy.take_closing().len(), 2);
        assert!(copy.numbers().eq([0]));
        assert!(table.numbers().eq([0, 1, 2]));
        assert_eq!(copy.insert(open_nameless(), 0, LIMIT, OnExec::Keep), Ok(1));
    }
}
