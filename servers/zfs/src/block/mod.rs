//! Blocks: pointers to them, reading them, and the cache.

mod cache;
mod pointer;
mod store;

pub(crate) use pointer::POINTER_BYTES;
pub use pointer::{BlockPointer, Dva};
pub(crate) use store::{Block, Store};
