//! Endpoint and Reply: where callers and servers meet, and the one-shot right to answer.

use super::thread::Thread;
use crate::sched::queue::ThreadQueue;
use crate::store::{Header, Object, Ref};
use ipc_proto::abi::word::ObjectKind;

/// A rendezvous point.
#[derive(Debug)]
#[repr(C)]
pub struct Endpoint {
    /// Kind and references.
    pub header: Header,
    /// Callers that wait for a server, first come first served.
    pub senders: ThreadQueue,
    /// Servers that wait for callers. Never both queues at once.
    pub receivers: ThreadQueue,
}

impl Object for Endpoint {
    const KIND: ObjectKind = ObjectKind::Endpoint;
    fn new(header: Header) -> Self {
        Endpoint { header, senders: ThreadQueue::default(), receivers: ThreadQueue::default() }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}

/// A right to answer one caller.
#[derive(Debug)]
#[repr(C)]
pub struct Reply {
    /// Kind and references.
    pub header: Header,
    /// Who waits for the answer.
    pub caller: Option<Ref<Thread>>,
    /// The server that receives into it at the moment.
    pub receiver: Option<Ref<Thread>>,
}

impl Object for Reply {
    const KIND: ObjectKind = ObjectKind::Reply;
    fn new(header: Header) -> Self {
        Reply { header, caller: None, receiver: None }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}
