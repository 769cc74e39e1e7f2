//! Domains, and each server's place in its domain: attachments and a slice of the window.

use crate::error::BootError;
use crate::layout::Slice;
use crate::objects::Objects;
use alloc::vec::Vec;
use ipc_proto::abi::boot_info::slots;
use ipc_proto::abi::layout::ATTACHMENTS;
use ipc_proto::abi::syscalls::Trap;
use ipc_proto::abi::word::CPtr;
use ipc_proto::start::Span;
use ipc_proto::system::{MAX_SERVERS, Name, ROOT, SystemDescription};

/// Root's own attachment of bootfs; the kernel's are before it.
pub const BOOTFS_ATTACHMENT: u64 = 4;
/// Root's own attachment of the initrd.
pub const INITRD_ATTACHMENT: u64 = 5;
/// Root's own attachments of the servers' blocks, from this one on.
pub const FIRST_BLOCK_ATTACHMENT: u64 = 6;
/// The first attachment of root's VSpace that servers in its domain may have.
const FIRST_SHARED_ATTACHMENT: u64 = FIRST_BLOCK_ATTACHMENT + 2 * MAX_SERVERS as u64;

/// The domains of a system.
#[derive(Debug)]
pub struct Domains {
    domains: Vec<Domain>,
}

#[derive(Debug)]
struct Domain {
    name: Name,
    vspace: CPtr,
    /// Servers in it, and how many of these have their place already.
    servers: u64,
    placed: u64,
}

/// The place of one server.
#[derive(Debug)]
pub struct Place {
    /// The VSpace of its domain.
    pub vspace: CPtr,
    /// Its part of the window.
    pub slice: Slice,
    next_attachment: u64,
    end_attachment: u64,
}

impl Domains {
    /// Makes the domains that `system` names.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn new<T: Trap>(
        objects: &Objects<T>,
        system: &SystemDescription,
    ) -> Result<Domains, BootError> {
        let mut domains: Vec<Domain> = Vec::new();
        for server in &system.servers {
            if let Some(domain) = domains.iter_mut().find(|domain| domain.name == server.domain) {
                domain.servers += 1;
                continue;
            }
            let name = server.domain.clone();
            let vspace =
                if name == ROOT { slots::VSPACE } else { objects.make_domain(&server.name)? };
            domains.push(Domain { name, vspace, servers: 1, placed: 0 });
        }
        Ok(Domains { domains })
    }

    /// Gives the next server of the domain `name` its place; `random` moves it.
    pub fn place(&mut self, name: &Name, random: u64) -> Option<Place> {
        let domain = self.domains.iter_mut().find(|domain| domain.name == *name)?;
        let (index, count) = (domain.placed, domain.servers);
        domain.placed += 1;
        let is_root = domain.vspace == slots::VSPACE;
        let first = if is_root { FIRST_SHARED_ATTACHMENT } else { 0 };
        let each = (ATTACHMENTS - first) / count;
        Some(Place {
            vspace: domain.vspace,
            slice: Slice::new(is_root, index, count, random),
            next_attachment: first + index * each,
            end_attachment: first + (index + 1) * each,
        })
    }
}

impl Place {
    /// Attaches `memory` under the place's next number; returns that.
    ///
    /// # Errors
    /// If the place has no number left, or the kernel refuses.
    pub fn attach<T: Trap>(
        &mut self,
        objects: &Objects<T>,
        memory: CPtr,
    ) -> Result<u64, BootError> {
        let index = self.next_attachment;
        if index >= self.end_attachment {
            return Err(BootError::Refused("an attachment", "too many in one domain".into()));
        }
        objects.attach(self.vspace, index, memory)?;
        self.next_attachment += 1;
        Ok(index)
    }

    /// Returns the attachments that are left.
    #[must_use]
    pub fn free_attachments(&self) -> Span {
        let count = self.end_attachment - self.next_attachment;
        Span { first: self.next_attachment as u32, count: count as u32 }
    }
}
