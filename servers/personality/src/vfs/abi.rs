//! Linux numbers and layouts of the file calls that `linux-raw-sys` gives per host only.
//!
//! `linux-raw-sys` compiles the constants of the machine it is built for. Four open flags differ
//! between the machines where this crate is tested and the aarch64 that it serves, so they stand
//! here (asm-generic/fcntl.h with arch/arm64/include/uapi/asm/fcntl.h). Structures are written
//! field by field, little-endian, at the offsets of the arm64 ABI.

use super::vnode::{FileSystemInfo, Kind, Stat, Timestamp};

/// Open only a directory.
pub const O_DIRECTORY: u32 = 0o40000;
/// Refuse to follow a symbolic link in the last component.
pub const O_NOFOLLOW: u32 = 0o100_000;
/// Bypass the cache; accepted and without effect here.
pub const O_DIRECT: u32 = 0o200_000;
/// Large offsets; always on, reported by `F_GETFL`.
pub const O_LARGEFILE: u32 = 0o400_000;
/// Create a nameless file in the given directory.
pub const O_TMPFILE: u32 = 0o20_000_000 | O_DIRECTORY;

/// Bytes of `struct stat`.
pub const STAT_BYTES: usize = 128;
/// Bytes of `struct statx`.
pub const STATX_BYTES: usize = 256;
/// Bytes of `struct statfs`.
pub const STATFS_BYTES: usize = 120;

/// Writes fixed-width fields one after the other into a zeroed record of `N` bytes.
pub struct Record<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Default for Record<N> {
    fn default() -> Self {
        Self { bytes: [0; N], at: 0 }
    }
}

impl<const N: usize> Record<N> {
    /// Appends raw bytes; what does not fit is dropped.
    #[must_use]
    pub fn bytes(mut self, field: &[u8]) -> Self {
        if let Some(slot) = self.bytes.get_mut(self.at..self.at + field.len()) {
            slot.copy_from_slice(field);
        }
        self.at += field.len();
        self
    }

    /// Appends a 16-bit field.
    #[must_use]
    pub fn half(self, field: u16) -> Self {
        self.bytes(&field.to_le_bytes())
    }

    /// Appends a 32-bit field.
    #[must_use]
    pub fn word(self, field: u32) -> Self {
        self.bytes(&field.to_le_bytes())
    }

    /// Appends a 64-bit field.
    #[must_use]
    pub fn long(self, field: u64) -> Self {
        self.bytes(&field.to_le_bytes())
    }

    /// Appends a `struct timespec`.
    #[must_use]
    pub fn time(self, time: Timestamp) -> Self {
        self.long(time.seconds.cast_unsigned()).long(u64::from(time.nanoseconds))
    }

    /// Appends a `struct statx_timestamp`.
    #[must_use]
    pub fn statx_time(self, time: Timestamp) -> Self {
        self.long(time.seconds.cast_unsigned()).word(time.nanoseconds).word(0)
    }

    /// Leaves `count` bytes zero.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.at += count;
        self
    }

    /// The finished record.
    #[must_use]
    pub fn finish(self) -> [u8; N] {
        self.bytes
    }
}

/// Reads the little-endian 64-bit field at `offset`; 0 when it lies outside.
#[must_use]
pub fn read_long(bytes: &[u8], offset: usize) -> u64 {
    let field = bytes.get(offset..offset + 8).and_then(|field| field.try_into().ok());
    field.map_or(0, u64::from_le_bytes)
}

/// Reads the little-endian 32-bit field at `offset`; 0 when it lies outside.
#[must_use]
pub fn read_word(bytes: &[u8], offset: usize) -> u32 {
    let field = bytes.get(offset..offset + 4).and_then(|field| field.try_into().ok());
    field.map_or(0, u32::from_le_bytes)
}

/// Reads the little-endian 16-bit field at `offset`; 0 when it lies outside.
#[must_use]
pub fn read_half(bytes: &[u8], offset: usize) -> u16 {
    let field = bytes.get(offset..offset + 2).and_then(|field| field.try_into().ok());
    field.map_or(0, u16::from_le_bytes)
}

/// Packs a device number the way `makedev` does.
#[must_use]
pub const fn make_device(major: u32, minor: u32) -> u64 {
    ((minor & 0xff) | ((major & 0xfff) << 8)) as u64 | (((minor & !0xff) as u64) << 12)
}

/// The major part of a device number.
#[must_use]
pub const fn major(device: u64) -> u32 {
    ((device >> 8) & 0xfff) as u32
}

/// The minor part of a device number.
#[must_use]
pub const fn minor(device: u64) -> u32 {
    (device & 0xff) as u32 | ((device >> 12) & 0xffff_ff00) as u32
}

