//! The calls on guests: record, thread, FP/SIMD registers.

use super::{Call, refused};
use crate::machine::Machine;
use crate::object::guest::Save;
use crate::object::memory::shared_page;
use ipc_proto::abi::status::SyscallError;
use ipc_proto::abi::syscalls::*;
use ipc_proto::abi::word::CPtr;

/// `guest_set_record`.
pub(super) fn set_record<M: Machine>(
    call: &mut Call<'_, M>,
    guest: CPtr,
    memory: CPtr,
    offset: u64,
) -> Result<(), SyscallError<SetRecordError>> {
    let guest = call.guest(guest)?;
    let (source, cap, rights) = call.kernel.lookup_filled(call.thread, memory)?;
    let Some(page) = shared_page(&cap, rights, offset) else {
        return refused(SetRecordError::BadPage);
    };
    let state = call.kernel.store.get(guest);
    if state.thread.is_some_and(|thread| call.kernel.is_in_guest(thread)) {
        return refused(SetRecordError::InUse);
    }
    let (target, thread) = (call.kernel.store.slot_ref(&state.record), state.thread);
    call.kernel.bind(source, target);
    call.kernel.store.get_mut(guest).record_page = page;
    if let Some(thread) = thread {
        call.kernel.refresh_if_current(thread);
    }
    Ok(())
}

/// `guest_sync_fp`.
pub(super) fn sync_fp<M: Machine>(
    call: &mut Call<'_, M>,
    guest: CPtr,
) -> Result<(), SyscallError<SyncFpError>> {
    let guest = call.guest(guest)?;
    if call.kernel.store.get(guest).record_page.is_null() {
        return refused(SyncFpError::NoRecord);
    }
    call.kernel.release_fp(guest, Save::ToRecord);
    Ok(())
}
