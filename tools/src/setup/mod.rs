//! Set-up: what building and running needs, what is missing, and how to get it.
//!
//! [`probe`] finds the [`Facts`], [`plan`] decides (a pure function), [`perform`] acts. After an
//! action the machine is looked at again, for an action may not have had the hoped-for effect.

pub mod apt;
pub mod perform;
pub mod probe;

use crate::process;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The oldest compiler that the sources are written for.
pub const MIN_RUST: (u32, u32) = (1, 90);

/// What was found out about this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// There is a `qemu-system-aarch64`.
    pub has_qemu: bool,
    /// The compilers, the preferred one first.
    pub compilers: Vec<Compiler>,
    /// A linker for ELF files that is not tied to a host: `rust-lld` or `ld.lld`.
    pub linker: Option<PathBuf>,
    /// There is rustup.
    pub has_rustup: bool,
    /// rustup was asked for the target's core library already, and could not give it.
    pub has_rustup_failed: bool,
    /// There are apt and dpkg: this is Debian, or made from it.
    pub has_apt: bool,
    /// apt has a list of packages.
    pub has_apt_lists: bool,
    /// apt was asked to fetch its lists already.
    pub has_updated_apt: bool,
    /// We may install without asking for other rights.
    pub is_root: bool,
    /// There is sudo.
    pub has_sudo: bool,
}

/// A Rust compiler with its cargo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiler {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo that goes with it.
    pub cargo: PathBuf,
    /// Its version, major and minor.
    pub version: (u32, u32),
    /// It has a core library for the target.
    pub has_core: bool,
    /// It has its library's sources.
    pub has_sources: bool,
}

/// What to build the target's programs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo that goes with it.
    pub cargo: PathBuf,
    /// The linker.
    pub linker: PathBuf,
    /// The core library must be built too.
    pub is_core_built: bool,
}

/// One thing to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask rustup for the target's core library.
    AddTarget,
    /// Fetch apt's lists of packages.
    UpdateLists,
    /// Install Debian packages.
    InstallPackages {
        /// Their names.
        packages: Vec<&'static str>,
        /// What they are needed for.
        why: &'static str,
    },
    /// Nothing that can be done from here.
    Manual {
        /// What is missing, and how to get it.
        what: &'static str,
    },
}

impl Action {
    /// Says what it does and why.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Action::AddTarget => format!(
                "rustup target add {}: a core library for the target",
                crate::target::TRIPLE
            ),
            Action::UpdateLists => "apt-get update: there is no list of packages yet".to_owned(),
            Action::InstallPackages { packages, why } => {
                format!("apt-get install {}: {why}", packages.join(" "))
            }
            Action::Manual { what } => format!("by hand: {what}"),
        }
    }
}

/// Decides what to do about `facts`: nothing if all is there. Actions depend on those before.
#[must_use]
pub fn plan(facts: &Facts) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut packages = Vec::new();
    let mut install = |names: &[&'static str], why, manual| {
        if facts.has_apt {
            packages.push(Action::InstallPackages { packages: names.to_vec(), why });
        } else {
            packages.push(Action::Manual { what: manual });
        }
    };
    if !facts.has_qemu {
        // The network card that mach-virt has by itself needs a ROM from ipxe-qemu.
        install(
            &["qemu-system-arm", "ipxe-qemu"],
            "the machine that everything runs on",
            "qemu-system-aarch64 (on macOS: brew install qemu)",
        );
    }
    let can_build = facts.compilers.iter().any(is_usable);
    if !can_build && facts.has_rustup && !facts.has_rustup_failed {
        actions.push(Action::AddTarget);
    } else if !can_build {
        install(
            &["rustc-web", "cargo-web", "rust-web-src"],
            "a compiler with library sources, for the target's core library",
            "a core library for the target: rustup target add aarch64-unknown-none-softfloat",
        );
    }
    if facts.linker.is_none() {
        install(&["lld"], "a linker for the target", "lld, the LLVM linker");
    }
    let needs_lists =
        packages.iter().any(|action| matches!(action, Action::InstallPackages { .. }));
    if needs_lists && !facts.has_apt_lists && !facts.has_updated_apt {
        actions.push(Action::UpdateLists);
    }
    actions.append(&mut packages);
    actions
}

/// Chooses what to build with: a compiler that has the core library before one that must build
/// it. `None` as long as [`plan`] has anything to do about it.
#[must_use]
pub fn choose(facts: &Facts) -> Option<Toolchain> {
    let usable = || facts.compilers.iter().filter(|compiler| is_usable(compiler));
    let compiler = usable().find(|compiler| compiler.has_core).or_else(|| usable().next())?;
    Some(Toolchain {
        rustc: compiler.rustc.clone(),
        cargo: compiler.cargo.clone(),
        linker: facts.linker.clone()?,
        is_core_built: !compiler.has_core,
    })
}

fn is_usable(compiler: &Compiler) -> bool {
    compiler.version >= MIN_RUST && (compiler.has_core || compiler.has_sources)
}

/// What may be done about missing things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Install them.
    Install,
    /// Only say what is missing.
    ListOnly,
}

/// Makes sure that everything is there, installing what is not; looks once per process.
///
/// # Errors
/// If something is missing and cannot or must not be installed.
pub fn ensure(consent: Consent) -> Result<Toolchain> {
    static FOUND: OnceLock<Toolchain> = OnceLock::new();
    if let Some(toolchain) = FOUND.get() {
        return Ok(toolchain.clone());
    }
    // One process installs, the others wait for it.
    let _lock = crate::workspace::lock(&crate::workspace::target(), "setup.lock")?;
    let mut facts = probe::facts();
    // Each round either succeeds, or rules out one way; there are not more ways than that.
    for _ in 0..4 {
        let actions = plan(&facts);
        if let Some(toolchain) = choose(&facts)
            && actions.is_empty()
        {
            perform::fetch_crates(&toolchain);
            return Ok(FOUND.get_or_init(|| toolchain).clone());
        }
        let list: Vec<_> = actions.iter().map(|a| format!("  {}", a.describe())).collect();
        eprintln!("osv: this machine lacks something; what gives it:\n{}", list.join("\n"));
        if consent == Consent::ListOnly {
            bail!("nothing was installed, because of --no-install");
        }
        for action in &actions {
            perform::perform(action, &mut facts)?;
        }
        let (failed, updated) = (facts.has_rustup_failed, facts.has_updated_apt);
        facts = probe::facts();
        (facts.has_rustup_failed, facts.has_updated_apt) = (failed, updated);
    }
    bail!("something is still missing; `{}` lists it", process::quote("osv setup --no-install"))
}

#[cfg(test)]
mod tests;
