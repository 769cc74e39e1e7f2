//! Guest memory as the carrier of one of its threads sees it: at its own addresses.

use alloc::sync::Arc;

use crate::errno::Errno;
use crate::guest_copy::{self, CopyFault, ROUND};
use crate::guest_memory::GuestMemory;
use crate::mm::FaultKind;
use crate::task::Task;

/// The memory of a thread's process; the carrier must be in its address space.
pub struct CarrierMemory<'a>(pub &'a Arc<Task>);

impl CarrierMemory<'_> {
    /// Mends a fault of a copy; gives the offset from which the copy goes on.
    #[cold]
    fn mend(
        &self,
        start: u64,
        bytes: usize,
        fault: CopyFault,
        kind: FaultKind,
    ) -> Result<usize, Errno> {
        if !guest_copy::is_guest_range(start, bytes) {
            return Err(Errno::EFAULT);
        }
        let space = self.0.process.space().ok_or(Errno::EFAULT)?;
        space.fault(fault.address, kind).map_err(|_| Errno::EFAULT)?;
        let reached = fault.address.saturating_sub(start).saturating_sub(ROUND);
        Ok((reached as usize).min(bytes))
    }
}

impl GuestMemory for CarrierMemory<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let mut from = 0;
        while let Err(fault) =
            guest_copy::read(address.wrapping_add(from as u64), &mut into[from..])
        {
            let (at, bytes) = (address.wrapping_add(from as u64), into.len() - from);
            from += self.mend(at, bytes, fault, FaultKind::Read)?;
        }
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let mut from = 0;
        while let Err(fault) = guest_copy::write(address.wrapping_add(from as u64), &bytes[from..])
        {
            let (at, count) = (address.wrapping_add(from as u64), bytes.len() - from);
            from += self.mend(at, count, fault, FaultKind::Write)?;
        }
        Ok(())
    }
}
