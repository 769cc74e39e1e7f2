//! The debug console: where the kernel's few words go, at boot and when it panics.

use crate::uart::Uart;
use core::fmt::{Arguments, Write};
use spin::mutex::SpinMutex;

static CONSOLE: SpinMutex<Option<Uart>> = SpinMutex::new(None);

/// Says a line on the debug console.
macro_rules! say {
    ($($argument:tt)*) => { $crate::console::line(format_args!($($argument)*)) };
}
pub(crate) use say;

/// Makes `uart` the console.
pub(crate) fn use_uart(uart: Uart) {
    *CONSOLE.lock() = Some(uart);
}

/// Writes a line.
pub(crate) fn line(text: Arguments<'_>) {
    if let Some(uart) = CONSOLE.lock().as_mut() {
        // The UART reports no errors.
        let _ = writeln!(uart, "{text}");
    }
}

/// Writes bytes as they are.
pub(crate) fn write(bytes: &[u8]) {
    if let Some(uart) = CONSOLE.lock().as_mut() {
        bytes.iter().for_each(|byte| uart.write_byte(*byte));
    }
}

/// Takes the console away from whoever holds it; for panics, when nothing else will run again.
pub(crate) fn seize() {
    // SAFETY: only the panicking core writes from now on; a half-written line is all it can meet.
    unsafe { CONSOLE.force_unlock() };
}
