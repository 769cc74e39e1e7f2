//! Looks at this machine: which compilers, linkers and programs it has.

use super::{Compiler, Facts};
use crate::{process, target, workspace};
use std::path::{Path, PathBuf};

/// Collects the facts that [`super::plan`] decides on. Nothing is changed.
#[must_use]
pub fn facts() -> Facts {
    let compilers = compilers();
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let mut names = lists.map(|entry| entry.file_name().to_string_lossy().into_owned());
    Facts {
        has_qemu: process::find("qemu-system-aarch64").is_some(),
        linker: linker(&compilers),
        compilers,
        has_rustup: process::find("rustup").is_some(),
        has_rustup_failed: false,
        has_apt: process::find("apt-get").is_some() && process::find("dpkg-deb").is_some(),
        has_apt_lists: names.any(|name| name.contains("_Packages")),
        has_updated_apt: false,
        is_root: process::output(process::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0"),
        has_sudo: process::find("sudo").is_some(),
    }
}

/// Finds the compilers: rustup's for this tree, the first in `PATH`, the distribution's.
fn compilers() -> Vec<Compiler> {
    let rustup = |name: &str| {
        let mut command = process::command("rustup");
        let path = process::output(command.args(["which", name]).current_dir(workspace::root()));
        path.ok().map(|path| PathBuf::from(path.trim()))
    };
    let pairs = [
        (rustup("rustc"), rustup("cargo")),
        (process::find("rustc"), process::find("cargo")),
        (Some("/usr/bin/rustc".into()), Some("/usr/bin/cargo".into())),
    ];
    let mut found: Vec<Compiler> = Vec::new();
    for (rustc, cargo) in pairs.into_iter().filter_map(|(rustc, cargo)| Some((rustc?, cargo?))) {
        // rustup's stand-ins are the first pair already.
        let is_stand_in = std::fs::canonicalize(&rustc).is_ok_and(|path| path.ends_with("rustup"));
        if is_stand_in || !cargo.is_file() || found.iter().any(|other| other.rustc == rustc) {
            continue;
        }
        found.extend(compiler(rustc, cargo));
    }
    found
}

fn compiler(rustc: PathBuf, cargo: PathBuf) -> Option<Compiler> {
    let text = process::output(process::command(&rustc).arg("-V")).ok()?;
    let sysroot = sysroot(&rustc)?.join("lib/rustlib");
    Some(Compiler {
        version: version(&text)?,
        has_core: sysroot.join(target::TRIPLE).join("lib").is_dir(),
        has_sources: sysroot.join("src/rust/library/core/Cargo.toml").is_file(),
        rustc,
        cargo,
    })
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let path = process::output(process::command(rustc).args(["--print", "sysroot"])).ok()?;
    Some(PathBuf::from(path.trim()))
}

/// Reads `rustc 1.96.0 (…)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split_whitespace().nth(1)?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Finds a linker: one that came with a compiler, or one in `PATH`. Debian's `rust-lld` is a
/// link that may lead nowhere, so each must be a file in the end.
fn linker(compilers: &[Compiler]) -> Option<PathBuf> {
    let bundled = compilers.iter().flat_map(|compiler| {
        let rustlib = sysroot(&compiler.rustc).map(|root| root.join("lib/rustlib"));
        let hosts = rustlib.and_then(|folder| std::fs::read_dir(folder).ok());
        hosts.into_iter().flatten().flatten().map(|host| host.path().join("bin/rust-lld"))
    });
    let installed = ["rust-lld", "ld.lld"].into_iter().filter_map(process::find);
    bundled.chain(installed).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_read_from_what_rustc_prints() {
        assert_eq!(super::version("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some((1, 96)));
        assert_eq!(super::version("rustc 1.97.0-nightly (0 2026-06-01)"), Some((1, 97)));
        assert_eq!(super::version("garbage"), None);
    }
}
