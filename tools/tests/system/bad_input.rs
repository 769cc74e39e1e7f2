//! What cannot be run: one clear line that names it and the reason, a shell's status, power off.

use crate::harness::{Boot, on_both};
use osv_tools::build;
use osv_tools::target::{Kind, Profile};

/// Puts `data` at a path and runs it.
fn run(system: &str, data: &[u8]) -> crate::harness::Ran {
    Boot::new(system, &["/extra/program"]).files(&[("/extra/program", data)]).run()
}

/// The greeting program as it was built.
fn hello() -> Vec<u8> {
    crate::harness::image();
    image::elf::strip(&build::read(Profile::Fast, Kind::Guest, "hello").unwrap()).unwrap()
}

on_both! {
    fn a_program_that_is_not_there_gives_127(system) {
        Boot::new(system, &["/tools/nosuch"]).run().status(127).prints("/tools/nosuch");
    }

    fn a_file_that_is_no_program_gives_126(system) {
        run(system, &[b'x'; 5000]).status(126).prints("/extra/program");
    }

    fn an_empty_file_gives_126(system) {
        run(system, b"").status(126).prints("/extra/program");
    }

    fn a_directory_gives_126(system) {
        Boot::new(system, &["/tools"]).run().status(126).prints("/tools");
    }

    fn a_program_for_another_architecture_gives_126(system) {
        let mut program = hello();
        // e_machine: AMD x86-64.
        program[18..20].copy_from_slice(&62_u16.to_le_bytes());
        run(system, &program).status(126).prints("/extra/program");
    }

    fn a_truncated_program_gives_126(system) {
        let program = hello();
        run(system, &program[..program.len() / 2]).status(126).prints("/extra/program");
        run(system, &program[..100]).status(126).prints("/extra/program");
    }

    fn an_unknown_option_is_named(system) {
        Boot::new(system, &["/tools/hello"])
            .option("--nosuch=1")
            .run()
            .status(2)
            .prints("unknown option")
            .prints("--nosuch");
    }

    fn an_initrd_puts_programs_over_bootfs(system) {
        run(system, &hello()).status(0).prints("Hello from Linux");
        Boot::new(system, &["/tools/crash", "exit", "3"])
            .files(&[("/tools/crash", &hello())])
            .run()
            .status(0)
            .prints("hello: argument 2: 3");
    }

    fn a_broken_initrd_is_named(system) {
        let folder = tempfile::tempdir().unwrap();
        let initrd = folder.path().join("broken.cpio");
        std::fs::write(&initrd, [7; 5000]).unwrap();
        let boot = Boot::new(system, &["/tools/hello"]).with(|m| m.initrd = Some(initrd));
        boot.run().prints("initrd");
    }
}

#[test]
fn an_unknown_system_is_named() {
    Boot::new("nosuch", &["/tools/hello"]).run().prints("nosuch");
}
