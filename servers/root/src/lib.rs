//! The first program: starts and supervises the servers.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`command_line`] | options, the program and its arguments |
//! | [`archives`] | files of bootfs and initrd |
//! | [`boot`] | from a system description to running servers |
//! | [`objects`] | makes and maps kernel objects |
//! | [`domain`], [`layout`] | whose window, and where in it |
//! | [`program`], [`load`] | checks an ELF file, and loads it |
//! | [`grant`] | the capabilities that a description names |
//! | [`supervise`] | faults, exit, boot stages |
//! | [`report`], [`timeline`] | what is told of a death, and of the boot |
//! | [`random`] | seeds and places |
//! | [`error`] | why a system cannot be started |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod archives;
pub mod boot;
pub mod command_line;
pub mod domain;
pub mod error;
pub mod grant;
pub mod layout;
pub mod load;
pub mod objects;
pub mod program;
pub mod random;
pub mod report;
pub mod supervise;
pub mod timeline;
