//! Kinds of objects, as far as reading asks for them.

/// The bonus is a znode of the old form.
pub(crate) const ZNODE_KIND: u8 = 17;
/// The bonus or a block is a list of system attributes.
pub(crate) const SA_KIND: u8 = 44;
