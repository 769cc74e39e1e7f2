//! Builds the target's programs: kernel, servers, guest programs.

use crate::process;
use crate::setup::Toolchain;
use crate::target::{BUILD_STD, Kind, Profile, TRIPLE};
use crate::workspace;
use anyhow::{Context, Result};
use image::manifest::Manifest;
use std::path::PathBuf;
use std::process::Command;

/// The package of the kernel, and the name of its program.
pub const KERNEL: &str = "microkernel";
/// The package of the first program, and the name of its program.
pub const ROOT: &str = "root";
/// The package of the guest programs.
const GUEST_PROGRAMS: &str = "guest-programs";

/// What is built at once, with the same flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it is, for whoever waits.
    pub what: &'static str,
    /// How it is linked.
    pub kind: Kind,
    /// The packages.
    pub packages: Vec<String>,
    /// Their programs.
    pub programs: Vec<String>,
}

/// Returns what `manifest` needs, and the kernel and root, which every image needs.
#[must_use]
pub fn groups(manifest: &Manifest) -> [Group; 3] {
    let names = |names: &mut dyn Iterator<Item = &str>| names.map(String::from).collect::<Vec<_>>();
    let kernel = vec![KERNEL.to_owned()];
    let servers = names(&mut std::iter::once(ROOT).chain(manifest.servers()));
    let packages = vec![GUEST_PROGRAMS.to_owned()];
    let programs = names(&mut manifest.programs());
    let group = |what, kind, packages, programs| Group { what, kind, packages, programs };
    [
        group("the kernel", Kind::Kernel, kernel.clone(), kernel),
        group("the servers", Kind::Server, servers.clone(), servers),
        group("the guest programs", Kind::Guest, packages, programs),
    ]
}

/// Builds all of `groups`.
///
/// # Errors
/// If something does not compile; the error has the compiler's words.
pub fn build(toolchain: &Toolchain, profile: Profile, groups: &[Group]) -> Result<()> {
    for group in groups.iter().filter(|group| !group.programs.is_empty()) {
        let mut command = cargo(toolchain, group, profile, "build", &[]);
        process::step(&format!("building {}", group.what), &mut command)?;
    }
    Ok(())
}

/// Returns a cargo command on a group, with `more` flags for the compiler.
#[must_use]
pub fn cargo(
    toolchain: &Toolchain,
    group: &Group,
    profile: Profile,
    subcommand: &str,
    more: &[&str],
) -> Command {
    let mut flags = group.kind.flags(&toolchain.linker);
    flags.extend(more.iter().copied().map(String::from));
    let mut command = process::command(&toolchain.cargo);
    command.current_dir(workspace::root()).env("RUSTC", &toolchain.rustc);
    // The separator that no flag contains; a path may well have spaces.
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let directory = workspace::target().join(group.kind.directory());
    command.args([subcommand, "--target", TRIPLE, "--target-dir"]).arg(directory);
    command.args(["--profile", group.kind.profile(profile).name()]);
    for package in &group.packages {
        command.args(["-p", package]);
    }
    for program in &group.programs {
        command.args(["--bin", program]);
    }
    if toolchain.is_core_built {
        command.env("RUSTC_BOOTSTRAP", "1").args(BUILD_STD);
    }
    command
}

/// Returns the path of a built program, with its symbols.
#[must_use]
pub fn path(profile: Profile, kind: Kind, program: &str) -> PathBuf {
    let directory = workspace::target().join(kind.directory()).join(TRIPLE);
    directory.join(kind.profile(profile).name()).join(program)
}

/// Reads a built program.
///
/// # Errors
/// If it was not built.
pub fn read(profile: Profile, kind: Kind, program: &str) -> Result<Vec<u8>> {
    let path = path(profile, kind, program);
    std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_in_one_group() {
        let text = "[[file]]\npath = \"/s\"\nfrom = { server = \"console\" }\n\
                    [[file]]\npath = \"/p\"\nfrom = { program = \"hello\" }\n";
        let [kernel, servers, guests] = groups(&Manifest::parse(text).unwrap());
        assert_eq!(kernel.programs, ["microkernel"]);
        assert_eq!(servers.programs, ["root", "console"]);
        assert_eq!((guests.packages.len(), &guests.programs[..]), (1, &["hello".to_owned()][..]));
    }
}
