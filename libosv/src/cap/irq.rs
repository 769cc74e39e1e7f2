//! Interrupt lines.

use super::{Cap, MakeError, NULL, fill_slot, kind};
use crate::syscall::kernel;
use ipc_proto::abi::syscalls::ClaimError;
use ipc_proto::abi::word::Trigger;

/// Claims interrupt `line`; the Irq object is made out of `untyped`.
///
/// # Errors
/// No free slot, or what the kernel refuses.
pub fn claim(
    control: Cap<kind::IrqControl>,
    untyped: Cap<kind::Untyped>,
    line: u64,
    trigger: Trigger,
) -> Result<Cap<kind::Irq>, MakeError<ClaimError>> {
    let (control, untyped) = (control.slot(), untyped.slot());
    fill_slot(|slot| kernel().irq_claim(control, untyped, line, trigger, NULL, slot))
}
