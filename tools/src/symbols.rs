//! Names for the code addresses in what the console prints: backtraces that can be read.
//!
//! Two forms are known: `PROGRAM+0xOFFSET`, as servers print it, and an address of the kernel.

use crate::build;
use crate::target::{Kind, Profile};
use std::collections::BTreeMap;

/// Addresses of the kernel's image.
const KERNEL_START: u64 = 0xffff_ffff_8000_0000;
const KERNEL_END: u64 = 0xffff_ffff_c000_0000;

/// The functions of a program by their addresses, each with the first address behind it.
type Functions = BTreeMap<u64, (u64, String)>;

/// The symbols of what was built in one way, read when they are first needed.
#[derive(Debug)]
pub struct Symbols {
    profile: Profile,
    programs: BTreeMap<String, Functions>,
}

impl Symbols {
    /// Uses the symbols of what was built so.
    #[must_use]
    pub fn new(profile: Profile) -> Symbols {
        Symbols { profile, programs: BTreeMap::new() }
    }

    /// Returns the name of the code that `line` gives the address of, if it gives one.
    pub fn annotate(&mut self, line: &str) -> Option<String> {
        let (program, address) = find(line)?;
        let functions = self.functions(program);
        let (_, (end, name)) = functions.range(..=address).next_back()?;
        (address < *end).then(|| name.clone())
    }

    fn functions(&mut self, program: &str) -> &Functions {
        if !self.programs.contains_key(program) {
            let functions = self.read(program).unwrap_or_default();
            self.programs.insert(program.to_owned(), functions);
        }
        &self.programs[program]
    }

    fn read(&self, program: &str) -> Option<Functions> {
        let kind = if program == build::KERNEL { Kind::Kernel } else { Kind::Server };
        let file = build::read(self.profile, kind, program).ok()?;
        let functions = image::elf::Program::parse(&file).ok()?.functions().ok()?;
        let named = functions.into_iter().map(|function| {
            // Without the hash that makes the symbol unique.
            let name = format!("{:#}", rustc_demangle::demangle(&function.name));
            (function.address, (function.address + function.bytes, name))
        });
        Some(named.collect())
    }
}

/// Finds the place that a line gives: a program's anywhere in it; the kernel's alone or behind
/// `pc`, for other registers have what looks like one.
fn find(line: &str) -> Option<(&str, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_place = |index: usize| {
        let is_alone = words.len() == 1 || (index > 0 && words[index - 1] == "pc");
        is_alone || words[index].contains('+')
    };
    (0..words.len()).filter(|index| is_place(*index)).find_map(|index| place(words[index]))
}

/// Reads a word as a place in a program: its name and the address as linked.
fn place(word: &str) -> Option<(&str, u64)> {
    let word = word.trim_end_matches([',', '.', ':', ';', ')']).trim_start_matches('(');
    let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    if let Some((program, offset)) = word.split_once('+') {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_program = !program.is_empty() && program.chars().all(is_name);
        return is_program.then_some(program).zip(number(offset));
    }
    let address = number(word)?;
    (KERNEL_START..KERNEL_END).contains(&address).then_some((build::KERNEL, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_both_forms() {
        assert_eq!(place("console+0x1f0"), Some(("console", 0x1f0)));
        assert_eq!(place("0xffffffff80001f74"), Some(("microkernel", 0xffff_ffff_8000_1f74)));
        for other in ["0x1f74", "a+b", "1+1", "+0x10", "/bin/x+0x10", "hello"] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn registers_are_not_taken_for_places() {
        assert!(find("    0xffffffff80001f74").is_some());
        assert!(find("  at pc 0xffffffff80001f74").is_some());
        assert!(find("root died at console+0x10, pc 0x5").is_some());
        assert_eq!(find("  x8 0x0 0xffffffff80001f74 0x0"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn a_program_without_symbols_gives_no_names() {
        let mut symbols = Symbols::new(Profile::Fast);
        assert_eq!(symbols.annotate("  nosuch+0x10"), None);
        assert_eq!(symbols.annotate("nothing of the kind"), None);
    }
}
