//! User and group ids. Everything runs as root; the ids are kept so that programs read back
//! what they set.

use alloc::vec::Vec;

/// The ids of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Real, effective, saved and file-system user id.
    pub user: Ids,
    /// Real, effective, saved and file-system group id.
    pub group: Ids,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Four ids of one sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The real id.
    pub real: u32,
    /// The effective id.
    pub effective: u32,
    /// The saved id.
    pub saved: u32,
    /// The id for file access.
    pub file: u32,
}

impl Ids {
    /// The id -1: leave as it is.
    pub const KEEP: u32 = u32::MAX;

    /// Tells whether a process without privileges may take on `id`.
    #[must_use]
    pub fn holds(&self, id: u32) -> bool {
        id == self.real || id == self.effective || id == self.saved
    }

    /// Sets real, effective and saved id; each may be [`Ids::KEEP`]. `false`, and nothing
    /// changed, if that needs privileges and there are none.
    pub fn set(&mut self, ids: [u32; 3], privileged: bool) -> bool {
        if !privileged && ids.iter().any(|&id| id != Ids::KEEP && !self.holds(id)) {
            return false;
        }
        for (field, id) in
            [&mut self.real, &mut self.effective, &mut self.saved].into_iter().zip(ids)
        {
            if id != Ids::KEEP {
                *field = id;
            }
        }
        self.file = self.effective;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_takes_on_any_id() {
        let mut ids = Ids::default();
        assert!(ids.set([Ids::KEEP, 7, Ids::KEEP], true));
        assert_eq!((ids.effective, ids.file, ids.saved), (7, 7, 0));
        assert!(!ids.set([Ids::KEEP, 9, Ids::KEEP], false));
        assert!(ids.set([7, 0, 7], false));
        assert_eq!(ids, Ids { real: 7, effective: 0, saved: 7, file: 0 });
    }
}
