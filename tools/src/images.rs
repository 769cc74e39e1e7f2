//! Loader images: the target's programs, bootfs and root, put together in one file.

use crate::setup::{Consent, Toolchain};
use crate::target::{Kind, Profile};
use crate::{build, debian, process, setup, workspace};
use anyhow::{Context, Result};
use image::cpio::{Archive, Entry};
use image::manifest::{Manifest, Source};
use std::path::{Path, PathBuf};

/// A loader image and what is in its bootfs.
#[derive(Clone, Debug)]
pub struct LoaderImage {
    /// The file.
    pub path: PathBuf,
    /// What its bootfs was made from.
    pub manifest: Manifest,
    /// Its bootfs has Debian's busybox, and so a shell.
    pub has_shell: bool,
    /// How it was built.
    pub profile: Profile,
}

/// Builds the default image, or finds that nothing has changed.
///
/// # Errors
/// If something is missing that must not be installed, or does not build.
pub fn ensure(profile: Profile, consent: Consent) -> Result<LoaderImage> {
    let toolchain = setup::ensure(consent)?;
    // Cargo has a lock of its own; this one makes "build, then read what was built" one step.
    let _lock = workspace::lock(&workspace::target(), "image.lock")?;
    make(&toolchain, profile)
}

fn make(toolchain: &Toolchain, profile: Profile) -> Result<LoaderImage> {
    let manifest = read_manifest("default")?;
    build::build(toolchain, profile, &build::groups(&manifest))?;
    let spinner = process::spinner("making the loader image");
    let bootfs = bootfs(&manifest, profile)?;
    let has_shell = bootfs.contains("/bin/busybox");
    let root =
        image::root::flatten(&build::read(profile, Kind::Server, build::ROOT)?).context("root")?;
    let kernel = build::read(profile, Kind::Kernel, build::KERNEL)?;
    let loader = image::loader::build(&kernel, &root, &bootfs.encode())?;
    let path = workspace::target().join(profile.name()).join("loader.img");
    workspace::write(&path, &loader)?;
    spinner.finish_and_clear();
    Ok(LoaderImage { path, manifest, has_shell, profile })
}

/// Reads a manifest of `image/manifests`.
///
/// # Errors
/// If there is none, or it is refused.
pub fn read_manifest(name: &str) -> Result<Manifest> {
    let path = workspace::root().join(format!("image/manifests/{name}.toml"));
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Manifest::parse(&text).with_context(|| path.display().to_string())
}

/// Collects the files of a bootfs.
fn bootfs(manifest: &Manifest, profile: Profile) -> Result<Archive> {
    let mut archive = Archive::default();
    for path in &manifest.directories {
        archive.insert(path, Entry::Directory);
    }
    for file in &manifest.files {
        if let Some(entry) = entry(&file.from, manifest, profile).context(file.path.clone())? {
            archive.insert(&file.path, entry);
        }
    }
    for links in &manifest.links {
        if archive.contains(&format!("{}/{}", links.directory, links.to)) {
            for name in links.names.split_whitespace() {
                let path = format!("{}/{name}", links.directory);
                archive.insert(&path, Entry::Link(links.to.clone()));
            }
        }
    }
    Ok(archive)
}

/// Reads one file's content; `None` if it is one that can do without.
fn entry(source: &Source, manifest: &Manifest, profile: Profile) -> Result<Option<Entry>> {
    let (data, is_executable) = match source {
        Source::Server(name) => {
            (image::elf::strip(&build::read(profile, Kind::Server, name)?)?, true)
        }
        Source::Program(name) => {
            (image::elf::strip(&build::read(profile, Kind::Guest, name)?)?, true)
        }
        Source::System(name) => {
            let path = workspace::root().join(format!("image/systems/{name}.toml"));
            let text = std::fs::read_to_string(path)?;
            let system = image::system::parse(name, &text, manifest)?;
            (image::system::encode(&system)?, false)
        }
        Source::File { path, executable } => {
            (std::fs::read(workspace::root().join("image").join(path))?, *executable)
        }
        Source::Debian { package, path } => match debian::read(package, path) {
            Ok(data) => (data, true),
            Err(error) => {
                eprintln!("osv: the image is made without Debian's {package}: {error:#}");
                return Ok(None);
            }
        },
    };
    Ok(Some(Entry::File { data, is_executable }))
}

/// Returns the bytes of an initrd that puts `files` (path in the guest, file of the host) over
/// bootfs, and over what the archive `below` has.
///
/// # Errors
/// If a file cannot be read, or `below` is not a cpio archive.
pub fn overlay(below: Option<&Path>, files: &[(String, PathBuf)]) -> Result<Vec<u8>> {
    let read =
        |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    let mut archive = Archive::default();
    if let Some(path) = below {
        copy(&read(path)?, &mut archive).with_context(|| path.display().to_string())?;
    }
    for (path, file) in files {
        archive.insert(path, Entry::File { data: read(file)?, is_executable: true });
    }
    Ok(archive.encode())
}

/// Copies the members of an archive of the "newc" format.
fn copy(bytes: &[u8], archive: &mut Archive) -> Result<()> {
    for member in cpio::Archive(bytes).members() {
        let member = member.map_err(|error| anyhow::anyhow!("{error}"))?;
        let path = String::from_utf8_lossy(member.path);
        let entry = match member.kind() {
            cpio::Kind::Directory => Entry::Directory,
            cpio::Kind::File => {
                Entry::File { data: member.data.to_vec(), is_executable: member.mode & 0o111 != 0 }
            }
            cpio::Kind::Symlink => Entry::Link(String::from_utf8_lossy(member.data).into_owned()),
            cpio::Kind::Other => continue,
        };
        if !path.is_empty() {
            archive.insert(&path, entry);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_keeps_what_was_below_and_replaces_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let (below, file) = (folder.path().join("below.cpio"), folder.path().join("new"));
        let mut archive = Archive::default();
        for name in ["a", "b"] {
            archive.insert(name, Entry::File { data: b"old".to_vec(), is_executable: false });
        }
        std::fs::write(&below, archive.encode()).unwrap();
        std::fs::write(&file, "new").unwrap();
        let bytes = overlay(Some(&below), &[("/b".into(), file)]).unwrap();
        let data = |path: &[u8]| cpio::Archive(&bytes).find(path).unwrap().unwrap().data;
        assert_eq!((data(b"a"), data(b"b")), (&b"old"[..], &b"new"[..]));
    }

    #[test]
    fn every_system_of_the_default_manifest_is_accepted() {
        let manifest = read_manifest("default").unwrap();
        for file in manifest.files.iter().filter(|file| matches!(file.from, Source::System(_))) {
            assert!(entry(&file.from, &manifest, Profile::Fast).unwrap().is_some());
        }
    }
}
