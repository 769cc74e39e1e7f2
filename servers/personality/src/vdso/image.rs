//! The ELF image of the vDSO: as much of a shared object as C libraries look at.
//!
//! One page: ELF header, two program headers, symbols, strings, hash table, versions, the
//! dynamic section, and the text at [`TEXT_OFFSET`].

use super::text;

/// Size of the image.
pub const BYTES: usize = 4096;
/// Offset of the text.
pub const TEXT_OFFSET: u64 = 0x800;

/// The functions: name and offset in the text.
pub const FUNCTIONS: [(&str, u64); 4] = [
    ("__kernel_clock_gettime", text::CLOCK_GETTIME),
    ("__kernel_gettimeofday", text::GETTIMEOFDAY),
    ("__kernel_clock_getres", text::CLOCK_GETRES),
    ("__kernel_rt_sigreturn", text::SIGRETURN),
];
/// The version that all of them have.
pub const VERSION: &str = "LINUX_2.6.39";
/// The name of the object.
pub const SONAME: &str = "linux-vdso.so.1";

/// Offsets of the parts.
mod at {
    pub(super) const SEGMENTS: usize = 64;
    pub(super) const SYMBOLS: usize = 0x100;
    pub(super) const STRINGS: usize = 0x200;
    pub(super) const HASH: usize = 0x300;
    pub(super) const VERSIONS: usize = 0x380;
    pub(super) const DEFINITIONS: usize = 0x3c0;
    pub(super) const DYNAMIC: usize = 0x440;
}

/// Symbols, with the empty first one.
const SYMBOLS: usize = FUNCTIONS.len() + 1;
const DYNAMIC_ENTRIES: usize = 10;

/// Bytes that are filled piece by piece.
struct Writer {
    bytes: [u8; BYTES],
    at: usize,
}

impl Writer {
    fn seek(&mut self, at: usize) -> &mut Self {
        self.at = at;
        self
    }
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        self
    }
    fn half(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    fn word(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    fn long(&mut self, value: usize) -> &mut Self {
        self.put(&(value as u64).to_le_bytes())
    }
}

/// Builds the image around the text.
#[must_use]
pub fn build(code: &[u8; text::BYTES]) -> [u8; BYTES] {
    let mut image = Writer { bytes: [0; BYTES], at: 0 };
    let names = write_strings(&mut image);
    write_headers(&mut image);
    write_symbols(&mut image, &names);
    write_hash(&mut image);
    write_versions(&mut image, &names);
    write_dynamic(&mut image, &names);
    image.seek(TEXT_OFFSET as usize).put(code);
    image.bytes
}

/// Where each string lies in the string table.
struct Names {
    functions: [u32; FUNCTIONS.len()],
    version: u32,
    soname: u32,
    bytes: usize,
}

fn write_strings(image: &mut Writer) -> Names {
    image.seek(at::STRINGS + 1);
    let mut add = |text: &str| {
        let offset = (image.at - at::STRINGS) as u32;
        image.put(text.as_bytes()).put(&[0]);
        offset
    };
    let functions = FUNCTIONS.map(|(name, _)| add(name));
    let (version, soname) = (add(VERSION), add(SONAME));
    Names { functions, version, soname, bytes: image.at - at::STRINGS }
}

fn write_headers(image: &mut Writer) {
    use elf::abi;
    image.seek(0).put(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]).long(0);
    image.half(abi::ET_DYN).half(abi::EM_AARCH64).word(1);
    // Entry, program headers, no section headers; flags, sizes and counts.
    image.long(0).long(at::SEGMENTS).long(0).word(0);
    image.half(64).half(56).half(2).half(0).half(0).half(0);
    let mut segment = |kind: u32, flags: u32, offset: usize, bytes: usize, align: usize| {
        image.word(kind).word(flags).long(offset).long(offset).long(offset);
        image.long(bytes).long(bytes).long(align);
    };
    segment(abi::PT_LOAD, abi::PF_R | abi::PF_X, 0, BYTES, 4096);
    segment(abi::PT_DYNAMIC, abi::PF_R, at::DYNAMIC, DYNAMIC_ENTRIES * 16, 8);
}

fn write_symbols(image: &mut Writer, names: &Names) {
    use elf::abi;
    image.seek(at::SYMBOLS + 24);
    for ((_, offset), name) in FUNCTIONS.iter().zip(names.functions) {
        // Section index 1: any that is not "undefined".
        image.word(name).put(&[abi::STB_GLOBAL << 4 | abi::STT_FUNC, 0]).half(1);
        image.long((TEXT_OFFSET + offset) as usize).long(0x80);
    }
}

