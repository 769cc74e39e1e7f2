//! A client straight to its server, with no kernel in between: for tests on the host.

use crate::abi::layout::{MESSAGE_BYTES, MESSAGE_CAPS};
use crate::abi::word::{CPtr, ObjectKind};
use crate::call::{Badge, Malformed, Message, Received, Service, Shape, Transport, Undelivered};
use core::cell::RefCell;

/// A transport that calls the service it holds.
#[derive(Debug)]
pub struct Loopback<S> {
    service: RefCell<S>,
    caller: Badge,
    kinds: [Option<ObjectKind>; MESSAGE_CAPS],
}

impl<S: Service> Loopback<S> {
    /// Connects to `service`, as the client named by `caller`.
    #[must_use]
    pub const fn new(service: S, caller: Badge) -> Self {
        Loopback { service: RefCell::new(service), caller, kinds: [None; MESSAGE_CAPS] }
    }

    /// Says which kinds the capabilities of following requests are.
    #[must_use]
    pub const fn with_kinds(mut self, kinds: [Option<ObjectKind>; MESSAGE_CAPS]) -> Self {
        self.kinds = kinds;
        self
    }

    /// Looks at or changes the service between calls.
    pub fn with<R>(&self, look: impl FnOnce(&mut S) -> R) -> R {
        look(&mut self.service.borrow_mut())
    }

    /// Returns the service.
    pub fn into_inner(self) -> S {
        self.service.into_inner()
    }
}

impl<S: Service> Transport for &Loopback<S> {
    fn call<R>(
        &self,
        shape: Shape,
        capabilities: &[CPtr],
        encode: impl FnOnce(&mut [u8]) -> Result<usize, Malformed>,
        decode: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Undelivered> {
        let mut space = [0; MESSAGE_BYTES];
        let length = encode(&mut space).map_err(|Malformed| Undelivered::Malformed)?;
        let first = capabilities.first().copied().unwrap_or(CPtr::NULL);
        let message = Message {
            caller: self.caller,
            operation: shape.operation,
            capabilities: Received::new(first, self.kinds, capabilities.len()),
            space: &mut space,
            length,
        };
        let answer = self.service.borrow_mut().request(message);
        let length = answer.map_err(|Malformed| Undelivered::Malformed)?;
        space.get(..length).map(decode).ok_or(Undelivered::Malformed)
    }
}

impl<S: Service> Transport for Loopback<S> {
    fn call<R>(
        &self,
        shape: Shape,
        capabilities: &[CPtr],
        encode: impl FnOnce(&mut [u8]) -> Result<usize, Malformed>,
        decode: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Undelivered> {
        (&self).call(shape, capabilities, encode, decode)
    }
}
