//! `/sys`: the little of it that programs look at before they count processors.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::synthetic::{Files, Tree, TreeDirectory, line};
use crate::sync::Mutex;

/// Linux's magic number for the type (`SYSFS_MAGIC` in linux/magic.h).
const MAGIC: u32 = 0x6265_6572;

/// What the files tell about.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Number of processors.
    pub cpus: u32,
}

static FILES: Files<Machine> = &[
    ("devices/system/clocksource/clocksource0/available_clocksource", |_| line("arch_sys_counter")),
    ("devices/system/clocksource/clocksource0/current_clocksource", |_| line("arch_sys_counter")),
    ("devices/system/cpu/online", cpu_list),
    ("devices/system/cpu/possible", cpu_list),
    ("devices/system/cpu/present", cpu_list),
];

/// The top directory.
#[must_use]
pub fn top(device: u64, machine: Machine) -> TreeDirectory<Machine> {
    let tree = Tree { device, magic: MAGIC, files: FILES, source: machine, top: Mutex::new(None) };
    Arc::new(tree).directory("")
}

/// All processors as a list of ranges.
fn cpu_list(machine: &Machine) -> Vec<u8> {
    match machine.cpus {
        0 | 1 => line("0"),
        cpus => line(&format!("0-{}", cpus - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_a_range() {
        assert_eq!(cpu_list(&Machine { cpus: 1 }), b"0\n");
        assert_eq!(cpu_list(&Machine { cpus: 4 }), b"0-3\n");
    }

    #[test]
    fn paths_are_sorted_so_that_directories_stand_together() {
        assert!(FILES.is_sorted_by_key(|(path, _)| path));
    }
}
