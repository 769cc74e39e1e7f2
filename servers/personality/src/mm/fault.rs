//! Demand paging and copy-on-write: what happens when a page is touched.

use ipc_proto::abi::word::Rights;

use super::area::{Backing, Vma};
use super::pages::Entry;
use super::space::{AddressSpace, State};
use super::{PAGE, page_floor};
use crate::errno::Errno;
use crate::frames::Frame;
use crate::machine::{NoMemory, Source, attachment};
use crate::vfs;
use crate::vfs::transfer::Bytes;

/// What the program tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// To load.
    Read,
    /// To store.
    Write,
    /// To execute.
    Execute,
}

impl FaultKind {
    fn right(self) -> Rights {
        match self {
            FaultKind::Read => Rights::READ,
            FaultKind::Write => Rights::WRITE,
            FaultKind::Execute => Rights::EXECUTE,
        }
    }
}

/// Why a fault cannot be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// Nothing is mapped there (`SEGV_MAPERR`).
    NotMapped,
    /// What is mapped does not permit this (`SEGV_ACCERR`).
    Forbidden,
    /// The file has no such page, or cannot give it (`BUS_ADRERR`).
    NoPage,
    /// No memory is left.
    NoMemory,
}

impl From<NoMemory> for FaultError {
    fn from(_: NoMemory) -> FaultError {
        FaultError::NoMemory
    }
}

/// Pages of a file mapped at a fault, if they lie in place.
const FILE_WINDOW: u64 = 32;
/// Most fresh pages mapped at a fault of a program that touches page after page.
const STREAK_WINDOW: u64 = 16;
/// A stack keeps this distance to what lies below it.
const STACK_GUARD: u64 = 256 * PAGE;

impl AddressSpace {
    /// Makes the page at `address` usable for `kind`.
    ///
    /// # Errors
    /// The access is wrong, or there is no page or memory for it.
    pub fn fault(&self, address: u64, kind: FaultKind) -> Result<(), FaultError> {
        let mut state = self.lock();
        let state = &mut *state;
        let page = page_floor(address);
        if state.areas.find(page).is_none() {
            state.grow_stack(page)?;
        }
        let (range, vma) = state.areas.find(page).ok_or(FaultError::NotMapped)?;
        if !vma.hardware_access().contains(kind.right()) {
            return Err(FaultError::Forbidden);
        }
        let entry = state.pages.get(page);
        if entry == Entry::None && matches!(vma.backing, Backing::Anonymous) {
            let access = vma.hardware_access();
            return self.fresh_pages(state, page, range.end, access);
        }
        let (range, vma) = (range, vma.clone());
        match (entry, kind) {
            (Entry::None, _) => self.first_touch(state, page, range, &vma, kind),
            (Entry::Region, FaultKind::Write) => self.copy_file_page(state, page, &range, &vma),
            (Entry::Region, _) => self.map_file_region(state, page, range, &vma),
            (Entry::Frame { frame, is_writable }, _) => {
                self.touch_again(state, page, &vma, kind, frame, is_writable)
            }
        }
    }

    /// Maps fresh zeroed frames: one, or more if the last fault was just below.
    fn fresh_pages(
        &self,
        state: &mut State,
        page: u64,
        end: u64,
        access: Rights,
    ) -> Result<(), FaultError> {
        let want = if state.streak.0 == page { (state.streak.1 * 2).min(STREAK_WINDOW) } else { 1 };
        let (frame, count) = if want > 1 {
            let most = state.pages.count_empty(page, want.min((end - page) / PAGE));
            self.frames.allocate_run(most as usize).ok_or(FaultError::NoMemory)?
        } else {
            (self.frames.allocate().ok_or(FaultError::NoMemory)?, 1)
        };
        let source = Source { attachment: attachment::POOL, offset: frame.offset() };
        if let Err(error) = self.translation.map(page, count as u64, source, access) {
            (0..count as u32).for_each(|index| self.frames.release(Frame(frame.0 + index)));
            return Err(error.into());
        }
        let is_writable = access.contains(Rights::WRITE);
        for index in 0..count as u32 {
            let entry = Entry::Frame { frame: Frame(frame.0 + index), is_writable };
            state.pages.set(page + u64::from(index) * PAGE, entry);
        }
        state.streak = (page + count as u64 * PAGE, count as u64);
        Ok(())
    }

    /// Touches a page of an object or a file for the first time.
    fn first_touch(
        &self,
        state: &mut State,
        page: u64,
        range: core::ops::Range<u64>,
        vma: &Vma,
        kind: FaultKind,
    ) -> Result<(), FaultError> {
        let frame = match &vma.backing {
            Backing::Anonymous => self.frames.allocate().ok_or(FaultError::NoMemory)?,
            Backing::Object(object, offset) => {
                object.page((offset + page - range.start) / PAGE).map_err(page_error)?
            }
            Backing::File(file, offset) => match file.vnode.backing() {
                vfs::Backing::None => return Err(FaultError::NoPage),
                vfs::Backing::Region { .. } if kind == FaultKind::Write => {
                    return self.copy_file_page(state, page, &range, vma);
                }
                vfs::Backing::Region { .. } => {
                    return self.map_file_region(state, page, range, vma);
                }
                vfs::Backing::Frames => {
                    file.vnode.page((offset + page - range.start) / PAGE).map_err(page_error)?
                }
            },
        };
        if vma.is_shared {
            return self.put(state, page, frame, vma.hardware_access());
        }
        if kind == FaultKind::Write {
            return self.own(state, page, vma, frame);
        }
        self.put(state, page, frame, read_only(vma))
    }

