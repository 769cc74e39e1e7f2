//! `osv check`: everything that can be checked without booting, and a report of sizes.

use crate::conventions;
use crate::setup::{self, Consent, Toolchain};
use crate::target::Profile;
use crate::{build, images, process, workspace};
use anyhow::{Context, Result};
use clap::Args;
use image::manifest::Source;
use std::path::Path;
use std::process::Command;

/// Checks format, lints, conventions and golden files, and reports sizes
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv check            what CI checks first\n  \
    osv check --bless    accept the golden files as they now come out")]
pub struct Check {
    /// Write the golden files anew instead of comparing them
    #[arg(long)]
    bless: bool,
}

impl Check {
    /// Checks; the status is 1 if anything was found.
    ///
    /// # Errors
    /// If a check could not be made.
    pub fn perform(&self, consent: Consent) -> Result<u8> {
        let toolchain = setup::ensure(consent)?;
        let sources = conventions::sources(workspace::root())?;
        let mut findings = conventions::check(&sources);
        findings.extend(dependencies()?);
        findings.extend(self.golden()?);
        let mut is_good = findings.is_empty();
        for finding in &findings {
            eprintln!("{finding}");
        }
        for (what, command) in &mut commands(&toolchain) {
            if let Err(error) = process::step(what, command) {
                eprintln!("osv: {error:#}");
                is_good = false;
            }
        }
        print!("{}", conventions::report(&sources));
        for profile in [Profile::Fast, Profile::Release] {
            let path = workspace::target().join(profile.name()).join("loader.img");
            if let Ok(file) = std::fs::metadata(&path) {
                println!("loader.img ({}): {} KiB", profile.name(), file.len() / 1024);
            }
        }
        Ok(u8::from(!is_good))
    }

    /// Compares the authority of each system with the committed text.
    fn golden(&self) -> Result<Vec<String>> {
        let manifest = images::read_manifest("default")?;
        let folder = workspace::root().join("image/systems");
        let mut findings = Vec::new();
        for file in &manifest.files {
            let Source::System(name) = &file.from else { continue };
            let text = std::fs::read_to_string(folder.join(format!("{name}.toml")))
                .with_context(|| format!("reading system {name}"))?;
            let system = image::system::parse(name, &text, &manifest).context(name.clone())?;
            let (path, now) =
                (folder.join(format!("{name}.caps")), image::system::authority(&system));
            if self.bless {
                workspace::write(&path, now.as_bytes())?;
            } else if std::fs::read_to_string(&path).unwrap_or_default() != now {
                findings.push(format!(
                    "image/systems/{name}.caps: who holds what has changed; see the difference with \
                     `osv check --bless` and `git diff`"
                ));
            }
        }
        Ok(findings)
    }
}

/// Returns the commands that check the code: format, lints for the host, lints for the target.
fn commands(toolchain: &Toolchain) -> Vec<(String, Command)> {
    let host = |arguments: &[&str]| {
        let mut command = process::command("cargo");
        command.args(arguments).current_dir(workspace::root());
        command
    };
    // A minimal rustup has neither of the two; the compiler's own warnings always count.
    let has =
        |name| process::output(host(&[name, "--version"]).env("RUSTUP_AUTO_INSTALL", "0")).is_ok();
    let mut commands = Vec::new();
    if has("fmt") {
        commands.push(("checking the format".to_owned(), host(&["fmt", "--all", "--check"])));
    } else {
        eprintln!("osv: there is no rustfmt: the format is not checked");
    }
    let lint = if has("clippy") {
        host(&["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"])
    } else {
        eprintln!("osv: there is no clippy: only the compiler's warnings are checked");
        let mut command = host(&["check", "--quiet", "--all-targets"]);
        command.env("RUSTFLAGS", "-Dwarnings");
        command
    };
    commands.push(("linting for the host".to_owned(), lint));
    // Clippy looks only at code that its own compiler's library is there for.
    let driver = toolchain.cargo.with_file_name("cargo-clippy");
    let subcommand = if driver.is_file() && !toolchain.is_core_built {
        "clippy"
    } else {
        eprintln!(
            "osv: no clippy goes with {}: only compiling for the target",
            toolchain.rustc.display()
        );
        "check"
    };
    let Ok(manifest) = images::read_manifest("default") else { return commands };
    for group in build::groups(&manifest) {
        let more = ["-Dwarnings"];
        let mut command = build::cargo(toolchain, &group, Profile::Fast, subcommand, &more);
        command.arg("--quiet");
        commands.push((format!("checking {} for the target", group.what), command));
    }
    commands
}

/// Compares what depends on what, as cargo knows it, with the rules.
fn dependencies() -> Result<Vec<String>> {
    let mut command = process::command("cargo");
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let text = process::output(command.current_dir(workspace::root()))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let folder_of = |path: &str| -> Option<String> {
        let path = Path::new(path).strip_prefix(workspace::root()).ok()?;
        Some(path.to_str()?.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned())
    };
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(from) = package["manifest_path"].as_str().and_then(folder_of) else { continue };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // What only tests need does not tie programs together.
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            if let Some(to) = dependency["path"].as_str().and_then(folder_of) {
                edges.push((from.clone(), to));
            }
        }
    }
    Ok(conventions::check_dependencies(&edges))
}
