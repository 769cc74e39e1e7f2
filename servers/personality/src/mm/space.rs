//! The address space of a process: areas, the pages behind them, and the calls that change them.
//!
//! # Invariants
//!
//! - `space.frames`: every frame in `pages` is held by one reference of this address space.
//! - `space.inside`: every page with something behind it lies in an area.
//! - `space.cow`: a frame in a private area is writable in hardware only if this address space
//!   holds its only reference.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;

use ipc_proto::abi::word::Rights;

use super::area::{Backing, Vma};
use super::layout::{HIGHEST, LOWEST, Layout};
use super::pages::{Entry, Pages};
use super::vma::VmaMap;
use super::{FaultError, FaultKind, PAGE, page_ceil, page_floor};
use crate::errno::Errno;
use crate::frames::{Frame, Frames};
use crate::machine::Translation;
use crate::sync::{Mutex, MutexGuard};

/// Most areas of an address space, so that no program uses up the memory that they are kept in.
const MOST_AREAS: usize = 32768;

/// How `mmap` treats the address it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A hint.
    Anywhere,
    /// Exactly there; what is there goes (`MAP_FIXED`).
    Replace,
    /// Exactly there, if it is free (`MAP_FIXED_NOREPLACE`).
    IfFree,
}

/// One address space. Threads share it; so does a `vfork` child with its parent.
pub struct AddressSpace {
    pub(super) translation: Box<dyn Translation>,
    pub(super) frames: Arc<dyn Frames>,
    state: Mutex<State>,
}

/// What the lock protects.
pub(super) struct State {
    pub(super) areas: VmaMap<Vma>,
    pub(super) pages: Pages,
    pub(super) layout: Layout,
    /// The heap: its start, which is fixed, and its end.
    pub(super) heap: Range<u64>,
    /// Most bytes a stack may grow to.
    pub(super) stack_limit: u64,
    /// The page after the last anonymous fault, and how many pages that one mapped.
    pub(super) streak: (u64, u64),
}

impl AddressSpace {
    /// Makes an empty address space.
    #[must_use]
    pub fn new(
        translation: Box<dyn Translation>,
        frames: Arc<dyn Frames>,
        layout: Layout,
        stack_limit: u64,
    ) -> AddressSpace {
        let state = State {
            areas: VmaMap::default(),
            pages: Pages::default(),
            layout,
            heap: 0..0,
            stack_limit,
            streak: (0, 0),
        };
        AddressSpace { translation, frames, state: Mutex::new(state) }
    }

    /// Names the space for [`crate::machine::Carrier::enter`].
    #[must_use]
    pub fn id(&self) -> u64 {
        self.translation.id()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn with_state(
        translation: Box<dyn Translation>,
        frames: Arc<dyn Frames>,
        state: State,
    ) -> AddressSpace {
        AddressSpace { translation, frames, state: Mutex::new(state) }
    }

    /// Returns where the program's parts go.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.lock().layout
    }

    /// Takes everything out, for a new program with `layout`.
    pub fn clear(&self, layout: Layout, stack_limit: u64) {
        let mut state = self.lock();
        self.drop_everything(&mut state);
        state.layout = layout;
        state.stack_limit = stack_limit;
        state.heap = 0..0;
        state.streak = (0, 0);
    }

    /// Maps `bytes` bytes (rounded up to pages) as `vma` says; gives the address.
    ///
    /// # Errors
    /// `EINVAL`, `ENOMEM`, `EEXIST` as mmap(2) has them.
    pub fn map(
        &self,
        address: u64,
        bytes: u64,
        placement: Placement,
        vma: Vma,
    ) -> Result<u64, Errno> {
        let bytes = page_ceil(bytes).ok_or(Errno::ENOMEM)?;
        if bytes == 0 {
            return Err(Errno::EINVAL);
        }
        let mut state = self.lock();
        if state.areas.count() >= MOST_AREAS {
            return Err(Errno::ENOMEM);
        }
        let range = match placement {
            Placement::Anywhere => state.choose(address, bytes).ok_or(Errno::ENOMEM)?,
            Placement::Replace | Placement::IfFree => fixed_range(address, bytes)?,
        };
        if placement == Placement::IfFree && !state.areas.is_free(&range) {
            return Err(Errno::EEXIST);
        }
        self.drop_pages(&mut state, range.clone());
        state.areas.insert(range.clone(), vma);
        Ok(range.start)
    }

    /// Removes what is mapped in the range.
    ///
    /// # Errors
    /// `EINVAL` for a range that cannot be.
    pub fn unmap(&self, address: u64, bytes: u64) -> Result<(), Errno> {
        let range = page_range(address, bytes)?;
        let mut state = self.lock();
        if state.areas.is_free(&range) {
            return Ok(());
        }
        self.drop_pages(&mut state, range.clone());
        state.areas.remove(range);
        Ok(())
    }

