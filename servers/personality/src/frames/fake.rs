//! Frames on the heap, for host tests: counts every misuse as a panic.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Frame, Frames, PAGE};
use crate::sync::Mutex;

/// A heap-backed store of a fixed number of frames.
pub struct FakeFrames {
    frames: Mutex<Vec<(u32, Box<[u8; PAGE]>)>>,
}

impl FakeFrames {
    /// Makes a store of `total` frames.
    #[must_use]
    pub fn new(total: usize) -> FakeFrames {
        FakeFrames { frames: Mutex::new((0..total).map(|_| (0, Box::new([0xa5; PAGE]))).collect()) }
    }
}

impl Frames for FakeFrames {
    fn allocate(&self) -> Option<Frame> {
        let mut frames = self.frames.lock();
        let index = frames.iter().position(|(count, _)| *count == 0)?;
        frames[index].0 = 1;
        frames[index].1.fill(0);
        Some(Frame(index as u32))
    }
    fn allocate_run(&self, most: usize) -> Option<(Frame, usize)> {
        let first = self.allocate()?;
        let mut length = 1;
        let mut frames = self.frames.lock();
        while length < most {
            match frames.get_mut(first.0 as usize + length) {
                Some((count, bytes)) if *count == 0 => {
                    *count = 1;
                    bytes.fill(0);
                    length += 1;
                }
                _ => break,
            }
        }
        Some((first, length))
    }
    fn retain(&self, frame: Frame) {
        let count = &mut self.frames.lock()[frame.0 as usize].0;
        assert!(*count > 0, "a free frame was retained");
        *count += 1;
    }
    fn release(&self, frame: Frame) {
        let count = &mut self.frames.lock()[frame.0 as usize].0;
        assert!(*count > 0, "a free frame was released");
        *count -= 1;
    }
    fn count(&self, frame: Frame) -> u32 {
        self.frames.lock()[frame.0 as usize].0
    }
    fn read(&self, frame: Frame, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.frames.lock()[frame.0 as usize].1[offset..offset + into.len()]);
    }
    fn write(&self, frame: Frame, offset: usize, from: &[u8]) {
        self.frames.lock()[frame.0 as usize].1[offset..offset + from.len()].copy_from_slice(from);
    }
    fn copy(&self, from: Frame) -> Option<Frame> {
        let copy = self.allocate()?;
        let mut bytes = [0; PAGE];
        self.read(from, 0, &mut bytes);
        self.write(copy, 0, &bytes);
        Some(copy)
    }
    fn free(&self) -> u64 {
        self.frames.lock().iter().filter(|(count, _)| *count == 0).count() as u64
    }
    fn total(&self) -> u64 {
        self.frames.lock().len() as u64
    }
}
