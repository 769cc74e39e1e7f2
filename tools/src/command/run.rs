//! `osv run`: boots and runs one program, by default a shell.

use super::options;
use crate::boot::{CommandLine, Echo, Session, TIMED_OUT};
use crate::images::{self, LoaderImage};
use crate::qemu::{self, Serial};
use crate::setup::Consent;
use crate::target::Kind;
use crate::{build, process};
use anyhow::{Context, Result, bail};
use clap::Args;
use ipc_proto::abi::boot_info::ROOT_BASE;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Where programs of the host are put in the guest.
const HOST_FOLDER: &str = "/host";
/// Status for a program that is nowhere, as a shell has it.
const NOT_FOUND: u8 = 127;
/// The script that is run where there is no terminal.
const DEMO: [&str; 2] = ["/bin/sh", "/etc/demo.sh"];

/// Boots the system and runs a program; its exit status becomes this command's
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv run                                 a shell\n  \
    osv run ./hello one two                 a static AArch64 program of this host\n  \
    osv run /tools/hello                    a program of bootfs\n  \
    osv run --system fused --icount /tools/bench guest_getppid\n  \
    osv run -v --cpu max --machine virtualization=on --mem 64M /tools/hello\n  \
    echo hello | osv run /bin/md5sum        the input is passed on")]
pub struct Run {
    #[command(flatten)]
    machine: options::Machine,
    /// Set a variable of the program's environment; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The program, of bootfs or of this host, and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// Where a program is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In bootfs, at this path.
    Guest(String),
    /// On the host; the guest sees it at the path.
    Host(PathBuf, String),
}

impl Run {
    /// Returns the command that bare `osv` stands for.
    #[must_use]
    pub fn shell(machine: options::Machine) -> Run {
        Run { machine, env: Vec::new(), program: Vec::new() }
    }

    /// Runs it.
    ///
    /// # Errors
    /// If the host lacks something, or the program is nowhere.
    pub fn perform(mut self, consent: Consent) -> Result<u8> {
        let image = images::ensure(self.machine.profile(), consent)?;
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let mut line = CommandLine::default();
        if let Some(variable) = self.env.iter().find(|v| v.contains(char::is_whitespace)) {
            bail!("--env {variable:?}: the kernel's command line has no room for blanks in it");
        }
        line.options.extend(self.env.iter().map(|variable| format!("--env={variable}")));
        // Lives as long as QEMU reads it.
        let folder = tempfile::tempdir()?;
        if let Some((program, arguments)) = self.program.clone().split_first() {
            let Some(path) = self.place(program, &image, folder.path())? else {
                eprintln!("osv: {program}: neither a file here nor a program of bootfs");
                return Ok(NOT_FOUND);
            };
            line.program = std::iter::once(path).chain(arguments.iter().cloned()).collect();
        } else if !image.has_shell {
            eprintln!("osv: there is no shell without Debian's busybox; running /tools/hello");
            line.program = vec!["/tools/hello".to_owned()];
        } else if is_terminal {
            line.program = vec![DEMO[0].to_owned()];
        } else {
            line.options.push("--bootchart".to_owned());
            line.program = DEMO.map(String::from).to_vec();
        }
        let serial = if is_terminal { Serial::Terminal } else { Serial::Plain };
        if let (Serial::Terminal, Ok(terminal)) = (serial, std::env::var("TERM")) {
            line.options.push(format!("--env=TERM={terminal}"));
        }
        let machine = self.machine.on(&image, line, serial);
        self.announce(&machine, &image);
        match serial {
            Serial::Terminal => self.run_terminal(&machine),
            Serial::Plain => self.run_plain(&machine),
        }
    }

    /// Finds the program and returns its path in the guest, adding it to the initrd if need be.
    fn place(
        &mut self,
        program: &str,
        image: &LoaderImage,
        folder: &Path,
    ) -> Result<Option<String>> {
        let is_file = |path: &Path| path.is_file();
        match find(program, &|path| image.manifest.contains(path), &is_file) {
            Some(Place::Guest(path)) => Ok(Some(path)),
            Some(Place::Host(file, path)) => {
                let overlay =
                    images::overlay(self.machine.initrd.as_deref(), &[(path.clone(), file)])?;
                let initrd = folder.join("overlay.cpio");
                std::fs::write(&initrd, overlay)?;
                self.machine.initrd = Some(initrd);
                Ok(Some(path))
            }
            None => Ok(None),
        }
    }

