//! Signals: handlers, masks, the frame that a handler sees, and faults caught as values.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use linux_raw_sys::general::*;

use crate::syscall::Result;
use crate::{call, guard};

/// `siginfo_t`: the common head and the first words of what follows (`_sifields`).
#[repr(C)]
#[derive(Debug)]
pub struct Info {
    /// Signal number.
    pub signal: i32,
    /// Always 0 on Linux.
    pub errno: i32,
    /// Why: an `SI_`, `SEGV_`, `CLD_` … constant.
    pub code: i32,
    padding: u32,
    /// Address of a fault; or sender's process number and, in the upper half, user.
    pub first: u64,
    /// Status of a child, or value of a queued signal.
    pub second: u64,
    rest: [u64; 12],
}

/// `stack_t`: an alternate stack.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Lowest address.
    pub base: usize,
    /// `SS_` flags.
    pub flags: u32,
    /// Size.
    pub bytes: usize,
}

/// `ucontext_t` of AArch64 (arch/arm64/include/uapi/asm/ucontext.h).
#[repr(C)]
pub struct Context {
    flags: u64,
    link: u64,
    /// Alternate stack in use.
    pub stack: Stack,
    /// Mask that the return restores.
    pub mask: u64,
    unused: [u8; 120],
    /// The registers.
    pub machine: Machine,
}

/// `struct sigcontext` of AArch64.
#[repr(C, align(16))]
pub struct Machine {
    /// FAR of the fault.
    pub fault_address: u64,
    /// x0 to x30.
    pub x: [u64; 31],
    /// Stack pointer.
    pub sp: u64,
    /// Where the return goes on.
    pub pc: u64,
    /// Flags and state.
    pub pstate: u64,
    records: Records,
}

#[repr(C, align(16))]
struct Records([u8; 4096]);

/// `struct fpsimd_context`, the record of `__reserved` that always comes.
#[repr(C)]
pub struct FpRecord {
    magic: u32,
    size: u32,
    /// FP status register.
    pub fpsr: u32,
    /// FP control register.
    pub fpcr: u32,
    /// q0 to q31.
    pub q: [u128; 32],
}

impl Machine {
    /// The FP/SIMD record.
    pub fn fp(&mut self) -> &mut FpRecord {
        let record = (&raw mut self.records).cast::<FpRecord>();
        // SAFETY: the area is large and aligned enough; magic and size are checked below.
        let record = unsafe { &mut *record };
        assert_eq!((record.magic, record.size), (0x4650_8001, 528));
        record
    }
}

/// A handler of the three-argument form.
pub type Handler = extern "C" fn(u32, &mut Info, &mut Context);

global_asm!(".global restore_signal", "restore_signal:", "mov x8, #139", "svc #0", "brk #1");

unsafe extern "C" {
    fn restore_signal();
}

/// The kernel's `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Address of the handler, or `SIG_DFL` (0), `SIG_IGN` (1).
    pub handler: u64,
    /// `SA_` flags.
    pub flags: u64,
    /// Where the handler returns to, with `SA_RESTORER`.
    pub restorer: u64,
    /// Signals blocked while the handler runs.
    pub mask: u64,
}

/// The mask bit of a signal.
pub const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// Sets what a signal does; returns what it did before.
pub fn set_action(signal: u32, action: &Action) -> Result<Action> {
    let mut old = Action::default();
    call!(__NR_rt_sigaction, signal, action, &mut old, 8)?;
    Ok(old)
}

/// What a signal does.
pub fn action(signal: u32) -> Result<Action> {
    let mut old = Action::default();
    call!(__NR_rt_sigaction, signal, 0, &mut old, 8)?;
    Ok(old)
}

/// Installs a handler, with further `SA_` flags; it returns through the vDSO.
pub fn handle(signal: u32, handler: Handler, flags: u32) {
    handle_masking(signal, handler, flags, 0);
}

