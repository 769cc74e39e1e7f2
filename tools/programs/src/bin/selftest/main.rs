//! Self tests of the Linux personality: what they assert is what Linux on AArch64 does.
//!
//! `selftest` runs everything, `selftest GROUP…` groups, `selftest GROUP/CHECK…` single checks and
//! `selftest --list` names them. One line per check, `N passed, M failed` at the end, status 0 if
//! none failed. `selftest --child …` is what the execve checks start (see `exec.rs`).
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod directories;
#[cfg(target_os = "none")]
mod exec;
#[cfg(target_os = "none")]
mod files;
#[cfg(target_os = "none")]
mod fp;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod memory_faults;
#[cfg(target_os = "none")]
mod misc;
#[cfg(target_os = "none")]
mod pipes;
#[cfg(target_os = "none")]
mod proc;
#[cfg(target_os = "none")]
mod processes;
#[cfg(target_os = "none")]
mod signal_frames;
#[cfg(target_os = "none")]
mod signals;
#[cfg(target_os = "none")]
mod start;
#[cfg(target_os = "none")]
mod threads;
#[cfg(target_os = "none")]
mod time;

programs::program!(test);

#[cfg(target_os = "none")]
static GROUPS: &[programs::check::Group] = &[
    start::GROUP,
    memory::GROUP,
    memory_faults::GROUP,
    processes::GROUP,
    exec::GROUP,
    pipes::GROUP,
    files::GROUP,
    directories::GROUP,
    proc::GROUP,
    signals::GROUP,
    signal_frames::GROUP,
    threads::GROUP,
    time::GROUP,
    fp::GROUP,
    misc::GROUP,
];

#[cfg(target_os = "none")]
fn test(environment: &programs::start::Environment) -> i32 {
    match environment.arguments(1).next() {
        Some("--child") => return exec::child(environment),
        Some("--list") => {
            for group in GROUPS {
                for check in group.checks {
                    programs::println!("{}/{}", group.name, check.name);
                }
            }
            return 0;
        }
        _ => {}
    }
    programs::check::run(GROUPS, |group, check| {
        let is_named = |wanted: &str| match wanted.split_once('/') {
            Some(both) => both == (group, check),
            None => wanted == group,
        };
        environment.argc() == 1 || environment.arguments(1).any(is_named)
    })
}
