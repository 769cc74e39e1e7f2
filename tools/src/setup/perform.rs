//! Carries out what the plan says: rustup and apt.

use super::{Action, Facts, Toolchain};
use crate::{process, target, workspace};
use anyhow::{Result, bail};
use std::process::Command;

/// Carries out one action; what did not work but has an alternative is noted in `facts`.
///
/// # Errors
/// If it failed and there is nothing else to try.
pub fn perform(action: &Action, facts: &mut Facts) -> Result<()> {
    match action {
        Action::AddTarget => {
            let mut command = process::command("rustup");
            command.args(["target", "add", target::TRIPLE]).current_dir(workspace::root());
            // Without a network, rustup should give up while somebody is still watching.
            command.env("RUSTUP_MAX_RETRIES", "1");
            if let Err(error) = process::step("asking rustup for the target", &mut command) {
                facts.has_rustup_failed = true;
                let reason = format!("{error:#}");
                let reason = reason.lines().find(|line| line.starts_with("error")).unwrap_or("");
                eprintln!("osv: rustup cannot give it ({reason}); trying the distribution's");
            }
            Ok(())
        }
        Action::UpdateLists => {
            facts.has_updated_apt = true;
            process::step("fetching apt's lists", apt(facts)?.arg("update"))
        }
        Action::InstallPackages { packages, .. } => {
            let what = format!("installing {}", packages.join(", "));
            let install = |facts: &Facts| -> Result<()> {
                let mut command = apt(facts)?;
                command.args(["install", "-y", "--no-install-recommends"]).args(packages);
                process::step(&what, &mut command)
            };
            if let Err(error) = install(facts) {
                if facts.has_updated_apt {
                    return Err(error);
                }
                // The lists may be too old to know the packages, or name files that are gone.
                facts.has_updated_apt = true;
                process::step("fetching apt's lists", apt(facts)?.arg("update"))?;
                install(facts)?;
            }
            Ok(())
        }
        Action::Manual { what } => bail!("please install {what}, then try again"),
    }
}

/// Fetches the sources of every crate that any build or test here needs, once for each
/// `Cargo.lock`: after that nothing needs a network.
pub fn fetch_crates(toolchain: &Toolchain) {
    let lock = std::fs::read(workspace::root().join("Cargo.lock")).unwrap_or_default();
    let done = workspace::target().join("fetched.lock");
    if std::fs::read(&done).is_ok_and(|fetched| fetched == lock) {
        return;
    }
    let mut command = process::command(&toolchain.cargo);
    command.env("RUSTC", &toolchain.rustc).arg("fetch").current_dir(workspace::root());
    match process::step("fetching the sources of crates", &mut command) {
        // A build that misses one will say so; until then the machine may be used as it is.
        Err(error) => eprintln!("osv: not all crates can be fetched: {error:#}"),
        Ok(()) => {
            let _ = workspace::write(&done, &lock);
        }
    }
}

/// Returns `apt-get`, with the right to change the system.
fn apt(facts: &Facts) -> Result<Command> {
    let mut command = match (facts.is_root, facts.has_sudo) {
        (true, _) => process::command("env"),
        (false, true) => {
            let mut command = process::command("sudo");
            command.arg("env");
            command
        }
        (false, false) => bail!("installing needs root, and there is no sudo: run this as root"),
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]);
    Ok(command)
}
