//! Reader of cpio archives in the "newc" format, in place: bootfs and initrd.
//!
//! An archive is hostile input: every length is checked, every step moves forward, and nothing
//! is copied. A member's data keeps its place in the archive ([`Member::data_offset`]), so that
//! page-aligned files can be mapped straight from it.
//!
//! A member is a 110-byte header of ASCII hexadecimal fields, the name with at least one NUL
//! behind it, and the data; name and data each end at a multiple of four bytes from the
//! archive's start. The member `TRAILER!!!` ends the archive.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// Bytes of a header.
const HEADER_BYTES: usize = 110;
/// Name of the member that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// The part of a mode that tells the kind of file.
const KIND_MASK: u32 = 0o170_000;

/// Kinds of file that a member can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; the data is its content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; the data is its target.
    Symlink,
    /// Anything else: a device, a FIFO, a socket.
    Other,
}

/// One member of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The path without leading `/` and `./`; empty for the archive's root directory.
    pub path: &'a [u8],
    /// Kind and permissions, as in `st_mode`.
    pub mode: u32,
    /// Inode number: members with the same one and more than one link are one file.
    pub inode: u32,
    /// Number of links.
    pub links: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// Seconds since 1970 of the last change.
    pub modified: u32,
    /// Major and minor number of a device file.
    pub device: (u32, u32),
    /// The content.
    pub data: &'a [u8],
    /// Where the content starts, in bytes from the archive's start.
    pub data_offset: usize,
}

impl Member<'_> {
    /// Returns the kind of file.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.mode & KIND_MASK {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Directory,
            0o120_000 => Kind::Symlink,
            _ => Kind::Other,
        }
    }
}

/// Why an archive could not be read further. The offset is that of the member's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpioError {
    /// The header does not start with the format's magic.
    BadMagic {
        /// Offset of the header.
        offset: usize,
    },
    /// A header field is not a hexadecimal number.
    BadField {
        /// Offset of the header.
        offset: usize,
    },
    /// The archive ends in the middle of a member, or before the trailer.
    Truncated {
        /// Offset of the header.
        offset: usize,
    },
}

impl core::fmt::Display for CpioError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            CpioError::BadMagic { offset } => write!(f, "no cpio header at byte {offset}"),
            CpioError::BadField { offset } => {
                write!(f, "malformed number in the cpio header at byte {offset}")
            }
            CpioError::Truncated { offset } => {
                write!(f, "cpio archive ends in the member at byte {offset}")
            }
        }
    }
}

/// An archive in memory; bytes behind its trailer are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a>(pub &'a [u8]);

impl<'a> Archive<'a> {
    /// Returns the members in archive order. After an error the iteration ends.
    #[must_use]
    pub const fn members(self) -> Members<'a> {
        Members { bytes: self.0, offset: Some(0) }
    }

    /// Finds the last member with `path`, which may start with `/`: later members replace
    /// earlier ones.
    ///
    /// # Errors
    /// What is wrong with the archive, unless the member was found before that place.
    pub fn find(self, path: &[u8]) -> Result<Option<Member<'a>>, CpioError> {
        let path = strip_root(path);
        let mut found = None;
        for member in self.members() {
            match member {
                Ok(member) if member.path == path => found = Some(member),
                Ok(_) => {}
                Err(error) if found.is_none() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(found)
    }
}

/// The members of an archive, in order.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    bytes: &'a [u8],
    offset: Option<usize>,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, CpioError>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset.take()?;
        match decode_member(self.bytes, offset) {
            Ok(None) => None,
            Ok(Some((member, next))) => {
                self.offset = Some(next);
                Some(Ok(member))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Decodes the member at `offset`; `None` at the trailer. Gives the offset of the next one.
fn decode_member(bytes: &[u8], offset: usize) -> Result<Option<(Member<'_>, usize)>, CpioError> {
    let truncated = CpioError::Truncated { offset };
    let header = bytes.get(offset..).and_then(|rest| rest.get(..HEADER_BYTES)).ok_or(truncated)?;
    if !matches!(header.get(..6), Some(b"070701" | b"070702")) {
        return Err(CpioError::BadMagic { offset });
    }
    let field = |index: usize| decode_field(header, index).ok_or(CpioError::BadField { offset });
    let name_start = offset + HEADER_BYTES;
    let name_end = name_start.checked_add(field(11)? as usize).ok_or(truncated)?;
    let name = bytes.get(name_start..name_end).ok_or(truncated)?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or(name);
    if name == TRAILER {
        return Ok(None);
    }
    let data_offset = round_up(name_end).ok_or(truncated)?;
    let data_end = data_offset.checked_add(field(6)? as usize).ok_or(truncated)?;
    let data = bytes.get(data_offset..data_end).ok_or(truncated)?;
    let member = Member {
        path: strip_root(name),
        inode: field(0)?,
        mode: field(1)?,
        user: field(2)?,
        group: field(3)?,
        links: field(4)?,
        modified: field(5)?,
        device: (field(9)?, field(10)?),
        data,
        data_offset,
    };
    Ok(Some((member, round_up(data_end).ok_or(truncated)?)))
}

/// Decodes the eight hexadecimal digits of the header's field `index`, counted behind the magic.
fn decode_field(header: &[u8], index: usize) -> Option<u32> {
    let start = 6 + index * 8;
    let mut value = 0;
    for &byte in header.get(start..start + 8)? {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return None,
        };
        value = value << 4 | u32::from(digit);
    }
    Some(value)
}

fn round_up(offset: usize) -> Option<usize> {
    Some(offset.checked_add(3)? & !3)
}

/// Removes what names the root directory from the start of a path.
fn strip_root(mut path: &[u8]) -> &[u8] {
    loop {
        path = match path {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] => rest,
            b"." => return b"",
            _ => return path,
        }
    }
}

#[cfg(test)]
mod tests;
