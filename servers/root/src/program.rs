//! A server's program: what is loaded from its ELF file, and from where to where.
//!
//! The file is a static position-independent AArch64 program. [`Program::parse`] checks all of
//! it that a later step relies on; a file that passes can be laid out anywhere in the window.

use core::fmt;
use elf::ElfBytes;
use elf::abi::{
    DT_RELA, DT_RELASZ, ELFMAGIC, EM_AARCH64, ET_DYN, PF_W, PF_X, PT_INTERP, PT_LOAD,
    R_AARCH64_RELATIVE,
};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::parse::ParsingIterator;
use elf::relocation::Rela;
use heapless::Vec;
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::word::Rights;

/// Most segments of a program.
pub const MAX_SEGMENTS: usize = 8;
/// Most bytes that a program takes in memory.
pub const MAX_IMAGE_BYTES: u64 = 64 << 20;

/// Why a program cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// It is not an ELF file.
    NotElf,
    /// It is for another machine.
    WrongMachine,
    /// It is not position-independent, or needs a dynamic linker.
    NotStaticPie,
    /// It has no segment to load.
    Empty,
    /// It has more than [`MAX_SEGMENTS`] segments.
    TooManySegments,
    /// It is larger than [`MAX_IMAGE_BYTES`].
    TooLarge,
    /// Headers or data lie outside the file.
    Truncated,
    /// Segments overlap, share a page, are out of order, or are writable and executable.
    BadSegment,
    /// The entry point is not in an executable segment.
    BadEntry,
    /// A relocation is of another kind than R_AARCH64_RELATIVE, or outside the segments.
    BadRelocation,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProgramError::NotElf => "not an ELF file",
            ProgramError::WrongMachine => "not a program for 64-bit Arm",
            ProgramError::NotStaticPie => "not a static position-independent program",
            ProgramError::Empty => "nothing to load in it",
            ProgramError::TooManySegments => "too many segments",
            ProgramError::TooLarge => "too large",
            ProgramError::Truncated => "truncated",
            ProgramError::BadSegment => "malformed segments",
            ProgramError::BadEntry => "the entry point is not in its code",
            ProgramError::BadRelocation => "malformed relocations",
        })
    }
}

/// A segment of a program; addresses count from the start of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First page of the segment in the image.
    pub start: u64,
    /// Bytes of memory from there, whole pages.
    pub bytes: u64,
    /// Where the segment's data begins in the first page.
    pub data_start: u64,
    /// Where the data lies in the file.
    pub file_offset: u64,
    /// Bytes of data; the rest of the memory is zero.
    pub file_bytes: u64,
    /// How it is mapped in the end.
    pub access: Rights,
    /// A relocation writes into it.
    pub is_relocated: bool,
}

impl Segment {
    /// Tells whether the segment can be mapped from the file in place, if the file's data
    /// starts at `file_start` in the archive: it is only read, and the pages fall together.
    #[must_use]
    pub const fn is_in_place(&self, file_start: u64) -> bool {
        !self.access.contains(Rights::WRITE)
            && !self.is_relocated
            && self.data_start == 0
            && self.file_bytes.next_multiple_of(PAGE_BYTES) == self.bytes
            && (file_start + self.file_offset).is_multiple_of(PAGE_BYTES)
    }

    const fn contains(&self, address: u64, bytes: u64) -> bool {
        address >= self.start && address - self.start <= self.bytes.saturating_sub(bytes)
    }
}

/// A program that can be loaded.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    file: &'a [u8],
    /// Its segments, by address.
    pub segments: Vec<Segment, MAX_SEGMENTS>,
    /// The first instruction.
    pub entry: u64,
    /// Bytes of the image, whole pages.
    pub image_bytes: u64,
    relocations: &'a [u8],
}

