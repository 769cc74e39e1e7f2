//! Making objects out of untyped memory.

use super::{Cap, Kind, MakeError, NULL, fill_slot, kind};
use crate::slots;
use crate::syscall::kernel;
use ipc_proto::abi::syscalls::RetypeError;

type Made<K> = Result<Cap<K>, MakeError<RetypeError>>;

/// Makes one object of kind `K` that needs no size.
///
/// # Errors
/// No free slot, or what the kernel refuses.
pub fn make<K: Kind>(untyped: Cap<kind::Untyped>) -> Made<K> {
    make_sized(untyped, 0)
}

/// Makes one object of kind `K`; `size` is bytes, slots or pages, as the kind has it.
///
/// # Errors
/// No free slot, or what the kernel refuses.
pub fn make_sized<K: Kind>(untyped: Cap<kind::Untyped>, size: u64) -> Made<K> {
    fill_slot(|slot| kernel().retype(untyped.slot(), K::KIND, size, NULL, slot, 1))
}

/// Makes `count` objects of kind `K` in slots in a row; returns the first.
///
/// # Errors
/// No free slots in a row, or what the kernel refuses.
pub fn make_many<K: Kind>(untyped: Cap<kind::Untyped>, size: u64, count: u32) -> Made<K> {
    let first = slots::allocate_range(count).ok_or(MakeError::NoSlot)?;
    match kernel().retype(untyped.slot(), K::KIND, size, NULL, first, count.into()) {
        Ok(()) => Ok(Cap::new(first)),
        Err(error) => {
            (0..count).for_each(|offset| slots::free(first.offset(offset)));
            Err(MakeError::Kernel(error))
        }
    }
}
