//! Copying from and to guest memory: the two functions that survive a fault.
//!
//! A carrier sees its process' memory at the process' own addresses. The copy is one assembly
//! routine, declared to the kernel by [`declare`]: a data abort inside it continues at its end
//! with the fault address in x0 and the syndrome in x1.
//!
//! # Invariants
//!
//! - `copy.declared`: the thread has called [`declare`]; every carrier does before its first task.
//! - `copy.bounds`: the guest's side lies below the server window, whatever it points to there; the
//!   server's side is a slice.

use ipc_proto::abi::layout::WINDOW_BASE;

/// A fault in a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyFault {
    /// The address.
    pub address: u64,
    /// The syndrome (ESR_EL1).
    pub syndrome: u64,
}

/// Bytes that one round of the routine moves: a fault may have left so many undone before its
/// address.
pub const ROUND: u64 = 64;

/// Tells whether a range lies in the guest's part of the address space.
#[must_use]
pub const fn is_guest_range(address: u64, bytes: usize) -> bool {
    match address.checked_add(bytes as u64) {
        Some(end) => end <= WINDOW_BASE,
        None => false,
    }
}

/// Copies from guest memory.
///
/// # Errors
/// The fault; the range must be checked with [`is_guest_range`], else the fault is at its start.
pub fn read(address: u64, into: &mut [u8]) -> Result<(), CopyFault> {
    if !is_guest_range(address, into.len()) {
        return Err(CopyFault { address, syndrome: 0 });
    }
    let from = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: [copy.bounds] the target is a slice, the source is below the window and is not
    // otherwise known to Rust.
    check(unsafe { machine::copy(into.as_mut_ptr(), from, into.len()) })
}

/// Copies to guest memory.
///
/// # Errors
/// As [`read`].
pub fn write(address: u64, from: &[u8]) -> Result<(), CopyFault> {
    if !is_guest_range(address, from.len()) {
        return Err(CopyFault { address, syndrome: 0 });
    }
    let into = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: [copy.bounds] the source is a slice, the target is below the window and is not
    // otherwise known to Rust.
    check(unsafe { machine::copy(into, from.as_ptr(), from.len()) })
}

/// Tells the kernel where the copy routine of the calling thread may fault.
pub fn declare() {
    let (start, end, landing) = machine::addresses();
    // Without it a bad guest pointer would end this server, so a refusal is worth stopping for.
    if libosv::syscall::kernel().thread_set_fixup(start, end, landing).is_err() {
        panic!("the kernel refused the fix-up of the copy routine");
    }
}

fn check(outcome: machine::Outcome) -> Result<(), CopyFault> {
    match outcome.syndrome {
        0 => Ok(()),
        syndrome => Err(CopyFault { address: outcome.address, syndrome }),
    }
}

#[cfg(target_os = "none")]
mod machine {
    #[repr(C)]
    pub(super) struct Outcome {
        pub(super) address: u64,
        pub(super) syndrome: u64,
    }

    unsafe extern "C" {
        #[link_name = "guest_copy"]
        pub(super) fn copy(into: *mut u8, from: *const u8, bytes: usize) -> Outcome;
        safe fn guest_copy_end();
        safe fn guest_copy_landing();
    }

    pub(super) fn addresses() -> (u64, u64, u64) {
        let start = copy as *const () as u64;
        (start, guest_copy_end as *const () as u64, guest_copy_landing as *const () as u64)
    }

    // guest_copy: x0 = target, x1 = source, x2 = bytes. Gives x1 = 0, or after a fault x0 = the
    // fault address and x1 = the syndrome. Clobbers x2-x10. No stack; x30 stays as it is, so the
    // landing returns to the caller. Accesses go up in address, 64 bytes a round, loads first.
    core::arch::global_asm!(
        r#"
        .section .text.guest_copy, "ax"
        .balign 16
        .global guest_copy
        .global guest_copy_end
        .global guest_copy_landing
        .type guest_copy, %function
    guest_copy:
        subs    x2, x2, #64
        b.lo    2f
    1:  ldp     x3, x4, [x1]
        ldp     x5, x6, [x1, #16]
        ldp     x7, x8, [x1, #32]
        ldp     x9, x10, [x1, #48]
        add     x1, x1, #64
        stp     x3, x4, [x0]
        stp     x5, x6, [x0, #16]
        stp     x7, x8, [x0, #32]
        stp     x9, x10, [x0, #48]
        add     x0, x0, #64
        subs    x2, x2, #64
        b.hs    1b
    2:  tbz     x2, #5, 3f
        ldp     x3, x4, [x1], #16
        ldp     x5, x6, [x1], #16
        stp     x3, x4, [x0], #16
        stp     x5, x6, [x0], #16
    3:  tbz     x2, #4, 4f
        ldp     x3, x4, [x1], #16
        stp     x3, x4, [x0], #16
    4:  tbz     x2, #3, 5f
        ldr     x3, [x1], #8
        str     x3, [x0], #8
    5:  tbz     x2, #2, 6f
        ldr     w3, [x1], #4
        str     w3, [x0], #4
    6:  tbz     x2, #1, 7f
        ldrh    w3, [x1], #2
        strh    w3, [x0], #2
    7:  tbz     x2, #0, 8f
        ldrb    w3, [x1]
        strb    w3, [x0]
    8:  mov     x0, #0
        mov     x1, #0
        .type guest_copy_end, %function
    guest_copy_end:
        .type guest_copy_landing, %function
    guest_copy_landing:
        ret
        .size guest_copy, . - guest_copy
        "#
    );
}

/// The host has no guests: every copy faults.
#[cfg(not(target_os = "none"))]
mod machine {
    pub(super) struct Outcome {
        pub(super) address: u64,
        pub(super) syndrome: u64,
    }

    /// Faults.
    ///
    /// # Safety
    /// None needed; the signature is the target's.
    pub(super) unsafe fn copy(into: *mut u8, _: *const u8, _: usize) -> Outcome {
        Outcome { address: into as u64, syndrome: 1 }
    }

    pub(super) fn addresses() -> (u64, u64, u64) {
        (0, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_window_counts_as_guest_memory() {
        assert!(is_guest_range(0, 0) && is_guest_range(WINDOW_BASE - 8, 8));
        assert!(!is_guest_range(WINDOW_BASE - 8, 9) && !is_guest_range(u64::MAX, 1));
        let refused = CopyFault { address: WINDOW_BASE, syndrome: 0 };
        assert_eq!(read(WINDOW_BASE, &mut [0]), Err(refused));
        assert_eq!(write(WINDOW_BASE, &[0]), Err(refused));
    }
}
