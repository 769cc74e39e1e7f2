//! `osv test`: runs tests; the system tests boot QEMU.

use crate::setup::Consent;
use crate::{process, setup, workspace};
use anyhow::{Context, Result};
use clap::Args;

/// Runs the system tests: each boots the system in QEMU
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv test                    every system test\n  \
    osv test boots              those with `boots` in their name\n  \
    cargo test                  these and all tests of the host")]
pub struct Test {
    /// Run the tests with one of these in their name
    filters: Vec<String>,
}

impl Test {
    /// Runs the tests.
    ///
    /// # Errors
    /// If cargo cannot be started.
    pub fn perform(&self, consent: Consent) -> Result<u8> {
        setup::ensure(consent)?;
        let status = process::command("cargo")
            .args(["test", "-p", "tools", "--tests", "--"])
            .args(&self.filters)
            .current_dir(workspace::root())
            .status()
            .context("starting cargo")?;
        Ok(u8::from(!status.success()))
    }
}
