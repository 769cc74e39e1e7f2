//! Memory: ranges that can be mapped.

use super::{Cap, MakeError, NULL, fill_slot, kind};
use crate::syscall::kernel;
use ipc_proto::abi::syscalls::DeriveError;
use ipc_proto::abi::word::Rights;

/// Derives a capability to the part from `offset` on, `bytes` long, with at most `rights`.
///
/// # Errors
/// No free slot, or what the kernel refuses.
pub fn derive(
    source: Cap<kind::Memory>,
    offset: u64,
    bytes: u64,
    rights: Rights,
) -> Result<Cap<kind::Memory>, MakeError<DeriveError>> {
    fill_slot(|slot| kernel().derive_memory(source.slot(), NULL, slot, offset, bytes, rights))
}
