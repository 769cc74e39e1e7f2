//! Names in datasets that compare them in a normal form or without case.

use alloc::string::String;
use unicode_normalization::UnicodeNormalization;

/// Values of the property `casesensitivity`.
const INSENSITIVE: u64 = 1;
/// Values of the property `normalization`.
const DECOMPOSE: u64 = 0x10;
const DECOMPOSE_COMPATIBLY: u64 = 0x20;
const COMPOSE: u64 = 0x50;
const COMPOSE_COMPATIBLY: u64 = 0x60;

/// How a file system compares names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameRules {
    /// The normal form, as the property stores it; 0 for none.
    pub(crate) form: u64,
    /// Whether case counts, as the property stores it.
    pub(crate) case: u64,
    /// Whether names must be UTF-8.
    pub(crate) utf8_only: u64,
}

impl NameRules {
    /// Tells whether names that differ may be the same.
    pub(super) const fn folds(self) -> bool {
        self.form != 0 || self.case == INSENSITIVE
    }

    /// Tells whether two names are the same.
    pub(super) fn equal(self, a: &[u8], b: &[u8]) -> bool {
        if a == b {
            return true;
        }
        match (core::str::from_utf8(a), core::str::from_utf8(b)) {
            (Ok(a), Ok(b)) => self.normal(a) == self.normal(b),
            _ => false,
        }
    }

    fn normal(self, name: &str) -> String {
        let folded: String = if self.case == INSENSITIVE {
            name.chars().flat_map(char::to_uppercase).collect()
        } else {
            name.into()
        };
        match self.form {
            DECOMPOSE => folded.nfd().collect(),
            DECOMPOSE_COMPATIBLY => folded.nfkd().collect(),
            COMPOSE => folded.nfc().collect(),
            COMPOSE_COMPATIBLY => folded.nfkc().collect(),
            _ => folded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_form_are_ignored_only_when_told() {
        let rules = NameRules { form: DECOMPOSE, case: INSENSITIVE, utf8_only: 1 };
        assert!(rules.equal(
            "STRA\u{c4}E".as_bytes(),
            "stra\u{308}\u{e4}e".replace("\u{308}", "").as_bytes()
        ));
        assert!(rules.equal("\u{c4}".as_bytes(), "a\u{308}".as_bytes()));
        assert!(!rules.equal(b"\xff", b"\xfe"));
        let strict = NameRules { form: 0, case: 0, utf8_only: 0 };
        assert!(!strict.equal(b"a", b"A") && !strict.folds());
    }
}
