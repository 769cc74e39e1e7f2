//! Block devices as the pool sees them.

use alloc::sync::Arc;

/// A device could not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// The range ends past the end of the device.
    OutOfRange,
    /// The device reported an error.
    Failed,
}

/// Bytes that stay: a disk, a partition, an image file.
pub trait BlockDevice: Send + Sync {
    /// Fills `into` with the bytes from `offset`.
    ///
    /// # Errors
    ///
    /// The range is not on the device, or the device failed; `into` is then unspecified.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DeviceError>;

    /// Returns the number of bytes on the device.
    fn size(&self) -> u64;
}

impl<D: BlockDevice + ?Sized> BlockDevice for Arc<D> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DeviceError> {
        (**self).read_at(offset, into)
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}

/// A device in memory.
impl BlockDevice for alloc::vec::Vec<u8> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DeviceError> {
        let start = usize::try_from(offset).map_err(|_| DeviceError::OutOfRange)?;
        let end = start.checked_add(into.len()).ok_or(DeviceError::OutOfRange)?;
        into.copy_from_slice(self.get(start..end).ok_or(DeviceError::OutOfRange)?);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}
