//! The signal frame: how Linux on aarch64 saves a thread's state on its stack for a handler.
//!
//! From the stack pointer up: `siginfo_t`, `ucontext_t` with the registers and a list of extra
//! records (FP/SIMD, syndrome, end), then a frame record so that backtraces go on. The layout
//! is in Linux's `arch/arm64/include/uapi/asm/{sigcontext,ucontext}.h`.

use ipc_proto::abi::guest::GuestRecord;

use super::{Action, AltStack, SigInfo, SigSet, info};
use crate::errno::Errno;
use crate::guest_memory::GuestMemory;

/// Offsets from the start of the frame.
mod at {
    pub(super) const CONTEXT: usize = super::info::BYTES;
    pub(super) const STACK_BASE: usize = CONTEXT + 16;
    pub(super) const STACK_FLAGS: usize = CONTEXT + 24;
    pub(super) const STACK_BYTES: usize = CONTEXT + 32;
    pub(super) const MASK: usize = CONTEXT + 40;
    pub(super) const MACHINE: usize = CONTEXT + 176;
    pub(super) const FAULT_ADDRESS: usize = MACHINE;
    pub(super) const REGISTERS: usize = MACHINE + 8;
    pub(super) const SP: usize = REGISTERS + 31 * 8;
    pub(super) const PC: usize = SP + 8;
    pub(super) const PSTATE: usize = SP + 16;
    pub(super) const RECORDS: usize = MACHINE + 288;
    pub(super) const END: usize = RECORDS + 4096;
}

/// Size of the frame without the frame record.
pub const BYTES: usize = at::END;
/// Bytes of the frame that are written; the rest of the record area is left as it is.
const WRITTEN: usize = at::RECORDS + FP_BYTES + ESR_BYTES + 16;

const FP_MAGIC: u32 = 0x4650_8001;
const FP_BYTES: usize = 16 + 32 * 16;
const ESR_MAGIC: u32 = 0x4553_5201;
const ESR_BYTES: usize = 16;

/// Smallest stack a handler needs (`AT_MINSIGSTKSZ`).
pub const MIN_STACK: u64 = 5120;

/// PSTATE bits that no program has: the mode, and what masks interrupts. Linux refuses a frame
/// with one of them.
const PRIVILEGED: u64 = 0x3df;

/// What a frame is made of besides the registers.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The signal.
    pub info: SigInfo,
    /// Its action, with a handler.
    pub action: Action,
    /// The mask that returning from the handler puts back.
    pub mask: SigSet,
    /// The alternate stack.
    pub stack: AltStack,
    /// Where handlers return to that name no restorer.
    pub trampoline: u64,
}

/// Writes the frame and makes the registers enter the handler. The record's FP registers must
/// be in sync.
///
/// # Errors
/// `EFAULT`: there is no room on the stack.
pub fn push(
    record: &mut GuestRecord,
    memory: &dyn GuestMemory,
    delivery: &Delivery,
) -> Result<(), Errno> {
    use linux_raw_sys::general as linux;
    let Delivery { info, action, stack, .. } = delivery;
    let on_alternate = action.has(linux::SA_ONSTACK) && stack.bytes > 0 && !stack.holds(record.sp);
    let top = if on_alternate { stack.base + stack.bytes } else { record.sp };
    let link = (top & !15).checked_sub(16).ok_or(Errno::EFAULT)?;
    let frame = link.checked_sub(BYTES as u64).ok_or(Errno::EFAULT)? & !15;
    memory.write(link, &[record.x[29].to_le_bytes(), record.x[30].to_le_bytes()].concat())?;
    memory.write(frame, &encode(record, delivery))?;
    record.x[0] = u64::from(info.signal.number());
    record.x[1] = frame;
    record.x[2] = frame + at::CONTEXT as u64;
    record.x[29] = link;
    record.x[30] =
        if action.has(linux::SA_RESTORER) { action.restorer } else { delivery.trampoline };
    record.sp = frame;
    record.pc = action.handler;
    // Branch type (PSTATE.BTYPE) starts anew, as after an indirect call.
    record.pstate &= !(3 << 10);
    Ok(())
}

fn encode(record: &GuestRecord, delivery: &Delivery) -> [u8; WRITTEN] {
    let mut bytes = [0; WRITTEN];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &delivery.info.to_bytes());
    put(at::STACK_BASE, &delivery.stack.base.to_le_bytes());
    put(at::STACK_FLAGS, &delivery.stack.shown_flags(record.sp).to_le_bytes());
    put(at::STACK_BYTES, &delivery.stack.bytes.to_le_bytes());
    put(at::MASK, &delivery.mask.0.to_le_bytes());
    put(at::FAULT_ADDRESS, &record.address.to_le_bytes());
    for (index, word) in record.x.iter().enumerate() {
        put(at::REGISTERS + index * 8, &word.to_le_bytes());
    }
    put(at::SP, &record.sp.to_le_bytes());
    put(at::PC, &record.pc.to_le_bytes());
    put(at::PSTATE, &record.pstate.to_le_bytes());
    let fp = at::RECORDS;
    put(fp, &FP_MAGIC.to_le_bytes());
    put(fp + 4, &(FP_BYTES as u32).to_le_bytes());
    put(fp + 8, &(record.fpsr as u32).to_le_bytes());
    put(fp + 12, &(record.fpcr as u32).to_le_bytes());
    for (index, vector) in record.v.iter().enumerate() {
        put(fp + 16 + index * 16, &vector.to_le_bytes());
    }
    let esr = fp + FP_BYTES;
    put(esr, &ESR_MAGIC.to_le_bytes());
    put(esr + 4, &(ESR_BYTES as u32).to_le_bytes());
    put(esr + 8, &record.syndrome.to_le_bytes());
    bytes
}