    /// Touches a page again that has a frame: copy-on-write, or a mapping the hardware lost.
    fn touch_again(
        &self,
        state: &mut State,
        page: u64,
        vma: &Vma,
        kind: FaultKind,
        frame: Frame,
        is_writable: bool,
    ) -> Result<(), FaultError> {
        // `put` and `own` take over a reference; the entry's own is released when it is replaced.
        self.frames.retain(frame);
        if vma.is_shared || is_writable {
            self.put(state, page, frame, vma.hardware_access())
        } else if kind == FaultKind::Write {
            self.own(state, page, vma, frame)
        } else {
            self.put(state, page, frame, read_only(vma))
        }
    }

    /// Makes a private page writable: the frame itself if nobody else has it, else a copy.
    /// Takes over one reference to `frame`; the entry may hold another.
    fn own(&self, state: &mut State, page: u64, vma: &Vma, frame: Frame) -> Result<(), FaultError> {
        let held_here = match state.pages.get(page) {
            Entry::Frame { frame: here, .. } if here == frame => 2,
            _ => 1,
        };
        if self.frames.count(frame) == held_here {
            return self.put(state, page, frame, vma.hardware_access());
        }
        let copy = self.frames.copy(frame);
        self.frames.release(frame);
        self.put(state, page, copy.ok_or(FaultError::NoMemory)?, vma.hardware_access())
    }

    /// Maps `frame` and makes it the page's entry; takes over one reference to it.
    fn put(
        &self,
        state: &mut State,
        page: u64,
        frame: Frame,
        access: Rights,
    ) -> Result<(), FaultError> {
        let source = Source { attachment: attachment::POOL, offset: frame.offset() };
        if let Err(error) = self.translation.map(page, 1, source, access) {
            self.frames.release(frame);
            return Err(error.into());
        }
        let is_writable = access.contains(Rights::WRITE);
        if let Entry::Frame { frame, .. } =
            state.pages.set(page, Entry::Frame { frame, is_writable })
        {
            self.frames.release(frame);
        }
        Ok(())
    }

    /// Copies a page of a file that lies in place into a frame of its own.
    fn copy_file_page(
        &self,
        state: &mut State,
        page: u64,
        range: &core::ops::Range<u64>,
        vma: &Vma,
    ) -> Result<(), FaultError> {
        let Backing::File(file, offset) = &vma.backing else { return Err(FaultError::NoPage) };
        if vma.is_shared {
            // Read-only memory cannot be written through; mmap refuses such a mapping.
            return Err(FaultError::Forbidden);
        }
        let at = offset + page - range.start;
        let mut bytes = [0; PAGE as usize];
        let count = file.vnode.read_at(at, &mut Bytes(&mut bytes)).map_err(page_error)?;
        if count == 0 {
            return Err(FaultError::NoPage);
        }
        let frame = self.frames.allocate().ok_or(FaultError::NoMemory)?;
        self.frames.write(frame, 0, &bytes[..count.min(bytes.len())]);
        self.put(state, page, frame, vma.hardware_access())
    }

    /// Maps the pages around `page` of a file that lies in place.
    fn map_file_region(
        &self,
        state: &mut State,
        page: u64,
        range: core::ops::Range<u64>,
        vma: &Vma,
    ) -> Result<(), FaultError> {
        let Backing::File(file, file_offset) = &vma.backing else { return Err(FaultError::NoPage) };
        let vfs::Backing::Region { attachment, offset, bytes } = file.vnode.backing() else {
            return Err(FaultError::NoPage);
        };
        // Whole pages only: what follows the file in its last page is another file's.
        let whole = bytes.saturating_sub(*file_offset) & !(PAGE - 1);
        let limit = range.end.min(range.start.saturating_add(whole));
        if page >= limit {
            return self.copy_last_page(state, page, &range, vma);
        }
        let window = FILE_WINDOW * PAGE;
        let mut first = page;
        let lowest = range.start.max(page / window * window);
        while first > lowest && state.pages.get(first - PAGE) == Entry::None {
            first -= PAGE;
        }
        let most = (limit.min(page / window * window + window) - page) / PAGE;
        let count = (page - first) / PAGE + 1 + state.pages.count_empty(page + PAGE, most - 1);
        let source = Source { attachment, offset: offset + file_offset + first - range.start };
        self.translation.map(first, count, source, read_only(vma))?;
        for index in 0..count {
            state.pages.set(first + index * PAGE, Entry::Region);
        }
        Ok(())
    }

    /// Maps a private copy of a file's last page, zeros after its end.
    fn copy_last_page(
        &self,
        state: &mut State,
        page: u64,
        range: &core::ops::Range<u64>,
        vma: &Vma,
    ) -> Result<(), FaultError> {
        let mut private = vma.clone();
        private.is_shared = false;
        private.access = Rights(vma.access.0 & !Rights::WRITE.0);
        self.copy_file_page(state, page, range, &private)
    }
}

impl State {
    /// Lets the stack above `page` grow down to it.
    fn grow_stack(&mut self, page: u64) -> Result<(), FaultError> {
        let (above, vma) = self.areas.find_from(page).ok_or(FaultError::NotMapped)?;
        if !vma.grows_down || above.end - page > self.stack_limit {
            return Err(FaultError::NotMapped);
        }
        let guard = page.saturating_sub(STACK_GUARD)..page;
        if !self.areas.is_free(&guard) {
            return Err(FaultError::NotMapped);
        }
        self.areas.extend_down(above.start, page);
        Ok(())
    }
}

fn read_only(vma: &Vma) -> Rights {
    Rights(vma.hardware_access().0 & !Rights::WRITE.0)
}

fn page_error(error: Errno) -> FaultError {
    match error {
        Errno::ENOMEM | Errno::ENOSPC => FaultError::NoMemory,
        _ => FaultError::NoPage,
    }
}
