//! The bytes of a regular file in memory: frames, holes, and read-only data behind them.
//!
//! A page of a file is, in this order: the frame written for it; the *base*, data of a boot
//! archive that stays where it is until a page of it is written; a hole, which reads as zeros.
//!
//! # Invariants
//!
//! - `content.tail`: in the frame that holds the end of the file, the bytes behind the end are
//!   zero when nothing mapped it writable; growing the file zeroes them again in any case.

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Errno;
use crate::frames::{Frame, Frames, PAGE};
use crate::sync::Mutex;
use crate::vfs::transfer::{Sink, Source, partial};
use crate::vfs::vnode::{Allocation, Backing, Seek};

const PAGE_BYTES: u64 = PAGE as u64;
/// Largest size of a file.
const SIZE_LIMIT: u64 = i64::MAX as u64;
/// Size up to which a transfer takes the small bounce buffer.
const SMALL_BYTES: usize = 256;
static ZEROS: [u8; PAGE] = [0; PAGE];

/// The content of one file.
#[derive(Default)]
pub(super) struct Content {
    size: u64,
    pages: BTreeMap<u64, Frame>,
    base: Base,
}

/// Read-only data that the file started with.
#[derive(Clone, Copy, Default)]
struct Base {
    /// What of it still shows; shorter after a truncation.
    data: &'static [u8],
    attachment: u64,
    offset: u64,
}

impl Base {
    /// The part of page `index` that shows.
    fn page(&self, index: u64) -> &'static [u8] {
        let start = index.saturating_mul(PAGE_BYTES).min(self.data.len() as u64) as usize;
        let end = (start + PAGE).min(self.data.len());
        self.data.get(start..end).unwrap_or_default()
    }
}

/// Where the bytes of one page are.
enum PageData {
    /// In a frame, with a reference that the holder gives back.
    Frame(Frame),
    /// In the base; zeros behind it.
    Base(&'static [u8]),
}

impl Content {
    pub(super) fn with_base(data: &'static [u8], attachment: u64, offset: u64) -> Self {
        let base = Base { data, attachment, offset };
        Self { size: data.len() as u64, pages: BTreeMap::new(), base }
    }

    pub(super) fn size_and_blocks(&self) -> (u64, u64) {
        let base = if self.pages.is_empty() { self.base.data.len().div_ceil(PAGE) } else { 0 };
        (self.size, (self.pages.len() + base) as u64 * (PAGE_BYTES / 512))
    }

    pub(super) fn backing(&self) -> Backing {
        let Base { data, attachment, offset } = self.base;
        let in_place = self.pages.is_empty() && self.size == data.len() as u64;
        if in_place && !data.is_empty() && offset.is_multiple_of(PAGE_BYTES) {
            Backing::Region { attachment, offset, bytes: self.size }
        } else {
            Backing::Frames
        }
    }

    /// Reads without the lock held during the copy.
    pub(super) fn read(
        this: &Mutex<Content>,
        frames: &dyn Frames,
        offset: u64,
        into: &mut dyn Sink,
    ) -> Result<usize, Errno> {
        let mut at = offset;
        while into.room() > 0 {
            let content = this.lock();
            if at >= content.size {
                break;
            }
            let (index, start) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let length = (PAGE - start).min(into.room());
            let length = (content.size - at).min(length as u64) as usize;
            let data = content.page_data(frames, index);
            drop(content);
            let result = match data {
                PageData::Frame(frame) => with_bounce(length, |bytes| {
                    frames.read(frame, start, bytes);
                    frames.release(frame);
                    into.put(bytes)
                }),
                PageData::Base(base) => put_padded(base, start, length, into),
            };
            if let Err(error) = result {
                return partial((at - offset) as usize, error);
            }
            at += length as u64;
        }
        Ok((at - offset) as usize)
    }

    fn page_data(&self, frames: &dyn Frames, index: u64) -> PageData {
        match self.pages.get(&index) {
            Some(&frame) => {
                frames.retain(frame);
                PageData::Frame(frame)
            }
            None => PageData::Base(self.base.page(index)),
        }
    }

