//! Files of Debian arm64 packages, fetched by apt with its signature checks, kept in the cache.
//!
//! apt runs with a configuration and a state of its own in the cache directory, as any user:
//! the machine's packages are neither read nor changed. Of the machine's configuration it takes
//! the sources, the keys, and how to reach a server.

use crate::{process, workspace};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The architecture whose packages are fetched.
const ARCHITECTURE: &str = "arm64";

/// Reads the file `path` (absolute) of `package`, fetching the package if the cache has it not.
///
/// # Errors
/// If the package can neither be found in the cache nor be fetched, or has no such file.
pub fn read(package: &str, path: &str) -> Result<Vec<u8>> {
    let state = workspace::cache().join("debian").join(ARCHITECTURE);
    let _lock = workspace::lock(&state, "lock")?;
    let archive = match cached(&state, package) {
        Some(archive) => archive,
        None => fetch(&state, package)?,
    };
    extract(&archive, path).with_context(|| format!("reading {}", archive.display()))
}

fn archives(state: &Path) -> PathBuf {
    state.join("archives")
}

/// Finds `package` among the archives that were fetched: `NAME_VERSION_ARCHITECTURE.deb`.
fn cached(state: &Path, package: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(archives(state)).ok()?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let start = format!("{package}_");
    files.into_iter().rev().find(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("");
        name.starts_with(&start) && name.ends_with(".deb")
    })
}

/// Fetches `package` with apt, which checks its signature chain.
fn fetch(state: &Path, package: &str) -> Result<PathBuf> {
    ensure!(process::find("apt-get").is_some(), "there is no apt here to fetch {package} with");
    for folder in ["lists/partial", "cache/archives/partial", "log", "archives"] {
        std::fs::create_dir_all(state.join(folder))?;
    }
    let configuration = state.join("apt.conf");
    std::fs::write(&configuration, apt_configuration(state, &sources()?)?)?;
    // An empty list of installed packages.
    std::fs::write(state.join("status"), "")?;
    let apt = |arguments: &[&str]| -> Command {
        let mut command = process::command("apt-get");
        command.args(["-q", "-o", "Acquire::Retries=1"]).args(arguments);
        command.env("APT_CONFIG", &configuration).current_dir(archives(state));
        command
    };
    process::step(
        &format!("fetching Debian's list of {ARCHITECTURE} packages"),
        &mut apt(&["update"]),
    )?;
    process::step(&format!("fetching {package}:{ARCHITECTURE}"), &mut apt(&["download", package]))?;
    cached(state, package).with_context(|| format!("apt did not leave a {package} package"))
}

/// Returns the machine's file of Debian sources.
fn sources() -> Result<PathBuf> {
    let files = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    let has_text = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    files.into_iter().map(PathBuf::from).find(has_text).context("apt has no list of sources")
}

/// Writes apt's configuration: all state below `state`, nothing of the machine's hooks.
fn apt_configuration(state: &Path, sources: &Path) -> Result<String> {
    let user = process::output(process::command("id").arg("-un"))?;
    let machine = process::output(process::command("apt-config").arg("dump")).unwrap_or_default();
    let reaches_server = |line: &&str| {
        ["Acquire::http", "Acquire::https", "Acquire::ForceIPv"].iter().any(|s| line.starts_with(s))
    };
    let mut text: String = machine.lines().filter(reaches_server).flat_map(|l| [l, "\n"]).collect();
    let directory = state.display();
    let settings = [
        ("APT::Architecture", ARCHITECTURE.to_owned()),
        ("APT::Sandbox::User", user.trim().to_owned()),
        ("Acquire::Languages", "none".to_owned()),
        ("Dir::Etc::Main", "/dev/null".to_owned()),
        ("Dir::Etc::Parts", "/dev/null".to_owned()),
        ("Dir::Etc::SourceList", sources.display().to_string()),
        ("Dir::Etc::SourceParts", "/dev/null".to_owned()),
        ("Dir::Etc::Preferences", "/dev/null".to_owned()),
        ("Dir::Etc::PreferencesParts", "/dev/null".to_owned()),
        ("Dir::State", format!("{directory}")),
        ("Dir::State::Lists", format!("{directory}/lists")),
        ("Dir::State::status", format!("{directory}/status")),
        ("Dir::Cache", format!("{directory}/cache")),
        ("Dir::Log", format!("{directory}/log")),
    ];
    for (name, value) in settings {
        writeln!(text, "{name} \"{value}\";")?;
    }
    writeln!(text, "APT::Architectures {{ \"{ARCHITECTURE}\"; }};")?;
    Ok(text)
}

/// Reads one file of a package's archive.
fn extract(archive: &Path, path: &str) -> Result<Vec<u8>> {
    let mut child = process::command("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting dpkg-deb")?;
    let stream = child.stdout.take().context("dpkg-deb has no output")?;
    let found = find(stream, path)?;
    // It may be writing still: what it has to say about that does not matter.
    let _ = child.kill();
    child.wait()?;
    match found {
        Some(data) => Ok(data),
        None => bail!("no file {path} in it"),
    }
}

/// Finds the regular file `path` in a tar stream.
fn find(stream: impl Read, path: &str) -> Result<Option<Vec<u8>>> {
    let path = path.trim_start_matches('/');
    for entry in tar::Archive::new(stream).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        if name == path && entry.header().entry_type().is_file() {
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_in_a_tar_stream_by_its_absolute_path() {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in [("./bin/sh", "shell"), ("./bin/busybox", "box")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            builder.append_data(&mut header, name, data.as_bytes()).unwrap();
        }
        let tar = builder.into_inner().unwrap();
        assert_eq!(find(tar.as_slice(), "/bin/busybox").unwrap().as_deref(), Some(&b"box"[..]));
        assert_eq!(find(tar.as_slice(), "/bin").unwrap(), None);
    }

    #[test]
    fn the_newest_archive_of_exactly_that_package_is_taken() {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(archives(state.path())).unwrap();
        for name in ["busybox_1_arm64.deb", "busybox-static_1_arm64.deb", "busybox_2_arm64.deb"] {
            std::fs::write(archives(state.path()).join(name), "").unwrap();
        }
        let file = cached(state.path(), "busybox").unwrap();
        assert!(file.ends_with("busybox_2_arm64.deb"));
        assert_eq!(cached(state.path(), "busy"), None);
    }
}
