//! `osv image`: writes the loader image where it is wanted.

use crate::setup::Consent;
use crate::target::Profile;
use crate::{images, qemu};
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;

/// Writes the loader image to a file, and prints how to boot it without this tool
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv image                       ./loader.img\n  \
    osv image -o /srv/tftp/osv.img  another file")]
pub struct Image {
    /// The file to write
    #[arg(short, long, default_value = "loader.img", value_name = "FILE")]
    output: PathBuf,
}

impl Image {
    /// Writes the image.
    ///
    /// # Errors
    /// If it cannot be built or written.
    pub fn perform(&self, consent: Consent) -> Result<u8> {
        let image = images::ensure(Profile::Release, consent)?;
        std::fs::copy(&image.path, &self.output)
            .with_context(|| format!("writing {}", self.output.display()))?;
        let path = self.output.display().to_string();
        let path = if self.output.is_absolute() { path } else { format!("./{path}") };
        println!("{}", qemu::plain_command(&path, "--nomount /tools/hello one two"));
        Ok(0)
    }
}
