//! Ends in the way that its argument names, to test what becomes of a process that does.
#![cfg_attr(target_os = "none", no_std, no_main)]

programs::program!(crash);

#[cfg(target_os = "none")]
const USAGE: &str =
    "usage: crash segv|null|text|ill|trap|bus|stack|abort|panic|spin|exit N|signal N";

#[cfg(target_os = "none")]
fn crash(environment: &programs::start::Environment) -> i32 {
    use linux_raw_sys::general::SIGABRT;
    use programs::{memory, println};

    let mut arguments = environment.arguments(1);
    let how = arguments.next().unwrap_or("");
    let number = arguments.next().and_then(|text| text.parse().ok());
    match (how, number) {
        ("segv", _) => memory::poke(0xdead_0000, 1_u8),
        ("null", _) => memory::poke(0, 1_u8),
        ("text", _) => memory::poke((crash as *const ()).addr(), 1_u8),
        // SAFETY: no instruction after these matters: the process ends.
        ("ill", _) => unsafe { core::arch::asm!("udf #0") },
        // SAFETY: as above.
        ("trap", _) => unsafe { core::arch::asm!("brk #0") },
        ("bus", _) => return memory::call_code((crash as *const ()).addr() + 2) as i32,
        ("stack", _) => return overflow(0) as i32,
        ("abort", _) => send(SIGABRT),
        ("signal", Some(signal)) => send(signal),
        ("panic", _) => panic!("as asked"),
        ("spin", _) => loop {
            core::hint::spin_loop();
        },
        ("exit", Some(status)) => return status as i32,
        _ => println!("{USAGE}"),
    }
    2
}

/// Sends a signal to the process itself.
#[cfg(target_os = "none")]
fn send(signal: u32) {
    let _ = programs::syscall::kill(programs::syscall::getpid(), signal);
}

/// Recurses until the stack is full.
#[cfg(target_os = "none")]
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let page = core::hint::black_box([depth; 512]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + page[511] }
}
