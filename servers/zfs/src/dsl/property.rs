//! Properties: what is set on a dataset or inherited, what is counted, and defaults.

use super::dataset::{Dataset, DatasetKind, Directory};
use super::known::{FILESYSTEM, KNOWN, Known, SNAPSHOT, VOLUME};
use crate::error::Result;
use crate::pool::Pool;
use crate::zap::{Value, Zap};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Ends the names of values that came with a received stream.
const RECEIVED: &str = "$recvd";
/// Ends the names of properties that are inherited although something was received.
const INHERIT: &str = "$inherit";
/// How deep datasets nest at the most.
const MAX_DEPTH: usize = 128;

/// Where a property's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is what the system says, nobody set it.
    System,
    /// Nobody set it anywhere.
    Default,
    /// It was set on the dataset.
    Local,
    /// It came with a received stream.
    Received,
    /// It was set on the dataset of this name.
    Inherited(String),
}

/// A property of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value, as people write it, numbers in full.
    pub value: String,
    /// Where that comes from.
    pub source: Source,
}

impl Property {
    pub(super) fn system(name: &str, value: impl ToString) -> Self {
        Self { name: name.into(), value: value.to_string(), source: Source::System }
    }
}

/// What is stored on one dataset.
struct Level {
    name: String,
    values: BTreeMap<String, Value>,
    is_snapshot: bool,
}

impl Level {
    /// Returns the value that holds here and whether it was received.
    fn effective(&self, name: &str) -> Option<(&Value, bool)> {
        if let Some(value) = self.values.get(name) {
            return Some((value, false));
        }
        if self.values.contains_key(&format!("{name}{INHERIT}")) {
            return None;
        }
        self.values.get(&format!("{name}{RECEIVED}")).map(|value| (value, true))
    }
}

impl Dataset {
    /// Returns all properties: those that are known for this kind of dataset, and the user's.
    ///
    /// What depends on the pool's free space or on mounts is not among them.
    ///
    /// # Errors
    ///
    /// A table of the dataset or of one above it is damaged.
    pub fn properties(&self, pool: &Pool) -> Result<Vec<Property>> {
        let levels = self.levels(pool)?;
        let mut properties = self.statistics(pool)?;
        let scope = match self.kind {
            DatasetKind::Volume => VOLUME,
            DatasetKind::Filesystem | DatasetKind::Unknown => FILESYSTEM,
        };
        let scope = if self.is_snapshot { scope | SNAPSHOT } else { scope };
        for known in KNOWN.iter().filter(|known| known.applies_to(scope)) {
            let set = self.find(&levels, known.name, known.is_inherited);
            properties.push(self.known(known, set));
        }
        properties.extend(self.user(&levels));
        properties.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(properties)
    }

    /// Returns one property.
    ///
    /// # Errors
    ///
    /// As for [`Dataset::properties`].
    pub fn property(&self, pool: &Pool, name: &str) -> Result<Option<Property>> {
        Ok(self.properties(pool)?.into_iter().find(|property| property.name == name))
    }

    /// Reads what is stored on the dataset and on those above it.
    fn levels(&self, pool: &Pool) -> Result<Vec<Level>> {
        let mut levels = Vec::new();
        if self.is_snapshot {
            let values = stored(pool, self.record.properties)?;
            levels.push(Level { name: self.name.clone(), values, is_snapshot: true });
        }
        let mut directory = self.directory.clone();
        let mut name = self.head_name();
        for _ in 0..MAX_DEPTH {
            let values = stored(pool, directory.properties)?;
            levels.push(Level { name: name.into(), values, is_snapshot: false });
            let Some((above, _)) = name.rsplit_once('/').filter(|_| directory.parent != 0) else {
                break;
            };
            name = above;
            directory = Directory::read(pool, directory.parent)?;
        }
        Ok(levels)
    }

    /// Finds what is set, and where.
    fn find<'a>(
        &self,
        levels: &'a [Level],
        name: &str,
        is_inherited: bool,
    ) -> Option<(&'a Value, Source)> {
        for level in levels {
            if let Some((value, is_received)) = level.effective(name) {
                let source = match (level.name == self.name, is_received) {
                    (false, _) => Source::Inherited(level.name.clone()),
                    (true, true) => Source::Received,
                    (true, false) => Source::Local,
                };
                return Some((value, source));
            }
            // What is not inherited still passes from nowhere to a snapshot's own table.
            if !is_inherited && !level.is_snapshot {
                return None;
            }
        }
        None
    }

    fn known(&self, known: &Known, set: Option<(&Value, Source)>) -> Property {
        let name = known.name.into();
        let decoded = set.and_then(|(value, source)| Some((known.form.text(value)?, source)));
        let Some((value, source)) = decoded else {
            let value = if known.name == "mountpoint" {
                format!("/{}", self.name)
            } else {
                known.default.into()
            };
            return Property { name, value, source: Source::Default };
        };
        let value = match &source {
            Source::Inherited(above) if known.name == "mountpoint" && value.starts_with('/') => {
                let below = self.name.strip_prefix(above.as_str()).unwrap_or_default();
                format!("{}{below}", value.trim_end_matches('/'))
            }
            _ => value,
        };
        Property { name, value, source }
    }

    /// Returns the properties that users made up: those with a colon in their name.
    fn user(&self, levels: &[Level]) -> Vec<Property> {
        let names = levels.iter().flat_map(|level| level.values.keys());
        let names =
            names.filter_map(|name| name.split('$').next()).filter(|name| name.contains(':'));
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        let property = |name: &str| {
            let (value, source) = self.find(levels, name, true)?;
            Some(Property { name: name.into(), value: value.text()?, source })
        };
        names.into_iter().filter_map(property).collect()
    }
}

/// Reads a table of stored properties; 0 stands for none.
fn stored(pool: &Pool, table: u64) -> Result<BTreeMap<String, Value>> {
    if table == 0 {
        return Ok(BTreeMap::new());
    }
    let object = pool.object(table)?;
    let table = Zap::open(pool.store(), &object)?;
    let entries = table.entries()?.map(|entry| {
        entry.map(|entry| (String::from_utf8_lossy(&entry.name).into_owned(), entry.value))
    });
    entries.collect()
}