    /// Changes the access of everything in the range.
    ///
    /// # Errors
    /// `EINVAL`; `ENOMEM` if part of it is not mapped; `EACCES` if a file does not permit it.
    pub fn protect(&self, address: u64, bytes: u64, access: Rights) -> Result<(), Errno> {
        if !address.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if bytes == 0 {
            return Ok(());
        }
        let range = page_range(address, bytes).map_err(|_| Errno::ENOMEM)?;
        let mut state = self.lock();
        if !state.areas.is_covered(&range) {
            return Err(Errno::ENOMEM);
        }
        let refused = |vma: &Vma| match &vma.backing {
            Backing::File(file, _) => {
                vma.is_shared && access.contains(Rights::WRITE) && !file.may_write
            }
            _ => false,
        };
        if state.areas.overlapping(range.clone()).any(|(_, vma)| refused(vma)) {
            return Err(Errno::EACCES);
        }
        state.areas.update(range.clone(), |vma| vma.access = access);
        self.narrow(&mut state, range, access);
        Ok(())
    }

    /// Lets the hardware follow a changed access: write access comes back page by page, at
    /// faults, since only a fault knows whether a page is still shared.
    fn narrow(&self, state: &mut State, range: Range<u64>, access: Rights) {
        let mut hull: Option<Range<u64>> = None;
        state.pages.visit(range, |address, entry| {
            hull = Some(hull.as_ref().map_or(address, |hull| hull.start)..address + PAGE);
            match entry {
                Entry::Frame { frame, .. } => Entry::Frame { frame, is_writable: false },
                other => other,
            }
        });
        let Some(hull) = hull else { return };
        let pages = (hull.end - hull.start) / PAGE;
        if access.0 == 0 {
            self.translation.unmap(hull.start, pages);
        } else {
            let rights = Rights(access.0 & !Rights::WRITE.0).union(Rights::READ);
            self.translation.protect(hull.start, pages, rights);
        }
    }

    /// Declares where the heap starts.
    pub fn set_heap(&self, start: u64) {
        self.lock().heap = start..start;
    }

    /// Moves the end of the heap as brk(2) has it; gives the end, moved or not.
    pub fn brk(&self, end: u64, limit: u64) -> u64 {
        let mut state = self.lock();
        let heap = state.heap.clone();
        let (Some(old_top), Some(new_top)) = (page_ceil(heap.end), page_ceil(end)) else {
            return heap.end;
        };
        if end < heap.start || end - heap.start > limit || new_top > HIGHEST {
            return heap.end;
        }
        if new_top > old_top {
            // A page stays free above the heap, so that it never joins what lies behind.
            if !state.areas.is_free(&(old_top..new_top + PAGE)) {
                return heap.end;
            }
            let vma = Vma::anonymous(Rights::READ.union(Rights::WRITE), "[heap]");
            state.areas.insert(old_top..new_top, vma);
        } else if new_top < old_top {
            self.drop_pages(&mut state, new_top..old_top);
            state.areas.remove(new_top..old_top);
        }
        state.heap.end = end;
        end
    }

