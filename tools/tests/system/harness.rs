//! What all system tests share: one boot, described, made, and judged.

use osv_tools::boot::{CommandLine, Echo, Outcome, Session};
use osv_tools::command::options;
use osv_tools::images::{self, LoaderImage};
use osv_tools::qemu::{Machine, Serial};
use osv_tools::setup::Consent;
use osv_tools::target::Profile;
use osv_tools::{process, workspace};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// Time for one boot: far more than it takes, even beside others on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Declares tests that run on both systems; `$system` is the name of the one at hand.
macro_rules! on_both {
    ($( $(#[$note:meta])* fn $name:ident($system:ident) $body:block )*) => { $(
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of its module")]
            use super::*;
            fn on($system: &str) $body
            $(#[$note])*
            #[test]
            fn strict() { on("strict"); }
            $(#[$note])*
            #[test]
            fn fused() { on("fused"); }
        }
    )* };
}
pub(crate) use on_both;

/// Returns the image that all tests boot, built once.
pub(crate) fn image() -> &'static LoaderImage {
    static IMAGE: OnceLock<LoaderImage> = OnceLock::new();
    // One test builds, the others wait for it.
    IMAGE.get_or_init(|| images::ensure(Profile::Fast, Consent::Install).expect("the image"))
}

/// Returns whether bootfs has a shell; without a network it has none.
pub(crate) fn has_shell() -> bool {
    let has_shell = image().has_shell;
    if !has_shell {
        eprintln!("skipped: Debian's busybox-static:arm64 is not to be had");
    }
    has_shell
}

/// A boot to be.
pub(crate) struct Boot {
    options: options::Machine,
    program: Vec<String>,
    /// Options of the kernel's command line.
    kernel: Vec<String>,
    folder: tempfile::TempDir,
}

impl Boot {
    /// Boots `system` to run `program` with its arguments.
    pub(crate) fn new(system: &str, program: &[&str]) -> Boot {
        Boot {
            options: options::Machine { system: system.to_owned(), ..options::Machine::default() },
            program: program.iter().map(|word| (*word).to_owned()).collect(),
            kernel: Vec::new(),
            folder: tempfile::tempdir().expect("a directory for the test"),
        }
    }

    /// Changes the machine.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut options::Machine)) -> Boot {
        change(&mut self.options);
        self
    }

    /// Adds an option to the kernel's command line.
    pub(crate) fn option(mut self, option: &str) -> Boot {
        self.kernel.push(option.to_owned());
        self
    }

    /// Puts files over bootfs, by an initrd.
    pub(crate) fn files(mut self, files: &[(&str, &[u8])]) -> Boot {
        let place = |(number, (path, data)): (usize, &(&str, &[u8]))| -> (String, PathBuf) {
            let file = self.folder.path().join(number.to_string());
            std::fs::write(&file, data).expect("writing a file of the test");
            ((*path).to_owned(), file)
        };
        let files: Vec<_> = files.iter().enumerate().map(place).collect();
        let initrd = self.folder.path().join("overlay.cpio");
        let overlay = images::overlay(None, &files).expect("an overlay");
        std::fs::write(&initrd, overlay).expect("writing the overlay");
        self.options.initrd = Some(initrd);
        self
    }

    fn machine(&self) -> Machine {
        let line = CommandLine { options: self.kernel.clone(), program: self.program.clone() };
        self.options.on(image(), line, Serial::Plain)
    }

    /// Starts it, to be talked to.
    pub(crate) fn start(&self) -> Session {
        Session::start(&self.machine(), Echo::Silent, Some(LIMIT)).expect("starting QEMU")
    }

    /// Runs it to its end, without input.
    pub(crate) fn run(&self) -> Ran {
        let outcome = self.start().finish().expect("the end of QEMU");
        Ran { outcome, command: process::show(&self.machine().command()) }
    }
}

/// A boot that has ended.
pub(crate) struct Ran {
    outcome: Outcome,
    command: String,
}

impl Ran {
    /// Takes the outcome of a session, with the command that repeats it.
    pub(crate) fn new(outcome: Outcome, command: String) -> Ran {
        Ran { outcome, command }
    }

    /// The program's exit status must be `status`.
    #[track_caller]
    pub(crate) fn status(self, status: u8) -> Ran {
        if self.outcome.status != status {
            self.fail(&format!("the status is {}, not {status}", self.outcome.status));
        }
        self
    }

    /// The console must have printed `text`.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Ran {
        if !self.outcome.output.contains(text) {
            self.fail(&format!("{text:?} was not printed"));
        }
        self
    }

    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("test").replace("::", ".");
        let log = workspace::target().join("failed").join(format!("{name}.log"));
        let _ = workspace::write(&log, self.outcome.output.as_bytes());
        let (output, log, command) = (&self.outcome.output, log.display(), &self.command);
        panic!("{why}\n--- the console (also in {log}):\n{output}\n--- again by:\n{command}");
    }
}
