//! The calls on interrupt lines.

use super::{Call, refused};
use crate::cap::Cap;
use crate::cap::cspace::typed;
use crate::machine::Machine;
use crate::object::irq::Irq;
use ipc_proto::abi::status::{Rejection, SyscallError};
use ipc_proto::abi::syscalls::*;
use ipc_proto::abi::word::{CPtr, ObjectKind, Rights, Trigger};

/// `irq_claim`.
pub(super) fn claim<M: Machine>(
    call: &mut Call<'_, M>,
    control: CPtr,
    untyped: CPtr,
    line: u64,
    trigger: Trigger,
    into: CPtr,
    target: CPtr,
) -> Result<(), SyscallError<ClaimError>> {
    typed!(call.kernel, call.thread, control, Cap::IrqControl => ());
    let (source, ..) = call.kernel.lookup_filled(call.thread, untyped)?;
    let slot = call.kernel.lookup_target(call.thread, into, target)?;
    if !call.kernel.store.slot(slot).is_empty() {
        return refused(ClaimError::SlotTaken);
    }
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    let known = call.kernel.machine.has_line(line);
    let Some(entry) = call.kernel.irqs.get(line as usize).filter(|_| known) else {
        return refused(ClaimError::NoSuchLine);
    };
    if entry.is_some() {
        return refused(ClaimError::InUse);
    }
    let plan = match call.kernel.check_retype(source, ObjectKind::Irq, 0, 1) {
        Ok(plan) => plan,
        Err(SyscallError::Rejected(rejection)) => return Err(rejection.into()),
        Err(SyscallError::Refused(_)) => return refused(ClaimError::NotEnoughMemory),
    };
    call.kernel.commit_object(&plan, 0, slot);
    if let Cap::Irq(irq) = call.kernel.store.slot(slot).cap {
        let state = call.kernel.store.get_mut(irq);
        (state.line, state.trigger) = (line, trigger);
        call.kernel.irqs[line as usize] = Some(irq);
    }
    Ok(())
}

/// `irq_bind`.
pub(super) fn bind<M: Machine>(
    call: &mut Call<'_, M>,
    irq: CPtr,
    notification: CPtr,
) -> Result<(), SyscallError<IrqBindError>> {
    let irq = call.irq(irq)?;
    let (source, cap, rights) = call.kernel.lookup_filled(call.thread, notification)?;
    let Cap::Notification { object, badge } = cap else {
        return Err(Rejection::WrongKind.into());
    };
    if !rights.contains(Rights::WRITE) {
        return Err(Rejection::MissingRight.into());
    }
    let target = call.kernel.store.slot_ref(&call.kernel.store.get(irq).binding);
    call.kernel.bind(source, target);
    let state = call.kernel.store.get_mut(irq);
    state.notification = Some(object);
    state.badge = if badge == 0 { 1 } else { badge };
    let (line, trigger) = (state.line, state.trigger);
    call.kernel.machine.enable_line(line, trigger);
    Ok(())
}

/// `irq_acknowledge`.
pub(super) fn acknowledge<M: Machine>(
    call: &mut Call<'_, M>,
    irq: CPtr,
) -> Result<(), SyscallError<AcknowledgeError>> {
    let irq = call.irq(irq)?;
    let Irq { line, ref notification, .. } = *call.kernel.store.get(irq);
    if notification.is_some() {
        call.kernel.machine.unmask_line(line);
    }
    Ok(())
}
