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
    /// How it is linked.
    pub kind: Kind,
    /// The packages.
    pub packages: Vec<String>,
    /// Their programs.
    pub programs: Vec<String>,
}

/// Returns what `manifest` needs, and the kernel and root, which every image needs.
#[must_use]
pub fn groups(manifest: &Manifest) -> [Group; 2] {
    let names = |names: &mut dyn Iterator<Item = &str>| names.map(String::from).collect::<Vec<_>>();
    let servers = names(&mut std::iter::once(ROOT).chain(manifest.servers()));
    let programs = names(&mut std::iter::once(KERNEL).chain(manifest.programs()));
    let mut packages = vec![KERNEL.to_owned()];
    if programs.len() > 1 {
        packages.push(GUEST_PROGRAMS.to_owned());
    }
    [
        Group { kind: Kind::Server, packages: servers.clone(), programs: servers },
        Group { kind: Kind::Fixed, packages, programs },
    ]
}

/// Builds all of `groups`.
///
/// # Errors
/// If something does not compile; the error has the compiler's words.
pub fn build(toolchain: &Toolchain, profile: Profile, groups: &[Group]) -> Result<()> {
    for group in groups {
        let mut command = cargo(toolchain, group.kind, "build", &[]);
        command.args(["--profile", profile.name()]);
        for package in &group.packages {
            command.args(["-p", package]);
        }
        for program in &group.programs {
            command.args(["--bin", program]);
        }
        let what = match group.kind {
            Kind::Server => "building the servers",
            Kind::Fixed => "building the kernel and the guest programs",
        };
        process::step(what, &mut command)?;
    }
    Ok(())
}

/// Returns a cargo command on this tree for the target, up to its arguments, with `more` flags
/// for the compiler.
#[must_use]
pub fn cargo(toolchain: &Toolchain, kind: Kind, subcommand: &str, more: &[&str]) -> Command {
    let mut flags = kind.flags(&toolchain.linker);
    flags.extend(more.iter().copied().map(String::from));
    let mut command = process::command(&toolchain.cargo);
    command.current_dir(workspace::root()).env("RUSTC", &toolchain.rustc);
    // The separator that no flag contains; a path may well have spaces.
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let directory = workspace::target().join(kind.directory());
    command.args([subcommand, "--target", TRIPLE, "--target-dir"]).arg(directory);
    if toolchain.is_core_built {
        command.env("RUSTC_BOOTSTRAP", "1").args(BUILD_STD);
    }
    command
}

/// Returns the path of a built program, with its symbols.
#[must_use]
pub fn path(profile: Profile, kind: Kind, program: &str) -> PathBuf {
    let directory = workspace::target().join(kind.directory()).join(TRIPLE);
    directory.join(profile.name()).join(program)
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
        let [servers, fixed] = groups(&Manifest::parse(text).unwrap());
        assert_eq!(servers.programs, ["root", "console"]);
        assert_eq!(fixed.programs, ["microkernel", "hello"]);
        assert_eq!(fixed.packages, ["microkernel", "guest-programs"]);
    }
}
