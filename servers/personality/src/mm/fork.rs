//! The copy-on-write clone of an address space.
//!
//! The child maps what the parent has touched, private frames read-only; the parent loses write
//! access to its private frames. Who writes first copies, who writes last keeps the frame.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use ipc_proto::abi::word::Rights;

use super::PAGE;
use super::area::{Backing, Vma};
use super::pages::{Entry, Pages};
use super::space::{AddressSpace, State};
use super::vma::VmaMap;
use crate::machine::{ListEntry, NoMemory, Source, Translation, attachment};
use crate::vfs;

/// Entries of a mapping list that are sent at once.
const BATCH: usize = 256;

impl AddressSpace {
    /// Makes a copy-on-write clone in `translation`, which is empty.
    ///
    /// # Errors
    /// No memory for tables. The original is as it was, but for write access that comes back at
    /// faults.
    pub fn fork(&self, translation: Box<dyn Translation>) -> Result<AddressSpace, NoMemory> {
        let mut state = self.lock();
        let mut areas = VmaMap::default();
        let kept: Vec<(Range<u64>, Vma)> = state
            .areas
            .iter()
            .filter(|(_, vma)| !vma.is_private_to_parent)
            .map(|(range, vma)| (range, vma.clone()))
            .collect();
        let mut pages = Pages::default();
        let mut batch = Batch { translation: &*translation, entries: Vec::new(), failed: false };
        for (range, vma) in &kept {
            areas.insert(range.clone(), vma.clone());
            self.fork_area(&mut state, range, vma, &mut pages, &mut batch);
        }
        batch.flush();
        let failed = batch.failed;
        let child = State {
            areas,
            pages,
            layout: state.layout,
            heap: state.heap.clone(),
            stack_limit: state.stack_limit,
            streak: (0, 0),
        };
        // On failure the clone goes again, and with it the references it took.
        let child = AddressSpace::with_state(translation, self.frames.clone(), child);
        if failed { Err(NoMemory) } else { Ok(child) }
    }

    fn fork_area(
        &self,
        state: &mut State,
        range: &Range<u64>,
        vma: &Vma,
        pages: &mut Pages,
        batch: &mut Batch<'_>,
    ) {
        let access = vma.hardware_access();
        let read_only = Rights(access.0 & !Rights::WRITE.0);
        let region = region_of(vma);
        let mut taken: Option<Range<u64>> = None;
        let mut run: Option<(u64, u64)> = None;
        state.pages.visit(range.clone(), |address, entry| {
            let Entry::Frame { frame, is_writable } = entry else {
                pages.set(address, entry);
                match &mut run {
                    Some((start, count)) if *start + *count * PAGE == address => *count += 1,
                    _ => {
                        batch.region(run.replace((address, 1)), range.start, region, read_only);
                    }
                }
                return entry;
            };
            self.frames.retain(frame);
            let is_shared = vma.is_shared && is_writable;
            let entry = Entry::Frame { frame, is_writable: is_shared };
            pages.set(address, entry);
            let source = Source { attachment: attachment::POOL, offset: frame.offset() };
            let access = if is_shared { access } else { read_only };
            if access.0 != 0 {
                batch.push(ListEntry { address, source, access });
            }
            if is_writable && !is_shared {
                taken = Some(taken.as_ref().map_or(address, |taken| taken.start)..address + PAGE);
            }
            entry
        });
        batch.region(run, range.start, region, read_only);
        if let Some(taken) = taken {
            self.translation.protect(taken.start, (taken.end - taken.start) / PAGE, read_only);
        }
    }
}

/// Returns where the start of an area lies in place, if it does.
fn region_of(vma: &Vma) -> Option<Source> {
    let Backing::File(file, file_offset) = &vma.backing else { return None };
    match file.vnode.backing() {
        vfs::Backing::Region { attachment, offset, .. } => {
            Some(Source { attachment, offset: offset + file_offset })
        }
        _ => None,
    }
}

/// Mappings on their way into the child.
struct Batch<'a> {
    translation: &'a dyn Translation,
    entries: Vec<ListEntry>,
    failed: bool,
}

impl Batch<'_> {
    fn push(&mut self, entry: ListEntry) {
        self.entries.push(entry);
        if self.entries.len() == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.entries.is_empty() {
            self.failed |= self.translation.map_list(&self.entries).is_err();
            self.entries.clear();
        }
    }

    /// Maps a run of pages that lie in place.
    fn region(
        &mut self,
        run: Option<(u64, u64)>,
        area_start: u64,
        region: Option<Source>,
        access: Rights,
    ) {
        let (Some((start, pages)), Some(source)) = (run, region) else { return };
        if access.0 == 0 {
            return;
        }
        let offset = source.offset + (start - area_start);
        let source = Source { attachment: source.attachment, offset };
        self.failed |= self.translation.map(start, pages, source, access).is_err();
    }
}
