//! Echo: the smallest protocol, for measuring calls.

use crate::protocol::protocol;
use postcard::experimental::max_size::MaxSize;
use serde::{Deserialize, Serialize};

/// Why an echo was refused: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, MaxSize)]
pub enum EchoError {}

protocol! {
    /// A server that does nothing.
    protocol Echo: id = 4, version = 1, error = EchoError;

    /// Does nothing.
    1 Idempotent fn null() -> ();
}
