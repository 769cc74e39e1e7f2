//! The trap instructions, with the register conventions of `ipc_proto::abi`.

use super::{Arrived, Buffer, Sent, WORDS, rejection};
use crate::start;
use core::arch::asm;
use core::mem::MaybeUninit;
use ipc_proto::abi::guest::GuestRecord;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::syscalls::ipc;
use ipc_proto::abi::word::Word;

/// Registers of a message trap; what the message does not use stays undefined and costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    words: [MaybeUninit<u64>; WORDS],
    endpoint: u64,
    info: u64,
    capabilities: [MaybeUninit<u64>; 4],
    receive: u64,
    reply: MaybeUninit<u64>,
}

impl Registers {
    /// Lays out what is sent.
    #[inline(always)]
    pub(super) fn new<const N: usize>(sent: &Sent<N>) -> Registers {
        let mut words = [MaybeUninit::uninit(); WORDS];
        for (to, from) in words.iter_mut().zip(sent.words) {
            *to = MaybeUninit::new(from);
        }
        let mut capabilities = [MaybeUninit::uninit(); 4];
        if sent.info.caps() > 0 {
            capabilities = sent.capabilities.map(|slot| MaybeUninit::new(slot.to_word()));
        }
        let reply = match sent.reply.0 {
            0 => MaybeUninit::uninit(),
            slot => MaybeUninit::new(u64::from(slot)),
        };
        Registers {
            words,
            endpoint: sent.endpoint.to_word(),
            info: sent.info.0,
            capabilities,
            receive: sent.receive.to_word(),
            reply,
        }
    }
}

#[inline(always)]
pub(super) fn exchange(number: u64, registers: Registers) -> Arrived {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = registers.words;
    let [c0, c1, c2, c3] = registers.capabilities;
    let (status, badge, info): (u64, u64, u64);
    let [r0, r1, r2, r3, r4, r5, r6, r7]: [u64; WORDS];
    // SAFETY: [syscall.registers] all that the trap changes is listed; memory counts as changed.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") w0 => r0, inlateout("x1") w1 => r1,
            inlateout("x2") w2 => r2, inlateout("x3") w3 => r3,
            inlateout("x4") w4 => r4, inlateout("x5") w5 => r5,
            inlateout("x6") w6 => r6, inlateout("x7") w7 => r7,
            inlateout("x8") number => status,
            inlateout("x9") registers.endpoint => badge,
            inlateout("x10") registers.info => info,
            inlateout("x11") c0 => _, inlateout("x12") c1 => _,
            inlateout("x13") c2 => _, inlateout("x14") c3 => _,
            inlateout("x15") registers.receive => _,
            inlateout("x16") 0_u64 => _,
            inlateout("x17") registers.reply => _,
            options(nostack, preserves_flags),
        );
    }
    Arrived { status, badge, info, words: [r0, r1, r2, r3, r4, r5, r6, r7] }
}

#[inline(always)]
pub(super) fn trap(number: u64, arguments: [u64; 6]) -> (u64, [u64; 4]) {
    let [a0, a1, a2, a3, a4, a5] = arguments;
    let (status, r0, r1, r2, r3): (u64, u64, u64, u64, u64);
    // SAFETY: [syscall.registers] all that the trap changes is listed; memory counts as changed.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") a0 => r0, inlateout("x1") a1 => r1,
            inlateout("x2") a2 => r2, inlateout("x3") a3 => r3,
            inlateout("x4") a4 => _, inlateout("x5") a5 => _,
            lateout("x6") _, lateout("x7") _,
            inlateout("x8") number => status,
            lateout("x9") _, lateout("x10") _, lateout("x11") _, lateout("x12") _,
            lateout("x13") _, lateout("x14") _, lateout("x15") _, lateout("x16") _,
            lateout("x17") _,
            options(nostack, preserves_flags),
        );
    }
    (status, [r0, r1, r2, r3])
}

/// A trap with two arguments and one result: the status and the result.
#[inline(always)]
pub(super) fn trap2(number: u64, first: u64, second: u64) -> (u64, u64) {
    let (status, result): (u64, u64);
    // SAFETY: [syscall.registers] all that the trap changes is listed; memory counts as changed.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") first => result, inlateout("x1") second => _,
            lateout("x2") _, lateout("x3") _, lateout("x4") _, lateout("x5") _,
            lateout("x6") _, lateout("x7") _,
            inlateout("x8") number => status,
            lateout("x9") _, lateout("x10") _, lateout("x11") _, lateout("x12") _,
            lateout("x13") _, lateout("x14") _, lateout("x15") _, lateout("x16") _,
            lateout("x17") _,
            options(nostack, preserves_flags),
        );
    }
    (status, result)
}

pub(super) fn yield_now() {
    let _ = trap2(ipc::YIELD, 0, 0);
}

#[inline(always)]
pub(super) fn run(_record: &mut GuestRecord) -> Result<u64, Rejection> {
    match trap2(ipc::RUN, 0, 0) {
        (0, result) => Ok(result),
        (status, _) => Err(rejection(status)),
    }
}

#[inline]
pub(super) fn with_buffer<R>(look: impl FnOnce(&mut Buffer) -> R) -> Option<R> {
    let mut buffer = start::buffer()?;
    // SAFETY: [syscall.buffer] the page is this thread's, and `look` does not trap, so there is
    // no other reference while it runs.
    Some(look(unsafe { buffer.as_mut() }))
}

#[inline(always)]
pub(crate) fn read_counter() -> u64 {
    let counter;
    // SAFETY: reading the counter has no effect (Arm ARM D24.10, CNTVCT_EL0; EL0 may read it).
    unsafe {
        asm!("mrs {}, cntvct_el0", out(reg) counter, options(nomem, nostack, preserves_flags))
    };
    counter
}

#[inline(always)]
pub(crate) fn read_thread_pointer() -> u64 {
    let pointer;
    // SAFETY: reading TPIDR_EL0 has no effect.
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nomem, nostack, preserves_flags))
    };
    pointer
}

#[inline(always)]
pub(crate) fn write_thread_pointer(pointer: u64) {
    // SAFETY: [start.block] only the start of a thread calls this, with its thread block.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) pointer, options(nostack, preserves_flags)) };
}

/// Returns x29: the address of the caller's frame record.
#[inline(always)]
pub(crate) fn frame_pointer() -> u64 {
    let pointer;
    // SAFETY: reading x29 has no effect.
    unsafe { asm!("mov {}, x29", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Faults on purpose, so that the fault endpoint hears of this thread's end.
pub(crate) fn brk() -> ! {
    loop {
        // SAFETY: a breakpoint exception; who resumes the thread gets the next one.
        unsafe { asm!("brk #0xf0", options(nomem, nostack)) };
    }
}
