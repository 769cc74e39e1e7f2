//! The locks that the personality uses.

pub use spin::{Mutex, MutexGuard};
