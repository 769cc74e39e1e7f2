//! The vDSO: an ELF image in memory, searched for a function by name and version.

use linux_raw_sys::auxvec::AT_SYSINFO_EHDR;
use linux_raw_sys::elf_uapi::{
    DT_STRTAB, DT_SYMTAB, Elf64_Dyn, Elf64_Ehdr, Elf64_Phdr, Elf64_Sym, PT_DYNAMIC, PT_LOAD,
};

use crate::memory::peek;
use crate::start::{environment, string};

/// Version symbols of the dynamic section (System V gABI and its GNU extension).
const DT_VERSYM: u64 = 0x6fff_fff0;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_HASH: u64 = 4;

/// The image that the kernel mapped, with what `find` needs.
pub struct Vdso {
    bias: usize,
    symbols: usize,
    strings: usize,
    hash: usize,
    versions: usize,
    definitions: usize,
}

/// Segments of the ELF image at `base`.
pub fn segments(base: usize) -> impl Iterator<Item = Elf64_Phdr> {
    let header: Elf64_Ehdr = peek(base);
    let first = base + header.e_phoff as usize;
    (0..usize::from(header.e_phnum)).map(move |index| peek(first + index * size_of::<Elf64_Phdr>()))
}

/// The vDSO that the auxiliary vector names; `None` if it names none or has no dynamic section.
pub fn vdso() -> Option<Vdso> {
    let base = environment().auxiliary_value(AT_SYSINFO_EHDR)?;
    let load = segments(base).find(|segment| segment.p_type == PT_LOAD)?;
    let dynamic = segments(base).find(|segment| segment.p_type == PT_DYNAMIC)?;
    let bias = base + load.p_offset as usize - load.p_vaddr as usize;
    let entries = bias + dynamic.p_vaddr as usize;
    let value = |tag: u64| {
        (0..)
            .map(|index| peek::<[u64; 2]>(entries + index * size_of::<Elf64_Dyn>()))
            .take_while(|entry| entry[0] != 0)
            .find(|entry| entry[0] == tag)
            .map(|entry| bias + entry[1] as usize)
    };
    Some(Vdso {
        bias,
        symbols: value(DT_SYMTAB as u64)?,
        strings: value(DT_STRTAB as u64)?,
        hash: value(DT_HASH)?,
        versions: value(DT_VERSYM)?,
        definitions: value(DT_VERDEF)?,
    })
}

impl Vdso {
    /// Address of function `name` of version `version`.
    pub fn find(&self, name: &str, version: &str) -> Option<usize> {
        let count = peek::<u32>(self.hash + 4) as usize;
        (0..count).find_map(|index| {
            let symbol: Elf64_Sym = peek(self.symbols + index * size_of::<Elf64_Sym>());
            let found = symbol.st_shndx != 0
                && self.text(symbol.st_name as usize) == name
                && self.version(peek::<u16>(self.versions + 2 * index)) == Some(version);
            found.then(|| self.bias + symbol.st_value as usize)
        })
    }

    fn text(&self, offset: usize) -> &'static str {
        string(self.strings + offset).to_str().unwrap_or("")
    }

    /// Name of a version: `Elf64_Verdef` entries, each with a first `Elf64_Verdaux`.
    fn version(&self, index: u16) -> Option<&'static str> {
        let mut at = self.definitions;
        loop {
            if peek::<u16>(at + 4) == index & 0x7fff {
                return Some(self.text(peek::<u32>(at + peek::<u32>(at + 12) as usize) as usize));
            }
            match peek::<u32>(at + 16) {
                0 => return None,
                next => at += next as usize,
            }
        }
    }
}
