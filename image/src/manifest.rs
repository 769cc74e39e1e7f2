//! Manifests: which files bootfs holds and where each comes from.

use serde::Deserialize;

/// The files of a bootfs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Directories that are there even if nothing is in them.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Files. In TOML: `[[file]]`.
    #[serde(default, rename = "file")]
    pub files: Vec<File>,
    /// Groups of symbolic links. In TOML: `[[links]]`.
    #[serde(default)]
    pub links: Vec<Links>,
}

/// One file of bootfs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in bootfs, absolute.
    pub path: String,
    /// Where it comes from.
    pub from: Source,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// The server of this name in `servers`, stripped.
    Server(String),
    /// The guest program of this name in `tools/programs`, stripped.
    Program(String),
    /// The system description of this name in `image/systems`, encoded.
    System(String),
    /// A file in `image`.
    File {
        /// Its path, seen from `image`.
        path: String,
        /// May be executed.
        #[serde(default)]
        executable: bool,
    },
    /// A file of a Debian arm64 package. Left out where the package cannot be had.
    Debian {
        /// The package.
        package: String,
        /// The file's path in it, absolute.
        path: String,
    },
}

/// Symbolic links that lead to one program under several names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// The directory that they lie in.
    pub directory: String,
    /// What they lead to. Where bootfs does not hold it, the links are left out.
    pub to: String,
    /// Their names, separated by white space.
    pub names: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// If `text` is not TOML of this shape, or a path is not absolute or there twice.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = toml::from_str(text)?;
        let mut seen = std::collections::BTreeSet::new();
        for path in manifest.files.iter().map(|file| &file.path) {
            if !path.starts_with('/') || path.ends_with('/') {
                return Err(ManifestError::Path(path.clone()));
            }
            if !seen.insert(path) {
                return Err(ManifestError::Twice(path.clone()));
            }
        }
        Ok(manifest)
    }

    /// Returns the names of the servers in it.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| match &file.from {
            Source::Server(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns the names of the guest programs in it.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| match &file.from {
            Source::Program(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns whether it puts a file or a link at `path`.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        let is_link = |links: &Links| {
            let name =
                path.strip_prefix(links.directory.as_str()).and_then(|p| p.strip_prefix('/'));
            name.is_some_and(|name| links.names.split_whitespace().any(|link| link == name))
        };
        self.files.iter().any(|file| file.path == path) || self.links.iter().any(is_link)
    }
}

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or has unknown keys.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A path does not name a file.
    #[error("`{0}` is not an absolute path of a file")]
    Path(String),
    /// A path is there twice.
    #[error("`{0}` is there twice")]
    Twice(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_manifest_is_accepted() {
        let manifest = Manifest::parse(include_str!("../manifests/default.toml")).unwrap();
        assert!(manifest.servers().any(|name| name == "personality"));
        assert!(manifest.programs().any(|name| name == "hello"));
        assert!(manifest.contains("/bin/ls") && manifest.contains("/tools/hello"));
        assert!(!manifest.contains("/bin/") && !manifest.contains("/bin/nosuch"));
    }

    #[test]
    fn unknown_keys_and_bad_paths_are_refused() {
        let file =
            |path: &str| format!("[[file]]\npath = \"{path}\"\nfrom = {{ server = \"a\" }}\n");
        assert!(Manifest::parse("files = 1").is_err());
        assert!(Manifest::parse(&file("relative")).is_err());
        assert!(Manifest::parse(&file("/a/")).is_err());
        let twice = file("/a") + &file("/a");
        assert_eq!(Manifest::parse(&twice).unwrap_err().to_string(), "`/a` is there twice");
    }
}
