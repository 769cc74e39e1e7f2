//! Virtual devices: what turns an address in the pool into bytes of devices.
//!
//! A read says how to recognise the right content; the virtual device tries every way it has
//! (copies, parity) until one is recognised, and counts each device that gave wrong bytes.

mod galois;
mod health;
mod raidz;
mod tree;

pub use health::{Damaged, DeviceHealth, Health};
pub(crate) use tree::{Member, Members, build};

use crate::device::BlockDevice;
use crate::error::Error;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use health::Ledger;

/// Where data begins on a device, behind two labels and the boot area.
pub(crate) const DATA_START: u64 = 4 << 20;

/// Why a virtual device has no content to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not enough devices answered.
    Unreadable,
    /// What was read was not recognised.
    Rejected,
}

/// What to read from a virtual device.
struct Request<'a> {
    offset: u64,
    len: usize,
    /// The transaction group that wrote it.
    birth: u64,
    /// Nothing recognises the content: bytes of a device that may have missed it do not do.
    unchecked: bool,
    accept: &'a mut dyn FnMut(&[u8]) -> bool,
}

/// A disk or file.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) guid: u64,
    /// Its place in the list of devices; `None` when it is absent.
    device: Option<usize>,
    /// What was written after this transaction group may be missing on it.
    good_until: u64,
    /// The space map of what is missing on it.
    pub(crate) missing_object: u64,
}

/// How a virtual device is made of others.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A device.
    Leaf(Leaf),
    /// Each child has everything.
    Mirror(Vec<Node>),
    /// Stripes with parity.
    Raidz {
        /// Columns of parity.
        parity: usize,
        /// The columns.
        children: Vec<Node>,
    },
    /// No data is here: a hole in the numbering, or a log device that is gone.
    Hole,
    /// Data may be here and cannot be read.
    Unsupported(String),
}

/// A virtual device that pointers can name.
#[derive(Clone, Debug)]
pub(crate) struct Top {
    pub(crate) id: u64,
    pub(crate) guid: u64,
    pub(crate) ashift: u32,
    pub(crate) is_log: bool,
    pub(crate) node: Node,
}

impl Leaf {
    fn is_good_for(&self, request_birth: u64) -> bool {
        self.device.is_some() && request_birth <= self.good_until
    }

    /// Distrusts everything on the device.
    pub(crate) const fn distrust(&mut self) {
        self.good_until = 0;
    }
}

impl Node {
    /// Calls `visit` with each device.
    pub(crate) fn leaves<'a>(&'a self, visit: &mut dyn FnMut(&'a Leaf)) {
        match self {
            Self::Leaf(leaf) => visit(leaf),
            Self::Mirror(children) | Self::Raidz { children, .. } => {
                children.iter().for_each(|child| child.leaves(visit));
            }
            Self::Hole | Self::Unsupported(_) => {}
        }
    }

    /// Calls `visit` with each device.
    pub(crate) fn leaves_mut(&mut self, visit: &mut dyn FnMut(&mut Leaf)) {
        match self {
            Self::Leaf(leaf) => visit(leaf),
            Self::Mirror(children) | Self::Raidz { children, .. } => {
                children.iter_mut().for_each(|child| child.leaves_mut(visit));
            }
            Self::Hole | Self::Unsupported(_) => {}
        }
    }

    /// Tells whether enough devices are there to read everything.
    fn is_complete(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.device.is_some(),
            Self::Mirror(children) => children.iter().any(Self::is_complete),
            Self::Raidz { parity, children } => {
                children.iter().filter(|child| !child.is_complete()).count() <= *parity
            }
            Self::Hole | Self::Unsupported(_) => true,
        }
    }

    /// Tells whether what is read here cannot have been missed by the device it comes from.
    fn is_good_for(&self, birth: u64) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.is_good_for(birth),
            Self::Mirror(children) => children.iter().any(|child| child.is_good_for(birth)),
            _ => false,
        }
    }
}

/// All virtual devices of a pool, the devices under them, and what went wrong so far.
pub(crate) struct Vdevs {
    devices: Vec<Box<dyn BlockDevice>>,
    tops: BTreeMap<u64, Top>,
    ledger: Ledger,
}

impl fmt::Debug for Vdevs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vdevs").field("tops", &self.tops).finish_non_exhaustive()
    }
}

impl Vdevs {
    pub(crate) fn new(devices: Vec<Box<dyn BlockDevice>>, tops: BTreeMap<u64, Top>) -> Self {
        let ledger = Ledger::new(devices.len());
        Self { devices, tops, ledger }
    }

    pub(crate) const fn tops(&self) -> &BTreeMap<u64, Top> {
        &self.tops
    }

    pub(crate) const fn tops_mut(&mut self) -> &mut BTreeMap<u64, Top> {
        &mut self.tops
    }

