//! The self tests' runner: groups of checks, one line for each, a summary at the end.
//!
//! A check is a function named after what it asserts; it fails by panicking. The panic handler
//! notes place and message and goes back to the runner by restoring the stack pointer, so nothing
//! is unwound: a failed check leaks what it had open. In a child process or another thread there is
//! no runner to go back to; there the message is printed as a `FAIL` line and the process ends with
//! status 101.

use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use heapless::String;

use crate::{guard, print, println, signal, syscall};

/// One assertion, with the function's name as its name.
pub struct Check {
    /// The name, from which a run can select it.
    pub name: &'static str,
    /// The check itself; it panics where the system differs from Linux.
    pub run: fn(),
}

/// Checks of one feature.
pub struct Group {
    /// The feature.
    pub name: &'static str,
    /// Its checks, in the order they run.
    pub checks: &'static [Check],
}

/// Declares `pub(crate) const GROUP` of the named functions.
#[macro_export]
macro_rules! group {
    ($name:literal: $($check:ident)*) => {
        /// The checks of this file.
        pub(crate) const GROUP: $crate::check::Group = $crate::check::Group {
            name: $name,
            checks: &[$($crate::check::Check { name: stringify!($check), run: $check }),*],
        };
    };
}

/// The text of the check that just failed or was skipped.
struct Note(UnsafeCell<String<400>>);

// SAFETY: only the thread that runs the checks writes or reads it (`fail` and `skip` see to that).
unsafe impl Sync for Note {}

static NOTE: Note = Note(UnsafeCell::new(String::new()));
static SKIPPED: AtomicBool = AtomicBool::new(false);
/// Thread that runs a check, 0 when none does; and where to go back to.
static RUNNER: AtomicI32 = AtomicI32::new(0);
static RETURN: guard::Point = guard::Point::new();

/// Runs one check; `true` if it did not fail.
fn run_check(check: &'static Check) -> bool {
    SKIPPED.store(false, Ordering::Relaxed);
    RUNNER.store(syscall::gettid(), Ordering::Relaxed);
    let escaped = guard::run(&RETURN, check.run);
    RUNNER.store(0, Ordering::Relaxed);
    if escaped {
        signal::reset();
    }
    !escaped
}

/// Ends a failed check: back to the runner, or out of the process.
pub fn fail(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("?", 0), |place| (place.file(), place.line()));
    let file = file.rsplit('/').next().unwrap_or(file);
    if RUNNER.load(Ordering::Relaxed) != syscall::gettid() {
        println!("FAIL {file}:{line}: {}", info.message());
        syscall::exit(101);
    }
    note(print::format(format_args!("{file}:{line}: {}", info.message())));
    guard::escape(&RETURN)
}

/// Marks the running check as skipped; the caller then returns.
pub fn skip(why: &str) {
    SKIPPED.store(true, Ordering::Relaxed);
    note(print::format(format_args!("{why}")));
}

fn note(text: String<400>) {
    // SAFETY: only the running thread comes here, and `report` reads it between checks.
    unsafe { *NOTE.0.get() = text };
}

fn report(number: u32, group: &Group, check: &Check, passed: bool) {
    // SAFETY: as in `note`.
    let note = unsafe { &*NOTE.0.get() };
    match (passed, SKIPPED.load(Ordering::Relaxed)) {
        (false, _) => println!("not ok {number} - {}/{}: {note}", group.name, check.name),
        (true, true) => println!("ok {number} - {}/{} (skipped: {note})", group.name, check.name),
        (true, false) => println!("ok {number} - {}/{}", group.name, check.name),
    }
}

/// Runs the checks that `selected` names by group and name; returns the program's exit status.
pub fn run(groups: &'static [Group], selected: impl Fn(&str, &str) -> bool) -> i32 {
    let (mut passed, mut failed) = (0, 0);
    for group in groups {
        for check in group.checks.iter().filter(|check| selected(group.name, check.name)) {
            let good = run_check(check);
            if good {
                passed += 1
            } else {
                failed += 1
            }
            report(passed + failed, group, check, good);
        }
    }
    println!("{passed} passed, {failed} failed");
    i32::from(failed != 0 || passed == 0)
}
