//! The nodes of a device tree in order, each with the path that leads to it.

use crate::blob::{Blob, MAX_DEPTH, Token, Tokens, word_at};
use crate::span::Span;
use heapless::Vec;

/// A node on the path from the root, with the properties that nearly every reader asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Level<'a> {
    name: &'a [u8],
    address_cells: u32,
    size_cells: u32,
    ranges: Option<&'a [u8]>,
    compatible: &'a [u8],
    status: Option<&'a [u8]>,
    device_type: &'a [u8],
    reg: &'a [u8],
}

/// A walk over all nodes, parents before children.
#[derive(Debug)]
pub struct Nodes<'a> {
    tokens: Tokens<'a>,
    path: Vec<Level<'a>, MAX_DEPTH>,
}

impl<'a> Nodes<'a> {
    /// Begins a walk.
    #[must_use]
    pub fn of(blob: &Blob<'a>) -> Nodes<'a> {
        Nodes { tokens: blob.tokens(), path: Vec::new() }
    }

    /// Returns the next node; it borrows the walk for its path.
    #[expect(clippy::should_implement_trait, reason = "the item borrows the walk")]
    pub fn next(&mut self) -> Option<Node<'_, 'a>> {
        loop {
            match self.tokens.next()? {
                Token::End => drop(self.path.pop()),
                Token::Property(..) => {}
                Token::Begin(name) => {
                    // The depth was checked with the blob, so there is room.
                    self.path.push(level(name, self.tokens)).ok()?;
                    return Some(Node { properties: self.tokens, path: &self.path });
                }
            }
        }
    }
}

/// Collects what is asked for all the time in one pass over the properties.
fn level<'a>(name: &'a [u8], properties: Tokens<'a>) -> Level<'a> {
    let mut level = Level { name, address_cells: 2, size_cells: 1, ..Level::default() };
    for (name, value) in pairs(properties) {
        match name {
            b"#address-cells" => level.address_cells = word_at(value, 0).unwrap_or(2),
            b"#size-cells" => level.size_cells = word_at(value, 0).unwrap_or(1),
            b"ranges" => level.ranges = Some(value),
            b"compatible" => level.compatible = value,
            b"status" => level.status = Some(value),
            b"device_type" => level.device_type = value,
            b"reg" => level.reg = value,
            _ => {}
        }
    }
    level
}

fn pairs<'a>(tokens: Tokens<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    tokens.map_while(|token| match token {
        Token::Property(name, value) => Some((name, value)),
        _ => None,
    })
}

/// Takes a number of one or two cells off the front of `cells`.
fn take_number(cells: &mut &[u8], count: u32) -> Option<u64> {
    let number = match count {
        0 => 0,
        1 => u64::from(word_at(cells, 0)?),
        2 => u64::from(word_at(cells, 0)?) << 32 | u64::from(word_at(cells, 4)?),
        _ => return None,
    };
    *cells = cells.get(usize::try_from(count).ok()? * 4..)?;
    Some(number)
}

/// A node and the way to it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'w, 'a> {
    properties: Tokens<'a>,
    path: &'w [Level<'a>],
}

