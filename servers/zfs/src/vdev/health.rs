//! What went wrong on devices: counted, and remembered for repair.

use alloc::vec::Vec;
use spin::Mutex;

/// How many places are remembered.
const REMEMBERED: usize = 1024;

/// What went wrong on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceHealth {
    /// The device's identity in the pool; 0 when it is not part of it.
    pub guid: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Reads that gave wrong bytes.
    pub checksum_errors: u64,
}

/// A place on a device that gave an error or wrong bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// The device, by its place in the list that the pool was opened with.
    pub device: usize,
    /// Offset in bytes behind the labels.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The state of a pool's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Devices in the order in which the pool was opened with them.
    pub devices: Vec<DeviceHealth>,
    /// Identities of devices that are part of the pool and absent.
    pub absent: Vec<u64>,
    /// Places to repair; only the first thousand or so.
    pub damaged: Vec<Damaged>,
}

/// Counts while the pool is used.
#[derive(Debug)]
pub(super) struct Ledger(Mutex<(Vec<DeviceHealth>, Vec<Damaged>)>);

impl Ledger {
    pub(super) fn new(devices: usize) -> Self {
        Self(Mutex::new((alloc::vec![DeviceHealth::default(); devices], Vec::new())))
    }

    pub(super) fn note_read_error(&self, device: usize, offset: u64, len: usize) {
        self.note(device, offset, len, |health| health.read_errors += 1);
    }

    pub(super) fn note_checksum_error(&self, device: usize, offset: u64, len: usize) {
        self.note(device, offset, len, |health| health.checksum_errors += 1);
    }

    fn note(&self, device: usize, offset: u64, len: usize, count: impl Fn(&mut DeviceHealth)) {
        let mut state = self.0.lock();
        let (devices, damaged) = &mut *state;
        devices.get_mut(device).into_iter().for_each(count);
        let place = Damaged { device, offset, bytes: len as u64 };
        if damaged.len() < REMEMBERED && !damaged.contains(&place) {
            damaged.push(place);
        }
    }

    pub(super) fn report(&self, guids: &[u64], absent: Vec<u64>) -> Health {
        let state = self.0.lock();
        let named = state.0.iter().zip(guids);
        let devices = named.map(|(health, guid)| DeviceHealth { guid: *guid, ..*health }).collect();
        Health { devices, absent, damaged: state.1.clone() }
    }
}
