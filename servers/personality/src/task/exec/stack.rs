//! The stack that a program begins with: argument count, arguments, environment and auxiliary
//! vector, and the strings they point to.

use alloc::vec;
use alloc::vec::Vec;

use linux_raw_sys::auxvec as aux;

use super::{STRING_LIMIT, STRINGS_LIMIT};

/// What ends up as strings on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Strings<'a> {
    /// The path that was executed (`AT_EXECFN`).
    pub path: &'a [u8],
    /// The arguments.
    pub arguments: &'a [Vec<u8>],
    /// The environment.
    pub environment: &'a [Vec<u8>],
    /// What `AT_RANDOM` points to.
    pub random: [u8; 16],
}

/// The content of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackImage {
    /// The stack pointer: where the bytes go. 16-byte aligned.
    pub sp: u64,
    /// The bytes, up to the top.
    pub bytes: Vec<u8>,
}

/// The name of the hardware (`AT_PLATFORM`).
const PLATFORM: &[u8] = b"aarch64\0";

/// Lays out the stack below `top`. `None` if the strings are too long.
#[must_use]
pub fn build(top: u64, strings: &Strings<'_>, auxiliary: &[(u32, u64)]) -> Option<StackImage> {
    let all = || strings.arguments.iter().chain(strings.environment);
    let string_bytes: usize = all().map(|string| string.len() + 1).sum();
    let words = 1 + strings.arguments.len() + 1 + strings.environment.len() + 1;
    let vector = (auxiliary.len() + 4) * 2;
    if all().any(|string| string.len() >= STRING_LIMIT)
        || string_bytes + (words + vector) * 8 > STRINGS_LIMIT
    {
        return None;
    }
    let fixed = PLATFORM.len() + strings.random.len() + strings.path.len() + 1;
    // Two spare words below the top, as in Linux, so that the last string ends before it.
    let bytes = ((words + vector) * 8 + string_bytes + fixed + 16).next_multiple_of(16);
    let sp = top.checked_sub(bytes as u64)?;
    let mut image = vec![0; bytes];
    let mut at = (words + vector) * 8;
    let mut put = |text: &[&[u8]]| {
        let address = sp + at as u64;
        for part in text {
            image[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        address
    };
    let mut list = Vec::with_capacity(words + vector);
    list.push(strings.arguments.len() as u64);
    list.extend(strings.arguments.iter().map(|string| put(&[string, &[0]])));
    list.push(0);
    list.extend(strings.environment.iter().map(|string| put(&[string, &[0]])));
    list.push(0);
    let random = put(&[&strings.random]);
    let platform = put(&[PLATFORM]);
    let path = put(&[strings.path, &[0]]);
    let own =
        [(aux::AT_RANDOM, random), (aux::AT_PLATFORM, platform), (aux::AT_EXECFN, path), (0, 0)];
    for (kind, value) in auxiliary.iter().chain(&own) {
        list.extend([u64::from(*kind), *value]);
    }
    for (slot, word) in image.chunks_exact_mut(8).zip(list) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    Some(StackImage { sp, bytes: image })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(image: &StackImage, index: usize) -> u64 {
        u64::from_le_bytes(image.bytes[index * 8..index * 8 + 8].try_into().expect("8 bytes"))
    }

    fn string(image: &StackImage, address: u64) -> &[u8] {
        let rest = &image.bytes[(address - image.sp) as usize..];
        &rest[..rest.iter().position(|&byte| byte == 0).expect("a NUL")]
    }

    #[test]
    fn a_program_finds_its_strings_and_its_vector() {
        let arguments = [b"ls".to_vec(), b"-l".to_vec()];
        let environment = [b"HOME=/".to_vec()];
        let strings = Strings {
            path: b"/bin/ls",
            arguments: &arguments,
            environment: &environment,
            random: [9; 16],
        };
        let image = build(0x10_0000, &strings, &[(aux::AT_PAGESZ, 4096)]).expect("short");
        assert_eq!(image.sp % 16, 0);
        assert_eq!(image.sp + image.bytes.len() as u64, 0x10_0000);
        assert_eq!(word(&image, 0), 2);
        assert_eq!(string(&image, word(&image, 1)), b"ls");
        assert_eq!(string(&image, word(&image, 2)), b"-l");
        assert_eq!((word(&image, 3), word(&image, 5)), (0, 0));
        assert_eq!(string(&image, word(&image, 4)), b"HOME=/");
        let vector: Vec<(u64, u64)> =
            (0..5).map(|n| (word(&image, 6 + n * 2), word(&image, 7 + n * 2))).collect();
        assert_eq!(vector[0], (u64::from(aux::AT_PAGESZ), 4096));
        assert_eq!(vector[1].0, u64::from(aux::AT_RANDOM));
        assert_eq!(string(&image, vector[3].1), b"/bin/ls");
        assert_eq!(vector[4], (0, 0));
    }

    #[test]
    fn too_long_strings_are_refused() {
        let arguments = [vec![b'x'; STRING_LIMIT]];
        let strings =
            Strings { path: b"", arguments: &arguments, environment: &[], random: [0; 16] };
        assert_eq!(build(0x1000_0000, &strings, &[]), None);
    }
}
