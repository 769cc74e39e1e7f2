//! Running other programs: clean environment, time limits, progress for what takes long.

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::ffi::OsStr;
use std::io::{IsTerminal, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Returns the program `name`, to be run without what `cargo run` put into our environment:
/// with it, a cargo below us would not be the one that was asked for.
pub fn command(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(is_set_by_cargo) {
            command.env_remove(&variable);
        }
    }
    command
}

/// Returns whether `variable` is one that cargo or rustup set for what they run, or one that
/// changes how cargo builds. How to reach a registry is not part of that.
fn is_set_by_cargo(variable: &str) -> bool {
    const KEPT: [&str; 5] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_TERM_"];
    const DROPPED: [&str; 8] = [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "RUST_RECURSION_COUNT",
        "OUT_DIR",
        "LD_LIBRARY_PATH",
    ];
    let starts = |list: &[&str]| list.iter().any(|start| variable.starts_with(start));
    starts(&DROPPED) && !starts(&KEPT)
}

/// Returns the path of the program `name` in `PATH`.
#[must_use]
pub fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Runs a program to its end and returns what it printed; nothing of it is shown.
///
/// # Errors
/// If it cannot be started or fails; the error has what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting `{line}`"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed ({}):\n{}", output.status, errors.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program that takes long, saying `what` it does: a spinner with the last line it
/// printed where there is a terminal, one line where there is none.
///
/// # Errors
/// If it cannot be started or fails; the error has all that it printed.
pub fn step(what: &str, command: &mut Command) -> Result<()> {
    let line = show(command);
    let (mut reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let spinner = spinner(what);
    let child = command.spawn();
    // The command holds the pipe's writing end; the reader below ends when nobody does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.with_context(|| format!("starting `{line}`"))?;
    let (mut printed, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        printed.extend_from_slice(&buffer[..count]);
        if let Some(last) = String::from_utf8_lossy(&printed).lines().next_back() {
            spinner.set_message(format!("{what}: {}", last.trim()));
        }
    }
    let status = child.wait()?;
    spinner.finish_and_clear();
    if !status.success() {
        let printed = String::from_utf8_lossy(&printed);
        bail!("{what}: `{line}` failed ({status}):\n{}", printed.trim_end());
    }
    Ok(())
}

/// Returns a spinner that says `what` is going on; where there is no terminal, says it once.
#[must_use]
pub fn spinner(what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("osv: {what}");
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Waits for a program to end, at most for `limit`; then ends it and returns `None`.
///
/// # Errors
/// If the system refuses to say.
pub fn wait(child: &mut Child, limit: Option<Duration>) -> Result<Option<ExitStatus>> {
    let Some(limit) = limit else { return Ok(Some(child.wait()?)) };
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Writes a command as it would be typed.
#[must_use]
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a POSIX shell, where it needs that.
#[must_use]
pub fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_sets_is_dropped_and_how_to_reach_a_registry_is_kept() {
        for dropped in ["CARGO", "CARGO_PKG_NAME", "RUSTC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"] {
            assert!(is_set_by_cargo(dropped), "{dropped}");
        }
        for kept in ["CARGO_HOME", "CARGO_HTTP_PROXY", "CARGO_REGISTRIES_CRATES_IO_INDEX", "PATH"] {
            assert!(!is_set_by_cargo(kept), "{kept}");
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quote("virt,gic-version=2"), "virt,gic-version=2");
        assert_eq!(quote("--nomount /tools/hello"), "'--nomount /tools/hello'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let mut child = command("sleep").arg("60").spawn().unwrap();
        assert!(wait(&mut child, Some(Duration::from_millis(5))).unwrap().is_none());
        let mut child = command("true").spawn().unwrap();
        assert!(wait(&mut child, None).unwrap().unwrap().success());
    }

    #[test]
    fn a_failed_step_shows_what_was_printed() {
        let error = step("testing", command("sh").args(["-c", "echo why; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }
}
