//! The properties that can be set, with their defaults.

use super::forms::{Form, Names, SWITCH};

/// What a property can be set on or seen on.
pub(super) const FILESYSTEM: u8 = 1;
pub(super) const VOLUME: u8 = 2;
pub(super) const SNAPSHOT: u8 = 4;
const BOTH: u8 = FILESYSTEM | VOLUME;
const ALL: u8 = BOTH | SNAPSHOT;
const FILES: u8 = FILESYSTEM | SNAPSHOT;

/// A property that can be set.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) default: &'static str,
    scope: u8,
    pub(super) is_inherited: bool,
}

impl Known {
    /// Tells whether datasets of this kind have it; snapshots also name what they are of.
    pub(super) const fn applies_to(&self, scope: u8) -> bool {
        self.scope & scope == scope
    }
}

const fn inherited(name: &'static str, scope: u8, form: Form, default: &'static str) -> Known {
    Known { name, form, default, scope, is_inherited: true }
}

const fn own(name: &'static str, scope: u8, form: Form, default: &'static str) -> Known {
    Known { name, form, default, scope, is_inherited: false }
}

const CHECKSUMS: Names = &[
    (1, "on"),
    (2, "off"),
    (6, "fletcher2"),
    (7, "fletcher4"),
    (8, "sha256"),
    (10, "noparity"),
    (11, "sha512"),
    (12, "skein"),
    (13, "edonr"),
    (14, "blake3"),
];
/// Bit of a checksum's number: blocks that seem the same are compared.
const VERIFY: u64 = 1 << 8;
const DEDUP: Names = &[
    (1, "on"),
    (2, "off"),
    (1 | VERIFY, "verify"),
    (8, "sha256"),
    (8 | VERIFY, "sha256,verify"),
    (11, "sha512"),
    (11 | VERIFY, "sha512,verify"),
    (12, "skein"),
    (12 | VERIFY, "skein,verify"),
    (13 | VERIFY, "edonr,verify"),
    (14, "blake3"),
    (14 | VERIFY, "blake3,verify"),
];
const ACL_MODE: Names = &[(0, "discard"), (2, "groupmask"), (3, "passthrough"), (4, "restricted")];
const ACL_INHERIT: Names =
    &[(0, "discard"), (1, "noallow"), (3, "passthrough"), (4, "restricted"), (5, "passthrough-x")];
const ACL_TYPE: Names = &[(0, "off"), (1, "posix"), (2, "nfsv4")];
const CAN_MOUNT: Names = &[(0, "off"), (1, "on"), (2, "noauto")];
const XATTR: Names = &[(0, "off"), (1, "dir"), (2, "on")];
const VISIBILITY: Names = &[(0, "hidden"), (1, "visible"), (2, "disabled")];
const CACHE: Names = &[(0, "none"), (1, "metadata"), (2, "all")];
const SYNC: Names = &[(0, "standard"), (1, "always"), (2, "disabled")];
const BIAS: Names = &[(0, "latency"), (1, "throughput")];
const DNODE_SIZE: Names = &[
    (0, "legacy"),
    (1, "auto"),
    (1024, "1k"),
    (2048, "2k"),
    (4096, "4k"),
    (8192, "8k"),
    (16384, "16k"),
];
const VOLUME_MODE: Names = &[(0, "default"), (1, "full"), (2, "dev"), (3, "none")];
const REDUNDANT: Names = &[(0, "all"), (1, "most"), (2, "some"), (3, "none")];
const DIRECT: Names = &[(0, "disabled"), (1, "standard"), (2, "always")];
const ENCRYPTION: Names = &[
    (1, "on"),
    (2, "off"),
    (3, "aes-128-ccm"),
    (4, "aes-192-ccm"),
    (5, "aes-256-ccm"),
    (6, "aes-128-gcm"),
    (7, "aes-192-gcm"),
    (8, "aes-256-gcm"),
];
const KEY_FORMAT: Names = &[(0, "none"), (1, "raw"), (2, "hex"), (3, "passphrase")];

