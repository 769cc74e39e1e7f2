//! Access to the memory of the Linux process that a system call works for.
//!
//! Addresses come from the program and are only allegations: every access may fail with `EFAULT`
//! and none may reach beyond the guest's part of the address space.

use alloc::vec;
use alloc::vec::Vec;

use crate::errno::Errno;

/// Longest single transfer in bytes, as in Linux (`MAX_RW_COUNT`).
pub const MAX_TRANSFER: usize = 0x7fff_f000;

/// The memory of one Linux process. Unaligned addresses are allowed everywhere.
pub trait GuestMemory {
    /// Copies from `address` on into `into`. `EFAULT` if a byte cannot be read; `into` may be
    /// partly filled then.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno>;

    /// Copies `from` to `address` on. `EFAULT` if a byte cannot be written; some may be then.
    ///
    /// # Errors
    /// `EFAULT`.
    fn write(&self, address: u64, from: &[u8]) -> Result<(), Errno>;

    /// Reads a little-endian 32-bit word.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read_u32(&self, address: u64) -> Result<u32, Errno> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Reads a little-endian 64-bit word.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read_u64(&self, address: u64) -> Result<u64, Errno> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Writes a little-endian 32-bit word.
    ///
    /// # Errors
    /// `EFAULT`.
    fn write_u32(&self, address: u64, value: u32) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    /// Writes a little-endian 64-bit word.
    ///
    /// # Errors
    /// `EFAULT`.
    fn write_u64(&self, address: u64, value: u64) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    /// Reads `length` bytes; lengths beyond [`MAX_TRANSFER`] give `EFAULT`.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read_bytes(&self, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
        if length > MAX_TRANSFER {
            return Err(Errno::EFAULT);
        }
        let mut bytes = vec![0; length];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a string up to its NUL, which is not part of the result. `ENAMETOOLONG` if there
    /// is none in `max` bytes (the NUL included).
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG`.
    fn read_c_string(&self, address: u64, max: usize) -> Result<Vec<u8>, Errno> {
        let mut string = Vec::new();
        let mut at = address;
        while string.len() < max {
            // Never across a page: the string may end on the last mapped one.
            let to_page_end = 4096 - (at & 4095) as usize;
            let step = to_page_end.min(max - string.len()).min(64);
            let before = string.len();
            string.resize(before + step, 0);
            self.read(at, &mut string[before..])?;
            if let Some(end) = string[before..].iter().position(|&byte| byte == 0) {
                string.truncate(before + end);
                return Ok(string);
            }
            at = at.wrapping_add(step as u64);
        }
        Err(Errno::ENAMETOOLONG)
    }
}

/// Guest memory made of one piece, for host tests: `bytes` lie at `base`.
#[cfg(test)]
#[derive(Debug)]
pub struct FakeMemory {
    base: u64,
    bytes: core::cell::RefCell<Vec<u8>>,
}

#[cfg(test)]
impl FakeMemory {
    /// Makes `length` zero bytes at `base`.
    #[must_use]
    pub fn new(base: u64, length: usize) -> FakeMemory {
        FakeMemory { base, bytes: core::cell::RefCell::new(vec![0; length]) }
    }

    fn range(&self, address: u64, length: usize) -> Result<core::ops::Range<usize>, Errno> {
        let start = address.checked_sub(self.base).ok_or(Errno::EFAULT)? as usize;
        let end = start.checked_add(length).ok_or(Errno::EFAULT)?;
        if end > self.bytes.borrow().len() { Err(Errno::EFAULT) } else { Ok(start..end) }
    }
}

#[cfg(test)]
impl GuestMemory for FakeMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let range = self.range(address, into.len())?;
        into.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }
    fn write(&self, address: u64, from: &[u8]) -> Result<(), Errno> {
        let range = self.range(address, from.len())?;
        self.bytes.borrow_mut()[range].copy_from_slice(from);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_at_its_nul_and_a_long_one_is_refused() {
        let memory = FakeMemory::new(0x1ff0, 200);
        memory.write(0x1ff0, &[b'a'; 100]).expect("in range");
        assert_eq!(memory.read_c_string(0x1ff0, 4096).map(|s| s.len()), Ok(100));
        assert_eq!(memory.read_c_string(0x1ff0, 100), Err(Errno::ENAMETOOLONG));
        assert_eq!(memory.read_c_string(0x10, 100), Err(Errno::EFAULT));
    }

    #[test]
    fn words_are_little_endian() {
        let memory = FakeMemory::new(0, 16);
        memory.write_u64(1, 0x0102_0304_0506_0708).expect("in range");
        assert_eq!(memory.read_u32(1), Ok(0x0506_0708));
    }
}
