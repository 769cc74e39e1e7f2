//! ELF plans of good and hostile files.

use super::*;
use alloc::vec;
use proptest::prelude::*;

/// One program header of a made-up file.
#[derive(Clone, Copy)]
struct Header {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

const CODE: Header = Header {
    kind: PT_LOAD,
    flags: PF_R | PF_X,
    offset: 0,
    address: 0x40_0000,
    file_bytes: 0x1800,
    memory_bytes: 0x1800,
};
const DATA: Header = Header {
    kind: PT_LOAD,
    flags: PF_R | PF_W,
    offset: 0x1800,
    address: 0x41_1800,
    file_bytes: 0x100,
    memory_bytes: 0x3000,
};

fn file(kind: u16, headers: &[Header]) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(kind.to_le_bytes());
    bytes.extend(EM_AARCH64.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    for word in [0x40_0100_u64, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for half in [64, 56, headers.len() as u16, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    for header in headers {
        bytes.extend(header.kind.to_le_bytes());
        bytes.extend(header.flags.to_le_bytes());
        let Header { offset, address, file_bytes, memory_bytes, .. } = *header;
        for word in [offset, address, address, file_bytes, memory_bytes, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes.resize(0x2000, 0);
    bytes
}

fn refusal(headers: &[Header]) -> ElfError {
    plan(&file(ET_EXEC, headers)[..]).expect_err("the file is bad")
}

#[test]
fn a_static_program_gives_its_segments() {
    let plan = plan(&file(ET_EXEC, &[CODE, DATA])[..]).expect("a good file");
    assert_eq!((plan.entry, plan.is_relocatable), (0x40_0100, false));
    assert_eq!(plan.segments[1].access, Rights::READ.union(Rights::WRITE));
    assert_eq!(plan.extent(), (0x40_0000, 0x41_5000));
    assert_eq!((plan.headers, plan.header_count), (0x40_0040, 2));
    assert_eq!(plan.interpreter, None);
}

#[test]
fn an_interpreter_is_named() {
    let interp = Header { kind: PT_INTERP, offset: 0x1000, file_bytes: 9, memory_bytes: 9, ..CODE };
    let mut bytes = file(ET_DYN, &[interp, Header { address: 0, ..CODE }]);
    bytes[0x1000..0x1009].copy_from_slice(b"/lib/ld.\0");
    let plan = plan(&bytes[..]).expect("a good file");
    assert!(plan.is_relocatable);
    let place = plan.interpreter.expect("it is named");
    assert_eq!(interpreter_path(&bytes[..], place), Ok(b"/lib/ld.".to_vec()));
    bytes[0x1008] = b'x';
    assert!(matches!(interpreter_path(&bytes[..], place), Err(ElfError::Malformed(_))));
}

#[test]
fn files_of_other_sorts_are_named() {
    assert_eq!(plan(&b"#!/bin/sh"[..]), Err(ElfError::NotElf));
    assert_eq!(plan(&b""[..]), Err(ElfError::NotElf));
    let good = file(ET_EXEC, &[CODE]);
    assert_eq!(plan(&good[..40]), Err(ElfError::Truncated));
    assert_eq!(plan(&good[..80]), Err(ElfError::Truncated));
    assert_eq!(plan(&good[..0x1000]), Err(ElfError::Truncated));
    let mut x86 = good.clone();
    x86[18] = 62;
    assert_eq!(plan(&x86[..]), Err(ElfError::WrongMachine(62)));
    let mut small = good.clone();
    (small[4], small[18]) = (1, 40);
    assert_eq!(plan(&small[..]), Err(ElfError::WrongMachine(40)));
    assert_eq!(plan(&file(1, &[CODE])[..]), Err(ElfError::WrongType(1)));
    assert_eq!(plan(&file(ET_EXEC, &[])[..]), Err(ElfError::NoSegments));
}

#[test]
fn segments_that_cannot_be_are_refused() {
    assert_eq!(refusal(&[Header { address: HIGHEST, ..CODE }]), ElfError::OutOfRange);
    assert_eq!(refusal(&[Header { address: u64::MAX - 0xfff, ..CODE }]), ElfError::OutOfRange);
    assert_eq!(refusal(&[Header { memory_bytes: u64::MAX, ..CODE }]), ElfError::OutOfRange);
    assert_eq!(refusal(&[Header { address: 0, ..CODE }]), ElfError::OutOfRange);
    assert_eq!(refusal(&[CODE, Header { address: 0x40_1800, ..DATA }]), ElfError::Overlap);
    assert_eq!(refusal(&[DATA, CODE]), ElfError::Overlap);
    assert_eq!(refusal(&[Header { offset: u64::MAX, ..CODE }]), ElfError::Truncated);
    let long = Header { file_bytes: 0x1801, ..CODE };
    assert!(matches!(refusal(&[long]), ElfError::Malformed(_)));
    let skewed = Header { address: 0x40_0010, ..CODE };
    assert!(matches!(refusal(&[skewed]), ElfError::Malformed(_)));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes: Vec<u8>) {
        let _ = plan(&bytes[..]);
    }

    #[test]
    fn hostile_headers_give_a_plan_in_order_or_a_refusal(
        changes in prop::collection::vec((0..200_usize, any::<u8>()), 1..12),
    ) {
        let mut bytes = file(ET_DYN, &[CODE, DATA]);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(plan) = plan(&bytes[..]) {
            for pair in plan.segments.windows(2) {
                prop_assert!(pair[0].end() <= pair[1].start());
            }
            for segment in &plan.segments {
                prop_assert!(segment.start() < segment.end() && segment.end() <= HIGHEST);
                prop_assert!(segment.offset + segment.file_bytes <= bytes.len() as u64);
            }
        }
    }
}
