//! Memory that root has mapped for itself: the only unsafe code of root.
//!
//! # Invariants
//!
//! - `window.mapped`: what [`Mapped`] is asked for was mapped by root before, in root's window,
//!   and stays mapped.
//! - `window.sole`: while root fills a server's block no thread of the server runs, and root
//!   holds one slice of it at a time.

use root::load::Window;

/// Root's own window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapped;

impl Window for Mapped {
    fn bytes(&mut self, address: u64, bytes: u64) -> &mut [u8] {
        let start = core::ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: [window.mapped] [window.sole] the loader asks for parts of the block that it
        // has just mapped, one after the other.
        unsafe { core::slice::from_raw_parts_mut(start, bytes as usize) }
    }
}

impl Mapped {
    /// Reads a word of a server's block; the server may run.
    pub(crate) fn word(self, address: u64) -> u64 {
        let word = core::ptr::with_exposed_provenance::<u64>(address as usize);
        // SAFETY: [window.mapped] the caller has checked that the aligned word is in the block.
        unsafe { word.read_volatile() }
    }

    /// Returns an archive.
    ///
    /// # Safety
    /// The whole archive is mapped at `address`, read-only.
    pub(crate) unsafe fn archive(self, address: u64, bytes: u64) -> &'static [u8] {
        let start = core::ptr::with_exposed_provenance(address as usize);
        // SAFETY: [window.mapped] the caller says so; nobody can write to it.
        unsafe { core::slice::from_raw_parts(start, bytes as usize) }
    }
}
