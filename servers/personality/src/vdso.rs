//! The vDSO: a small shared object in every process, for time without a system call and for the
//! return from signal handlers.
//!
//! Two pages, one behind the other: data (see [`data`]) and the ELF image. The image is made at
//! start-up by [`image`]; its code is [`text`].

use alloc::sync::Arc;
use alloc::vec;

use crate::frames::Frames;
use crate::mm::PAGE;
use crate::mm::object::SharedPages;
use crate::time::Clock;

pub mod image;
#[cfg_attr(target_os = "none", expect(unsafe_code, reason = "assembled code is read as bytes"))]
pub mod text;

/// Offset of the signal trampoline from the image's start.
pub const SIGRETURN_OFFSET: u64 = image::TEXT_OFFSET + text::SIGRETURN;

/// Offsets in the data page.
pub mod data {
    /// Nanoseconds of a tick, in units of 2^-32.
    pub const MULTIPLIER: usize = 0;
    /// Nanoseconds since 1970 at counter 0.
    pub const EPOCH: usize = 8;
}

/// The pages of the vDSO.
pub struct Vdso {
    /// Page 0 is the data, page 1 the image.
    pub pages: Arc<SharedPages>,
}

impl Vdso {
    /// Bytes to map.
    pub const BYTES: u64 = 2 * PAGE;

    /// Makes the pages; `None` without memory for them.
    #[must_use]
    pub fn new(frames: &Arc<dyn Frames>, clock: &Clock) -> Option<Vdso> {
        let (data, code) = (frames.allocate()?, frames.allocate()?);
        frames.write(data, data::MULTIPLIER, &clock.multiplier().to_le_bytes());
        frames.write(data, data::EPOCH, &clock.epoch().to_le_bytes());
        frames.write(code, 0, &image::build(text::code()));
        Some(Vdso { pages: Arc::new(SharedPages::of(frames.clone(), vec![data, code])) })
    }

    /// Lets programs see a changed time of day.
    pub fn update(&self, frames: &Arc<dyn Frames>, clock: &Clock) {
        if let Ok(frame) = self.pages.page(0) {
            frames.write(frame, data::EPOCH, &clock.epoch().to_le_bytes());
            frames.release(frame);
        }
    }
}
