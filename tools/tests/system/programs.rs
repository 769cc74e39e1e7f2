//! Linux programs: what they print and how they end.

use crate::harness::{Boot, on_both};

/// Status of a program that signal `number` has ended, as a shell tells it.
const fn ended_by(number: u8) -> u8 {
    128 + number
}

fn crash(system: &str, arguments: &[&str], status: u8) -> crate::harness::Ran {
    Boot::new(system, &[&["/tools/crash"], arguments].concat()).run().status(status)
}

on_both! {
    fn hello_gets_its_arguments(system) {
        Boot::new(system, &["/tools/hello", "one", "two words", ""])
            .run()
            .status(0)
            .prints("Hello from Linux aarch64!")
            .prints("hello: argument 1: one\n")
            .prints("hello: argument 2: two words\n")
            .prints("hello: argument 3: \n");
    }

    fn the_self_tests_pass(system) {
        Boot::new(system, &["/tools/selftest"]).run().status(0).prints(", 0 failed");
    }

    fn the_exit_status_is_the_programs(system) {
        crash(system, &["exit", "0"], 0);
        crash(system, &["exit", "42"], 42);
    }

    fn a_wild_access_ends_the_program_with_a_report(system) {
        // The address that it stored to.
        crash(system, &["segv"], ended_by(11)).prints("SIGSEGV").prints("dead0000");
    }

    fn a_store_to_its_text_ends_the_program(system) {
        crash(system, &["text"], ended_by(11));
    }

    fn an_undefined_instruction_ends_the_program(system) {
        crash(system, &["ill"], ended_by(4));
    }

    fn an_endless_recursion_ends_the_program(system) {
        crash(system, &["stack"], ended_by(11));
    }

    fn an_abort_ends_the_program(system) {
        crash(system, &["abort"], ended_by(6));
    }

    fn the_environment_and_the_boot_timeline_are_options(system) {
        Boot::new(system, &["/tools/hello"])
            .option("--env=A=b")
            .option("--bootchart")
            .run()
            .status(0)
            .prints(" ms");
    }
}
