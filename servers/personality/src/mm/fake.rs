//! A fake translation for host tests, and guest memory that goes through it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use ipc_proto::abi::word::Rights;

use super::{AddressSpace, FaultKind, PAGE, page_floor};
use crate::errno::Errno;
use crate::frames::{Frame, Frames};
use crate::guest_memory::GuestMemory;
use crate::machine::{ListEntry, NoMemory, Source, Translation, attachment};
use crate::sync::Mutex;

/// Tables as a map from page to source and access.
#[derive(Default)]
pub struct FakeTranslation {
    id: u64,
    tables: Arc<Mutex<BTreeMap<u64, (Source, Rights)>>>,
    /// Maps that may still succeed; `u64::MAX` for no limit.
    budget: AtomicU64,
}

/// What a test keeps of a translation that it gave away.
#[derive(Clone)]
pub struct Tables(Arc<Mutex<BTreeMap<u64, (Source, Rights)>>>);

impl Tables {
    /// Returns what the hardware has for a page.
    pub fn get(&self, address: u64) -> Option<(Source, Rights)> {
        self.0.lock().get(&page_floor(address)).copied()
    }

    /// Returns the number of pages mapped.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }
}

impl FakeTranslation {
    /// Makes empty tables named `id`.
    pub fn new(id: u64) -> (FakeTranslation, Tables) {
        let tables = Arc::new(Mutex::new(BTreeMap::new()));
        let fake = FakeTranslation { id, tables: tables.clone(), budget: AtomicU64::new(u64::MAX) };
        (fake, Tables(tables))
    }

    /// Lets only `maps` more maps succeed.
    pub fn limit(&self, maps: u64) {
        self.budget.store(maps, Ordering::Relaxed);
    }
}

impl Translation for FakeTranslation {
    fn map(&self, at: u64, pages: u64, source: Source, access: Rights) -> Result<(), NoMemory> {
        assert!(
            at.is_multiple_of(PAGE) && source.offset.is_multiple_of(PAGE),
            "maps are page-aligned"
        );
        let budget = self.budget.load(Ordering::Relaxed);
        if budget == 0 {
            return Err(NoMemory);
        }
        if budget != u64::MAX {
            self.budget.store(budget - 1, Ordering::Relaxed);
        }
        for index in 0..pages {
            let source = Source { offset: source.offset + index * PAGE, ..source };
            self.tables.lock().insert(at + index * PAGE, (source, access));
        }
        Ok(())
    }
    fn map_list(&self, entries: &[ListEntry]) -> Result<(), NoMemory> {
        entries.iter().try_for_each(|entry| self.map(entry.address, 1, entry.source, entry.access))
    }
    fn unmap(&self, address: u64, pages: u64) {
        self.tables.lock().retain(|&at, _| at < address || at >= address + pages * PAGE);
    }
    fn protect(&self, address: u64, pages: u64, access: Rights) {
        for (_, entry) in self.tables.lock().range_mut(address..address + pages * PAGE) {
            entry.1 = access;
        }
    }
    fn id(&self) -> u64 {
        self.id
    }
}

/// Guest memory as the hardware shows it: through the tables, with a fault where they refuse.
pub struct FakeGuest {
    /// The address space that mends faults.
    pub space: Arc<AddressSpace>,
    /// Its tables.
    pub tables: Tables,
    /// The frames behind.
    pub frames: Arc<dyn Frames>,
    /// Faults so far.
    pub faults: AtomicU64,
}

impl FakeGuest {
    fn frame(&self, address: u64, kind: FaultKind) -> Result<Frame, Errno> {
        let right = if kind == FaultKind::Write { Rights::WRITE } else { Rights::READ };
        loop {
            if let Some((source, access)) = self.tables.get(address)
                && access.contains(right)
            {
                assert_eq!(source.attachment, attachment::POOL);
                return Ok(Frame((source.offset / PAGE) as u32));
            }
            self.faults.fetch_add(1, Ordering::Relaxed);
            self.space.fault(address, kind).map_err(|_| Errno::EFAULT)?;
        }
    }

    fn each(
        &self,
        address: u64,
        length: usize,
        kind: FaultKind,
        mut step: impl FnMut(Frame, usize, core::ops::Range<usize>),
    ) -> Result<(), Errno> {
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done as u64).ok_or(Errno::EFAULT)?;
            let offset = (at % PAGE) as usize;
            let count = (length - done).min(PAGE as usize - offset);
            step(self.frame(at, kind)?, offset, done..done + count);
            done += count;
        }
        Ok(())
    }
}

impl GuestMemory for FakeGuest {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let length = into.len();
        self.each(address, length, FaultKind::Read, |frame, offset, range| {
            self.frames.read(frame, offset, &mut into[range]);
        })
    }
    fn write(&self, address: u64, from: &[u8]) -> Result<(), Errno> {
        self.each(address, from.len(), FaultKind::Write, |frame, offset, range| {
            self.frames.write(frame, offset, &from[range]);
        })
    }
}
