//! Properties that nobody sets: identities, times, and space that is counted.

use super::dataset::{Dataset, DatasetKind, Record};
use super::forms::{Names, SWITCH, word};
use super::property::{Property, Source};
use crate::error::Result;
use crate::object::SetKind;
use crate::pool::Pool;
use crate::zap::Zap;
use crate::zpl;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// In a directory's table: when its snapshots last changed.
const SNAPSHOTS_CHANGED: &str = "com.ixsystems:snapshots_changed";
const CASE: Names = &[(0, "sensitive"), (1, "insensitive"), (2, "mixed")];
const FORMS: Names =
    &[(0, "none"), (0x10, "formD"), (0x20, "formKD"), (0x50, "formC"), (0x60, "formKC")];

impl Dataset {
    /// Returns the properties of the dataset that nobody sets.
    pub(super) fn statistics(&self, pool: &Pool) -> Result<Vec<Property>> {
        let record = &self.record;
        let kind = match self.kind {
            _ if self.is_snapshot => "snapshot",
            DatasetKind::Volume => "volume",
            DatasetKind::Filesystem | DatasetKind::Unknown => "filesystem",
        };
        let ratio = ratio(record.uncompressed, record.compressed);
        let mut all = alloc::vec![
            Property::system("type", kind),
            Property::system("creation", record.creation_time),
            Property::system("createtxg", record.creation_txg),
            Property::system("guid", record.guid),
            Property::system("objsetid", self.object),
            Property::system("referenced", record.referenced),
            Property::system("logicalreferenced", record.uncompressed),
            Property::system("refcompressratio", &ratio),
            Property::system("written", self.written(pool)?),
        ];
        if self.is_snapshot {
            all.push(Property::system("compressratio", &ratio));
            self.snapshot_statistics(pool, &mut all)?;
        } else {
            self.head_statistics(pool, &mut all)?;
        }
        if self.kind != DatasetKind::Unknown {
            self.format_properties(pool, &mut all)?;
        }
        Ok(all)
    }

    fn snapshot_statistics(&self, pool: &Pool, all: &mut Vec<Property>) -> Result<()> {
        let record = &self.record;
        let deferred = if record.is_deferred() { "on" } else { "off" };
        all.push(Property::system("used", record.unique));
        all.push(Property::system("defer_destroy", deferred));
        all.push(Property::system("userrefs", entries(pool, record.holds)?.len()));
        let mut clones = Vec::new();
        for number in entries(pool, record.clones)? {
            clones.extend(pool.name_of(number)?);
        }
        if !clones.is_empty() {
            clones.sort();
            all.push(Property::system("clones", clones.join(",")));
        }
        Ok(())
    }

    fn head_statistics(&self, pool: &Pool, all: &mut Vec<Property>) -> Result<()> {
        let directory = &self.directory;
        let [head, snapshots, children, reserved, own] = directory.breakdown;
        let ratio = ratio(directory.uncompressed, directory.compressed);
        all.extend([
            Property::system("used", directory.used),
            Property::system("logicalused", directory.uncompressed),
            Property::system("compressratio", ratio),
            Property::system("usedbydataset", head),
            Property::system("usedbysnapshots", snapshots),
            Property::system("usedbychildren", children.saturating_add(reserved)),
            Property::system("usedbyrefreservation", own),
        ]);
        if let Some(time) = directory.field(pool, SNAPSHOTS_CHANGED)? {
            all.push(Property::system("snapshots_changed", time));
        }
        if directory.origin != 0
            && let Some(origin) = pool.name_of(directory.origin)?
        {
            all.push(Property::system("origin", origin));
        }
        Ok(())
    }

    /// Returns the space written since the snapshot before.
    fn written(&self, pool: &Pool) -> Result<u64> {
        let record = &self.record;
        if record.previous == 0 {
            return Ok(record.referenced);
        }
        let previous = Record::read(pool, record.previous)?;
        // The pool's first, empty snapshot is before everything.
        let deadlist = pool.object(record.deadlist)?;
        let freed = deadlist.dnode.bonus_view().u64(0).map_err(|e| e.at(deadlist.place))?;
        let grown = record.referenced.saturating_add(freed);
        Ok(grown.saturating_sub(previous.referenced))
    }

    /// Adds what was chosen when the file system or volume was made.
    fn format_properties(&self, pool: &Pool, all: &mut Vec<Property>) -> Result<()> {
        let set = self.open_set(pool)?;
        if set.kind == SetKind::Volume {
            let size = zpl::volume_size(pool, &set)?.to_string();
            all.push(Property { name: "volsize".into(), value: size, source: Source::Local });
            if !self.is_snapshot {
                let bytes = zpl::volume_block_bytes(pool, &set)?;
                all.push(Property::system("volblocksize", bytes));
            }
            return Ok(());
        }
        let (version, rules) = zpl::format(pool, &set)?;
        let named = |names, number| word(names, number).unwrap_or_else(|| number.to_string());
        all.extend([
            Property::system("version", version),
            Property::system("utf8only", named(SWITCH, rules.utf8_only)),
            Property::system("normalization", named(FORMS, rules.form)),
            Property::system("casesensitivity", named(CASE, rules.case)),
        ]);
        Ok(())
    }
}

/// Returns the numbers that a table holds; 0 stands for no table.
fn entries(pool: &Pool, table: u64) -> Result<Vec<u64>> {
    if table == 0 {
        return Ok(Vec::new());
    }
    let object = pool.object(table)?;
    let table = Zap::open(pool.store(), &object)?;
    table.entries()?.map(|entry| Ok(entry?.value.number().unwrap_or(0))).collect()
}

/// Writes how many times smaller compression made something.
fn ratio(uncompressed: u64, compressed: u64) -> String {
    let percent = match compressed {
        0 => 100,
        _ => u128::from(uncompressed) * 100 / u128::from(compressed),
    };
    format!("{}.{:02}", percent / 100, percent % 100)
}

impl Pool {
    /// Returns the name of the dataset with this object.
    fn name_of(&self, object: u64) -> Result<Option<String>> {
        let datasets = self.datasets()?;
        Ok(datasets
            .into_iter()
            .find(|dataset| dataset.object == object)
            .map(|dataset| dataset.name))
    }
}
