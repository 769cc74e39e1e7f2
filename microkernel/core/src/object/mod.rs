//! The kernel objects: their state and the calls on them, one file a kind.
//!
//! | module | kind |
//! | --- | --- |
//! | [`untyped`] | Untyped: the only source of memory |
//! | [`memory`] | Memory: mappable ranges (a capability without an object) |
//! | [`cspace`] | CSpace: tables of slots |
//! | [`vspace`] | VSpace: EL0 address spaces |
//! | [`mapping`] | the mapping calls of VSpace |
//! | [`tables`] | Tables: memory for page tables |
//! | [`thread`] | Thread: what the scheduler runs |
//! | [`endpoint`] | Endpoint and Reply: calls |
//! | [`notification`] | Notification: signal bits |
//! | [`guest`] | Guest: saved register files of Linux threads |
//! | [`irq`] | Irq: interrupt lines |

pub mod cspace;
pub mod endpoint;
pub mod guest;
pub mod irq;
pub mod mapping;
pub mod memory;
pub mod notification;
pub mod tables;
pub mod thread;
pub mod untyped;
pub mod vspace;
