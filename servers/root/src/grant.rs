//! Giving a server exactly the capabilities that its description names.

use crate::boot::Machine;
use crate::domain::Place;
use crate::error::BootError;
use crate::load::take;
use crate::objects::{Mapping, Objects};
use alloc::vec::Vec;
use ipc_proto::abi::boot_info::slots;
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::syscalls::Trap;
use ipc_proto::abi::word::{CPtr, ObjectKind, Rights, Trigger};
use ipc_proto::start::{NamedCapability, Region};
use ipc_proto::system::{Caller, Hold, Name, ROOT, Server, Source};

/// The first slot of a server's CSpace that is filled.
const FIRST_SLOT: u32 = 1;

/// A server while root sets it up: its objects, in root's slots.
#[derive(Debug)]
pub struct Grantee<'a> {
    /// The description.
    pub server: &'a Server,
    /// Its number in the description, from 1: its name to those it calls.
    pub client: u16,
    /// Its CSpace.
    pub cspace: CPtr,
    /// Its main thread.
    pub thread: CPtr,
    /// The notification bound to its main thread.
    pub notification: Option<CPtr>,
    /// The first slot of its CSpace that is free.
    pub next_slot: u32,
    /// What it holds.
    pub capabilities: Vec<NamedCapability<'a>>,
    /// What is mapped for it.
    pub regions: Vec<Region<'a>>,
}

