//! apt, as this machine has it: with its sources, and Debian's security updates where it needs them.

use super::{Facts, MIN_RUST};
use crate::{process, workspace};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// The package whose version matters.
const COMPILER: &str = "rustc-web";

/// Fetches the lists of packages.
///
/// # Errors
/// If apt fails, or there is no right to run it.
pub fn update(facts: &mut Facts) -> Result<()> {
    facts.has_updated_apt = true;
    process::step("fetching apt's lists", command(facts, &[])?.arg("update"))
}

/// Installs packages.
///
/// # Errors
/// If apt fails, or there is no right to run it.
pub fn install(packages: &[&str], facts: &mut Facts) -> Result<()> {
    let what = format!("installing {}", packages.join(", "));
    let install = |facts: &Facts, options: &[String]| -> Result<()> {
        let mut command = command(facts, options)?;
        command.args(["install", "-y", "--no-install-recommends"]).args(packages);
        process::step(&what, &mut command)
    };
    if packages.contains(&COMPILER) && !has_new_compiler() {
        let options = with_security_updates()?;
        eprintln!(
            "osv: this machine's sources have no new enough {COMPILER}: reading Debian's security updates too"
        );
        process::step("fetching apt's lists", command(facts, &options)?.arg("update"))?;
        return install(facts, &options);
    }
    match install(facts, &[]) {
        // The lists may be too old to know the packages, or name files that are gone.
        Err(_) if !facts.has_updated_apt => {
            update(facts)?;
            install(facts, &[])
        }
        result => result,
    }
}

/// Returns whether apt would install a compiler that is new enough.
fn has_new_compiler() -> bool {
    let mut command = process::command("apt-cache");
    let policy = process::output(command.args(["policy", COMPILER]));
    policy.is_ok_and(|text| candidate(&text).is_some_and(|version| version >= MIN_RUST))
}

/// Reads the version that apt would install, major and minor, from `apt-cache policy`.
fn candidate(policy: &str) -> Option<(u32, u32)> {
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    let mut parts = line.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns apt options that add Debian's security updates to the machine's sources, without
/// changing these.
fn with_security_updates() -> Result<Vec<String>> {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.context("/etc/os-release does not say which Debian this is")?;
    let folder = workspace::target().join("apt-sources");
    std::fs::create_dir_all(&folder)?;
    for entry in std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    let security = folder.join("osv-security.list");
    let line = format!("deb http://deb.debian.org/debian-security {name}-security main\n");
    workspace::write(&security, line.as_bytes())?;
    Ok(vec!["-o".to_owned(), format!("Dir::Etc::SourceParts={}", folder.display())])
}

/// Returns `apt-get`, with the right to change the system.
fn command(facts: &Facts, options: &[String]) -> Result<Command> {
    let mut command = match (facts.is_root, facts.has_sudo) {
        (true, _) => process::command("env"),
        (false, true) => {
            let mut command = process::command("sudo");
            command.arg("env");
            command
        }
        (false, false) => bail!("installing needs root, and there is no sudo: run this as root"),
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]).args(options);
    Ok(command)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_candidate_is_read_from_what_apt_prints() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.85.0+dfsg3-1~deb12u3\n";
        assert_eq!(super::candidate(policy), Some((1, 85)));
        assert_eq!(super::candidate("rustc-web:\n  Candidate: (none)\n"), None);
        assert_eq!(super::candidate(""), None);
    }
}
