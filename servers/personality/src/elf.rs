//! What an ELF file asks to be mapped: a plan, made from hostile bytes.
//!
//! Nothing here maps anything. [`plan`] reads the headers and either gives a [`Plan`] whose
//! segments are in order, apart and inside the guest's part of the address space, or says
//! precisely why the file cannot be run.

use alloc::vec::Vec;
use core::fmt;

use elf::abi::{EM_AARCH64, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD, PT_PHDR};
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader};
use elf::parse::ParseAt;
use elf::segment::ProgramHeader;
use ipc_proto::abi::word::Rights;

use crate::mm::layout::{HIGHEST, LOWEST};
use crate::mm::{PAGE, page_ceil, page_floor};

/// Size of the ELF header of a 64-bit file.
pub const HEADER_BYTES: usize = 64;
/// Size of one program header.
pub const SEGMENT_BYTES: usize = 56;
/// Most program headers that are read, as in Linux (64 KiB of them).
const MAX_SEGMENTS: usize = 65536 / SEGMENT_BYTES;
/// Longest interpreter path.
const MAX_INTERPRETER: u64 = 4096;

/// Why a file cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// It does not begin like an ELF file.
    NotElf,
    /// A 32-bit or big-endian file, or one for another machine: its number.
    WrongMachine(u16),
    /// Neither an executable nor a shared object: its type.
    WrongType(u16),
    /// It ends before something that its headers name.
    Truncated,
    /// A header contradicts itself or the others.
    Malformed(&'static str),
    /// A segment lies outside of what a program may have.
    OutOfRange,
    /// Segments overlap or are not in order.
    Overlap,
    /// It has nothing to load.
    NoSegments,
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElfError::NotElf => f.write_str("not an ELF file"),
            ElfError::WrongMachine(machine) => {
                let name = match *machine {
                    3 => " (x86)",
                    8 => " (MIPS)",
                    20 | 21 => " (PowerPC)",
                    40 => " (32-bit Arm)",
                    62 => " (x86-64)",
                    243 => " (RISC-V)",
                    _ => "",
                };
                write!(f, "wrong architecture: ELF machine {machine}{name}, not 64-bit Arm (183)")
            }
            ElfError::WrongType(kind) => write!(f, "ELF type {kind} is not a program"),
            ElfError::Truncated => f.write_str("truncated ELF file"),
            ElfError::Malformed(what) => write!(f, "malformed ELF file: {what}"),
            ElfError::OutOfRange => {
                f.write_str("an ELF segment lies outside of a program's address space")
            }
            ElfError::Overlap => f.write_str("ELF segments overlap or are not in order"),
            ElfError::NoSegments => f.write_str("the ELF file has nothing to load"),
        }
    }
}

/// A part of the file to map. Addresses are those of the file, before any load bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First byte in memory.
    pub address: u64,
    /// First byte in the file; congruent to `address` modulo the page size.
    pub offset: u64,
    /// Bytes from the file.
    pub file_bytes: u64,
    /// Bytes in memory; what is beyond `file_bytes` is zero.
    pub memory_bytes: u64,
    /// Access.
    pub access: Rights,
}

impl Segment {
    /// Returns the first page.
    #[must_use]
    pub fn start(&self) -> u64 {
        page_floor(self.address)
    }
    /// Returns the end of the last page.
    #[must_use]
    pub fn end(&self) -> u64 {
        // `plan` has checked that this does not overflow.
        page_floor(self.address + self.memory_bytes + PAGE - 1)
    }
}

/// Everything needed to load a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether it may be loaded anywhere (`ET_DYN`).
    pub is_relocatable: bool,
    /// First instruction.
    pub entry: u64,
    /// The segments, in order and apart.
    pub segments: Vec<Segment>,
    /// Address of the program headers in memory; 0 if they are not loaded.
    pub headers: u64,
    /// Number of program headers.
    pub header_count: u64,
    /// Where the interpreter's path lies in the file, its NUL included.
    pub interpreter: Option<(u64, u64)>,
    /// Largest alignment that a segment asks for, at least a page.
    pub align: u64,
}

impl Plan {
    /// Returns the first page and the end of the last page.
    #[must_use]
    pub fn extent(&self) -> (u64, u64) {
        let start = self.segments.first().map_or(0, Segment::start);
        (start, self.segments.last().map_or(0, Segment::end))
    }
}

/// A file to read headers from.
pub trait Image {
    /// Reads at `offset`; gives how many bytes there were.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> usize;
    /// Returns the size in bytes.
    fn size(&self) -> u64;
}

impl Image for [u8] {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> usize {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        count
    }
    fn size(&self) -> u64 {
        self.len() as u64
    }
}

/// Reads the headers of a file.
///
/// # Errors
/// Why it cannot be run.
pub fn plan(image: &(impl Image + ?Sized)) -> Result<Plan, ElfError> {
    let header = file_header(image)?;
    let segments = program_headers(image, &header)?;
    let mut plan = Plan {
        is_relocatable: header.e_type == ET_DYN,
        entry: header.e_entry,
        segments: Vec::new(),
        headers: 0,
        header_count: u64::from(header.e_phnum),
        interpreter: None,
        align: PAGE,
    };
    for segment in &segments {
        match segment.p_type {
            PT_LOAD if segment.p_memsz > 0 => {
                plan.segments.push(load_segment(image, segment)?);
                if segment.p_align.is_power_of_two() {
                    plan.align = plan.align.max(segment.p_align.min(1 << 30));
                }
            }
            PT_INTERP => plan.interpreter = Some(interpreter(image, segment)?),
            PT_PHDR => plan.headers = segment.p_vaddr,
            _ => {}
        }
    }
    if plan.segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    if plan.segments.windows(2).any(|pair| pair[1].start() < pair[0].end()) {
        return Err(ElfError::Overlap);
    }
    if !plan.is_relocatable && plan.extent().0 < LOWEST {
        return Err(ElfError::OutOfRange);
    }
    if plan.headers == 0 {
        plan.headers = loaded_at(&plan, header.e_phoff);
    }
    Ok(plan)
}