    /// Says what is started, as far as it was asked for.
    fn announce(&self, machine: &qemu::Machine, image: &LoaderImage) {
        if self.machine.verbose {
            eprintln!("osv: {}", process::show(&machine.command()));
        }
        if self.machine.gdb {
            let symbols = |kind, name| build::path(image.profile, kind, name).display().to_string();
            let kernel = symbols(Kind::Kernel, build::KERNEL);
            let root = symbols(Kind::Server, build::ROOT);
            let add = process::quote(&format!("add-symbol-file {root} -o {ROOT_BASE:#x}"));
            eprintln!(
                "osv: waiting for gdb:\n  gdb-multiarch {} -ex {add} -ex 'target remote :1234'",
                process::quote(&kernel)
            );
        }
    }

    /// Runs with the terminal as the console: QEMU has it until the end.
    fn run_terminal(&self, machine: &qemu::Machine) -> Result<u8> {
        eprintln!("osv: starting (leave by `exit`, or by Ctrl-a x)");
        let mut child = machine.command().spawn().context("starting QEMU")?;
        let Some(status) = process::wait(&mut child, self.machine.limit())? else {
            return Ok(TIMED_OUT);
        };
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }

    /// Runs with the console on standard input and output.
    fn run_plain(&self, machine: &qemu::Machine) -> Result<u8> {
        let mut session = Session::start(machine, Echo::Live, self.machine.limit())?;
        session.feed(std::io::stdin());
        let outcome = session.finish()?;
        if outcome.status == TIMED_OUT
            && let Some(seconds) = self.machine.timeout
        {
            eprintln!("osv: ended after {seconds} seconds");
        }
        Ok(outcome.status)
    }
}

/// Decides where `program` is: what bootfs has goes before what the host has, as the host's
/// programs of the same path are for the host.
fn find(
    program: &str,
    is_in_bootfs: &dyn Fn(&str) -> bool,
    is_host_file: &dyn Fn(&Path) -> bool,
) -> Option<Place> {
    let file = Path::new(program);
    if program.starts_with('/') && is_in_bootfs(program) {
        return Some(Place::Guest(program.to_owned()));
    }
    if is_host_file(file) {
        let name = file.file_name()?.to_str()?;
        return Some(Place::Host(file.to_owned(), format!("{HOST_FOLDER}/{name}")));
    }
    if program.contains('/') {
        // An initrd may have it; the guest says so if it has not.
        return program.starts_with('/').then(|| Place::Guest(program.to_owned()));
    }
    let folders = ["/tools", "/bin"].into_iter().map(|folder| format!("{folder}/{program}"));
    folders.into_iter().find(|path| is_in_bootfs(path)).map(Place::Guest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(program: &str) -> Option<Place> {
        find(program, &|path| ["/bin/sh", "/tools/hello"].contains(&path), &|path| {
            ["/bin/sh", "/bin/true", "./hello", "local"].contains(&path.to_str().unwrap())
        })
    }

    #[test]
    fn a_program_is_found_in_bootfs_or_on_the_host() {
        let guest = |path: &str| Some(Place::Guest(path.to_owned()));
        let host = |file: &str, path: &str| Some(Place::Host(file.into(), path.to_owned()));
        assert_eq!(found("/bin/sh"), guest("/bin/sh"));
        assert_eq!(found("/bin/true"), host("/bin/true", "/host/true"));
        assert_eq!(found("./hello"), host("./hello", "/host/hello"));
        assert_eq!(found("local"), host("local", "/host/local"));
        assert_eq!(found("hello"), guest("/tools/hello"));
        assert_eq!(found("/no/such"), guest("/no/such"));
        assert_eq!(found("no/such"), None);
        assert_eq!(found("nosuch"), None);
    }
}
