//! Messages between programs: the client's side and the server's.

mod serve;
#[cfg(test)]
mod tests;
mod transport;

pub use ipc_proto::call::{Badge, CallError, Malformed, Message, Service, Verdict};
pub use serve::{serve, serve_on};
pub use transport::Endpoint;
