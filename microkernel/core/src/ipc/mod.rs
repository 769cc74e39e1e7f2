//! Synchronous calls: a caller's core, slice and priority go to the server and come back.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`call`] | `call`, `recv`, `reply`, `reply_recv` and fault messages |
//! | [`transfer`] | moves words, buffers and capabilities between two threads |

pub mod call;
pub mod transfer;
