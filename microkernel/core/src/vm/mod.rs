//! Address translation: table entries, walks, and address-space identifiers.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`entry`] | what the bits of a table entry mean |
//! | [`walk`] | finds, makes and splits tables |
//! | [`asid`] | hands out address-space identifiers |

pub mod asid;
pub mod entry;
pub mod walk;
