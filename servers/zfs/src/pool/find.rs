//! Finding pools: which devices belong to which pool, and what its newest state is.

use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::label::{self, Label, Uberblock};
use crate::nvlist::List;
use crate::vdev::{self, Member, Members, Top};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// States of a pool in its labels.
const EXPORTED: u64 = 1;
const DESTROYED: u64 = 2;

/// What a device says about the pool that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLabel {
    /// The pool's name.
    pub name: String,
    /// The pool's identity.
    pub guid: u64,
    /// The newest transaction group on the device; 0 when it has no uberblock.
    pub txg: u64,
    /// Whether the pool was exported: nobody else uses it.
    pub is_exported: bool,
    /// Whether the pool was destroyed.
    pub is_destroyed: bool,
}

/// Reads to which pool a device belongs; `None` when to none, or as a spare or cache device.
pub fn scan(device: &dyn BlockDevice) -> Option<PoolLabel> {
    label::read(device).as_ref().and_then(describe)
}

fn describe(label: &Label) -> Option<PoolLabel> {
    let state = label.config.number("state")?;
    Some(PoolLabel {
        name: label.config.text("name")?.to_string(),
        guid: label.config.number("pool_guid")?,
        txg: label.uberblock.as_ref().map_or(0, |uberblock| uberblock.txg),
        is_exported: state == EXPORTED,
        is_destroyed: state == DESTROYED,
    })
}

/// A pool before it is opened.
pub(super) struct Found {
    pub(super) uberblock: Uberblock,
    /// The configuration of the newest label.
    pub(super) config: List,
    pub(super) tops: BTreeMap<u64, Top>,
    pub(super) members: Members,
}

/// Chooses a pool by name, or the only one.
pub(super) fn choose(devices: &[Box<dyn BlockDevice>], name: Option<&str>) -> Result<Found> {
    let labels = devices.iter().enumerate().filter_map(|(at, device)| {
        let label = label::read(device.as_ref())?;
        let pool = describe(&label)?;
        name.is_none_or(|name| name == pool.name).then_some((at, label, pool))
    });
    let labels: Vec<(usize, Label, PoolLabel)> = labels.collect();
    let guids: BTreeSet<u64> = labels.iter().map(|(_, _, pool)| pool.guid).collect();
    if guids.len() > 1 {
        let names: BTreeSet<String> = labels.into_iter().map(|(_, _, pool)| pool.name).collect();
        return Err(Error::SeveralPools(names.into_iter().collect()));
    }
    let (_, newest, pool) = labels
        .iter()
        .max_by_key(|(_, label, _)| label.config.number("txg"))
        .ok_or(Error::NoPool)?;
    if pool.is_destroyed {
        return Err(Error::Destroyed);
    }
    let uberblocks = labels.iter().filter_map(|(_, label, _)| label.uberblock.as_ref());
    let uberblock =
        uberblocks.max_by_key(|uberblock| uberblock.rank()).ok_or(Error::NoUberblock)?;
    let members = members(devices, &labels);
    let tops = tops(&labels, &members)?;
    Ok(Found { uberblock: uberblock.clone(), config: newest.config.clone(), tops, members })
}

/// Devices by identity; of two with the same one (a copied image) the newer.
fn members(devices: &[Box<dyn BlockDevice>], labels: &[(usize, Label, PoolLabel)]) -> Members {
    let mut members = Members::new();
    for (at, label, pool) in labels {
        let Some(guid) = label.config.number("guid") else { continue };
        let bytes = devices.get(*at).map_or(0, |device| label::usable_bytes(device.size()));
        if members.get(&guid).is_none_or(|member| member.txg < pool.txg) {
            members.insert(guid, Member { device: *at, txg: pool.txg, bytes });
        }
    }
    members
}

/// The top-level virtual devices that labels describe, each by its newest label.
fn tops(labels: &[(usize, Label, PoolLabel)], members: &Members) -> Result<BTreeMap<u64, Top>> {
    let mut newest: BTreeMap<u64, (u64, &List)> = BTreeMap::new();
    for (_, label, _) in labels {
        let Some(tree) = label.config.list("vdev_tree") else { continue };
        let txg = label.config.number("txg").unwrap_or(0);
        let Some(id) = tree.number("id") else { continue };
        if newest.get(&id).is_none_or(|(other, _)| *other < txg) {
            newest.insert(id, (txg, tree));
        }
    }
    newest.into_iter().map(|(id, (_, tree))| Ok((id, vdev::build(tree, members)?))).collect()
}
