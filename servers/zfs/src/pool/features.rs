//! Feature flags: what a pool uses beyond version 28, and which of it is known here.

use crate::error::{Error, Result};
use alloc::string::String;
use alloc::vec::Vec;

/// A feature that this library knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its identity in the pool.
    pub guid: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Whether pools that use it can be read.
    pub is_readable: bool,
}

/// How a pool uses a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureState {
    /// Whether the pool cannot be read without knowing it; otherwise not written.
    pub for_reading: bool,
    /// How many things in the pool use it.
    pub uses: u64,
}

impl FeatureState {
    /// Tells whether the feature is used, not only enabled.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.uses > 0
    }
}

const fn known(guid: &'static str, name: &'static str) -> Feature {
    Feature { guid, name, is_readable: true }
}

/// A feature that is named in refusals.
const fn refused(guid: &'static str, name: &'static str) -> Feature {
    Feature { guid, name, is_readable: false }
}

/// All features that this library knows of.
///
/// Those that concern single datasets or blocks (encryption, redaction) are known: what uses them
/// is refused by itself.
pub const FEATURES: &[Feature] = &[
    known("com.delphix:async_destroy", "async_destroy"),
    known("com.delphix:empty_bpobj", "empty_bpobj"),
    known("org.illumos:lz4_compress", "lz4_compress"),
    known("com.joyent:multi_vdev_crash_dump", "multi_vdev_crash_dump"),
    known("com.delphix:spacemap_histogram", "spacemap_histogram"),
    known("com.delphix:enabled_txg", "enabled_txg"),
    known("com.delphix:hole_birth", "hole_birth"),
    known("com.delphix:extensible_dataset", "extensible_dataset"),
    known("com.delphix:embedded_data", "embedded_data"),
    known("com.delphix:bookmarks", "bookmarks"),
    known("com.joyent:filesystem_limits", "filesystem_limits"),
    known("org.open-zfs:large_blocks", "large_blocks"),
    known("org.zfsonlinux:large_dnode", "large_dnode"),
    known("org.illumos:sha512", "sha512"),
    known("org.illumos:skein", "skein"),
    known("org.illumos:edonr", "edonr"),
    known("org.zfsonlinux:userobj_accounting", "userobj_accounting"),
    known("com.datto:encryption", "encryption"),
    known("org.zfsonlinux:project_quota", "project_quota"),
    refused("com.delphix:device_removal", "device_removal"),
    known("com.delphix:obsolete_counts", "obsolete_counts"),
    known("com.delphix:zpool_checkpoint", "zpool_checkpoint"),
    known("com.delphix:spacemap_v2", "spacemap_v2"),
    known("org.zfsonlinux:allocation_classes", "allocation_classes"),
    known("com.datto:resilver_defer", "resilver_defer"),
    known("com.datto:bookmark_v2", "bookmark_v2"),
    known("com.delphix:redaction_bookmarks", "redaction_bookmarks"),
    known("com.delphix:redacted_datasets", "redacted_datasets"),
    known("com.delphix:bookmark_written", "bookmark_written"),
    known("com.delphix:log_spacemap", "log_spacemap"),
    known("com.delphix:livelist", "livelist"),
    known("org.openzfs:device_rebuild", "device_rebuild"),
    known("org.freebsd:zstd_compress", "zstd_compress"),
    refused("org.openzfs:draid", "draid"),
    known("org.openzfs:zilsaxattr", "zilsaxattr"),
    known("com.delphix:head_errlog", "head_errlog"),
    known("org.openzfs:blake3", "blake3"),
    known("com.fudosecurity:block_cloning", "block_cloning"),
    known("com.klarasystems:vdev_zaps_v2", "vdev_zaps_v2"),
    known("com.delphix:redaction_list_spill", "redaction_list_spill"),
    refused("org.openzfs:raidz_expansion", "raidz_expansion"),
    known("com.klarasystems:fast_dedup", "fast_dedup"),
    known("org.zfsonlinux:longname", "longname"),
    known("com.klarasystems:large_microzap", "large_microzap"),
];

/// Returns which of these features are not known, or cannot be read.
pub(super) fn unknown(guids: impl Iterator<Item = String>) -> Vec<String> {
    let is_known =
        |guid: &String| FEATURES.iter().any(|feature| feature.guid == guid && feature.is_readable);
    guids.filter(|guid| !is_known(guid)).collect()
}

/// Refuses features without which the pool cannot be read, by name.
pub(super) fn check(guids: impl Iterator<Item = String>) -> Result<()> {
    let unknown = unknown(guids);
    if unknown.is_empty() { Ok(()) } else { Err(Error::UnsupportedFeatures(unknown)) }
}
