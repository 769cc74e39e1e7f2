//! Files: vnodes, the tree of mounts, open files, and the file systems of this server.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`vnode`], [`directory`] | what a file of any kind can do, and what a directory can |
//! | [`transfer`] | where the bytes of a read go and those of a write come from |
//! | [`place`], [`walk`] | mounts; from a path to a file |
//! | [`context`], [`fd_table`], [`open_file`] | what a process has open and where it stands |
//! | [`tmpfs`], [`bootfs`] | files in memory; the boot archives as the first of them |
//! | [`device`], [`tty`] | what the nodes in `/dev` do; the terminal |
//! | [`pipe`], [`eventfd`], [`epoll`] | pipes and FIFOs; counters; sets of files to wait for |
//! | [`synthetic`], [`procfs`], [`sysfs`] | files made when they are read |
//! | [`lock`] | advisory locks |
//! | [`tree`] | the tree as programs find it at the start |
//! | [`environment`] | time and randomness |
//! | [`abi`] | Linux' numbers and layouts |
//!
//! # Locks
//!
//! `FdTable` → the offset of an open file → what vnodes hold. A write of a file in memory, a pipe
//! and the offset hold their lock while they copy from or to the program's memory; a page fault
//! in such a copy takes none of these, only the content lock of files in memory and what is
//! below it.

pub mod abi;
pub mod bootfs;
pub mod context;
pub mod device;
pub mod directory;
pub mod environment;
pub mod epoll;
pub mod eventfd;
pub mod fd_table;
pub mod lock;
pub mod open_file;
pub mod pipe;
pub mod place;
pub mod procfs;
pub mod synthetic;
pub mod sysfs;
#[cfg(test)]
pub mod tests;
pub mod tmpfs;
pub mod transfer;
pub mod tree;
pub mod tty;
pub mod vnode;
pub mod walk;

pub use context::FsContext;
pub use fd_table::{FdTable, OnExec};
pub use open_file::OpenFile;
pub use place::{Located, Location, MountTable, Place};
pub use vnode::{Backing, Caller, Kind, Stat, Vnode};
