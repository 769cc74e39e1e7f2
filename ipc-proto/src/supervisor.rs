//! The supervisor: what servers ask of root, on the endpoint that their faults go to.

use crate::data::Text;
use crate::protocol::protocol;
use postcard::experimental::max_size::MaxSize;
use serde::{Deserialize, Serialize};

/// Most bytes of a boot stage's name.
pub const STAGE_BYTES: usize = 32;

/// Where the machine's memory is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, MaxSize)]
pub struct MemoryReport {
    /// All memory that root was given.
    pub total: u64,
    /// What root has left.
    pub free: u64,
}

/// Why a request to the supervisor was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, MaxSize)]
pub enum SupervisorError {
    /// The system description does not let this server do this.
    NotAllowed,
}

protocol! {
    /// Root, as its servers see it.
    protocol Supervisor: id = 3, version = 1, error = SupervisorError;

    /// Ends the system with `status`, once the console's output is out.
    1 Once fn exit(status: i32) -> ();

    /// Notes that the boot stage `name` is reached now.
    2 Once fn stage(name: Text<STAGE_BYTES>) -> ();

    /// Returns where the memory is.
    3 Idempotent fn memory() -> MemoryReport;
}
