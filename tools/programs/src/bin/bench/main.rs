//! Times what a Linux program asks of its system: one line `bench NAME VALUE ns` each.
//!
//! The clock is CNTVCT_EL0, which costs no system call. It is coarse (62.5 MHz on QEMU), so each
//! figure is the average of many rounds. Under `-icount shift=0` a nanosecond is an instruction.
//! Without arguments everything runs; else the named measurements.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod measure;

programs::program!(main_on_linux);

/// Argument with which `fork_exec_wait` starts this program: it then exits at once.
#[cfg(target_os = "none")]
const EXIT_AT_ONCE: &str = "--exit-at-once";

#[cfg(target_os = "none")]
fn main_on_linux(environment: &programs::start::Environment) -> i32 {
    use programs::println;

    if environment.arguments(1).next() == Some(EXIT_AT_ONCE) {
        return 0;
    }
    let wanted =
        |name: &str| environment.argc() == 1 || environment.arguments(1).any(|n| n == name);
    if wanted("boot_to_guest") {
        println!("bench boot_to_guest {} ns", measure::to_ns(environment.ticks));
    }
    let mut status = 0;
    for (name, rounds, work) in measure::ALL {
        if !wanted(name) {
            continue;
        }
        match measure::average(*rounds, *work) {
            Ok(tenths) => println!("bench {name} {}.{} ns", tenths / 10, tenths % 10),
            Err(errno) => {
                println!("bench {name} failed: {errno:?}");
                status = 1;
            }
        }
    }
    status
}