/// Reads the path of the interpreter that a plan names.
///
/// # Errors
/// The file ends before it, or it is no path.
pub fn interpreter_path(
    image: &(impl Image + ?Sized),
    place: (u64, u64),
) -> Result<Vec<u8>, ElfError> {
    let mut path = alloc::vec![0; place.1 as usize];
    if image.read_at(place.0, &mut path) != path.len() {
        return Err(ElfError::Truncated);
    }
    match path.pop() {
        Some(0) if !path.is_empty() && !path.contains(&0) => Ok(path),
        _ => Err(ElfError::Malformed("the interpreter's path does not end")),
    }
}

fn file_header(image: &(impl Image + ?Sized)) -> Result<FileHeader<LittleEndian>, ElfError> {
    let mut bytes = [0; HEADER_BYTES];
    let count = image.read_at(0, &mut bytes);
    if count < 4 || bytes[..4] != elf::abi::ELFMAGIC {
        return Err(ElfError::NotElf);
    }
    if count < HEADER_BYTES {
        return Err(ElfError::Truncated);
    }
    let machine = u16::from_le_bytes([bytes[18], bytes[19]]);
    let ident = elf::file::parse_ident::<LittleEndian>(&bytes[..16])
        .map_err(|_| ElfError::WrongMachine(u16::from_be_bytes([bytes[18], bytes[19]])))?;
    if ident.1 != Class::ELF64 {
        return Err(ElfError::WrongMachine(machine));
    }
    let header = FileHeader::parse_tail(ident, &bytes[16..]).map_err(|_| ElfError::Truncated)?;
    if header.e_machine != EM_AARCH64 {
        return Err(ElfError::WrongMachine(header.e_machine));
    }
    if header.e_type != ET_EXEC && header.e_type != ET_DYN {
        return Err(ElfError::WrongType(header.e_type));
    }
    Ok(header)
}

fn program_headers(
    image: &(impl Image + ?Sized),
    header: &FileHeader<LittleEndian>,
) -> Result<Vec<ProgramHeader>, ElfError> {
    let count = usize::from(header.e_phnum);
    if count == 0 {
        return Err(ElfError::NoSegments);
    }
    if usize::from(header.e_phentsize) != SEGMENT_BYTES || count > MAX_SEGMENTS {
        return Err(ElfError::Malformed("size or number of program headers"));
    }
    let mut bytes = alloc::vec![0; count * SEGMENT_BYTES];
    if image.read_at(header.e_phoff, &mut bytes) != bytes.len() {
        return Err(ElfError::Truncated);
    }
    let mut at = 0;
    (0..count)
        .map(|_| ProgramHeader::parse_at(LittleEndian, Class::ELF64, &mut at, &bytes))
        .collect::<Result<_, _>>()
        .map_err(|_| ElfError::Truncated)
}

fn load_segment(
    image: &(impl Image + ?Sized),
    header: &ProgramHeader,
) -> Result<Segment, ElfError> {
    if header.p_filesz > header.p_memsz {
        return Err(ElfError::Malformed("a segment is longer in the file than in memory"));
    }
    let file_end = header.p_offset.checked_add(header.p_filesz).ok_or(ElfError::Truncated)?;
    if file_end > image.size() {
        return Err(ElfError::Truncated);
    }
    let end = header.p_vaddr.checked_add(header.p_memsz).and_then(page_ceil);
    if end.is_none_or(|end| end > HIGHEST) {
        return Err(ElfError::OutOfRange);
    }
    if header.p_vaddr % PAGE != header.p_offset % PAGE && header.p_filesz > 0 {
        return Err(ElfError::Malformed("a segment's address and offset differ within the page"));
    }
    let bit = |flag: u32, right: Rights| {
        if header.p_flags & flag == 0 { Rights(0) } else { right }
    };
    let access = bit(PF_R, Rights::READ).union(bit(PF_W, Rights::WRITE));
    Ok(Segment {
        address: header.p_vaddr,
        offset: header.p_offset,
        file_bytes: header.p_filesz,
        memory_bytes: header.p_memsz,
        access: access.union(bit(PF_X, Rights::EXECUTE)),
    })
}

fn interpreter(
    image: &(impl Image + ?Sized),
    header: &ProgramHeader,
) -> Result<(u64, u64), ElfError> {
    if header.p_filesz < 2 || header.p_filesz > MAX_INTERPRETER {
        return Err(ElfError::Malformed("length of the interpreter's path"));
    }
    match header.p_offset.checked_add(header.p_filesz) {
        Some(end) if end <= image.size() => Ok((header.p_offset, header.p_filesz)),
        _ => Err(ElfError::Truncated),
    }
}

/// Returns the address at which a file offset is loaded; 0 if it is not.
fn loaded_at(plan: &Plan, offset: u64) -> u64 {
    plan.segments
        .iter()
        .find(|segment| offset >= segment.offset && offset - segment.offset < segment.file_bytes)
        .map_or(0, |segment| segment.address + (offset - segment.offset))
}

#[cfg(test)]
mod tests;
