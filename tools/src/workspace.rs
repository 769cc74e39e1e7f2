//! Where things are: the source tree, what is built from it, and the cache of what was fetched.

use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Returns the top of the source tree.
#[must_use]
pub fn root() -> &'static Path {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR"));
    tools.parent().unwrap_or(tools)
}

/// Returns the directory for everything that is built for the target.
#[must_use]
pub fn target() -> PathBuf {
    root().join("target/osv")
}

/// Returns the user's cache directory for what was fetched, kept between clones.
#[must_use]
pub fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(target)
        .join("osv")
}

/// Takes the lock `name` in `directory`, waiting as long as another process holds it. It is
/// given back when the file is dropped.
///
/// # Errors
/// If the lock file cannot be made.
pub fn lock(directory: &Path, name: &str) -> Result<File> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("making {}", directory.display()))?;
    let path = directory.join(name);
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// Writes `bytes` to `path` such that nobody ever sees half of it; leaves an equal file alone.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    let write = || -> Result<()> {
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", path.display()))
}
