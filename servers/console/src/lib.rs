//! The console server: the UART's driver, the line discipline, and everybody's log lines.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`modes`] | termios' flags and control characters |
//! | [`input`], [`output`] | the rings to the reader and to the UART |
//! | [`terminal`] | the line discipline between them |
//! | [`server`] | requests, interrupts and log lines |
//! | [`log_line`] | how a log line looks |
//! | [`uart`] | what the console needs of a UART |
//! | [`pl011`], [`ns16550`] | the drivers of two kinds |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod input;
pub mod log_line;
pub mod modes;
pub mod ns16550;
pub mod output;
pub mod pl011;
pub mod server;
pub mod terminal;
pub mod uart;
