//! CSpace: a table of capability slots, which lie right behind this header.

use crate::store::{Header, Object};
use ipc_proto::abi::word::ObjectKind;

/// A table of slots.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct CSpace {
    /// Kind and references.
    pub header: Header,
    /// Number of slots.
    pub slots: u32,
    /// Slots below this one are emptied already (while the object is dying).
    pub reaped: u32,
}

impl Object for CSpace {
    const KIND: ObjectKind = ObjectKind::CSpace;
    fn new(header: Header) -> Self {
        CSpace { header, slots: 0, reaped: 0 }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}

const _: () = assert!(size_of::<CSpace>() == 64);
