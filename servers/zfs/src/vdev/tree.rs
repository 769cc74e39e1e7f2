//! Virtual devices from the configuration in labels and in the pool.

use super::{Leaf, Node, Top};
use crate::error::Error;
use crate::nvlist::List;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Virtual devices under one; a limit against hostile configurations.
const MAX_CHILDREN: usize = 255;
/// How deep they nest: a spare in a replacement in a stripe.
const MAX_DEPTH: usize = 4;
/// The largest unit of a device: 64 KiB.
const MAX_ASHIFT: u64 = 16;
/// The largest number of parity columns.
const MAX_PARITY: u64 = 3;

/// A device that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// Its place in the list of devices.
    pub(crate) device: usize,
    /// The newest transaction group on it.
    pub(crate) txg: u64,
    /// Bytes between its labels.
    pub(crate) bytes: u64,
}

/// Devices by identity.
pub(crate) type Members = BTreeMap<u64, Member>;

/// Builds a top-level virtual device.
pub(crate) fn build(config: &List, members: &Members) -> Result<Top, Error> {
    let number = |name| config.number(name).ok_or(Error::MalformedLabel("virtual device"));
    let mut node = build_node(config, members, 0)?;
    let ashift = match &node {
        Node::Hole | Node::Unsupported(_) => config.number("ashift").unwrap_or(9),
        _ => number("ashift")?,
    };
    if !(9..=MAX_ASHIFT).contains(&ashift) {
        return Err(Error::MalformedLabel("ashift"));
    }
    trust(&mut node, members);
    drop_short(&mut node, config, members);
    Ok(Top {
        id: number("id")?,
        guid: number("guid")?,
        ashift: u32::try_from(ashift).map_err(|_| Error::MalformedLabel("ashift"))?,
        is_log: config.number("is_log").unwrap_or(0) != 0,
        node,
    })
}

fn build_node(config: &List, members: &Members, depth: usize) -> Result<Node, Error> {
    let kind = config.text("type").ok_or(Error::MalformedLabel("type of a virtual device"))?;
    let children = config.lists("children");
    if depth > MAX_DEPTH || children.len() > MAX_CHILDREN {
        return Err(Error::MalformedLabel("children of a virtual device"));
    }
    let children = || {
        children
            .iter()
            .map(|child| build_node(child, members, depth + 1))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match kind {
        "disk" | "file" => Node::Leaf(leaf(config, members)?),
        "mirror" | "replacing" | "spare" => Node::Mirror(children()?),
        "raidz"
            if config.lookup("raidz_expand_txgs").is_some()
                || config.lookup("raidz_expanding").is_some() =>
        {
            Node::Unsupported(String::from("expanded raidz"))
        }
        "raidz" => {
            let parity =
                config.number("nparity").filter(|parity| (1..=MAX_PARITY).contains(parity));
            let parity = parity.ok_or(Error::MalformedLabel("parity"))?;
            let children = children()?;
            let parity = usize::try_from(parity).unwrap_or(usize::MAX);
            if children.len() <= parity {
                return Err(Error::MalformedLabel("children of a raidz"));
            }
            Node::Raidz { parity, children }
        }
        "hole" | "missing" => Node::Hole,
        other => Node::Unsupported(String::from(other)),
    })
}

fn leaf(config: &List, members: &Members) -> Result<Leaf, Error> {
    let guid = config.number("guid").ok_or(Error::MalformedLabel("guid"))?;
    let unusable = ["faulted", "removed", "resilver_txg"];
    let is_doubtful =
        unusable.iter().any(|flag| config.number(flag).is_some_and(|value| value != 0));
    Ok(Leaf {
        guid,
        device: members.get(&guid).map(|member| member.device),
        good_until: if is_doubtful { 0 } else { u64::MAX },
        missing_object: config.number("DTL").unwrap_or(0),
    })
}

/// Distrusts what is newer than a device's last uberblock when its neighbours have later ones.
fn trust(node: &mut Node, members: &Members) {
    let newest = |leaf: &Leaf| members.get(&leaf.guid).map_or(0, |member| member.txg);
    let mut latest = 0;
    node.leaves(&mut |leaf| latest = latest.max(newest(leaf)));
    node.leaves_mut(&mut |leaf| {
        if newest(leaf) < latest {
            leaf.good_until = leaf.good_until.min(newest(leaf));
        }
    });
}

/// Treats devices as absent that are shorter than what they must hold: images cut off.
fn drop_short(node: &mut Node, config: &List, members: &Members) {
    let whole = config.number("asize").unwrap_or(0);
    // What is left behind the last metaslab is never used.
    let shift = config.number("metaslab_shift").and_then(|shift| u32::try_from(shift).ok());
    let unit = shift.and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or(1);
    let parts = match node {
        Node::Raidz { children, .. } => children.len() as u64,
        _ => 1,
    };
    let needed = whole / unit * unit / parts.max(1);
    node.leaves_mut(&mut |leaf| {
        if members.get(&leaf.guid).is_some_and(|member| member.bytes < needed) {
            leaf.device = None;
        }
    });
}