    pub(crate) fn set_tops(&mut self, tops: BTreeMap<u64, Top>) {
        self.tops = tops;
    }

    /// Returns what went wrong so far.
    pub(crate) fn health(&self) -> Health {
        let mut guids = alloc::vec![0; self.devices.len()];
        let mut absent = Vec::new();
        for top in self.tops.values() {
            top.node.leaves(&mut |leaf| match leaf.device.and_then(|at| guids.get_mut(at)) {
                Some(guid) => *guid = leaf.guid,
                None => absent.push(leaf.guid),
            });
        }
        self.ledger.report(&guids, absent)
    }

    /// Refuses virtual devices that blocks may be on and that cannot be read.
    pub(crate) fn check(&self) -> Result<(), Error> {
        // Nothing but unfinished intent logs is on log devices.
        for top in self.tops.values().filter(|top| !top.is_log) {
            if let Node::Unsupported(kind) = &top.node {
                return Err(Error::UnsupportedVdev { kind: kind.clone(), guid: top.guid });
            }
            if !top.node.is_complete() {
                return Err(Error::MissingVdev { id: top.id, guid: top.guid });
            }
        }
        Ok(())
    }

    /// Reads `len` bytes; only what `accept` recognises is returned.
    pub(crate) fn read(
        &self,
        vdev: u64,
        offset: u64,
        len: usize,
        birth: u64,
        unchecked: bool,
        accept: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Vec<u8>, Fault> {
        let top = self.tops.get(&vdev).ok_or(Fault::Unreadable)?;
        // Devices are read in their own unit; less than that (a gang header) is padded.
        let unit = 1_usize << top.ashift;
        let padded = len.next_multiple_of(unit);
        let mut accept = |data: &[u8]| data.get(..len).is_some_and(&mut *accept);
        let request = Request { offset, len: padded, birth, unchecked, accept: &mut accept };
        let mut data = self.read_node(&top.node, top.ashift, request)?;
        data.truncate(len);
        Ok(data)
    }

    fn read_node(&self, node: &Node, ashift: u32, request: Request<'_>) -> Result<Vec<u8>, Fault> {
        match node {
            Node::Leaf(leaf) => self.read_leaf(leaf, request),
            Node::Mirror(children) => self.read_mirror(children, ashift, request),
            Node::Raidz { parity, children } => {
                raidz::read(self, *parity, children, ashift, request)
            }
            Node::Hole | Node::Unsupported(_) => Err(Fault::Unreadable),
        }
    }

    fn read_leaf(&self, leaf: &Leaf, request: Request<'_>) -> Result<Vec<u8>, Fault> {
        let Request { offset, len, birth, unchecked, accept } = request;
        if unchecked && !leaf.is_good_for(birth) {
            return Err(Fault::Unreadable);
        }
        let data = self.fetch(leaf, offset, len).ok_or(Fault::Unreadable)?;
        if accept(&data) {
            return Ok(data);
        }
        self.distrust(leaf, offset, len);
        Err(Fault::Rejected)
    }

    /// Tries children that certainly have the content first.
    fn read_mirror(
        &self,
        children: &[Node],
        ashift: u32,
        request: Request<'_>,
    ) -> Result<Vec<u8>, Fault> {
        let Request { offset, len, birth, unchecked, accept } = request;
        let mut fault = Fault::Unreadable;
        let (good, doubtful): (Vec<_>, Vec<_>) =
            children.iter().partition(|child| child.is_good_for(birth));
        for child in good.into_iter().chain(doubtful) {
            let again = Request { offset, len, birth, unchecked, accept: &mut *accept };
            match self.read_node(child, ashift, again) {
                Ok(data) => return Ok(data),
                Err(Fault::Rejected) => fault = Fault::Rejected,
                Err(Fault::Unreadable) => {}
            }
        }
        Err(fault)
    }

    /// Reads bytes of a device as they are.
    fn fetch(&self, leaf: &Leaf, offset: u64, len: usize) -> Option<Vec<u8>> {
        let at = leaf.device?;
        let device = self.devices.get(at)?;
        let start = offset.checked_add(DATA_START)?;
        // Checked before memory is taken for it.
        if start.checked_add(len as u64)? > device.size() {
            return None;
        }
        let mut data = crate::bytes::zeros(len);
        match device.read_at(start, &mut data) {
            Ok(()) => Some(data),
            Err(_) => {
                self.ledger.note_read_error(at, offset, len);
                None
            }
        }
    }

    /// Notes that a device gave wrong bytes.
    fn distrust(&self, leaf: &Leaf, offset: u64, len: usize) {
        if let Some(at) = leaf.device {
            self.ledger.note_checksum_error(at, offset, len);
        }
    }
}
