//! The locks that the personality uses.

pub use libosv::sync::{Mutex, MutexGuard, Once};
