//! The rules on sources that a program can check, and the report of their sizes.

use anyhow::Result;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Most lines of a file, tests apart.
const MAX_LINES: usize = 500;
/// Folders that may depend on the architecture.
const ARCHITECTURE_FOLDERS: [&str; 4] =
    ["microkernel/src/", "libosv/", "servers/personality/src/", "tools/programs/"];

/// A source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path, seen from the top of the tree.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    fn is_test(&self) -> bool {
        let parts: Vec<_> = self.path.iter().collect();
        parts.iter().any(|part| *part == "tests" || *part == "tests.rs")
    }

    /// Lines that are neither empty nor comments.
    fn code_lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with("//"))
    }
}

/// Reads all Rust and assembly sources below `root`.
///
/// # Errors
/// If a folder or file cannot be read.
pub fn sources(root: &Path) -> Result<Vec<Source>> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let name = name.to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".S") {
                let text = std::fs::read_to_string(&path)?;
                found.push(Source { path: path.strip_prefix(root)?.to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Checks the sources; returns a line for each finding.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let path = source.path.display();
        let lines = source.text.lines().count();
        if source.is_rust() && !source.text.starts_with("//! ") {
            findings.push(format!("{path}:1: the file does not begin with what it is: `//! …`"));
        }
        if lines > MAX_LINES && !source.is_test() {
            findings
                .push(format!("{path}: {lines} lines; split it by concept (at most {MAX_LINES})"));
        }
        // Not written out, or this file would be a finding.
        let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
        for (number, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                findings.push(format!("{path}:{}: open work belongs into an issue", number + 1));
            }
            let may_depend = ARCHITECTURE_FOLDERS.iter().any(|f| source.path.starts_with(f));
            if line.contains(concat!("cfg(target", "_arch")) && !may_depend {
                findings.push(format!("{path}:{}: depends on the architecture", number + 1));
            }
        }
    }
    findings
}

/// What the crates of a folder may depend on, of this workspace; tools, on the host, on all.
const MAY_DEPEND: [(&str, &[&str]); 5] = [
    ("ipc-proto", &[]),
    ("microkernel", &["ipc-proto", "microkernel", "libosv/string"]),
    ("libosv", &["ipc-proto", "libosv"]),
    ("servers", &["ipc-proto", "libosv", "servers"]),
    ("image", &["ipc-proto"]),
];

/// Checks dependencies between the folders of crates, given as pairs; returns the findings.
#[must_use]
pub fn check_dependencies(edges: &[(String, String)]) -> Vec<String> {
    let is_in = |folder: &str, top: &str| Path::new(folder).starts_with(top);
    let mut findings = Vec::new();
    for (from, to) in edges {
        let rule = MAY_DEPEND.iter().find(|(top, _)| is_in(from, top));
        if rule.is_some_and(|(_, allowed)| !allowed.iter().any(|top| is_in(to, top))) {
            findings.push(format!("{from}/Cargo.toml: must not depend on {to}"));
        }
    }
    findings
}

/// Writes sizes for each top-level folder: files, lines, lines of code, `unsafe` blocks.
#[must_use]
pub fn report(sources: &[Source]) -> String {
    let mut text =
        format!("{:<14}{:>7}{:>9}{:>9}{:>9}\n", "folder", "files", "lines", "code", "unsafe");
    let folder =
        |source: &Source| source.path.iter().next().map(|part| part.to_string_lossy().into_owned());
    let mut folders: Vec<_> = sources.iter().filter_map(folder).collect();
    folders.dedup();
    for name in folders {
        let inside = || sources.iter().filter(|source| source.path.starts_with(&name));
        let lines: usize = inside().map(|source| source.text.lines().count()).sum();
        let code: usize = inside().map(|source| source.code_lines().count()).sum();
        let blocks = inside().flat_map(Source::code_lines);
        let blocks = blocks.filter(|line| line.contains("unsafe {")).count();
        let files = inside().count();
        let _ = writeln!(text, "{name:<14}{files:>7}{lines:>9}{code:>9}{blocks:>9}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.to_owned() }
    }

    #[test]
    fn a_file_that_keeps_the_rules_has_no_finding() {
        // Put together here, so that this file does not depend on the architecture itself.
        let text = format!("//! What it is.\n#[cfg(target{}arch = \"aarch64\")]\n", '_');
        let good = source("libosv/src/lib.rs", &text);
        assert_eq!(check(&[good]), [""; 0]);
    }

    #[test]
    fn each_broken_rule_is_a_finding_with_its_place() {
        let arch = format!("//! What.\n#[cfg(target{}arch = \"x\")]\n", '_');
        let long = "//! Long.\n".to_owned() + &"x\n".repeat(MAX_LINES);
        let mark = format!("//! What.\n// {}O\n", "TOD");
        let findings = check(&[
            source("image/src/a.rs", "use std;\n"),
            source("image/src/b.rs", &arch),
            source("image/src/c.rs", &long),
            source("image/src/c/tests.rs", &long),
            source("image/src/d.rs", &mark),
        ]);
        assert_eq!(findings.len(), 4, "{findings:?}");
        assert!(findings[0].starts_with("image/src/a.rs:1:"));
        assert!(findings[1].starts_with("image/src/b.rs:2:"));
        assert!(findings[3].starts_with("image/src/d.rs:2:"));
    }

    #[test]
    fn dependencies_go_only_down() {
        let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let good = [
            edge("servers/console", "libosv"),
            edge("microkernel", "microkernel/core"),
            edge("tools", "servers/cpio"),
            edge("libosv", "libosv/string"),
        ];
        assert_eq!(check_dependencies(&good), [""; 0]);
        let bad = [edge("ipc-proto", "libosv"), edge("microkernel/core", "libosv")];
        assert_eq!(check_dependencies(&bad).len(), 2);
    }

    #[test]
    fn the_report_counts_code_and_unsafe_blocks() {
        let text = "//! What.\n\nfn f() {\n    unsafe { g() }\n}\n";
        let report = report(&[source("libosv/src/lib.rs", text)]);
        let cells: Vec<_> = report.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(cells, ["libosv", "1", "5", "3", "1"]);
    }
}