impl<'a> Node<'_, 'a> {
    /// Returns the node's properties, names and values.
    pub fn properties(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        pairs(self.properties)
    }

    /// Returns the value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'a [u8]> {
        self.properties().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// Returns the first cell of a property.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<u32> {
        word_at(self.property(name)?, 0)
    }

    /// Returns a property that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        text(self.property(name)?)
    }

    fn own(&self) -> Option<&Level<'a>> {
        self.path.last()
    }

    /// Tells whether the node is one of the devices named.
    #[must_use]
    pub fn is_compatible(&self, names: &[&str]) -> bool {
        self.own().is_some_and(|own| {
            let mut entries = own.compatible.split(|byte| *byte == 0);
            entries.any(|entry| names.iter().any(|name| name.as_bytes() == entry))
        })
    }

    /// Tells whether the node's `device_type` is `kind`.
    #[must_use]
    pub fn is_of_type(&self, kind: &str) -> bool {
        self.own().is_some_and(|own| is_text(own.device_type, kind))
    }

    /// Tells whether the device may be used.
    #[must_use]
    pub fn is_available(&self) -> bool {
        let status = self.own().and_then(|own| own.status);
        status.is_none_or(|status| is_text(status, "okay") || is_text(status, "ok"))
    }

    /// Tells whether the node lies at `path`; a part of it without unit address fits any.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        lies_at(self.path, path)
    }

    /// Tells whether the node lies directly in the node at `path`.
    #[must_use]
    pub fn is_in(&self, path: &str) -> bool {
        self.path.split_last().is_some_and(|(_, parents)| lies_at(parents, path))
    }

    fn parent(&self) -> Option<&Level<'a>> {
        self.path.iter().nth_back(1)
    }

    /// Returns the first number of `reg` as it stands there.
    #[must_use]
    pub fn unit(&self) -> Option<u64> {
        take_number(&mut { self.own()?.reg }, self.parent()?.address_cells)
    }

    /// Returns the ranges of `reg` as physical addresses; those that the processor cannot reach
    /// are left out.
    pub fn registers(&self) -> impl Iterator<Item = Span> {
        let mut cells = self.own().map_or(&[][..], |own| own.reg);
        core::iter::from_fn(move || {
            let parent = self.parent()?;
            if cells.is_empty() {
                return None;
            }
            let address = take_number(&mut cells, parent.address_cells)?;
            let size = take_number(&mut cells, parent.size_cells)?;
            Some(Span::new(address, size).and_then(|span| self.translate(span)))
        })
        .flatten()
    }

    /// Carries an address of the node's bus up to the root.
    fn translate(&self, span: Span) -> Option<Span> {
        let mut span = span;
        for pair in self.path.windows(2).rev().skip(1) {
            let [above, bus] = pair else { return None };
            span = cross(bus, above.address_cells, span)?;
        }
        Some(span)
    }

    /// Returns entry `index` of `interrupts` as a GIC line, if entries have `cells` cells.
    #[must_use]
    pub fn interrupt(&self, index: usize, cells: u32) -> Option<u32> {
        let stride = usize::try_from(cells.clamp(3, 8)).ok()? * 4;
        let entry = self.property("interrupts")?.chunks_exact(stride).nth(index)?;
        let number = word_at(entry, 4)?;
        // GIC binding: type 0 is a shared line from 32 on, type 1 a private one from 16 on.
        match word_at(entry, 0)? {
            0 if number < 988 => Some(number + 32),
            1 if number < 16 => Some(number + 16),
            _ => None,
        }
    }
}

/// Carries a range across `bus` to the bus above it.
fn cross(bus: &Level<'_>, above_address_cells: u32, span: Span) -> Option<Span> {
    let mut entries = bus.ranges?;
    if entries.is_empty() {
        return Some(span);
    }
    while !entries.is_empty() {
        let child = take_number(&mut entries, bus.address_cells)?;
        let above = take_number(&mut entries, above_address_cells)?;
        let size = take_number(&mut entries, bus.size_cells)?;
        if Span::new(child, size).is_some_and(|window| window.contains(span)) {
            return Span::new(above.checked_add(span.base() - child)?, span.bytes());
        }
    }
    None
}

fn lies_at(levels: &[Level<'_>], path: &str) -> bool {
    let Some((_root, levels)) = levels.split_first() else { return false };
    let mut parts = path.as_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    levels.iter().all(|level| parts.next().is_some_and(|part| fits(level.name, part)))
        && parts.next().is_none()
}

/// Tells whether a node's name is `part`, give or take the unit address.
fn fits(name: &[u8], part: &[u8]) -> bool {
    name.strip_prefix(part).is_some_and(|rest| matches!(rest.first(), None | Some(b'@')))
}

fn is_text(value: &[u8], text: &str) -> bool {
    value.strip_suffix(&[0]).unwrap_or(value) == text.as_bytes()
}

/// Returns a property's value as a text without its terminator.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
}
