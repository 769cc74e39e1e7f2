//! The host side: everything behind the `osv` command, and what the system tests share with it.
//!
//! - [`workspace`]: where things are; [`process`]: running other programs, showing progress
//! - [`setup`]: finds what is missing on this machine, and installs it
//! - [`target`]: the compiler's and linker's flags of everything that runs on the target
//! - [`build`]: target programs; [`debian`]: packages; [`images`]: the loader image made of both
//! - [`qemu`]: QEMU's command line; [`boot`]: one boot, with time limit, output and exit status
//! - [`symbols`]: names for the addresses in backtraces
//! - [`bench`]: what the bench program says, and what other systems need for the same
//! - [`conventions`]: the rules on sources that a program can check
//! - [`command`]: the subcommands, one file each
#![forbid(unsafe_code)]

pub mod bench;
pub mod boot;
pub mod build;
pub mod command;
pub mod conventions;
pub mod debian;
pub mod images;
pub mod process;
pub mod qemu;
pub mod setup;
pub mod symbols;
pub mod target;
pub mod workspace;