    /// Gives back the memory of private pages in the range; they read as fresh afterwards.
    ///
    /// # Errors
    /// `EINVAL`; `ENOMEM` if part of the range is not mapped (the rest is done).
    pub fn discard(&self, address: u64, bytes: u64) -> Result<(), Errno> {
        let range = page_range(address, bytes)?;
        let mut state = self.lock();
        self.drop_pages(&mut state, range.clone());
        if state.areas.is_covered(&range) { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Tells whether all of the range is mapped.
    #[must_use]
    pub fn is_covered(&self, address: u64, bytes: u64) -> bool {
        page_range(address, bytes).is_ok_and(|range| self.lock().areas.is_covered(&range))
    }

    /// Changes something of the areas in the range.
    pub fn update(&self, range: Range<u64>, change: impl FnMut(&mut Vma)) {
        self.lock().areas.update(range, change);
    }

    /// Returns the frame behind `address` if it lies in shared memory; touches it first.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`].
    pub fn shared_frame(&self, address: u64, kind: FaultKind) -> Result<Option<Frame>, FaultError> {
        let look = || -> Result<(bool, Entry), FaultError> {
            let state = self.lock();
            let (_, vma) = state.areas.find(address).ok_or(FaultError::NotMapped)?;
            Ok((vma.is_shared, state.pages.get(address)))
        };
        loop {
            match look()? {
                (false, _) => return Ok(None),
                (true, Entry::Frame { frame, .. }) => return Ok(Some(frame)),
                // In place, read-only: private to nobody, but no one can change it either.
                (true, Entry::Region) => return Ok(None),
                (true, Entry::None) => self.fault(address, kind)?,
            }
        }
    }

    /// Visits the areas in order.
    pub fn visit_areas(&self, mut visit: impl FnMut(Range<u64>, &Vma)) {
        let state = self.lock();
        state.areas.iter().for_each(|(range, vma)| visit(range, vma));
    }

    /// Returns the bytes mapped and the bytes resident.
    #[must_use]
    pub fn usage(&self) -> (u64, u64) {
        let state = self.lock();
        let mapped = state.areas.iter().map(|(range, _)| range.end - range.start).sum();
        (mapped, state.pages.resident() * PAGE)
    }

    /// Moves or resizes a mapping as mremap(2) has it; `to` fixes the new address.
    ///
    /// # Errors
    /// `EINVAL`, `EFAULT`, `ENOMEM`.
    pub fn remap(
        &self,
        old: u64,
        old_bytes: u64,
        new_bytes: u64,
        may_move: bool,
        to: Option<u64>,
    ) -> Result<u64, Errno> {
        let old_range = page_range(old, old_bytes)?;
        let new_bytes = page_ceil(new_bytes).filter(|&b| b > 0).ok_or(Errno::EINVAL)?;
        let mut state = self.lock();
        let (area, vma) = state.areas.find(old).ok_or(Errno::EFAULT)?;
        if area.end < old_range.end {
            return Err(Errno::EFAULT);
        }
        let vma = vma.advance_by(old - area.start);
        let length = old_range.end - old_range.start;
        if to.is_none() && new_bytes <= length {
            let cut = old + new_bytes..old_range.end;
            self.drop_pages(&mut state, cut.clone());
            state.areas.remove(cut);
            return Ok(old);
        }
        let grown = old_range.end..old.checked_add(new_bytes).ok_or(Errno::ENOMEM)?;
        if to.is_none() && grown.end <= HIGHEST && state.areas.is_free(&grown) {
            state.areas.insert(old..grown.end, vma);
            return Ok(old);
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        let target = match to {
            Some(to) => fixed_range(to, new_bytes)?,
            None => state.choose(0, new_bytes).ok_or(Errno::ENOMEM)?,
        };
        if target.start < old_range.end && old_range.start < target.end {
            return Err(Errno::EINVAL);
        }
        self.drop_pages(&mut state, target.clone());
        state.areas.insert(target.clone(), vma);
        self.move_pages(&mut state, old_range.clone(), target.start, new_bytes.min(length));
        self.drop_pages(&mut state, old_range.clone());
        state.areas.remove(old_range);
        Ok(target.start)
    }

    /// Moves what stands behind pages; the hardware learns of it at the next touch.
    fn move_pages(&self, state: &mut State, old: Range<u64>, to: u64, bytes: u64) {
        self.translation.unmap(old.start, (old.end - old.start) / PAGE);
        let mut moved = alloc::vec::Vec::new();
        state.pages.visit(old.start..old.start + bytes, |address, entry| {
            moved.push((address - old.start + to, entry));
            Entry::None
        });
        for (address, entry) in moved {
            let entry = match entry {
                Entry::Frame { frame, .. } => Entry::Frame { frame, is_writable: false },
                other => other,
            };
            state.pages.set(address, entry);
        }
    }

    /// Lets go of the pages in the range: hardware first, then the references.
    pub(super) fn drop_pages(&self, state: &mut State, range: Range<u64>) {
        let mut hull: Option<Range<u64>> = None;
        state.pages.visit(range, |address, entry| {
            hull = Some(hull.as_ref().map_or(address, |hull| hull.start)..address + PAGE);
            entry
        });
        let Some(hull) = hull else { return };
        self.translation.unmap(hull.start, (hull.end - hull.start) / PAGE);
        state.pages.visit(hull, |_, entry| {
            if let Entry::Frame { frame, .. } = entry {
                self.frames.release(frame);
            }
            Entry::None
        });
    }

    fn drop_everything(&self, state: &mut State) {
        let ranges: alloc::vec::Vec<_> = state.areas.iter().map(|(range, _)| range).collect();
        for range in ranges {
            self.drop_pages(state, range);
        }
        state.pages.clear();
        state.areas.clear();
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        self.drop_everything(&mut state);
    }
}

impl State {
    /// Finds room: at the hint if it is free, else the highest gap below `mmap_top`.
    fn choose(&self, hint: u64, bytes: u64) -> Option<Range<u64>> {
        let hint = page_floor(hint);
        if hint >= LOWEST
            && let Ok(range) = fixed_range(hint, bytes)
            && self.areas.is_free(&range)
        {
            return Some(range);
        }
        let start = self
            .areas
            .find_gap(LOWEST..self.layout.mmap_top, bytes)
            .or_else(|| self.areas.find_gap(LOWEST..HIGHEST, bytes))?;
        Some(start..start + bytes)
    }
}

impl Vma {
    fn advance_by(&self, bytes: u64) -> Vma {
        super::vma::Payload::advance(self, bytes)
    }
}

/// Checks the range of a fixed mapping.
fn fixed_range(address: u64, bytes: u64) -> Result<Range<u64>, Errno> {
    let end = address.checked_add(bytes).filter(|&end| end <= HIGHEST).ok_or(Errno::ENOMEM)?;
    if !address.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    if address < LOWEST {
        return Err(Errno::EPERM);
    }
    Ok(address..end)
}

/// Checks the range of a call about existing mappings; the length is rounded up.
fn page_range(address: u64, bytes: u64) -> Result<Range<u64>, Errno> {
    let bytes = page_ceil(bytes).ok_or(Errno::EINVAL)?;
    let end = address.checked_add(bytes).ok_or(Errno::EINVAL)?;
    if !address.is_multiple_of(PAGE) || bytes == 0 || end > HIGHEST {
        return Err(Errno::EINVAL);
    }
    Ok(address..end)
}
