//! `osv setup`: makes sure that this machine has all that building and running needs.

use crate::setup::{self, Consent};
use crate::{debian, images, process};
use anyhow::Result;
use clap::Args;
use image::manifest::Source;

/// Finds what this machine lacks and installs it
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv setup                 install what is missing; after it, no network is needed\n  \
    osv setup --no-install    only list it")]
pub struct Setup {}

impl Setup {
    /// Sets up.
    ///
    /// # Errors
    /// If something is missing and cannot or must not be installed.
    pub fn perform(&self, consent: Consent) -> Result<u8> {
        let toolchain = setup::ensure(consent)?;
        let core = if toolchain.is_core_built { "built from its sources" } else { "installed" };
        println!("compiler  {}, core library {core}", toolchain.rustc.display());
        println!("linker    {}", toolchain.linker.display());
        let version = process::output(process::command(crate::qemu::PROGRAM).arg("--version"))?;
        println!("machine   {}", version.lines().next().unwrap_or_default());
        for file in images::read_manifest("default")?.files {
            if let Source::Debian { package, path } = file.from {
                match debian::read(&package, &path) {
                    Ok(data) => println!("package   {package}: {path}, {} bytes", data.len()),
                    Err(error) => println!("package   {package}: not to be had ({error:#})"),
                }
            }
        }
        Ok(0)
    }
}
