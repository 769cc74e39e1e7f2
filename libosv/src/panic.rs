//! What a panicking program does: it tells why and where, then faults on purpose.
//!
//! The fault makes root report the death and end the system. The text goes to the
//! log server, to the debug console where there is none; a panic while that is done only faults.

use crate::backtrace::Backtrace;
use crate::log::{self, Level};
use crate::{start, syscall};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    // Only this handler looks; whoever comes second has nothing more to say.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        report(info);
        start::act_at_panic();
    }
    syscall::brk()
}

fn report(info: &PanicInfo<'_>) {
    let thread = start::thread_name();
    let (between, thread) = if thread.is_empty() { ("", "") } else { (" in thread ", &*thread) };
    log::write(Level::Error, format_args!("panic{between}{thread}: {}", info.message()));
    if let Some(place) = info.location() {
        log::write(Level::Error, format_args!("  at {}:{}", place.file(), place.line()));
    }
    for address in Backtrace::here().frames() {
        log::write(Level::Error, format_args!("  {}", crate::backtrace::Place(address)));
    }
}
