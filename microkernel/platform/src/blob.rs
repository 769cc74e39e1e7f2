//! A flattened device tree as bytes: checked once as a whole, then read without surprises.
//!
//! Written for blobs that may be damaged: [`Blob::new`] walks every token, so that what reads it
//! later meets no bad offset, no missing terminator and no nesting deeper than [`MAX_DEPTH`].
//! The crates at hand either panic on such blobs or refuse NOP tokens, which U-Boot and QEMU
//! leave behind where they removed something.
//!
//! Source: Devicetree Specification 0.4, chapter 5.

use crate::span::Span;
use core::fmt;

/// Deepest nesting of nodes that is accepted, the root being 1.
pub const MAX_DEPTH: usize = 16;
/// Largest blob that is accepted, in bytes; the boot protocol's bound.
pub const MAX_BYTES: usize = 2 << 20;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 40;

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// What is wrong with a device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// There is none.
    Absent,
    /// It does not begin with the magic number.
    BadMagic,
    /// It is of a version that cannot be read.
    BadVersion,
    /// The header's offsets and sizes do not fit each other.
    BadHeader,
    /// The structure block is damaged.
    BadStructure,
    /// The nodes are nested too deeply.
    TooDeep,
    /// It describes no memory.
    NoMemory,
    /// It reserves more ranges of memory than the kernel keeps track of.
    TooManyReserved,
    /// It has no interrupt controller that the kernel knows.
    NoInterruptController,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broken::Absent => "there is no device tree",
            Broken::BadMagic => "the device tree has no magic number",
            Broken::BadVersion => "the device tree's version is not 17",
            Broken::BadHeader => "the device tree's header is damaged",
            Broken::BadStructure => "the device tree's structure is damaged",
            Broken::TooDeep => "the device tree is nested too deeply",
            Broken::NoMemory => "the device tree describes no memory",
            Broken::TooManyReserved => "the device tree reserves too many ranges",
            Broken::NoInterruptController => "the device tree has no known interrupt controller",
        })
    }
}

/// Reads the big-endian word at `offset`.
pub(crate) fn word_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

fn long_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}

/// Returns what is at the start of `bytes` up to a NUL.
fn name_at(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|byte| *byte == 0)?)
}

