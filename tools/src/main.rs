//! The `osv` command: builds, runs, tests and measures the system.
#![forbid(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match osv_tools::command::Osv::parse().perform() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("osv: {error:#}");
            ExitCode::FAILURE
        }
    }
}
