//! The little runtime that the guest programs share: no C library, plain `svc #0` Linux calls.
//!
//! In reading order: [`start`] takes over from the kernel, [`syscall`] has the calls, [`print`] the
//! output, [`check`] the self tests' runner, which [`guard`] lets go on after a failure. [`signal`], [`thread`] and [`process`] wrap what needs
//! assembly or care, [`memory`] touches raw addresses, [`fp`] the FP/SIMD registers, [`elf`] reads
//! the vDSO.
//!
//! These programs own their whole address space and misuse it on purpose, so a wrapper of a system
//! call is a safe function even where the call can unmap the caller's own stack. The tree's claims
//! about soundness do not cover this crate; nothing else depends on it.
//!
//! On any other target than bare-metal AArch64 the programs only print what they are.
#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
pub mod check;
#[cfg(target_os = "none")]
pub mod elf;
#[cfg(target_os = "none")]
pub mod errno;
#[cfg(target_os = "none")]
pub mod fp;
#[cfg(target_os = "none")]
pub mod guard;
#[cfg(target_os = "none")]
pub mod memory;
#[cfg(target_os = "none")]
pub mod print;
#[cfg(target_os = "none")]
pub mod process;
#[cfg(target_os = "none")]
pub mod signal;
#[cfg(target_os = "none")]
pub mod start;
#[cfg(target_os = "none")]
pub mod syscall;
#[cfg(target_os = "none")]
pub mod thread;

/// Makes `$main`, a `fn(&Environment) -> i32`, the program: its result is the exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        /// The first instruction. In: sp = the argument block. Notes the counter and x0 before
        /// anything changes them, clears the frame and link registers, and goes on in Rust.
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                "mrs x1, cntvct_el0",
                "mov x2, x0",
                "mov x0, sp",
                "mov x29, xzr",
                "mov x30, xzr",
                "b {run}",
                run = sym run,
            )
        }

        #[cfg(target_os = "none")]
        extern "C" fn run(block: *const usize, ticks: u64, x0: u64) -> ! {
            $crate::start::run(block, ticks, x0, $main)
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            println!("this is a Linux program for AArch64; `cargo run` builds it and runs it there");
        }
    };
}