/// A sound device tree.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    bytes: &'a [u8],
    reservations: usize,
    structure: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Blob<'a> {
    /// Returns the size of the blob that begins with `header`.
    ///
    /// # Errors
    ///
    /// [`Broken`] if it is no device tree or of an impossible size.
    pub fn total_bytes(header: &[u8]) -> Result<usize, Broken> {
        let field = |index: usize| word_at(header, index * 4).ok_or(Broken::BadHeader);
        if field(0)? != MAGIC {
            return Err(Broken::BadMagic);
        }
        let total = usize::try_from(field(1)?).map_err(|_| Broken::BadHeader)?;
        if (HEADER_BYTES..=MAX_BYTES).contains(&total) { Ok(total) } else { Err(Broken::BadHeader) }
    }

    /// Checks `bytes` from the header to the last token.
    ///
    /// # Errors
    ///
    /// [`Broken`] says what is wrong.
    pub fn new(bytes: &'a [u8]) -> Result<Blob<'a>, Broken> {
        let total = Blob::total_bytes(bytes)?;
        let bytes = bytes.get(..total).ok_or(Broken::BadHeader)?;
        let field = |index: usize| -> Result<usize, Broken> {
            let word = word_at(bytes, index * 4).ok_or(Broken::BadHeader)?;
            usize::try_from(word).map_err(|_| Broken::BadHeader)
        };
        let block = |offset: usize, size: usize| {
            let end = offset.checked_add(size).ok_or(Broken::BadHeader)?;
            bytes.get(offset..end).ok_or(Broken::BadHeader)
        };
        // Version 17 has the size of the structure block; every later one must be compatible.
        if field(5)? < 17 || field(6)? > 17 {
            return Err(Broken::BadVersion);
        }
        let blob = Blob {
            bytes,
            reservations: field(4)?,
            structure: block(field(2)?, field(9)?)?,
            strings: block(field(3)?, field(8)?)?,
        };
        blob.check()?;
        Ok(blob)
    }

    /// Walks all tokens: one root, properties before children, nothing open at the end.
    fn check(&self) -> Result<(), Broken> {
        let mut tokens = self.tokens();
        let mut depth = 0;
        let mut properties_allowed = false;
        let mut roots = 0;
        while let Some(token) = tokens.read()? {
            match token {
                Token::Begin(_) => {
                    roots += usize::from(depth == 0);
                    depth += 1;
                    properties_allowed = true;
                    if depth > MAX_DEPTH {
                        return Err(Broken::TooDeep);
                    }
                }
                Token::Property(..) if !properties_allowed => return Err(Broken::BadStructure),
                Token::Property(..) => {}
                Token::End => {
                    depth = depth.checked_sub(1).ok_or(Broken::BadStructure)?;
                    properties_allowed = false;
                }
            }
        }
        if depth == 0 && roots == 1 { Ok(()) } else { Err(Broken::BadStructure) }
    }

    /// Returns the number of bytes of the blob.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the tokens of the structure block.
    #[must_use]
    pub fn tokens(&self) -> Tokens<'a> {
        Tokens { rest: self.structure, strings: self.strings }
    }

    /// Returns the ranges of the memory reservation block.
    pub fn reservations(&self) -> impl Iterator<Item = Span> + use<'a> {
        let (bytes, mut offset) = (self.bytes, self.reservations);
        core::iter::from_fn(move || {
            let base = long_at(bytes, offset)?;
            let size = long_at(bytes, offset.checked_add(8)?)?;
            offset = offset.checked_add(16)?;
            if base == 0 && size == 0 { None } else { Some((base, size)) }
        })
        .filter_map(|(base, size)| Span::new(base, size))
    }
}

/// One piece of the structure block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A node begins; its name.
    Begin(&'a [u8]),
    /// A property of the node: name and value.
    Property(&'a [u8], &'a [u8]),
    /// The node ends.
    End,
}

/// The tokens of a device tree, in order.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    rest: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn word(&mut self) -> Result<u32, Broken> {
        let word = word_at(self.rest, 0).ok_or(Broken::BadStructure)?;
        self.skip(4)?;
        Ok(word)
    }

    /// Goes on `bytes` bytes, rounded up to a multiple of four.
    fn skip(&mut self, bytes: usize) -> Result<(), Broken> {
        let bytes = bytes.checked_next_multiple_of(4).ok_or(Broken::BadStructure)?;
        self.rest = self.rest.get(bytes..).ok_or(Broken::BadStructure)?;
        Ok(())
    }

    /// Reads the next token; `None` at the end.
    fn read(&mut self) -> Result<Option<Token<'a>>, Broken> {
        loop {
            match self.word()? {
                NOP => {}
                END => return Ok(None),
                END_NODE => return Ok(Some(Token::End)),
                BEGIN_NODE => {
                    let name = name_at(self.rest).ok_or(Broken::BadStructure)?;
                    self.skip(name.len() + 1)?;
                    return Ok(Some(Token::Begin(name)));
                }
                PROPERTY => return self.property().map(Some),
                _ => return Err(Broken::BadStructure),
            }
        }
    }

    fn property(&mut self) -> Result<Token<'a>, Broken> {
        let length = usize::try_from(self.word()?).map_err(|_| Broken::BadStructure)?;
        let name = usize::try_from(self.word()?).map_err(|_| Broken::BadStructure)?;
        let name = self.strings.get(name..).and_then(name_at).ok_or(Broken::BadStructure)?;
        let value = self.rest.get(..length).ok_or(Broken::BadStructure)?;
        self.skip(length)?;
        Ok(Token::Property(name, value))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;
    fn next(&mut self) -> Option<Token<'a>> {
        // Checked as a whole by `Blob::new`: there is no error to report any more.
        self.read().ok().flatten()
    }
}