/// One bucket, all symbols in its chain.
fn write_hash(image: &mut Writer) {
    image.seek(at::HASH).word(1).word(SYMBOLS as u32).word(1);
    for symbol in 0..SYMBOLS {
        image.word(if symbol == 0 || symbol + 1 == SYMBOLS { 0 } else { symbol as u32 + 1 });
    }
}

fn write_versions(image: &mut Writer, names: &Names) {
    // Versions of the symbols: local, then number 2 of the definitions.
    image.seek(at::VERSIONS).half(0);
    for _ in 1..SYMBOLS {
        image.half(2);
    }
    write_definitions(image, names);
}

/// Two definitions: the object itself, and the version.
fn write_definitions(image: &mut Writer, names: &Names) {
    image.seek(at::DEFINITIONS);
    for (flags, index, text, name, next) in
        [(1, 1, SONAME, names.soname, 28), (0, 2, VERSION, names.version, 0)]
    {
        image.half(1).half(flags).half(index).half(1);
        image.word(hash(text)).word(20).word(next);
        image.word(name).word(0);
    }
}

fn write_dynamic(image: &mut Writer, names: &Names) {
    use elf::abi;
    let entries: [(i64, usize); DYNAMIC_ENTRIES] = [
        (abi::DT_SONAME, names.soname as usize),
        (abi::DT_HASH, at::HASH),
        (abi::DT_STRTAB, at::STRINGS),
        (abi::DT_SYMTAB, at::SYMBOLS),
        (abi::DT_STRSZ, names.bytes),
        (abi::DT_SYMENT, 24),
        (abi::DT_VERSYM, at::VERSIONS),
        (abi::DT_VERDEF, at::DEFINITIONS),
        (abi::DT_VERDEFNUM, 2),
        (abi::DT_NULL, 0),
    ];
    image.seek(at::DYNAMIC);
    for (tag, value) in entries {
        image.long(tag as usize).long(value);
    }
}

/// The hash of the System V ABI.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf::ElfBytes;
    use elf::endian::LittleEndian;

    fn string(bytes: &[u8], offset: usize) -> &str {
        let rest = &bytes[at::STRINGS + offset..];
        let end = rest.iter().position(|&byte| byte == 0).expect("a NUL");
        core::str::from_utf8(&rest[..end]).expect("ASCII")
    }

    #[test]
    fn a_parser_finds_every_function_by_name() {
        let image = build(&[0; text::BYTES]);
        let file = ElfBytes::<LittleEndian>::minimal_parse(&image).expect("an ELF file");
        let segments = file.segments().expect("program headers");
        assert_eq!(segments.iter().count(), 2);
        let dynamic = file.dynamic().expect("readable").expect("a dynamic section");
        let find = |tag: i64| dynamic.iter().find(|entry| entry.d_tag == tag).map(|e| e.d_val());
        assert_eq!(find(elf::abi::DT_VERDEFNUM), Some(2));
        let symbols = find(elf::abi::DT_SYMTAB).expect("symbols") as usize;
        for (index, (name, offset)) in FUNCTIONS.iter().enumerate() {
            let symbol = &image[symbols + (index + 1) * 24..];
            let word = |at: usize| u32::from_le_bytes(symbol[at..at + 4].try_into().expect("4"));
            assert_eq!(string(&image, word(0) as usize), *name);
            assert_eq!(u64::from(word(8)), TEXT_OFFSET + offset);
        }
    }

    #[test]
    fn the_parts_do_not_overlap() {
        const {
            assert!(at::SEGMENTS + 2 * 56 <= at::SYMBOLS);
            assert!(at::SYMBOLS + SYMBOLS * 24 <= at::STRINGS);
            assert!(at::HASH + (3 + SYMBOLS) * 4 <= at::VERSIONS);
            assert!(at::VERSIONS + SYMBOLS * 2 <= at::DEFINITIONS);
            assert!(at::DEFINITIONS + 2 * 28 <= at::DYNAMIC);
            assert!(at::DYNAMIC + DYNAMIC_ENTRIES * 16 <= TEXT_OFFSET as usize);
        }
        let names = write_strings(&mut Writer { bytes: [0; BYTES], at: 0 });
        assert!(at::STRINGS + names.bytes <= at::HASH);
    }

    #[test]
    fn the_version_has_the_hash_that_libraries_look_for() {
        // From the System V ABI's function; C libraries compare this word.
        assert_eq!(hash("LINUX_2.6"), 0x03ae_75f6);
        let image = build(&[0; text::BYTES]);
        let second = &image[at::DEFINITIONS + 28..];
        assert_eq!(second[8..12], hash(VERSION).to_le_bytes());
    }
}
