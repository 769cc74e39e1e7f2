//! Labels: four copies, on each device, of who it is and of where the pool's newest state begins.

mod uberblock;

pub use uberblock::Uberblock;

use crate::bytes::zeros;
use crate::checksum;
use crate::device::BlockDevice;
use crate::nvlist::List;
use crate::vdev::DATA_START;
use alloc::vec::Vec;

/// Bytes of a label.
const LABEL_BYTES: u64 = 256 << 10;
/// Where the configuration is in a label, and its bytes.
const CONFIG_START: u64 = 16 << 10;
const CONFIG_BYTES: usize = 112 << 10;
/// Bytes of checksum behind the configuration.
const TRAILER_BYTES: usize = 40;
/// Where the uberblocks are in a label, and their bytes.
const RING_START: u64 = 128 << 10;
const RING_BYTES: usize = 128 << 10;

/// What the labels of one device say.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// The configuration of the newest good label.
    pub(crate) config: List,
    /// The newest good uberblock.
    pub(crate) uberblock: Option<Uberblock>,
}

/// Returns where the labels of a device of this size are.
fn offsets(size: u64) -> Vec<u64> {
    let end = size & !(LABEL_BYTES - 1);
    if end < 4 * LABEL_BYTES {
        return Vec::new();
    }
    [0, LABEL_BYTES, end - 2 * LABEL_BYTES, end - LABEL_BYTES].to_vec()
}

/// Returns the bytes that a device of this size has for data.
pub(crate) const fn usable_bytes(size: u64) -> u64 {
    (size & !(LABEL_BYTES - 1)).saturating_sub(DATA_START + 2 * LABEL_BYTES)
}

/// Reads the labels of a device; `None` when none is good.
pub(crate) fn read(device: &dyn BlockDevice) -> Option<Label> {
    let starts = offsets(device.size());
    let configs = starts.iter().filter_map(|start| read_config(device, *start));
    let config = configs.max_by_key(|config| config.number("txg"))?;
    let ashift = config.list("vdev_tree").and_then(|tree| tree.number("ashift")).unwrap_or(0);
    let ring = |start: &u64| {
        let mut data = zeros(RING_BYTES);
        device.read_at(start + RING_START, &mut data).ok()?;
        uberblock::newest(&data, start + RING_START, ashift)
    };
    let uberblock = starts.iter().filter_map(ring).max_by_key(Uberblock::rank);
    Some(Label { config, uberblock })
}

fn read_config(device: &dyn BlockDevice, start: u64) -> Option<List> {
    let mut data = zeros(CONFIG_BYTES);
    device.read_at(start + CONFIG_START, &mut data).ok()?;
    checksum::verify_embedded(&data, &[start + CONFIG_START, 0, 0, 0])?;
    List::decode(data.get(..CONFIG_BYTES - TRAILER_BYTES)?).ok()
}
