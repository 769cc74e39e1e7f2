//! Pools: found by their labels, opened at their newest good state.

mod features;
mod find;

pub use features::{FEATURES, Feature, FeatureState};
pub use find::{PoolLabel, scan};

use crate::block::{BlockPointer, Store};
use crate::bytes::index;
use crate::checksum::Salt;
use crate::device::BlockDevice;
use crate::error::{Error, Malformed, Place, Result};
use crate::label::Uberblock;
use crate::nvlist::List;
use crate::object::{Object, ObjectSet};
use crate::vdev::{self, Health, Members, Vdevs};
use crate::zap::Zap;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use find::Found;

/// The object that names the others of the pool's metadata.
const DIRECTORY: u64 = 1;
/// The version of pools with feature flags.
const FEATURE_FLAGS_VERSION: u64 = 5000;
/// The newest version before those.
const LAST_VERSION: u64 = 28;
/// The largest configuration that is looked at.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// How to open a pool.
#[derive(Clone, Debug)]
pub struct Options {
    /// The pool's name; not needed when the devices carry one pool only.
    pub name: Option<String>,
    /// The most bytes of blocks that are kept in memory.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { name: None, cache_bytes: 32 << 20 }
    }
}

/// An open pool.
#[derive(Debug)]
pub struct Pool {
    store: Store,
    uberblock: Uberblock,
    metadata: ObjectSet,
    config: List,
    features: BTreeMap<String, FeatureState>,
    unsupported_for_writing: Vec<String>,
}

impl Pool {
    /// Opens the pool on these devices, for reading.
    ///
    /// # Errors
    ///
    /// There is no such pool, devices are missing, it uses what this library does not know, or
    /// what is needed to open it is damaged.
    pub fn open(devices: Vec<Box<dyn BlockDevice>>, options: &Options) -> Result<Self> {
        let found = find::choose(&devices, options.name.as_deref())?;
        let version = found.uberblock.version;
        if version == 0 || (version > LAST_VERSION && version != FEATURE_FLAGS_VERSION) {
            return Err(Error::UnsupportedVersion(version));
        }
        // The label names features without which not even the metadata can be read.
        let needed = found.config.list("features_for_read").into_iter().flat_map(List::pairs);
        features::check(needed.map(|(guid, _)| String::from_utf8_lossy(guid).into_owned()))?;
        let Found { uberblock, tops, members, .. } = found;
        let mut store = Store::new(Vdevs::new(devices, tops), Salt::default(), options.cache_bytes);
        let metadata = ObjectSet::open(&store, 0, &uberblock.root)?;
        let features = read_features(&store, &metadata)?;
        let active = features.iter().filter(|(_, state)| state.is_active());
        let (reading, writing): (Vec<_>, Vec<_>) = active.partition(|(_, state)| state.for_reading);
        features::check(reading.into_iter().map(|(guid, _)| guid.clone()))?;
        let unsupported_for_writing =
            features::unknown(writing.into_iter().map(|(guid, _)| guid.clone()));
        let config = trust_config(&mut store, &metadata, &members)?;
        if let Some(salt) = read_salt(&store, &metadata)? {
            store.set_salt(salt);
        }
        Ok(Self { store, uberblock, metadata, config, features, unsupported_for_writing })
    }

    /// Returns the pool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config.text("name").unwrap_or_default()
    }

    /// Returns the pool's identity.
    #[must_use]
    pub fn guid(&self) -> u64 {
        self.config.number("pool_guid").unwrap_or(0)
    }

    /// Returns the pool's configuration, as the pool itself holds it.
    #[must_use]
    pub const fn config(&self) -> &List {
        &self.config
    }

    /// Returns the root of the state that was opened.
    #[must_use]
    pub const fn uberblock(&self) -> &Uberblock {
        &self.uberblock
    }

    /// Returns the features that the pool knows, by identity.
    #[must_use]
    pub const fn features(&self) -> &BTreeMap<String, FeatureState> {
        &self.features
    }

    /// Returns the features in use that forbid writing, since they are unknown here.
    #[must_use]
    pub fn unsupported_for_writing(&self) -> &[String] {
        &self.unsupported_for_writing
    }

    /// Returns what went wrong on the pool's devices since it was opened.
    #[must_use]
    pub fn health(&self) -> Health {
        self.store.vdevs.health()
    }

    /// Returns the properties that are set on the pool, as stored.
    ///
    /// # Errors
    ///
    /// The table is damaged.
    pub fn stored_properties(&self) -> Result<BTreeMap<String, crate::zap::Value>> {
        let Some(number) = self.directory_entry("pool_props")? else { return Ok(BTreeMap::new()) };
        let object = self.metadata.object(&self.store, number)?;
        let table = Zap::open(&self.store, &object)?;
        let entries = table.entries()?.map(|entry| {
            entry.map(|entry| (String::from_utf8_lossy(&entry.name).into_owned(), entry.value))
        });
        entries.collect()
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Returns an object of the pool's metadata.
    pub(crate) fn object(&self, number: u64) -> Result<Object> {
        self.metadata.object(&self.store, number)
    }

    /// Opens the set of objects of a dataset.
    pub(crate) fn object_set(&self, dataset: u64, pointer: &BlockPointer) -> Result<ObjectSet> {
        ObjectSet::open(&self.store, dataset, pointer)
    }

    /// Returns a number that the pool's directory of objects names.
    pub(crate) fn directory_entry(&self, name: &str) -> Result<Option<u64>> {
        directory_entry(&self.store, &self.metadata, name)
    }
}