/// Reads the frame at the stack pointer back into the registers; gives the mask and the
/// alternate stack it holds. The record's FP registers are replaced, so they must have been
/// brought in sync before.
///
/// # Errors
/// `EFAULT`: there is no such frame.
pub fn pop(
    record: &mut GuestRecord,
    memory: &dyn GuestMemory,
) -> Result<(SigSet, AltStack), Errno> {
    if !record.sp.is_multiple_of(16) {
        return Err(Errno::EFAULT);
    }
    let mut bytes = [0; WRITTEN];
    memory.read(record.sp, &mut bytes)?;
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let fp = at::RECORDS;
    if word(fp) != u64::from(FP_MAGIC) | (FP_BYTES as u64) << 32 {
        return Err(Errno::EFAULT);
    }
    let pstate = word(at::PSTATE);
    if pstate & PRIVILEGED != 0 {
        return Err(Errno::EFAULT);
    }
    for (index, vector) in record.v.iter_mut().enumerate() {
        let low = word(fp + 16 + index * 16);
        let high = word(fp + 24 + index * 16);
        *vector = u128::from(low) | u128::from(high) << 64;
    }
    record.fpsr = word(fp + 8) & 0xffff_ffff;
    record.fpcr = word(fp + 8) >> 32;
    for (index, register) in record.x.iter_mut().enumerate() {
        *register = word(at::REGISTERS + index * 8);
    }
    record.sp = word(at::SP);
    record.pc = word(at::PC);
    record.pstate = pstate;
    let flags = (word(at::STACK_FLAGS) & 0xffff_ffff) as u32;
    let stack = if flags & linux_raw_sys::general::SS_DISABLE != 0 {
        AltStack::NONE
    } else {
        AltStack { base: word(at::STACK_BASE), bytes: word(at::STACK_BYTES), flags: 0 }
    };
    Ok((SigSet(word(at::MASK)).blockable(), stack))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_memory::FakeMemory;
    use crate::run::blank_record;
    use crate::signal::{Origin, Signal};
    use linux_raw_sys::general as linux;

    fn delivery(flags: u32) -> Delivery {
        Delivery {
            info: SigInfo { signal: Signal::SIGUSR1, code: 0, origin: Origin::None },
            action: Action {
                handler: 0x1000,
                flags: u64::from(flags),
                restorer: 0x2000,
                mask: SigSet::EMPTY,
            },
            mask: SigSet::of(Signal::SIGHUP),
            stack: AltStack { base: 0x1_8000, bytes: 0x4000, flags: 0 },
            trampoline: 0x3000,
        }
    }

    fn record() -> GuestRecord {
        let mut record = blank_record();
        for (index, word) in record.x.iter_mut().enumerate() {
            *word = index as u64 * 3;
        }
        record.v[7] = u128::MAX - 1;
        (record.sp, record.pc, record.pstate) = (0x1_7008, 0x400, 0x8000_0000);
        (record.fpcr, record.fpsr) = (1 << 22, 0x10);
        record
    }

    #[test]
    fn the_layout_is_that_of_linux() {
        assert_eq!((at::MASK, at::MACHINE, at::PC, at::RECORDS), (168, 304, 568, 592));
        assert_eq!(BYTES, 128 + 176 + 288 + 4096);
        const { assert!((BYTES as u64) < MIN_STACK) };
    }

    #[test]
    fn returning_from_a_handler_restores_everything() {
        let memory = FakeMemory::new(0x1_0000, 0x1_0000);
        let before = record();
        let mut after = before;
        push(&mut after, &memory, &delivery(linux::SA_RESTORER)).expect("room on the stack");
        assert_eq!((after.pc, after.x[0], after.x[30]), (0x1000, 10, 0x2000));
        assert_eq!(after.sp % 16, 0);
        assert_eq!(memory.read_u32(after.x[1]), Ok(10));
        assert_eq!(memory.read_u64(after.x[29] + 8), Ok(before.x[30]));
        after.x = [0; 31];
        after.v = [0; 32];
        let (mask, stack) = pop(&mut after, &memory).expect("a frame");
        assert_eq!(mask, SigSet::of(Signal::SIGHUP));
        assert_eq!((stack.base, stack.bytes), (0x1_8000, 0x4000));
        assert_eq!(after, before);
    }

    #[test]
    fn the_alternate_stack_is_used_once() {
        let memory = FakeMemory::new(0x1_0000, 0x1_0000);
        let mut record = record();
        push(&mut record, &memory, &delivery(linux::SA_ONSTACK)).expect("room on the stack");
        assert!((0x1_8000..0x1_c000).contains(&record.sp));
        assert_eq!(record.x[30], 0x3000);
        let first = record.sp;
        push(&mut record, &memory, &delivery(linux::SA_ONSTACK)).expect("room on the stack");
        assert!(record.sp < first && record.sp > 0x1_8000);
    }

    #[test]
    fn a_bad_stack_or_frame_is_a_fault() {
        let memory = FakeMemory::new(0x1_0000, 0x1_0000);
        let mut record = record();
        record.sp = 64;
        assert_eq!(push(&mut record, &memory, &delivery(0)), Err(Errno::EFAULT));
        record.sp = 0x1_0000;
        assert_eq!(pop(&mut record, &memory), Err(Errno::EFAULT));
        (record.sp, record.pstate) = (0x1_8000, 5);
        push(&mut record, &memory, &delivery(0)).expect("room on the stack");
        assert_eq!(pop(&mut record, &memory), Err(Errno::EFAULT));
    }
}
