//! The subcommands of `osv`, one file each, and the options that several have.

pub mod bench;
pub mod build;
pub mod check;
pub mod image;
pub mod options;
pub mod run;
pub mod setup;
pub mod test;
pub mod zfs;

use crate::setup::Consent;
use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, runs, tests and measures the system.
///
/// Without a subcommand: boots and gives you a shell, or shows a short demonstration where there
/// is no terminal to type at.
#[derive(Parser)]
#[command(
    name = "osv",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo run                              a shell on the system\n  \
        cargo run -- --system fused --smp 2    the same, on another machine\n  \
        cargo run -- run ./hello one two       a static AArch64 program of this host\n  \
        cargo run -- --no-install              only list what this machine lacks"
)]
pub struct Osv {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    machine: options::Machine,
    /// Install nothing: print what is missing and stop
    #[arg(long, global = true)]
    no_install: bool,
}

#[derive(Subcommand)]
enum Subcommands {
    Run(run::Run),
    Build(build::Build),
    Image(image::Image),
    Test(test::Test),
    Bench(bench::Bench),
    Check(check::Check),
    Setup(setup::Setup),
    Zfs(zfs::Zfs),
}

impl Osv {
    /// Does what the command line says; returns the exit status.
    ///
    /// # Errors
    /// What went wrong on the host. What goes wrong in the guest is in the status.
    pub fn perform(self) -> Result<u8> {
        let consent = if self.no_install { Consent::ListOnly } else { Consent::Install };
        match self.command {
            None => run::Run::shell(self.machine).perform(consent),
            Some(Subcommands::Run(command)) => command.perform(consent),
            Some(Subcommands::Build(command)) => command.perform(consent),
            Some(Subcommands::Image(command)) => command.perform(consent),
            Some(Subcommands::Test(command)) => command.perform(consent),
            Some(Subcommands::Bench(command)) => command.perform(consent),
            Some(Subcommands::Check(command)) => command.perform(consent),
            Some(Subcommands::Setup(command)) => command.perform(consent),
            Some(Subcommands::Zfs(command)) => command.perform(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed_and_every_help_has_examples() {
        let mut command = Osv::command();
        command.clone().debug_assert();
        command.build();
        for part in std::iter::once(&command).chain(command.get_subcommands()) {
            if part.get_name() != "help" {
                let help = part.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{} has no example", part.get_name());
            }
        }
    }
}
