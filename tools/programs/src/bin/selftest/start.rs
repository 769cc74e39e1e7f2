//! How a process starts: stack, registers, arguments, environment, auxiliary vector, vDSO.

use core::arch::asm;

use linux_raw_sys::auxvec::*;
use linux_raw_sys::elf_uapi::{PT_LOAD, PT_PHDR};
use linux_raw_sys::general::*;
use linux_raw_sys::ptrace::{HWCAP_ASIMD, HWCAP_FP};
use programs::start::{environment, string};
use programs::{call, check, elf, fp, group, memory, syscall};

group! { "start":
    the_stack_pointer_is_aligned
    x0_is_zero
    fp_control_and_thread_pointer_are_zero
    argument_strings_follow_each_other
    page_size_and_clock_ticks_are_told
    program_headers_and_entry_are_ours
    ids_in_the_vector_are_those_of_the_calls
    sixteen_random_bytes_are_given
    names_of_program_and_platform_are_given
    capabilities_include_fp_and_simd
    the_vdso_is_an_elf_image
    the_vdso_has_its_functions
}

fn auxiliary(key: u32) -> usize {
    environment().auxiliary_value(key).expect("an auxiliary entry")
}

fn the_stack_pointer_is_aligned() {
    assert_eq!(environment().address() % 16, 0);
}

fn x0_is_zero() {
    // glibc's static start code takes x0 for a function to call at exit.
    assert_eq!(environment().x0, 0);
}

fn fp_control_and_thread_pointer_are_zero() {
    let thread: u64;
    // SAFETY: reading the register has no effect.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) thread) };
    assert_eq!((fp::control(), thread), (0, 0));
}

fn argument_strings_follow_each_other() {
    let environment = environment();
    assert!(environment.argc() >= 1);
    assert_eq!(environment.word(environment.argc() + 1), 0, "argv ends with a null pointer");
    let mut next = environment.word(1);
    let arguments = (0..environment.argc()).filter_map(|index| environment.argument(index));
    for text in arguments.chain(environment.variables()) {
        assert_eq!(text.as_ptr().addr(), next);
        next += text.count_bytes() + 1;
    }
    assert!(next > environment.address(), "strings lie above the vectors");
}

fn page_size_and_clock_ticks_are_told() {
    assert_eq!(auxiliary(AT_PAGESZ), memory::PAGE);
    assert_eq!(auxiliary(AT_CLKTCK), 100);
    assert_eq!(auxiliary(AT_SECURE), 0);
    assert_eq!(auxiliary(AT_FLAGS), 0);
    // Linux gives AT_BASE even to programs without an interpreter: as zero.
    assert_eq!(environment().auxiliary_value(AT_BASE).unwrap_or(0), 0);
}

fn program_headers_and_entry_are_ours() {
    let (headers, count) = (auxiliary(AT_PHDR), auxiliary(AT_PHNUM));
    assert_eq!(auxiliary(AT_PHENT), 56);
    assert_eq!(headers % 8, 0);
    let base = headers - 64;
    assert_eq!(memory::peek::<u32>(base), u32::from_le_bytes(*b"\x7fELF"));
    assert_eq!(elf::segments(base).count(), count);
    let here = (program_headers_and_entry_are_ours as *const ()).addr();
    let holds = |address: usize| {
        elf::segments(base).filter(|segment| segment.p_type == PT_LOAD).any(|segment| {
            let first = segment.p_vaddr as usize;
            (first..first + segment.p_memsz as usize).contains(&address)
        })
    };
    assert!(holds(here) && holds(auxiliary(AT_ENTRY)));
    if let Some(own) = elf::segments(base).find(|segment| segment.p_type == PT_PHDR) {
        assert_eq!(own.p_vaddr as usize, headers);
    }
}

fn ids_in_the_vector_are_those_of_the_calls() {
    let calls = [
        (AT_UID, __NR_getuid),
        (AT_EUID, __NR_geteuid),
        (AT_GID, __NR_getgid),
        (AT_EGID, __NR_getegid),
    ];
    for (key, number) in calls {
        assert_eq!(call!(number), Ok(auxiliary(key) as u64));
    }
}

fn sixteen_random_bytes_are_given() {
    let address = auxiliary(AT_RANDOM);
    let words = memory::peek::<[u8; 16]>(address);
    assert!(words != [0; 16] && words[..8] != words[8..]);
}

fn names_of_program_and_platform_are_given() {
    assert_eq!(string(auxiliary(AT_PLATFORM)), c"aarch64");
    let path = string(auxiliary(AT_EXECFN));
    assert!(syscall::stat(path, 0).is_ok(), "{path:?} exists");
}

fn capabilities_include_fp_and_simd() {
    let wanted = (HWCAP_FP | HWCAP_ASIMD) as usize;
    assert_eq!(auxiliary(AT_HWCAP) & wanted, wanted);
}

fn the_vdso_is_an_elf_image() {
    let base = auxiliary(AT_SYSINFO_EHDR);
    assert_eq!(base % memory::PAGE, 0);
    assert_eq!(memory::peek::<u32>(base), u32::from_le_bytes(*b"\x7fELF"));
    assert!(elf::vdso().is_some(), "dynamic section with symbols, hash and versions");
}

fn the_vdso_has_its_functions() {
    let Some(vdso) = elf::vdso() else { return check::skip("no vDSO") };
    for name in ["clock_gettime", "gettimeofday", "clock_getres", "rt_sigreturn"] {
        let name = programs::print::format::<64>(format_args!("__kernel_{name}"));
        assert!(vdso.find(&name, "LINUX_2.6.39").is_some(), "{name}");
    }
}