/// Installs a handler that runs with `mask` blocked as well.
pub fn handle_masking(signal: u32, handler: Handler, flags: u32, mask: u64) {
    let handler = (handler as *const ()).addr() as u64;
    let action = Action { handler, flags: (flags | SA_SIGINFO).into(), restorer: 0, mask };
    set_action(signal, &action).expect("rt_sigaction");
}

/// Installs a handler that returns through the program's own `SA_RESTORER`.
pub fn handle_with_restorer(signal: u32, handler: Handler) {
    let handler = (handler as *const ()).addr() as u64;
    let restorer = (restore_signal as *const ()).addr() as u64;
    let flags = (SA_SIGINFO | SA_RESTORER).into();
    set_action(signal, &Action { handler, flags, restorer, mask: 0 }).expect("rt_sigaction");
}

/// Ignores a signal.
pub fn ignore(signal: u32) {
    set_action(signal, &Action { handler: 1, ..Action::default() }).expect("rt_sigaction");
}

/// Gives a signal its default action.
pub fn set_default(signal: u32) {
    set_action(signal, &Action::default()).expect("rt_sigaction");
}

/// Changes the mask (`SIG_BLOCK`, `SIG_UNBLOCK`, `SIG_SETMASK`); returns the one before.
pub fn mask(how: u32, set: u64) -> u64 {
    let mut old = 0_u64;
    call!(__NR_rt_sigprocmask, how, &set, &mut old, 8).expect("rt_sigprocmask");
    old
}

/// Signals that are pending for the thread.
pub fn pending() -> u64 {
    let mut set = 0_u64;
    call!(__NR_rt_sigpending, &mut set, 8).expect("rt_sigpending");
    set
}

/// Unblocks everything and restores every default, after a check that failed half-way.
pub fn reset() {
    let _ = call!(__NR_rt_sigprocmask, SIG_SETMASK, &0_u64, 0, 8);
    for signal in 1..32 {
        let _ = set_action(signal, &Action::default());
    }
}

/// A fault, as the handler saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The signal.
    pub signal: u32,
    /// Its code.
    pub code: i32,
    /// The address it names.
    pub address: u64,
    /// Where the program was.
    pub pc: u64,
}

const FAULTS: [u32; 5] = [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE];
static RETURN: guard::Point = guard::Point::new();
static SEEN: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
static SEEN_SIGNAL: AtomicU32 = AtomicU32::new(0);

extern "C" fn note_fault(signal: u32, info: &mut Info, context: &mut Context) {
    SEEN_SIGNAL.store(signal, Ordering::Relaxed);
    SEEN[0].store(info.code as u64, Ordering::Relaxed);
    SEEN[1].store(info.first, Ordering::Relaxed);
    SEEN[2].store(context.machine.pc, Ordering::Relaxed);
    context.machine.x[0] = RETURN.stack();
    context.machine.pc = guard::leave_address();
}

/// Runs `work`, on one thread at a time, and returns the fault that ended it, if one did.
pub fn fault_of<T>(work: impl FnOnce() -> T) -> Option<Fault> {
    for signal in FAULTS {
        handle(signal, note_fault, SA_ONSTACK);
    }
    let faulted = guard::run(&RETURN, || {
        work();
    });
    for signal in FAULTS {
        set_default(signal);
    }
    faulted.then(|| Fault {
        signal: SEEN_SIGNAL.load(Ordering::Relaxed),
        code: SEEN[0].load(Ordering::Relaxed) as i32,
        address: SEEN[1].load(Ordering::Relaxed),
        pc: SEEN[2].load(Ordering::Relaxed),
    })
}

/// Expects `work` to end in a fault with this signal, code and address.
#[track_caller]
pub fn expect_fault<T>(signal: u32, code: u32, address: usize, work: impl FnOnce() -> T) {
    let fault = fault_of(work).expect("a fault");
    assert_eq!((fault.signal, fault.code, fault.address), (signal, code as i32, address as u64));
}
