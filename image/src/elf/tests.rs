//! Tests of reading programs and of the images made of them, on small programs built here.

use super::*;
use crate::PAGE_BYTES;
use crate::{loader, root};
use ipc_proto::abi::boot_info::{ROOT_BASE, RootImage};
use proptest::prelude::*;

const READ: u32 = 4;
const EXECUTE: u32 = 5;
const WRITE: u32 = 6;

/// A segment: flags, address, content, bytes in memory.
type Part<'a> = (u32, u64, &'a [u8], u64);

/// Writes an ELF file with these segments, relocations, and one symbol.
fn write(kind: u16, parts: &[Part<'_>], relocations: &[(u64, u32, u64)], symbol: u64) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let data_start = 64 + 56 * parts.len();
    let data_bytes: usize = parts.iter().map(|part| part.2.len()).sum();
    let (rela, symbols) =
        (data_start + data_bytes, data_start + data_bytes + 24 * relocations.len());
    let (names, sections) = (symbols + 48, symbols + 48 + 32);
    for half in [kind, 183] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for word in [0x10, 64, sections as u64] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64, 56, parts.len() as u16, 64, 4, 3u16] {
        file.extend(half.to_le_bytes());
    }
    let mut offset = data_start as u64;
    for (flags, address, data, bytes) in parts {
        file.extend(1u32.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for word in [offset, *address, *address, data.len() as u64, *bytes, 4096] {
            file.extend(word.to_le_bytes());
        }
        offset += data.len() as u64;
    }
    parts.iter().for_each(|part| file.extend(part.2));
    for (place, kind, addend) in relocations {
        [*place, u64::from(*kind), *addend].iter().for_each(|w| file.extend(w.to_le_bytes()));
    }
    file.extend([0; 24]);
    file.extend(1u32.to_le_bytes());
    file.extend([0x10, 0, 0xf1, 0xff]);
    file.extend(symbol.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    let mut text = b"\0__image_payload\0".to_vec();
    text.resize(32, 0);
    file.extend(text);
    // Null, relocations, symbols, strings: type, offset, bytes, link, entry size.
    let table = [
        (0u32, 0, 0, 0u32, 0u64),
        (4, rela, 24 * relocations.len(), 0, 24),
        (2, symbols, 48, 3, 24),
        (3, names, 32, 0, 0),
    ];
    for (kind, offset, bytes, link, entry) in table {
        file.extend(0u32.to_le_bytes());
        file.extend(kind.to_le_bytes());
        [0, 0, offset as u64, bytes as u64].iter().for_each(|w| file.extend(w.to_le_bytes()));
        file.extend(link.to_le_bytes());
        file.extend(0u32.to_le_bytes());
        [8, entry].iter().for_each(|w: &u64| file.extend(w.to_le_bytes()));
    }
    file
}

fn server() -> Vec<u8> {
    let parts: [Part<'_>; 3] = [
        (EXECUTE, 0, &[1; 0x1100], 0x1100),
        (READ, 0x2000, &[2; 0x20], 0x20),
        (WRITE, 0x3000, &[3; 0x10], 0x3010),
    ];
    write(3, &parts, &[(0x2008, R_AARCH64_RELATIVE, 0x1004)], 0)
}

fn word(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

#[test]
fn root_is_laid_out_in_parts_and_relocated() {
    let flat = root::flatten(&server()).unwrap();
    let header: Vec<u64> = (0..6).map(|index| word(&flat, index * 8)).collect();
    let parts = [0x2000, 0x1000, 0x1000, 0x3000];
    assert_eq!(header[..2], [RootImage::MAGIC, ROOT_BASE + 0x10]);
    assert_eq!(header[2..], parts);
    assert_eq!(flat.len(), PAGE_BYTES + 0x4000);
    assert_eq!(word(&flat, PAGE_BYTES + 0x2008), ROOT_BASE + 0x1004);
    assert_eq!(word(&flat, PAGE_BYTES + 0x2010), 0x0202_0202_0202_0202);
    assert_eq!(flat[PAGE_BYTES + 0x3000..][..17], [[3; 16].as_slice(), &[0]].concat());
}

#[test]
fn a_program_that_cannot_be_root_is_refused() {
    let text: Part<'_> = (EXECUTE, 0x1000, &[1; 16], 16);
    let refused = |file: Vec<u8>| root::flatten(&file).unwrap_err().to_string();
    assert!(refused(write(2, &[text], &[], 0)).contains("position-independent"));
    assert!(refused(write(3, &[(READ, 0, &[2; 16], 16), text], &[], 0)).contains("order"));
    assert!(refused(write(3, &[], &[(0, 1025, 0)], 0)).contains("relocation type 1025"));
    assert!(refused(write(3, &[], &[(64, 1027, 0)], 0)).contains("outside"));
    let mut foreign = server();
    foreign[18] = 62;
    assert!(refused(foreign).contains("machine 62"));
    assert!(refused(b"#!/bin/sh\n".to_vec()).contains("not a usable ELF"));
}

#[test]
fn a_stripped_program_keeps_its_segments_only() {
    let full = server();
    let stripped = strip(&full).unwrap();
    assert!(stripped.len() < full.len());
    let (before, after) = (Program::parse(&full).unwrap(), Program::parse(&stripped).unwrap());
    let data = |program: &Program<'_>| {
        program.segments().unwrap().iter().map(|s| (s.address, s.data.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(data(&before), data(&after));
    assert!(after.symbol("__image_payload").is_err());
}

const BASE: u64 = 0xffff_ffff_8000_0000;

fn kernel(payload: u64) -> Vec<u8> {
    let mut text = vec![0; 64];
    text[56..60].copy_from_slice(b"ARM\x64");
    write(2, &[(EXECUTE, BASE, &text, 64), (WRITE, BASE + 4096, &[7; 8], 16)], &[], payload)
}

#[test]
fn the_loader_image_holds_the_payload_behind_the_kernel() {
    let image = loader::build(&kernel(BASE + 0x3000), &[8; 5000], &[9; 4096]).unwrap();
    assert_eq!(word(&image, 16), image.len() as u64);
    assert_eq!(image[4096..4104], [7; 8]);
    assert_eq!(&image[0x3000..0x3008], loader::PAYLOAD_MAGIC);
    let words: Vec<u64> = (1..5).map(|index| word(&image, 0x3000 + index * 8)).collect();
    assert_eq!(words, [4096, 5000, 3 * 4096, 4096]);
    assert_eq!((image[0x4000], image[0x6000], image.len()), (8, 9, 0x7000));
}

#[test]
fn a_kernel_that_is_not_linked_as_agreed_is_refused() {
    let refused = |file: &[u8]| loader::build(file, &[], &[]).unwrap_err().to_string();
    assert!(refused(&kernel(BASE + 0x3001)).contains("page boundary"));
    assert!(refused(&kernel(BASE)).contains("page boundary"));
    assert!(
        refused(&write(2, &[(EXECUTE, BASE, &[0; 64], 64)], &[], BASE + 4096)).contains("header")
    );
    assert!(refused(&strip(&kernel(BASE + 0x3000)).unwrap()).contains("__image_payload"));
}

proptest! {
    #[test]
    fn damaged_programs_are_refused_without_a_panic(place in 0usize..400, value in any::<u8>(), cut in 0usize..20000) {
        let mut file = server();
        file[place] = value;
        file.truncate(cut.max(1));
        let _ = root::flatten(&file);
        let _ = strip(&file);
        let _ = loader::build(&file, &[], &[]);
    }
}
