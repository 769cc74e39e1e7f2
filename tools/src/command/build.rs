//! `osv build`: builds everything for the target and the loader image.

use crate::images;
use crate::setup::Consent;
use crate::target::Profile;
use anyhow::Result;
use clap::Args;

/// Builds kernel, servers and programs, and the loader image of them
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv build               in seconds, for trying\n  \
    osv build --release     optimised as a whole, for measuring")]
pub struct Build {
    /// Optimise as a whole: slower to build, faster to run
    #[arg(long)]
    release: bool,
}

impl Build {
    /// Builds.
    ///
    /// # Errors
    /// If something is missing or does not compile.
    pub fn perform(&self, consent: Consent) -> Result<u8> {
        let profile = if self.release { Profile::Release } else { Profile::Fast };
        let image = images::ensure(profile, consent)?;
        println!("{}", image.path.display());
        Ok(0)
    }
}
