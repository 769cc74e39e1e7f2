//! Carries out what the plan says.

use super::{Action, Facts, Toolchain, apt};
use crate::{process, target, workspace};
use anyhow::{Result, bail};

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
        Action::UpdateLists => apt::update(facts),
        Action::InstallPackages { packages, .. } => apt::install(packages, facts),
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
