//! How stored values of properties are written.

use crate::zap::Value;
use alloc::format;
use alloc::string::{String, ToString};

/// Names of numbers.
pub(super) type Names = &'static [(u64, &'static str)];

/// How a property is stored and written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A number, written as one.
    Number,
    /// A number whose largest value means that there is no limit.
    Limit,
    /// A number that stands for a word.
    Word(Names),
    /// A compression algorithm, perhaps with a level.
    Compression,
    /// A text.
    Text,
}

/// Truth values.
pub(super) const SWITCH: Names = &[(0, "off"), (1, "on")];

impl Form {
    /// Writes a stored value; `None` when it is none of this form.
    pub(super) fn text(self, value: &Value) -> Option<String> {
        match self {
            Self::Number => value.number().map(|number| number.to_string()),
            Self::Limit => match value.number()? {
                u64::MAX => Some("none".into()),
                number => Some(number.to_string()),
            },
            Self::Word(names) => word(names, value.number()?),
            Self::Compression => compression(value.number()?),
            Self::Text => value.text(),
        }
    }
}

/// Returns the word that a number stands for.
pub(super) fn word(names: Names, number: u64) -> Option<String> {
    names.iter().find(|(other, _)| *other == number).map(|(_, word)| (*word).into())
}

/// The number's low bits are those of block pointers; above them is a level.
fn compression(number: u64) -> Option<String> {
    const LEVEL_SHIFT: u32 = 7;
    const ZSTD: u64 = 16;
    const NAMES: Names = &[
        (1, "on"),
        (2, "off"),
        (3, "lzjb"),
        (4, "empty"),
        (5, "gzip-1"),
        (6, "gzip-2"),
        (7, "gzip-3"),
        (8, "gzip-4"),
        (9, "gzip-5"),
        (10, "gzip"),
        (11, "gzip-7"),
        (12, "gzip-8"),
        (13, "gzip-9"),
        (14, "zle"),
        (15, "lz4"),
    ];
    match (number & ((1 << LEVEL_SHIFT) - 1), number >> LEVEL_SHIFT) {
        (ZSTD, level) => zstd(level),
        (low, _) => word(NAMES, low),
    }
}

/// Levels above 100 are the fast ones: 1 to 10, tens to 100, 500 and 1,000.
fn zstd(level: u64) -> Option<String> {
    Some(match level {
        0 | 255 => "zstd".into(),
        1..=19 => format!("zstd-{level}"),
        102 | 103 => "zstd-fast".into(),
        104..=112 => format!("zstd-fast-{}", level - 102),
        113..=121 => format!("zstd-fast-{}", (level - 111) * 10),
        122 => "zstd-fast-500".into(),
        123 => "zstd-fast-1000".into(),
        _ => return None,
    })
}