/// The `st_mode` of a vnode: its type and permission bits.
#[must_use]
pub fn mode(stat: &Stat) -> u32 {
    kind_bits(stat.kind) | u32::from(stat.permissions)
}

/// The `S_IFMT` bits of a kind.
#[must_use]
pub fn kind_bits(kind: Kind) -> u32 {
    use linux_raw_sys::general as raw;
    match kind {
        Kind::File => raw::S_IFREG,
        Kind::Directory => raw::S_IFDIR,
        Kind::Symlink => raw::S_IFLNK,
        Kind::CharDevice => raw::S_IFCHR,
        Kind::BlockDevice => raw::S_IFBLK,
        Kind::Fifo => raw::S_IFIFO,
        Kind::Socket => raw::S_IFSOCK,
    }
}

/// The kind that `S_IFMT` bits name; no bits mean a regular file, as `mknod` has it.
#[must_use]
pub fn kind_of_bits(mode: u32) -> Option<Kind> {
    use linux_raw_sys::general as raw;
    Some(match mode & raw::S_IFMT {
        0 | raw::S_IFREG => Kind::File,
        raw::S_IFDIR => Kind::Directory,
        raw::S_IFLNK => Kind::Symlink,
        raw::S_IFCHR => Kind::CharDevice,
        raw::S_IFBLK => Kind::BlockDevice,
        raw::S_IFIFO => Kind::Fifo,
        raw::S_IFSOCK => Kind::Socket,
        _ => return None,
    })
}

/// The `d_type` of a directory entry.
#[must_use]
pub fn entry_type(kind: Kind) -> u8 {
    // DT_x is S_IFx >> 12, by definition (IFTODT in dirent.h).
    (kind_bits(kind) >> 12) as u8
}

/// Encodes `struct stat` (asm-generic/stat.h).
#[must_use]
pub fn encode_stat(stat: &Stat) -> [u8; STAT_BYTES] {
    Record::default()
        .long(stat.device)
        .long(stat.inode)
        .word(mode(stat))
        .word(stat.links)
        .word(stat.uid)
        .word(stat.gid)
        .long(stat.rdev)
        .skip(8)
        .long(stat.size)
        .word(stat.block_bytes)
        .skip(4)
        .long(stat.blocks)
        .time(stat.accessed)
        .time(stat.modified)
        .time(stat.changed)
        .finish()
}

/// Encodes `struct statx` (linux/stat.h); `mount` is the mount's number.
#[must_use]
pub fn encode_statx(stat: &Stat, mount: u32) -> [u8; STATX_BYTES] {
    use linux_raw_sys::general as raw;
    let mask = raw::STATX_BASIC_STATS | raw::STATX_BTIME | raw::STATX_MNT_ID;
    Record::default()
        .word(mask)
        .word(stat.block_bytes)
        .long(0)
        .word(stat.links)
        .word(stat.uid)
        .word(stat.gid)
        .half(mode(stat) as u16)
        .skip(2)
        .long(stat.inode)
        .long(stat.size)
        .long(stat.blocks)
        .long(0)
        .statx_time(stat.accessed)
        .statx_time(stat.created)
        .statx_time(stat.changed)
        .statx_time(stat.modified)
        .word(major(stat.rdev))
        .word(minor(stat.rdev))
        .word(major(stat.device))
        .word(minor(stat.device))
        .long(u64::from(mount))
        .finish()
}

/// Encodes `struct statfs` (asm-generic/statfs.h).
#[must_use]
pub fn encode_statfs(info: &FileSystemInfo) -> [u8; STATFS_BYTES] {
    Record::default()
        .long(u64::from(info.magic))
        .long(u64::from(info.block_bytes))
        .long(info.blocks)
        .long(info.free_blocks)
        .long(info.free_blocks)
        .long(info.files)
        .long(info.free_files)
        .long(info.device)
        .long(255)
        .long(u64::from(info.block_bytes))
        .long(u64::from(info.mount_flags))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_survive_packing() {
        for (high, low) in [(1, 3), (5, 0), (0, 0x12345), (0xfff, 0xf_ffff)] {
            let device = make_device(high, low);
            assert_eq!((major(device), minor(device)), (high, low));
        }
    }

    #[test]
    fn stat_fields_lie_where_arm64_has_them() {
        let stat = Stat { inode: 7, size: 0x1234, links: 2, ..Stat::new(Kind::File, 0o644) };
        let bytes = encode_stat(&stat);
        assert_eq!(read_long(&bytes, 8), 7);
        assert_eq!(read_word(&bytes, 16), 0o100_644);
        assert_eq!(read_word(&bytes, 20), 2);
        assert_eq!(read_long(&bytes, 48), 0x1234);
        assert_eq!(read_word(&encode_statx(&stat, 3), 0x90), 3);
        assert_eq!(read_long(&encode_statx(&stat, 3), 0x28), 0x1234);
    }
}
