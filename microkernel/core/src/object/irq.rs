//! Irq: one interrupt line, bound to a notification.

use super::notification::Notification;
use crate::Kernel;
use crate::cap::Slot;
use crate::machine::Machine;
use crate::store::{Header, Object, Ref};
use ipc_proto::abi::word::{ObjectKind, Trigger};

/// An interrupt line.
#[derive(Debug)]
#[repr(C)]
pub struct Irq {
    /// Kind and references.
    pub header: Header,
    /// The line (INTID).
    pub line: u32,
    /// How it signals.
    pub trigger: Trigger,
    /// Whom it tells.
    pub notification: Option<Ref<Notification>>,
    /// Bits it sets there.
    pub badge: u64,
    /// The capability to the notification.
    pub binding: Slot,
}

impl Object for Irq {
    const KIND: ObjectKind = ObjectKind::Irq;
    fn new(header: Header) -> Self {
        Irq {
            header,
            line: 0,
            trigger: Trigger::Level,
            notification: None,
            badge: 0,
            binding: Slot::EMPTY,
        }
    }
    fn header(&self) -> &Header {
        &self.header
    }
}

impl<M: Machine> Kernel<M> {
    /// An interrupt came: masks the line until its owner acknowledges, and tells the owner.
    ///
    /// Returns whether anybody owns the line.
    pub fn interrupt(&mut self, line: u32) -> bool {
        self.machine.mask_line(line);
        let Some(irq) = self.irqs.get(line as usize).copied().flatten() else { return false };
        let Irq { notification, badge, .. } = *self.store.get(irq);
        if let Some(notification) = notification {
            self.signal(notification, badge);
        }
        self.reschedule();
        true
    }
}
