//! What the machine is and how its memory is divided, decided without hardware.
//!
//! The kernel's boot code hands raw facts in (a device tree blob, ID registers, where the image
//! lies) and carries out what comes back.
//!
//! | module | what it decides |
//! | --- | --- |
//! | [`span`] | ranges of addresses and lists of them |
//! | [`blob`] | whether bytes are a sound device tree; its tokens |
//! | [`node`] | the tree's nodes: paths, cells, address translation |
//! | [`device_tree`] | the [`platform::Platform`] that a device tree describes |
//! | [`platform`] | the facts about a machine; mach-virt's, for when there is no device tree |
//! | [`memory_map`] | which memory is free, which is devices' |
//! | [`tables`] | the kernel's own page tables |
//! | [`payload`] | what lies behind the kernel in the loader image |
//! | [`command_line`] | the kernel's own options |
//! | [`hwcap`] | the features that Linux programs are told of |
//! | [`seed`] | the boot's random seed |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

pub mod blob;
pub mod command_line;
pub mod device_tree;
pub mod hwcap;
pub mod memory_map;
pub mod node;
pub mod payload;
pub mod platform;
pub mod seed;
pub mod span;
pub mod tables;
