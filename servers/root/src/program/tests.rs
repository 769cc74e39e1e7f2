//! Tests of the loader's checks: a good file, each way to be bad, and damaged files.

use super::*;
use proptest::prelude::*;
use std::vec::Vec as StdVec;

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn header(file: &mut [u8], index: usize, kind: u32, flags: u32, words: [u64; 5]) {
    let at = 64 + index * 56;
    put(file, at, &kind.to_le_bytes());
    put(file, at + 4, &flags.to_le_bytes());
    let [offset, address, file_bytes, memory_bytes, align] = words;
    for (place, word) in [
        (8, offset),
        (16, address),
        (24, address),
        (32, file_bytes),
        (40, memory_bytes),
        (48, align),
    ] {
        put(file, at + place, &word.to_le_bytes());
    }
}

/// A program with text at 0, read-only data at 0x1000, data at 0x2000 and two relocations.
fn sample() -> StdVec<u8> {
    let mut file = std::vec![0; 0x2100];
    put(&mut file, 0, b"\x7fELF\x02\x01\x01");
    put(&mut file, 16, &ET_DYN.to_le_bytes());
    put(&mut file, 18, &EM_AARCH64.to_le_bytes());
    put(&mut file, 20, &1u32.to_le_bytes());
    put(&mut file, 24, &0x400u64.to_le_bytes());
    put(&mut file, 32, &64u64.to_le_bytes());
    put(&mut file, 52, &64u16.to_le_bytes());
    put(&mut file, 54, &56u16.to_le_bytes());
    put(&mut file, 56, &4u16.to_le_bytes());
    header(&mut file, 0, PT_LOAD, 5, [0, 0, 0x800, 0x800, 0x1000]);
    header(&mut file, 1, PT_LOAD, 4, [0x1000, 0x1000, 0x200, 0x200, 0x1000]);
    header(&mut file, 2, PT_LOAD, 6, [0x2000, 0x2000, 0x100, 0x3000, 0x1000]);
    header(&mut file, 3, elf::abi::PT_DYNAMIC, 4, [0x1100, 0x1100, 48, 48, 8]);
    for (index, (place, addend)) in [(0x1080u64, 0x400u64), (0x2010, 0x2020)].iter().enumerate() {
        let at = 0x1000 + index * 24;
        put(&mut file, at, &place.to_le_bytes());
        put(&mut file, at + 8, &u64::from(R_AARCH64_RELATIVE).to_le_bytes());
        put(&mut file, at + 16, &addend.to_le_bytes());
    }
    let dynamic = [DT_RELA as u64, 0x1000, DT_RELASZ as u64, 48, 0, 0];
    for (index, word) in dynamic.iter().enumerate() {
        put(&mut file, 0x1100 + index * 8, &word.to_le_bytes());
    }
    file
}

fn error(change: impl FnOnce(&mut StdVec<u8>)) -> ProgramError {
    let mut file = sample();
    change(&mut file);
    Program::parse(&file).map(|program| program.segments).unwrap_err()
}

#[test]
fn a_program_is_planned_segment_by_segment() {
    let file = sample();
    let program = Program::parse(&file).unwrap();
    assert_eq!((program.entry, program.image_bytes), (0x400, 0x5000));
    let [text, rodata, data] = program.segments[..] else { panic!("three segments") };
    assert!(text.is_in_place(0x7000) && !text.is_in_place(0x7010));
    assert!(!rodata.is_in_place(0x7000), "it is relocated");
    assert!(!data.is_in_place(0x7000), "it is writable");
    assert_eq!((data.start, data.bytes, data.file_bytes), (0x2000, 0x3000, 0x100));
    let relocations: StdVec<_> = program.relocations(0x10_0000).collect();
    assert_eq!(relocations, [(0x1080, 0x10_0400), (0x2010, 0x10_2020)]);
}

#[test]
fn each_defect_has_its_name() {
    assert_eq!(error(|file| file.truncate(10)), ProgramError::Truncated);
    assert_eq!(error(|file| put(file, 0, b"#!/b")), ProgramError::NotElf);
    assert_eq!(error(|file| put(file, 18, &62u16.to_le_bytes())), ProgramError::WrongMachine);
    assert_eq!(error(|file| put(file, 16, &2u16.to_le_bytes())), ProgramError::NotStaticPie);
    let kinds = |file: &mut StdVec<u8>, kind: u32| {
        (0..3).for_each(|index| put(file, 64 + index * 56, &kind.to_le_bytes()));
    };
    assert_eq!(error(|file| kinds(file, PT_INTERP)), ProgramError::NotStaticPie);
    assert_eq!(error(|file| kinds(file, 0)), ProgramError::Empty);
    assert_eq!(error(|file| file.truncate(0x2080)), ProgramError::Truncated);
    let far = [0x2000, MAX_IMAGE_BYTES, 0x100, 0x100, 0x1000];
    assert_eq!(error(|file| header(file, 2, PT_LOAD, 6, far)), ProgramError::TooLarge);
    let first = [0x2000, 0x1800, 0x100, 0x100, 0x1000];
    assert_eq!(error(|file| header(file, 2, PT_LOAD, 6, first)), ProgramError::BadSegment);
    let good = [0, 0, 0x800, 0x800, 0x1000];
    assert_eq!(error(|file| header(file, 0, PT_LOAD, 7, good)), ProgramError::BadSegment);
    assert_eq!(error(|file| put(file, 24, &0x1000u64.to_le_bytes())), ProgramError::BadEntry);
    assert_eq!(error(|file| put(file, 0x1008, &[2])), ProgramError::BadRelocation);
    assert_eq!(error(|file| put(file, 0x1000, &[0x81])), ProgramError::BadRelocation);
    assert_eq!(error(|file| put(file, 0x1000, &[0, 4])), ProgramError::BadRelocation);
    assert_eq!(error(|file| put(file, 0x1000, &[0, 0x50])), ProgramError::BadRelocation);
}

/// Checks what every later step relies on.
fn check(file: &[u8]) {
    let Ok(program) = Program::parse(file) else { return };
    let mut end = 0;
    for segment in &program.segments {
        assert!(segment.start >= end && segment.start % PAGE_BYTES == 0);
        end = segment.start + segment.bytes;
        assert_eq!(segment.bytes % PAGE_BYTES, 0);
        assert_eq!(program.data(segment).len() as u64, segment.file_bytes);
        assert!(segment.data_start + segment.file_bytes <= segment.bytes);
        assert!(!segment.access.contains(Rights::WRITE.union(Rights::EXECUTE)));
    }
    assert!(end == program.image_bytes && end <= MAX_IMAGE_BYTES);
    for (place, _) in program.relocations(0) {
        assert!(program.segments.iter().any(|segment| segment.contains(place, 8)));
    }
}

proptest! {
    #[test]
    fn damaged_files_are_refused_or_sound(
        damage in proptest::collection::vec((0usize..0x2100, any::<u8>()), 1..20),
        headers in proptest::collection::vec((16usize..0x140, any::<u8>()), 0..6),
        length in 0usize..0x2200,
    ) {
        let mut file = sample();
        damage.iter().chain(&headers).for_each(|&(place, value)| file[place] = value);
        file.truncate(length);
        check(&file);
    }
}
