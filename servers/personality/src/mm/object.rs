//! Shared anonymous memory: pages that several address spaces map, made at the first touch.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::errno::Errno;
use crate::frames::{Frame, Frames};
use crate::sync::Mutex;

/// A set of pages by index. Holds one reference to each of its frames.
pub struct SharedPages {
    frames: Arc<dyn Frames>,
    pages: Mutex<BTreeMap<u64, Frame>>,
}

impl SharedPages {
    /// Makes an empty object.
    #[must_use]
    pub fn new(frames: Arc<dyn Frames>) -> SharedPages {
        SharedPages { frames, pages: Mutex::new(BTreeMap::new()) }
    }

    /// Makes an object of these frames; takes over the caller's references.
    #[must_use]
    pub fn of(frames: Arc<dyn Frames>, pages: impl IntoIterator<Item = Frame>) -> SharedPages {
        let pages = (0..).zip(pages).collect();
        SharedPages { frames, pages: Mutex::new(pages) }
    }

    /// Gives the frame of a page, with a reference for the caller; makes it at the first touch.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn page(&self, index: u64) -> Result<Frame, Errno> {
        let mut pages = self.pages.lock();
        let frame = match pages.get(&index) {
            Some(&frame) => frame,
            None => {
                let frame = self.frames.allocate().ok_or(Errno::ENOMEM)?;
                pages.insert(index, frame);
                frame
            }
        };
        self.frames.retain(frame);
        Ok(frame)
    }
}

impl Drop for SharedPages {
    fn drop(&mut self) {
        for &frame in self.pages.lock().values() {
            self.frames.release(frame);
        }
    }
}