/// All properties that can be set.
pub(super) const KNOWN: &[Known] = &[
    inherited("recordsize", FILESYSTEM, Form::Number, "131072"),
    own("quota", FILESYSTEM, Form::Number, "0"),
    own("reservation", BOTH, Form::Number, "0"),
    own("refquota", FILESYSTEM, Form::Number, "0"),
    own("refreservation", BOTH, Form::Number, "0"),
    inherited("mountpoint", FILESYSTEM, Form::Text, ""),
    inherited("sharenfs", FILESYSTEM, Form::Text, "off"),
    inherited("sharesmb", FILESYSTEM, Form::Text, "off"),
    inherited("checksum", BOTH, Form::Word(CHECKSUMS), "on"),
    inherited("compression", BOTH, Form::Compression, "on"),
    inherited("atime", FILESYSTEM, Form::Word(SWITCH), "on"),
    inherited("relatime", FILESYSTEM, Form::Word(SWITCH), "on"),
    inherited("devices", FILES, Form::Word(SWITCH), "on"),
    inherited("exec", FILES, Form::Word(SWITCH), "on"),
    inherited("setuid", FILES, Form::Word(SWITCH), "on"),
    inherited("readonly", BOTH, Form::Word(SWITCH), "off"),
    inherited("zoned", FILESYSTEM, Form::Word(SWITCH), "off"),
    inherited("snapdir", FILESYSTEM, Form::Word(VISIBILITY), "hidden"),
    inherited("aclmode", FILESYSTEM, Form::Word(ACL_MODE), "discard"),
    inherited("aclinherit", FILESYSTEM, Form::Word(ACL_INHERIT), "restricted"),
    inherited("acltype", FILES, Form::Word(ACL_TYPE), "off"),
    own("canmount", FILESYSTEM, Form::Word(CAN_MOUNT), "on"),
    inherited("xattr", FILES, Form::Word(XATTR), "on"),
    inherited("copies", BOTH, Form::Number, "1"),
    inherited("vscan", FILESYSTEM, Form::Word(SWITCH), "off"),
    inherited("nbmand", FILES, Form::Word(SWITCH), "off"),
    inherited("primarycache", ALL, Form::Word(CACHE), "all"),
    inherited("secondarycache", ALL, Form::Word(CACHE), "all"),
    inherited("prefetch", ALL, Form::Word(CACHE), "all"),
    inherited("logbias", BOTH, Form::Word(BIAS), "latency"),
    inherited("dedup", BOTH, Form::Word(DEDUP), "off"),
    inherited("mlslabel", ALL, Form::Text, "none"),
    inherited("sync", BOTH, Form::Word(SYNC), "standard"),
    inherited("dnodesize", FILESYSTEM, Form::Word(DNODE_SIZE), "legacy"),
    inherited("volmode", BOTH, Form::Word(VOLUME_MODE), "default"),
    inherited("volthreading", VOLUME, Form::Word(SWITCH), "on"),
    own("filesystem_limit", FILESYSTEM, Form::Limit, "none"),
    own("snapshot_limit", BOTH, Form::Limit, "none"),
    own("filesystem_count", FILESYSTEM, Form::Limit, "none"),
    own("snapshot_count", BOTH, Form::Limit, "none"),
    inherited("snapdev", BOTH, Form::Word(VISIBILITY), "hidden"),
    inherited("context", ALL, Form::Text, "none"),
    inherited("fscontext", ALL, Form::Text, "none"),
    inherited("defcontext", ALL, Form::Text, "none"),
    inherited("rootcontext", ALL, Form::Text, "none"),
    inherited("redundant_metadata", BOTH, Form::Word(REDUNDANT), "all"),
    inherited("overlay", FILESYSTEM, Form::Word(SWITCH), "on"),
    own("encryption", ALL, Form::Word(ENCRYPTION), "off"),
    own("keylocation", BOTH, Form::Text, "none"),
    own("keyformat", BOTH, Form::Word(KEY_FORMAT), "none"),
    own("pbkdf2iters", BOTH, Form::Number, "0"),
    inherited("special_small_blocks", FILESYSTEM, Form::Number, "0"),
    inherited("direct", FILESYSTEM, Form::Word(DIRECT), "standard"),
    inherited("longname", FILESYSTEM, Form::Word(SWITCH), "off"),
];