impl<'a> Program<'a> {
    /// Checks `file` and says what is to be loaded.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn parse(file: &'a [u8]) -> Result<Program<'a>, ProgramError> {
        let damage = match file.starts_with(&ELFMAGIC) {
            true => ProgramError::Truncated,
            false => ProgramError::NotElf,
        };
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| damage)?;
        if elf.ehdr.class != Class::ELF64 || elf.ehdr.e_machine != EM_AARCH64 {
            return Err(ProgramError::WrongMachine);
        }
        let headers = elf.segments().ok_or(ProgramError::Empty)?;
        if elf.ehdr.e_type != ET_DYN || headers.iter().any(|header| header.p_type == PT_INTERP) {
            return Err(ProgramError::NotStaticPie);
        }
        let mut segments = Vec::new();
        let mut end = 0;
        for header in headers.iter().filter(|header| header.p_type == PT_LOAD) {
            let segment = decode_segment(&header, file.len() as u64)?;
            if segment.start < end {
                return Err(ProgramError::BadSegment);
            }
            end = segment.start + segment.bytes;
            if segment.bytes > 0 {
                segments.push(segment).map_err(|_| ProgramError::TooManySegments)?;
            }
        }
        let entry = elf.ehdr.e_entry;
        let is_code = |segment: &Segment| {
            segment.access.contains(Rights::EXECUTE) && segment.contains(entry, 4)
        };
        if segments.is_empty() {
            return Err(ProgramError::Empty);
        } else if !segments.iter().any(is_code) {
            return Err(ProgramError::BadEntry);
        }
        let mut program = Program { file, segments, entry, image_bytes: end, relocations: &[] };
        program.relocations = program.find_relocations(&elf)?;
        program.mark_relocated()?;
        Ok(program)
    }

    /// Returns the data of a segment.
    #[must_use]
    pub fn data(&self, segment: &Segment) -> &'a [u8] {
        let start = segment.file_offset as usize;
        self.file.get(start..start + segment.file_bytes as usize).unwrap_or_default()
    }

    /// Returns the relocations: where in the image a word is written, and which one, for an
    /// image at `base`.
    pub fn relocations(&self, base: u64) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        self.raw_relocations().map(move |relocation| {
            (relocation.r_offset, base.wrapping_add_signed(relocation.r_addend))
        })
    }

    fn raw_relocations(&self) -> ParsingIterator<'a, LittleEndian, Rela> {
        ParsingIterator::new(LittleEndian, Class::ELF64, self.relocations)
    }

    fn find_relocations(&self, elf: &ElfBytes<'a, LittleEndian>) -> Result<&'a [u8], ProgramError> {
        let dynamic = elf.dynamic().map_err(|_| ProgramError::Truncated)?;
        let (mut address, mut bytes) = (0, 0);
        for entry in dynamic.iter().flat_map(|table| table.iter()) {
            match entry.d_tag {
                DT_RELA => address = entry.d_ptr(),
                DT_RELASZ => bytes = entry.d_val(),
                _ => {}
            }
        }
        if bytes == 0 {
            return Ok(&[]);
        }
        let segment = self.segments.iter().find(|segment| segment.contains(address, bytes));
        let segment = segment.ok_or(ProgramError::BadRelocation)?;
        let start = (address - segment.start).checked_sub(segment.data_start);
        let data = start.and_then(|start| self.data(segment).get(start as usize..));
        data.and_then(|data| data.get(..bytes as usize)).ok_or(ProgramError::BadRelocation)
    }

    /// Checks every relocation and notes which segments they write into.
    fn mark_relocated(&mut self) -> Result<(), ProgramError> {
        let mut last = 0;
        for relocation in self.raw_relocations() {
            let place = relocation.r_offset;
            let is_known = relocation.r_type == R_AARCH64_RELATIVE && place.is_multiple_of(8);
            // Relocations come in order: nearly always it is the segment of the one before.
            if !self.segments.get(last).is_some_and(|segment| segment.contains(place, 8)) {
                let found = self.segments.iter().position(|segment| segment.contains(place, 8));
                last = found.ok_or(ProgramError::BadRelocation)?;
            }
            match self.segments.get_mut(last) {
                Some(segment) if is_known && !segment.access.contains(Rights::EXECUTE) => {
                    segment.is_relocated = true;
                }
                _ => return Err(ProgramError::BadRelocation),
            }
        }
        Ok(())
    }
}

fn decode_segment(
    header: &elf::segment::ProgramHeader,
    file_length: u64,
) -> Result<Segment, ProgramError> {
    let file_end = header.p_offset.checked_add(header.p_filesz).ok_or(ProgramError::Truncated)?;
    if file_end > file_length {
        return Err(ProgramError::Truncated);
    }
    let end = header.p_vaddr.checked_add(header.p_memsz).ok_or(ProgramError::TooLarge)?;
    if end > MAX_IMAGE_BYTES {
        return Err(ProgramError::TooLarge);
    }
    let access = match (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0) {
        (false, false) => Rights::READ,
        (true, false) => Rights::READ.union(Rights::WRITE),
        (false, true) => Rights::READ.union(Rights::EXECUTE),
        (true, true) => return Err(ProgramError::BadSegment),
    };
    if header.p_filesz > header.p_memsz {
        return Err(ProgramError::BadSegment);
    }
    let data_start = header.p_vaddr % PAGE_BYTES;
    let start = header.p_vaddr - data_start;
    Ok(Segment {
        start,
        bytes: (end - start).next_multiple_of(PAGE_BYTES),
        data_start,
        file_offset: header.p_offset,
        file_bytes: header.p_filesz,
        access,
        is_relocated: false,
    })
}

#[cfg(test)]
mod tests;