    /// Writes at `at`, or at the end; gives the count and the offset behind it. The lock is not
    /// held during the copy.
    pub(super) fn write(
        this: &Mutex<Content>,
        frames: &dyn Frames,
        used: &AtomicU64,
        at: Option<u64>,
        from: &mut dyn Source,
    ) -> Result<(usize, u64), Errno> {
        let offset = at.unwrap_or_else(|| this.lock().size);
        if from.left() > 0 && offset >= SIZE_LIMIT {
            return Err(Errno::EFBIG);
        }
        let mut done = 0;
        while from.left() > 0 {
            let at = offset + done as u64;
            match write_page(this, frames, used, at, from) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok((done, offset + done as u64))
    }

    /// Gives the frame of a page for writing, with a reference for the caller.
    fn writable(
        &mut self,
        frames: &dyn Frames,
        used: &AtomicU64,
        index: u64,
    ) -> Result<Frame, Errno> {
        if let Some(&frame) = self.pages.get(&index) {
            frames.retain(frame);
            return Ok(frame);
        }
        let frame = frames.allocate().ok_or(Errno::ENOSPC)?;
        let base = self.base.page(index);
        if !base.is_empty() {
            frames.write(frame, 0, base);
        }
        frames.retain(frame);
        self.pages.insert(index, frame);
        used.fetch_add(1, Ordering::Relaxed);
        Ok(frame)
    }

    /// Gives the frame of a page for mapping.
    pub(super) fn page(
        &mut self,
        frames: &dyn Frames,
        used: &AtomicU64,
        index: u64,
    ) -> Result<Frame, Errno> {
        if index >= self.size.div_ceil(PAGE_BYTES) {
            return Err(Errno::EFAULT);
        }
        self.writable(frames, used, index).map_err(|_| Errno::ENOMEM)
    }

    pub(super) fn truncate(
        &mut self,
        frames: &dyn Frames,
        used: &AtomicU64,
        size: u64,
    ) -> Result<(), Errno> {
        if size > SIZE_LIMIT {
            return Err(Errno::EFBIG);
        }
        if size < self.size {
            self.release_from(frames, used, size.div_ceil(PAGE_BYTES));
            let shown = (self.base.data.len() as u64).min(size) as usize;
            self.base.data = self.base.data.get(..shown).unwrap_or_default();
        }
        self.zero_tail(frames, size.min(self.size));
        self.size = size;
        Ok(())
    }

    /// Zeroes what is behind `end` in the frame that holds it.
    fn zero_tail(&self, frames: &dyn Frames, end: u64) {
        let start = (end % PAGE_BYTES) as usize;
        if let Some(&frame) = self.pages.get(&(end / PAGE_BYTES))
            && start != 0
        {
            frames.write(frame, start, ZEROS.get(start..).unwrap_or_default());
        }
    }

    fn release_from(&mut self, frames: &dyn Frames, used: &AtomicU64, first: u64) {
        let gone = self.pages.split_off(&first);
        used.fetch_sub(gone.len() as u64, Ordering::Relaxed);
        for frame in gone.into_values() {
            frames.release(frame);
        }
    }

    pub(super) fn clear(&mut self, frames: &dyn Frames, used: &AtomicU64) {
        self.release_from(frames, used, 0);
    }

    pub(super) fn allocate(
        &mut self,
        frames: &dyn Frames,
        used: &AtomicU64,
        what: Allocation,
        offset: u64,
        length: u64,
    ) -> Result<(), Errno> {
        let end = offset.checked_add(length).filter(|&end| end <= SIZE_LIMIT);
        let end = end.ok_or(Errno::EFBIG)?;
        if what == Allocation::PunchHole {
            self.zero_range(frames, used, offset, end.min(self.size))?;
        } else {
            self.reserve(frames, used, offset / PAGE_BYTES, end.div_ceil(PAGE_BYTES))?;
        }
        if what == Allocation::Grow && end > self.size {
            self.truncate(frames, used, end)?;
        }
        Ok(())
    }

    fn reserve(
        &mut self,
        frames: &dyn Frames,
        used: &AtomicU64,
        first: u64,
        end: u64,
    ) -> Result<(), Errno> {
        if end.saturating_sub(first) > frames.free() + self.pages.len() as u64 {
            return Err(Errno::ENOSPC);
        }
        for index in first..end {
            let frame = self.writable(frames, used, index)?;
            frames.release(frame);
        }
        Ok(())
    }

    /// Makes a range read as zeros, giving whole frames back where no base shows below.
    fn zero_range(
        &mut self,
        frames: &dyn Frames,
        used: &AtomicU64,
        offset: u64,
        end: u64,
    ) -> Result<(), Errno> {
        let mut at = offset;
        while at < end {
            let (index, start) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let length = ((end - at) as usize).min(PAGE - start);
            let has_base = !self.base.page(index).is_empty();
            if length == PAGE && !has_base {
                if let Some(frame) = self.pages.remove(&index) {
                    frames.release(frame);
                    used.fetch_sub(1, Ordering::Relaxed);
                }
            } else if has_base || self.pages.contains_key(&index) {
                let frame = self.writable(frames, used, index)?;
                frames.write(frame, start, ZEROS.get(..length).unwrap_or_default());
                frames.release(frame);
            } else if let Some((&next, _)) = self.pages.range(index..).next() {
                // Nothing is here; go on where something is, so that huge holes cost nothing.
                at = next.saturating_mul(PAGE_BYTES).max(at + length as u64);
                continue;
            } else if at >= self.base.data.len() as u64 {
                break;
            }
            at += length as u64;
        }
        Ok(())
    }

    pub(super) fn seek(&self, offset: u64, what: Seek) -> Result<u64, Errno> {
        if offset >= self.size {
            return Err(Errno::ENXIO);
        }
        let base_pages = self.base.data.len().div_ceil(PAGE) as u64;
        let is_data = |index: u64| index < base_pages || self.pages.contains_key(&index);
        let first = offset / PAGE_BYTES;
        let found = match what {
            Seek::Data if is_data(first) => return Ok(offset),
            Seek::Data => {
                let next = self.pages.range(first..).next().ok_or(Errno::ENXIO)?;
                *next.0
            }
            Seek::Hole if !is_data(first) => return Ok(offset),
            Seek::Hole => {
                let start = first.max(base_pages);
                let run = self.pages.range(start..).zip(start..);
                start + run.take_while(|((index, _), expected)| *index == expected).count() as u64
            }
        };
        match (found * PAGE_BYTES, what) {
            (at, Seek::Data) if at >= self.size => Err(Errno::ENXIO),
            (at, _) => Ok(at.min(self.size)),
        }
    }
}

/// Writes the part of one page that starts at `at`.
fn write_page(
    this: &Mutex<Content>,
    frames: &dyn Frames,
    used: &AtomicU64,
    at: u64,
    from: &mut dyn Source,
) -> Result<usize, Errno> {
    let start = (at % PAGE_BYTES) as usize;
    let length = (PAGE - start).min(from.left()).min((SIZE_LIMIT - at) as usize);
    if length == 0 {
        return Ok(0);
    }
    with_bounce(length, |bytes| {
        from.take(bytes)?;
        let mut content = this.lock();
        if at > content.size {
            content.zero_tail(frames, content.size);
        }
        let frame = content.writable(frames, used, at / PAGE_BYTES)?;
        frames.write(frame, start, bytes);
        frames.release(frame);
        content.size = content.size.max(at + length as u64);
        Ok(length)
    })
}

/// Runs `work` on `length` bytes of the stack, at most a page. Small transfers, which are most,
/// do not pay for clearing a whole page.
fn with_bounce<R>(length: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    if length <= SMALL_BYTES {
        work([0; SMALL_BYTES].get_mut(..length).unwrap_or_default())
    } else {
        work([0; PAGE].get_mut(..length).unwrap_or_default())
    }
}

/// Puts `length` bytes from `start` of a page that holds `base` and zeros behind it.
fn put_padded(base: &[u8], start: usize, length: usize, into: &mut dyn Sink) -> Result<(), Errno> {
    let data = base.get(start..).unwrap_or_default();
    let data = data.get(..length).unwrap_or(data);
    if !data.is_empty() {
        into.put(data)?;
    }
    let zeros = ZEROS.get(..length - data.len()).unwrap_or_default();
    if zeros.is_empty() { Ok(()) } else { into.put(zeros) }
}
