//! Build code of everything that goes on a machine; runs on the host.
//!
//! - [`manifest`]: which files are in bootfs (`manifests/*.toml`)
//! - [`system`]: system descriptions (`systems/*.toml`), checked and encoded for `root`
//! - [`cpio`]: the bootfs archive
//! - [`elf`]: programs as the linker made them: stripped, or laid out flat
//! - [`root`]: the flat image of `root`, which the kernel maps as it is
//! - [`loader`]: kernel, root and bootfs in one file that a boot loader starts
//! - `link/`: linker scripts
#![forbid(unsafe_code)]

pub mod cpio;
pub mod elf;
pub mod loader;
pub mod manifest;
pub mod root;
pub mod system;

/// Bytes of a page; what the kernel maps is aligned to it.
pub const PAGE_BYTES: usize = ipc_proto::abi::layout::PAGE_BYTES as usize;
