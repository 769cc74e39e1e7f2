//! The calls on threads: bindings, schedule, start and stop.

use super::{Call, refused};
use crate::cap::{Binding, Cap};
use crate::machine::Machine;
use crate::object::memory::shared_page;
use crate::object::thread::{Context, Fixup, State, binding_slot};
use ipc_proto::abi::guest::GuestExit;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::*;
use ipc_proto::abi::word::{CPtr, Rights};

/// `thread_set_spaces`.
pub(super) fn set_spaces<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
    cspace: CPtr,
    vspace: CPtr,
) -> Result<(), SyscallError<SetSpacesError>> {
    let thread = call.thread(thread)?;
    let (from_cspace, cspace) = call.cspace_or_own(cspace)?;
    let (from_vspace, cap, _) = call.kernel.lookup_filled(call.thread, vspace)?;
    let Cap::VSpace(vspace) = cap else { return Err(Rejection::WrongKind.into()) };
    if thread != call.thread && call.kernel.store.get(thread).state != State::Stopped {
        return refused(SetSpacesError::NotStopped);
    }
    if call.kernel.store.get(vspace).thread_space.root.is_null() {
        return refused(SetSpacesError::NoWindow);
    }
    call.kernel.set_spaces(thread, (from_cspace, cspace), (from_vspace, vspace));
    Ok(())
}

/// `thread_set_buffer`.
pub(super) fn set_buffer<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
    memory: CPtr,
    offset: u64,
) -> Result<(), SyscallError<SetBufferError>> {
    let thread = call.thread(thread)?;
    let (source, cap, rights) = call.kernel.lookup_filled(call.thread, memory)?;
    let Some(page) = shared_page(&cap, rights, offset) else {
        return refused(SetBufferError::BadPage);
    };
    let target = binding_slot(&call.kernel.store, thread, Binding::Buffer);
    call.kernel.bind(source, target);
    call.kernel.store.get_mut(thread).buffer = page;
    Ok(())
}

/// `thread_set_fault`.
pub(super) fn set_fault<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
    endpoint: CPtr,
) -> Result<(), SyscallError<SetFaultError>> {
    let thread = call.thread(thread)?;
    let (source, cap, rights) = call.kernel.lookup_filled(call.thread, endpoint)?;
    if !matches!(cap, Cap::Endpoint { .. }) {
        return Err(Rejection::WrongKind.into());
    }
    if !rights.contains(Rights::WRITE) {
        return Err(Rejection::MissingRight.into());
    }
    let target = binding_slot(&call.kernel.store, thread, Binding::Fault);
    call.kernel.bind(source, target);
    Ok(())
}

/// `thread_bind_notification`.
pub(super) fn bind_notification<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
    notification: CPtr,
) -> Result<(), SyscallError<BindNotificationError>> {
    let thread = call.thread(thread)?;
    let (source, cap, rights) = call.kernel.lookup_filled(call.thread, notification)?;
    let Cap::Notification { object, .. } = cap else {
        return Err(Rejection::WrongKind.into());
    };
    if !rights.contains(Rights::READ) {
        return Err(Rejection::MissingRight.into());
    }
    if call.kernel.store.get(object).bound.is_some() {
        return refused(BindNotificationError::InUse);
    }
    let target = binding_slot(&call.kernel.store, thread, Binding::Notification);
    call.kernel.bind(source, target);
    call.kernel.store.get_mut(thread).notification = Some(object);
    call.kernel.store.get_mut(object).bound = Some(thread);
    call.kernel.refresh_if_current(thread);
    if call.kernel.store.get(object).bits != 0 {
        call.kernel.interrupt_bound(thread, object);
    }
    Ok(())
}

/// `thread_set_schedule`.
pub(super) fn set_schedule<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
    priority: u64,
    slice_us: u64,
) -> Result<(), SyscallError<SetScheduleError>> {
    let thread = call.thread(thread)?;
    let Ok(priority) = u8::try_from(priority) else {
        return refused(SetScheduleError::OutOfRange);
    };
    if !(100..=1_000_000).contains(&slice_us) {
        return refused(SetScheduleError::OutOfRange);
    }
    let slice = call.kernel.machine.counter_hz().saturating_mul(slice_us) / 1_000_000;
    call.kernel.set_schedule(thread, priority, slice);
    Ok(())
}

/// `thread_start`.
pub(super) fn start<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
    pc: u64,
    sp: u64,
    argument: u64,
    thread_pointer: u64,
) -> Result<(), SyscallError<StartError>> {
    let thread = call.thread(thread)?;
    let state = call.kernel.store.get_mut(thread);
    if state.state != State::Stopped {
        return refused(StartError::NotStopped);
    }
    if state.vspace.is_none() {
        return Err(Rejection::NotBound.into());
    }
    state.context = Context { pc, sp, tpidr: thread_pointer, ..Context::default() };
    state.context.x[0] = argument;
    state.in_guest = false;
    state.priority = state.base_priority;
    call.kernel.make_ready(thread);
    Ok(())
}

/// `thread_stop`.
pub(super) fn stop<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
) -> Result<(), SyscallError<StopError>> {
    let thread = call.thread(thread)?;
    if call.kernel.is_in_guest(thread) {
        call.kernel.leave_guest(thread, GuestExit::Interrupted);
    }
    call.kernel.unblock(thread);
    call.kernel.store.get_mut(thread).is_faulted = false;
    Ok(())
}

/// `thread_read_registers`.
pub(super) fn read_registers<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
) -> Result<(), SyscallError<ReadRegistersError>> {
    let thread = call.thread(thread)?;
    let buffer = call.kernel.store.get(call.thread).buffer;
    if buffer.is_null() {
        return Err(Rejection::NoBuffer.into());
    }
    let Context { x, sp, pc, pstate, tpidr } = call.kernel.store.get(thread).context.clone();
    for (index, word) in x.into_iter().chain([sp, pc, pstate, tpidr]).enumerate() {
        call.kernel.store.write_user(buffer.offset(index as u64 * 8), word);
    }
    Ok(())
}

/// `thread_set_fixup`.
pub(super) fn set_fixup<M: Machine>(
    call: &mut Call<'_, M>,
    start: u64,
    end: u64,
    landing: u64,
) -> Result<(), SyscallError<SetFixupError>> {
    call.kernel.store.get_mut(call.thread).fixup = Fixup { start, end, landing };
    Ok(())
}

/// `thread_bind_guest`.
pub(super) fn bind_guest<M: Machine>(
    call: &mut Call<'_, M>,
    thread: CPtr,
    guest: CPtr,
) -> Result<(), SyscallError<BindGuestError>> {
    let thread = call.thread(thread)?;
    let (source, cap, _) = call.kernel.lookup_filled(call.thread, guest)?;
    let Cap::Guest(guest) = cap else { return Err(Rejection::WrongKind.into()) };
    let state = call.kernel.store.get(guest);
    if state.thread.is_some() {
        return refused(BindGuestError::InUse);
    }
    if state.record_page.is_null() {
        return refused(BindGuestError::NoRecord);
    }
    let target = binding_slot(&call.kernel.store, thread, Binding::Guest);
    call.kernel.bind(source, target);
    call.kernel.store.get_mut(thread).guest = Some(guest);
    call.kernel.store.get_mut(guest).thread = Some(thread);
    call.kernel.refresh_if_current(thread);
    Ok(())
}
