//! Address spaces: mapping, with memory for page tables supplied when it runs out.

use super::{Cap, MakeError, kind, untyped};
use crate::syscall::kernel;
use ipc_proto::abi::status::SyscallError;
use ipc_proto::abi::syscalls::{MapError, RetypeError, SupplyError};
use ipc_proto::abi::word::MapFlags;

/// Why a mapping did not come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapFailure {
    /// The mapping itself was refused.
    Map(SyscallError<MapError>),
    /// Page tables could not be made.
    Tables(MakeError<RetypeError>),
    /// Page tables could not be supplied.
    Supply(SyscallError<SupplyError>),
}

impl core::fmt::Display for MapFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            MapFailure::Map(error) => error.fmt(f),
            MapFailure::Tables(error) => write!(f, "no page tables: {error}"),
            MapFailure::Supply(error) => write!(f, "no page tables: {error}"),
        }
    }
}

/// Pages that are supplied at a time: one round of a short-lived address space.
const TABLE_PAGES: u64 = 8;

/// Makes page tables out of `memory` and gives them to `vspace`.
///
/// # Errors
/// What the kernel refuses.
pub fn supply(
    vspace: Cap<kind::VSpace>,
    memory: Cap<kind::Untyped>,
    pages: u64,
) -> Result<Cap<kind::Tables>, MapFailure> {
    let tables = untyped::make_sized::<kind::Tables>(memory, pages).map_err(MapFailure::Tables)?;
    kernel().vspace_supply(vspace.slot(), tables.slot()).map_err(MapFailure::Supply)?;
    Ok(tables)
}

/// Maps `pages` pages, and supplies page tables out of `memory` as often as it takes.
///
/// # Errors
/// What the kernel refuses.
pub fn map(
    vspace: Cap<kind::VSpace>,
    memory: Cap<kind::Untyped>,
    flags: MapFlags,
    offset: u64,
    address: u64,
    pages: u64,
) -> Result<(), MapFailure> {
    loop {
        match kernel().map(vspace.slot(), flags, offset, address, pages) {
            Err(SyscallError::Refused(MapError::NoTables)) => {
                supply(vspace, memory, TABLE_PAGES)?;
            }
            other => return other.map_err(MapFailure::Map),
        }
    }
}
