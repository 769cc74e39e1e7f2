//! System attributes: values back to back in an order that the dataset registers as a layout.

use crate::block::Store;
use crate::bytes::{Order, View};
use crate::error::{Error, Malformed, Result};
use crate::object::ObjectSet;
use crate::zap::Zap;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Begins a list of attributes.
const MAGIC: u32 = 0x002f_505a;
/// The most attributes and layouts that are looked at.
const MAX_REGISTERED: usize = 4096;

/// The attributes that reading asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Accessed,
    Modified,
    Changed,
    Created,
    Generation,
    Mode,
    Size,
    Parent,
    Links,
    XattrDirectory,
    Device,
    Flags,
    Uid,
    Gid,
    Target,
    XattrList,
}

impl Attribute {
    /// Returns the attribute that a dataset registers by a name.
    fn of_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"ZPL_ATIME" => Self::Accessed,
            b"ZPL_MTIME" => Self::Modified,
            b"ZPL_CTIME" => Self::Changed,
            b"ZPL_CRTIME" => Self::Created,
            b"ZPL_GEN" => Self::Generation,
            b"ZPL_MODE" => Self::Mode,
            b"ZPL_SIZE" => Self::Size,
            b"ZPL_PARENT" => Self::Parent,
            b"ZPL_LINKS" => Self::Links,
            b"ZPL_XATTR" => Self::XattrDirectory,
            b"ZPL_RDEV" => Self::Device,
            b"ZPL_FLAGS" => Self::Flags,
            b"ZPL_UID" => Self::Uid,
            b"ZPL_GID" => Self::Gid,
            b"ZPL_SYMLINK" => Self::Target,
            b"ZPL_DXATTR" => Self::XattrList,
            _ => return None,
        })
    }
}

/// A registered attribute.
#[derive(Clone, Copy, Debug)]
struct Registered {
    /// What it is; `None` when reading does not ask for it.
    attribute: Option<Attribute>,
    /// Bytes of its value; 0 when the list tells.
    len: u16,
}

/// The attributes and layouts of a dataset.
#[derive(Debug)]
pub(super) struct Layouts {
    registry: BTreeMap<u16, Registered>,
    layouts: BTreeMap<u16, Vec<u16>>,
}

impl Layouts {
    /// Reads them from the object that the dataset names for it.
    pub(super) fn read(store: &Store, set: &ObjectSet, number: u64) -> Result<Self> {
        let object = set.object(store, number)?;
        let table = Zap::open(store, &object)?;
        let (registry, layouts) = (table.number("REGISTRY")?, table.number("LAYOUTS")?);
        Ok(Self {
            registry: read_registry(store, set, registry)?,
            layouts: read_layouts(store, set, layouts)?,
        })
    }

    /// Calls `note` with each attribute of a list that reading asks for.
    pub(super) fn visit(
        &self,
        list: View<'_>,
        note: &mut dyn FnMut(Attribute, View<'_>) -> core::result::Result<(), Malformed>,
    ) -> core::result::Result<(), Malformed> {
        // The list is in its writer's order, which the magic number tells.
        let order = [Order::Little, Order::Big]
            .into_iter()
            .find(|order| View::new(list.data, *order).u32(0) == Ok(MAGIC))
            .ok_or(Malformed("system attributes: magic"))?;
        let list = View::new(list.data, order);
        let info = list.u16(4)?;
        let layout = self.layouts.get(&(info & 0x3ff));
        let layout = layout.ok_or(Malformed("system attributes: layout"))?;
        let mut at = usize::from(info >> 10) * 8;
        let mut length_at = 6;
        for number in layout {
            let registered = self.registry.get(number);
            let registered = registered.ok_or(Malformed("system attributes: number"))?;
            let len = if registered.len == 0 {
                length_at += 2;
                list.u16(length_at - 2)?
            } else {
                registered.len
            };
            if let Some(attribute) = registered.attribute {
                note(attribute, list.part(at, len.into())?)?;
            }
            at += usize::from(len).next_multiple_of(8);
        }
        Ok(())
    }
}

fn read_registry(store: &Store, set: &ObjectSet, number: u64) -> Result<BTreeMap<u16, Registered>> {
    let object = set.object(store, number)?;
    let mut registry = BTreeMap::new();
    for entry in Zap::open(store, &object)?.entries()?.take(MAX_REGISTERED) {
        let entry = entry?;
        let code = entry.value.number().ok_or(malformed("system attributes: registry", set))?;
        let [a, b, _, c, d, ..] = code.to_le_bytes();
        let attribute = Attribute::of_name(&entry.name);
        let len = u16::from_le_bytes([c, d]);
        registry.insert(u16::from_le_bytes([a, b]), Registered { attribute, len });
    }
    Ok(registry)
}

fn read_layouts(store: &Store, set: &ObjectSet, number: u64) -> Result<BTreeMap<u16, Vec<u16>>> {
    let object = set.object(store, number)?;
    let mut layouts = BTreeMap::new();
    for entry in Zap::open(store, &object)?.entries()?.take(MAX_REGISTERED) {
        let entry = entry?;
        let name = core::str::from_utf8(&entry.name).ok().and_then(|name| name.parse().ok());
        let (Some(name), Some(numbers)) = (name, entry.value.shorts()) else {
            return Err(malformed("system attributes: layout", set));
        };
        layouts.insert(name, numbers);
    }
    Ok(layouts)
}

const fn malformed(what: &'static str, set: &ObjectSet) -> Error {
    Malformed(what).at(set.place())
}
