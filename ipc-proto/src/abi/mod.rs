//! The kernel's ABI: what a program in EL0 may ask of the kernel, and how.
//!
//! | module | what it declares |
//! | --- | --- |
//! | [`layout`] | sizes and fixed addresses both sides rely on |
//! | [`word`] | values that fit one register: slots, kinds, rights, mapping flags |
//! | [`message`] | the message-information word and the registers of an IPC |
//! | [`syscalls`] | the system-call table; stubs and dispatch follow from it |
//! | [`status`] | how a system call says that it was rejected |
//! | [`fault`] | fault messages and guest exits |
//! | [`guest`] | the guest record: the register file shared by kernel and personality |
//! | [`boot_info`] | what the kernel tells the first program |
//!
//! # Registers of a system call
//!
//! `svc #0` with the number in x8. Arguments in x0–x5; results in x0–x3; the status comes back
//! in x8 (see [`status`]). The kernel preserves x18–x30 and SP; x0–x17 may
//! hold anything else afterwards. The IPC calls carry their
//! message in x0–x7 and are described in [`message`].

pub mod boot_info;
pub mod fault;
pub mod guest;
pub mod layout;
pub mod message;
pub mod status;
pub mod syscalls;
pub mod word;
