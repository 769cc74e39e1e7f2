//! The files that root can load: bootfs, and the initrd that overlays it.

use crate::error::BootError;
use cpio::{Archive, Kind};

/// The archive that a file lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// bootfs.
    Bootfs,
    /// The initrd.
    Initrd,
}

/// A file of an archive.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its content.
    pub data: &'a [u8],
    /// The archive.
    pub source: Source,
    /// Where the content starts in the archive.
    pub offset: u64,
}

/// bootfs and the initrd; without an initrd, that one is `None`.
#[derive(Clone, Copy, Debug)]
pub struct Archives<'a> {
    /// bootfs.
    pub bootfs: &'a [u8],
    /// The initrd.
    pub initrd: Option<&'a [u8]>,
}

impl<'a> Archives<'a> {
    /// Finds a file by its absolute path; the initrd's one comes first.
    ///
    /// # Errors
    /// If an archive is damaged.
    pub fn find(&self, path: &str) -> Result<Option<File<'a>>, BootError> {
        let archives = [
            ("initrd", Source::Initrd, self.initrd),
            ("bootfs", Source::Bootfs, Some(self.bootfs)),
        ];
        for (name, source, archive) in archives {
            let Some(archive) = archive else { continue };
            let found = Archive(archive).find(path.as_bytes());
            let found = found.map_err(|error| BootError::Archive(name, error))?;
            if let Some(member) = found.filter(|member| member.kind() == Kind::File) {
                let offset = member.data_offset as u64;
                return Ok(Some(File { data: member.data, source, offset }));
            }
        }
        Ok(None)
    }
}
