//! Threads: clone with a stack of their own, joined through the word that the kernel clears.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::general::*;

use crate::memory::{PAGE, map_pages, unmap};
use crate::syscall::{Result, futex};

/// Flags that C libraries start their threads with.
pub const FLAGS: u32 = CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID;

const STACK_PAGES: usize = 16;

// clone_onto(x0 flags, x1 stack top, x2 parent word, x3 TLS, x4 child word, x5 entry, x6 argument)
// -> x0 as the kernel answers. The child calls entry(argument) on the new stack and then exits as a
// thread with its result. Clobbers x8 in the parent.
global_asm!(
    ".global clone_onto",
    "clone_onto:",
    "stp x5, x6, [x1, #-16]!",
    "mov x8, #220",
    "svc #0",
    "cbz x0, 1f",
    "ret",
    "1:",
    "mov x29, xzr",
    "mov x30, xzr",
    "ldp x5, x0, [sp], #16",
    "blr x5",
    "mov x8, #93",
    "svc #0",
    "brk #1",
);

unsafe extern "C" {
    fn clone_onto(
        flags: u64,
        stack: usize,
        parent: usize,
        tls: usize,
        child: usize,
        entry: Entry,
        argument: u64,
    ) -> i64;
}

/// What a thread runs; the result becomes its exit status.
pub type Entry = extern "C" fn(u64) -> u64;

/// A running thread and its stack, at whose bottom lies the word the kernel clears.
pub struct Thread {
    stack: usize,
    /// Its number.
    pub tid: i32,
}

/// Clones with `flags` onto a fresh stack; the TLS register gets `tls`.
pub fn clone(flags: u32, tls: usize, entry: Entry, argument: u64) -> Thread {
    let stack = map_pages(STACK_PAGES);
    let top = stack + STACK_PAGES * PAGE;
    // SAFETY: the stack is fresh and big enough; `Entry` functions return to `clone_onto`.
    let tid = unsafe { clone_onto(flags.into(), top, stack, tls, stack, entry, argument) };
    assert!(tid > 0, "clone gives {tid}");
    Thread { stack, tid: tid as i32 }
}

/// Starts an ordinary thread.
pub fn spawn(entry: Entry, argument: u64) -> Thread {
    clone(FLAGS, 0, entry, argument)
}

impl Thread {
    /// The word that holds the thread's number until it has ended.
    pub fn word(&self) -> &'static AtomicU32 {
        // SAFETY: the word lies in the stack mapping, which only `join` unmaps.
        unsafe { &*core::ptr::with_exposed_provenance::<AtomicU32>(self.stack) }
    }

    /// Waits for the thread's end and frees its stack.
    pub fn join(self) {
        loop {
            let value = self.word().load(Ordering::Acquire);
            if value == 0 {
                break;
            }
            let _: Result = futex(self.word(), FUTEX_WAIT, value, 0);
        }
        self.release();
    }

    /// Frees the stack of a clone that is known to have ended.
    pub fn release(self) {
        unmap(self.stack, STACK_PAGES * PAGE).expect("unmap a thread's stack");
    }
}