impl<'a> Grantee<'a> {
    /// Makes CSpace, thread and, if it holds one, notification of `server`.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn new<T: Trap>(
        objects: &Objects<T>,
        server: &'a Server,
        client: u16,
    ) -> Result<Grantee<'a>, BootError> {
        let name = &server.name;
        let cspace = objects.make(name, ObjectKind::CSpace, server.slots.into())?;
        let thread = objects.make(name, ObjectKind::Thread, 0)?;
        let has_notification = server.holds.iter().any(|hold| hold.what == Source::Notification);
        let notification = match has_notification {
            true => Some(objects.make(name, ObjectKind::Notification, 0)?),
            false => None,
        };
        let (capabilities, regions, next_slot) = (Vec::new(), Vec::new(), FIRST_SLOT);
        Ok(Grantee {
            server,
            client,
            cspace,
            thread,
            notification,
            next_slot,
            capabilities,
            regions,
        })
    }

    /// Gives what `hold` names.
    ///
    /// # Errors
    /// If it does not exist, there is no memory for it, or the kernel refuses.
    pub fn grant<T: Trap>(
        &mut self,
        objects: &Objects<T>,
        machine: &Machine<'_>,
        place: &mut Place,
        hold: &'a Hold,
    ) -> Result<(), BootError> {
        let name = &self.server.name;
        let own = |slot, kind| Some(Given { slot, kind, rights: Rights::ALL, badge: 0 });
        let given = match &hold.what {
            Source::OwnCspace => own(self.cspace, ObjectKind::CSpace),
            Source::OwnVspace => own(place.vspace, ObjectKind::VSpace),
            Source::OwnThread => own(self.thread, ObjectKind::Thread),
            Source::DebugConsole => own(slots::DEBUG_CONSOLE, ObjectKind::DebugConsole),
            Source::Notification => {
                self.notification.and_then(|slot| own(slot, ObjectKind::Notification))
            }
            Source::Reply => own(objects.make(name, ObjectKind::Reply, 0)?, ObjectKind::Reply),
            Source::Serve { .. } => {
                let slot = machine.endpoint(name).ok_or_else(|| self.nothing(hold))?;
                let rights = Rights::READ;
                Some(Given { slot, kind: ObjectKind::Endpoint, rights, badge: 0 })
            }
            Source::Call { server, protocol } => {
                let slot = machine.endpoint(server).ok_or_else(|| self.nothing(hold))?;
                let caller = Caller { client: self.client, protocol: *protocol as u8 };
                let (kind, badge) = (ObjectKind::Endpoint, caller.to_badge().0);
                Some(Given { slot, kind, rights: Rights::WRITE.union(Rights::GRANT), badge })
            }
            Source::UartIrq => Some(self.claim_uart(objects, machine, hold)?),
            Source::Untyped(amount) => {
                return self.give_untyped(objects, hold, amount.bytes(objects.ram));
            }
            Source::UartRegisters
            | Source::RtcRegisters
            | Source::Bootfs
            | Source::Initrd
            | Source::Pool => return self.grant_memory(objects, machine, place, hold),
        };
        match given {
            Some(given) => self.give(objects, hold, given).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Gives Memory, and maps it.
    fn grant_memory<T: Trap>(
        &mut self,
        objects: &Objects<T>,
        machine: &Machine<'_>,
        place: &mut Place,
        hold: &'a Hold,
    ) -> Result<(), BootError> {
        let name = &self.server.name;
        let (read, write) = (Rights::READ, Rights::READ.union(Rights::WRITE));
        let (slot, bytes, rights, access) = match hold.what {
            Source::UartRegisters => {
                let uart = machine.info.platform.uart.ok_or_else(|| self.nothing(hold))?;
                (objects.device(name, uart.base, uart.bytes)?, uart.bytes, write, write)
            }
            Source::RtcRegisters => match machine.info.platform.rtc {
                Some(base) => (objects.device(name, base, PAGE_BYTES)?, PAGE_BYTES, read, read),
                None => return Ok(()),
            },
            Source::Bootfs => (slots::BOOTFS, machine.info.bootfs_bytes, Rights::ALL, read),
            Source::Initrd if machine.info.initrd_bytes > 0 => {
                (slots::INITRD, machine.info.initrd_bytes, Rights::ALL, read)
            }
            Source::Pool => {
                let (slot, bytes) = objects.make_pool(name)?;
                (slot, bytes, Rights::ALL, write)
            }
            _ => return Ok(()),
        };
        let attachment = place.attach(objects, slot)?;
        let address = take(&mut place.slice, name, bytes)?;
        let (vspace, offset) = (place.vspace, 0);
        objects.map(name, Mapping { vspace, attachment, access, offset, address, bytes })?;
        let given = Given { slot, kind: ObjectKind::Memory, rights, badge: 0 };
        let memory = self.give(objects, hold, given)?;
        let attachment = attachment as u8;
        self.regions.push(Region { name: &hold.name, address, bytes, memory, attachment });
        Ok(())
    }

    /// Claims the UART's interrupt and binds it to the server's notification.
    fn claim_uart<T: Trap>(
        &self,
        objects: &Objects<T>,
        machine: &Machine<'_>,
        hold: &Hold,
    ) -> Result<Given, BootError> {
        let uart = machine.info.platform.uart.ok_or_else(|| self.nothing(hold))?;
        let notification = self.notification.ok_or_else(|| self.nothing(hold))?;
        let slot = objects.claim_irq(&self.server.name, uart.line.into(), Trigger::Level)?;
        let bound = objects.kernel.irq_bind(slot, notification);
        bound.map_err(BootError::refused("irq_bind"))?;
        Ok(Given { slot, kind: ObjectKind::Irq, rights: Rights::ALL, badge: 0 })
    }

    /// Makes an untyped range the server's own: moved, for two holders could not both use it.
    fn give_untyped<T: Trap>(
        &mut self,
        objects: &Objects<T>,
        hold: &'a Hold,
        bytes: u64,
    ) -> Result<(), BootError> {
        let made = objects.make(&self.server.name, ObjectKind::Untyped, bytes)?;
        let slot = self.name_slot(hold, ObjectKind::Untyped);
        let moved = objects.kernel.move_cap(made, self.cspace, slot);
        moved.map_err(BootError::refused("move_cap"))
    }

    fn give<T: Trap>(
        &mut self,
        objects: &Objects<T>,
        hold: &'a Hold,
        given: Given,
    ) -> Result<CPtr, BootError> {
        let slot = self.name_slot(hold, given.kind);
        let copied = objects.kernel.copy(given.slot, self.cspace, slot, given.rights, given.badge);
        copied.map(|()| slot).map_err(BootError::refused("copy"))
    }

    fn name_slot(&mut self, hold: &'a Hold, kind: ObjectKind) -> CPtr {
        let slot = CPtr(self.next_slot);
        self.next_slot += 1;
        self.capabilities.push(NamedCapability { name: &hold.name, slot, kind });
        slot
    }

    fn nothing(&self, hold: &Hold) -> BootError {
        BootError::NotThere(self.server.name.clone(), hold.name.clone())
    }
}

/// A capability of root's, and what of it is given away.
#[derive(Clone, Copy, Debug)]
struct Given {
    slot: CPtr,
    kind: ObjectKind,
    rights: Rights,
    badge: u64,
}

/// Tells whether `name` stands for root.
#[must_use]
pub fn is_root(name: &Name) -> bool {
    name == ROOT
}
