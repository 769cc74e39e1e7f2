//! The calls on address spaces that do more than [`crate::object::mapping`]: tables, windows,
//! attachments, lists.

use super::{Call, refused};
use crate::cap::cspace::typed;
use crate::cap::{Cap, derivation};
use crate::machine::Machine;
use crate::vm::walk::NoTables;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::*;
use ipc_proto::abi::word::{CPtr, MapFlags, Rights, View};

/// `vspace_supply`.
pub(super) fn supply<M: Machine>(
    call: &mut Call<'_, M>,
    vspace: CPtr,
    tables: CPtr,
) -> Result<(), SyscallError<SupplyError>> {
    let vspace = call.vspace(vspace)?;
    let tables = typed!(call.kernel, call.thread, tables, Cap::Tables(object) => object);
    if call.kernel.store.get(tables).serves.is_some() {
        return refused(SupplyError::InUse);
    }
    call.kernel.supply(vspace, tables);
    Ok(())
}

/// `vspace_attach`.
pub(super) fn attach<M: Machine>(
    call: &mut Call<'_, M>,
    vspace: CPtr,
    index: u64,
    memory: CPtr,
) -> Result<(), SyscallError<AttachError>> {
    let vspace = call.vspace(vspace)?;
    let (source, cap, rights) = call.kernel.lookup_filled(call.thread, memory)?;
    if !matches!(cap, Cap::Memory { .. }) {
        return Err(Rejection::WrongKind.into());
    }
    let Some(target) = call.kernel.attachment_slot(vspace, index) else {
        return refused(AttachError::OutOfRange);
    };
    if !call.kernel.store.slot(target).is_empty() {
        return refused(AttachError::InUse);
    }
    derivation::insert_child(&mut call.kernel.store, source, target, cap, rights);
    call.kernel.store.get_mut(vspace).taken |= 1 << index;
    Ok(())
}

/// `vspace_detach`.
pub(super) fn detach<M: Machine>(
    call: &mut Call<'_, M>,
    vspace: CPtr,
    index: u64,
) -> Result<u64, SyscallError<DetachError>> {
    let vspace = call.vspace(vspace)?;
    let Some(slot) = call.kernel.attachment_slot(vspace, index) else {
        return refused(DetachError::OutOfRange);
    };
    Ok(u64::from(!call.kernel.delete_slot(slot)))
}

/// `map_list`.
pub(super) fn map_list<M: Machine>(
    call: &mut Call<'_, M>,
    vspace: CPtr,
    count: u64,
) -> Result<(), SyscallError<MapListError>> {
    const MOST: u64 = 256;
    if count > MOST {
        return refused(MapListError::TooMany);
    }
    let vspace = call.vspace(vspace)?;
    let buffer = call.kernel.store.get(call.thread).buffer;
    if buffer.is_null() {
        return Err(Rejection::NoBuffer.into());
    }
    for index in 0..count {
        let word = call.kernel.store.read_user(buffer.offset(index * 16));
        let offset = call.kernel.store.read_user(buffer.offset(index * 16 + 8));
        let access = Rights((word & 7) as u8);
        let flags = MapFlags::new(word >> 3 & 63, access);
        if word & 0xe00 != 0 {
            return refused(MapListError::BadEntry);
        }
        let plan = call
            .kernel
            .check_map(vspace, flags, offset, word & !0xfff, 1)
            .or_else(|_| refused(MapListError::BadEntry))?;
        call.kernel.commit_map(plan).or_else(|NoTables| refused(MapListError::NoTables))?;
    }
    Ok(())
}

/// `vspace_set_window`.
pub(super) fn set_window<M: Machine>(
    call: &mut Call<'_, M>,
    vspace: CPtr,
    domain: CPtr,
    view: View,
) -> Result<(), SyscallError<SetWindowError>> {
    let vspace = call.vspace(vspace)?;
    let (source, cap, _) = call.kernel.lookup_filled(call.thread, domain)?;
    let Cap::VSpace(domain) = cap else { return Err(Rejection::WrongKind.into()) };
    if call.kernel.store.get(domain).window_table.is_null() {
        return refused(SetWindowError::NoWindow);
    }
    let state = call.kernel.store.get(vspace);
    if !state.thread_space.root.is_null() || !state.window.is_empty() {
        return refused(SetWindowError::InUse);
    }
    let window = call.kernel.store.slot_ref(&state.window);
    call.kernel
        .borrow_window(vspace, domain, view)
        .or_else(|NoTables| refused(SetWindowError::NoTables))?;
    derivation::retain(&mut call.kernel.store, &cap);
    derivation::insert_child(&mut call.kernel.store, source, window, cap, Rights::ALL);
    Ok(())
}

/// `vspace_make_window`.
pub(super) fn make_window<M: Machine>(
    call: &mut Call<'_, M>,
    vspace: CPtr,
) -> Result<(), SyscallError<MakeWindowError>> {
    let vspace = call.vspace(vspace)?;
    let state = call.kernel.store.get(vspace);
    if !state.thread_space.root.is_null() || !state.window.is_empty() {
        return refused(MakeWindowError::InUse);
    }
    call.kernel.make_window(vspace).or_else(|NoTables| refused(MakeWindowError::NoTables))
}
