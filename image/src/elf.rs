//! Programs as the linker made them: segments, symbols, relocations; stripped copies.

use object::elf::{ET_DYN, FileHeader64, PF_W, PF_X, PT_LOAD, R_AARCH64_RELATIVE};
use object::read::elf::{FileHeader, ProgramHeader, Rela, SectionHeader, Sym};
use object::{LittleEndian, U16, U64};
use thiserror::Error;

/// Why a program could not be used.
#[derive(Debug, Error)]
pub enum ElfError {
    /// It is not an ELF file, or a damaged one.
    #[error("not a usable ELF file: {0}")]
    Malformed(#[from] object::read::Error),
    /// It is for another architecture.
    #[error("a program for machine {0} where one for AArch64 (183) is needed")]
    WrongMachine(u16),
    /// It has a relocation that needs a symbol.
    #[error(
        "relocation type {0} needs a dynamic linker: build it as a static position-independent program"
    )]
    Relocation(u32),
    /// A relocation lies outside the program's segments.
    #[error("a relocation at {0:#x} lies outside the program's segments")]
    RelocationOutside(u64),
    /// There is no such symbol.
    #[error("no symbol `{0}`")]
    NoSymbol(&'static str),
    /// A segment lies where it cannot be laid out.
    #[error("a segment at {0:#x} does not fit the image")]
    Segment(u64),
}

/// What a segment's memory may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read and execute.
    Execute,
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

/// A part of a program that is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Address of the first byte, as linked.
    pub address: u64,
    /// Bytes in memory; what goes beyond `data` is zero.
    pub bytes: u64,
    /// Its content in the file.
    pub data: &'a [u8],
    /// What it may be used for.
    pub access: Access,
}

/// A function of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its address, as linked.
    pub address: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its symbol.
    pub name: String,
}

/// A 64-bit little-endian ELF program.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    file: &'a [u8],
    header: &'a FileHeader64<LittleEndian>,
}

impl<'a> Program<'a> {
    /// Takes the program in `file`.
    ///
    /// # Errors
    /// If it is not a little-endian AArch64 ELF64 file.
    pub fn parse(file: &'a [u8]) -> Result<Program<'a>, ElfError> {
        let header = FileHeader64::<LittleEndian>::parse(file)?;
        let machine = header.e_machine(header.endian()?);
        if machine != object::elf::EM_AARCH64 {
            return Err(ElfError::WrongMachine(machine));
        }
        Ok(Program { file, header })
    }

    /// Returns the entry point's address, as linked.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.header.e_entry(LittleEndian)
    }

    /// Returns whether the program can run at any address.
    #[must_use]
    pub fn is_position_independent(&self) -> bool {
        self.header.e_type(LittleEndian) == ET_DYN
    }

    /// Returns the segments that are loaded, in address order as the file has them.
    ///
    /// # Errors
    /// If one of them lies outside the file.
    pub fn segments(&self) -> Result<Vec<Segment<'a>>, ElfError> {
        let headers = self.header.program_headers(LittleEndian, self.file)?;
        let loaded = headers.iter().filter(|header| header.p_type(LittleEndian) == PT_LOAD);
        loaded
            .map(|header| {
                let address = header.p_vaddr(LittleEndian);
                let data = header
                    .data(LittleEndian, self.file)
                    .map_err(|()| ElfError::Segment(address))?;
                let flags = header.p_flags(LittleEndian);
                let access = match (flags & PF_X != 0, flags & PF_W != 0) {
                    (true, false) => Access::Execute,
                    (false, false) => Access::Read,
                    (false, true) => Access::Write,
                    (true, true) => return Err(ElfError::Segment(address)),
                };
                Ok(Segment { address, bytes: header.p_memsz(LittleEndian), data, access })
            })
            .collect()
    }

    /// Returns the value of the symbol `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn symbol(&self, name: &'static str) -> Result<u64, ElfError> {
        let sections = self.header.sections(LittleEndian, self.file)?;
        let symbols = sections.symbols(LittleEndian, self.file, object::elf::SHT_SYMTAB)?;
        symbols
            .iter()
            .find(|symbol| symbol.name(LittleEndian, symbols.strings()) == Ok(name.as_bytes()))
            .map(|symbol| symbol.st_value(LittleEndian))
            .ok_or(ElfError::NoSymbol(name))
    }

    /// Returns the functions that the program has symbols for.
    ///
    /// # Errors
    /// If the symbol table is damaged.
    pub fn functions(&self) -> Result<Vec<Function>, ElfError> {
        let sections = self.header.sections(LittleEndian, self.file)?;
        let symbols = sections.symbols(LittleEndian, self.file, object::elf::SHT_SYMTAB)?;
        let functions = symbols.iter().filter(|symbol| symbol.st_type() == object::elf::STT_FUNC);
        let read = |symbol: &object::elf::Sym64<LittleEndian>| {
            let name = symbol.name(LittleEndian, symbols.strings())?;
            Ok(Function {
                address: symbol.st_value(LittleEndian),
                bytes: symbol.st_size(LittleEndian),
                name: String::from_utf8_lossy(name).into_owned(),
            })
        };
        functions.map(read).collect()
    }

    /// Returns the relative relocations: the address of each 64-bit word that must hold the
    /// program's base address plus the second number.
    ///
    /// # Errors
    /// If there is a relocation of any other type.
    pub fn relocations(&self) -> Result<Vec<(u64, u64)>, ElfError> {
        let sections = self.header.sections(LittleEndian, self.file)?;
        let mut found = Vec::new();
        for section in sections.iter() {
            let Some((relocations, _)) = section.rela(LittleEndian, self.file)? else { continue };
            for relocation in relocations {
                let kind = relocation.r_type(LittleEndian, false);
                if kind != R_AARCH64_RELATIVE {
                    return Err(ElfError::Relocation(kind));
                }
                let addend = relocation.r_addend(LittleEndian).cast_unsigned();
                found.push((relocation.r_offset(LittleEndian), addend));
            }
        }
        Ok(found)
    }
}

/// Returns a copy of the program in `file` with only what loading it needs: no symbols, no
/// debugging information, no section headers.
///
/// # Errors
/// If it is not an AArch64 ELF file.
pub fn strip(file: &[u8]) -> Result<Vec<u8>, ElfError> {
    let program = Program::parse(file)?;
    let headers = program.header.program_headers(LittleEndian, file)?;
    let table = program.header.e_phoff(LittleEndian)
        + u64::from(program.header.e_phnum(LittleEndian))
            * u64::from(program.header.e_phentsize(LittleEndian));
    let end = headers
        .iter()
        .map(|header| header.p_offset(LittleEndian) + header.p_filesz(LittleEndian))
        .fold(table, u64::max);
    let end = usize::try_from(end).map_err(|_| ElfError::Segment(end))?;
    let mut copy = file.get(..end).ok_or(ElfError::Segment(end as u64))?.to_vec();
    let mut header = *program.header;
    header.e_shoff = U64::new(LittleEndian, 0);
    header.e_shnum = U16::new(LittleEndian, 0);
    header.e_shstrndx = U16::new(LittleEndian, 0);
    let header = object::pod::bytes_of(&header);
    copy[..header.len()].copy_from_slice(header);
    Ok(copy)
}

#[cfg(test)]
mod tests;