fn directory_entry(store: &Store, metadata: &ObjectSet, name: &str) -> Result<Option<u64>> {
    let object = metadata.object(store, DIRECTORY)?;
    Zap::open(store, &object)?.lookup_number(name)
}

/// Reads which features the pool knows and uses; none in pools older than features.
fn read_features(store: &Store, metadata: &ObjectSet) -> Result<BTreeMap<String, FeatureState>> {
    let mut features = BTreeMap::new();
    for (name, for_reading) in [("features_for_read", true), ("features_for_write", false)] {
        let Some(number) = directory_entry(store, metadata, name)? else { continue };
        let object = metadata.object(store, number)?;
        for entry in Zap::open(store, &object)?.entries()? {
            let entry = entry?;
            let uses = entry.value.number().ok_or(Malformed("feature").at(object.place))?;
            let guid = String::from_utf8_lossy(&entry.name).into_owned();
            features.insert(guid, FeatureState { for_reading, uses });
        }
    }
    Ok(features)
}

/// Reads the pool's own configuration and lays out its devices by that, not by the labels.
fn trust_config(store: &mut Store, metadata: &ObjectSet, members: &Members) -> Result<List> {
    let number = directory_entry(store, metadata, "config")?;
    let number = number.ok_or(Malformed("configuration").at(Place::default()))?;
    let object = metadata.object(store, number)?;
    let malformed = |error: Malformed| error.at(object.place);
    let bytes = object.dnode.bonus_view().u64(0).map_err(malformed)?;
    if bytes > MAX_CONFIG_BYTES.min(object.bytes()) {
        return Err(malformed(Malformed("configuration: size")));
    }
    let mut data = crate::bytes::zeros(index(bytes));
    object.read(store, 0, &mut data)?;
    let config = List::decode(&data).map_err(malformed)?;
    let tree = config.list("vdev_tree").ok_or(Malformed("configuration: devices"));
    let mut tops = BTreeMap::new();
    for child in tree.map_err(malformed)?.lists("children") {
        let top = vdev::build(child, members)?;
        tops.insert(top.id, top);
    }
    store.vdevs.set_tops(tops);
    distrust_incomplete(store, metadata)?;
    store.vdevs.check()?;
    Ok(config)
}

/// Distrusts devices that the pool says have missed something.
fn distrust_incomplete(store: &mut Store, metadata: &ObjectSet) -> Result<()> {
    let mut maps = BTreeMap::new();
    for top in store.vdevs.tops().values() {
        top.node.leaves(&mut |leaf| {
            maps.insert(leaf.guid, leaf.missing_object);
        });
    }
    maps.retain(|_, object| *object != 0);
    for (guid, number) in maps {
        let object = metadata.object(store, number)?;
        // The third word of a space map's bonus is the space in it.
        let missing = object.dnode.bonus_view().u64(16).map_err(|e| e.at(object.place))?;
        if missing == 0 {
            continue;
        }
        store.vdevs.tops_mut().values_mut().for_each(|top| {
            top.node.leaves_mut(&mut |leaf| {
                if leaf.guid == guid {
                    leaf.distrust();
                }
            });
        });
    }
    Ok(())
}

/// Reads the key of keyed checksums; a pool that never used one has none.
fn read_salt(store: &Store, metadata: &ObjectSet) -> Result<Option<Salt>> {
    let object = metadata.object(store, DIRECTORY)?;
    let value = Zap::open(store, &object)?.lookup(b"org.illumos:checksum_salt")?;
    Ok(value.and_then(|value| value.bytes()?.try_into().ok()))
}
