//! Tables: pages that an address space takes its page tables from.
//!
//! The first page of the range holds this object, the others are the pages.

use super::vspace::VSpace;
use crate::store::{Header, Object, PhysAddr, Ref};
use ipc_proto::abi::word::ObjectKind;

/// Pages for tables.
#[derive(Debug)]
#[repr(C)]
pub struct Tables {
    /// Kind and references.
    pub header: Header,
    /// The first page.
    pub base: PhysAddr,
    /// Number of pages.
    pub pages: u32,
    /// The address space they serve.
    pub serves: Option<Ref<VSpace>>,
    /// The next tables that serve the same one.
    pub next: Option<Ref<Tables>>,
}

impl Object for Tables {
    const KIND: ObjectKind = ObjectKind::Tables;
    fn new(header: Header) -> Self {
        Tables { header, base: PhysAddr(0), pages: 0, serves: None, next: None }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}
