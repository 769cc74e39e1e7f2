//! `osv bench`: measures, in instructions and by the clock, on both systems.

use super::options;
use crate::bench::{self, Figure, Mode};
use crate::boot::{CommandLine, Echo, Outcome, Session};
use crate::images::{self, LoaderImage};
use crate::process;
use crate::qemu::Serial;
use crate::setup::Consent;
use crate::target::Profile;
use anyhow::{Result, bail};
use clap::Args;
use std::time::Duration;

/// The systems that run Linux programs.
const LINUX: [&str; 2] = ["strict", "fused"];
/// The system whose servers measure calls between them, by themselves.
const KERNEL: &str = "bench";

/// How long one boot with all measurements may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Measures the system: instruction counts first, wall time beside them
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv bench                              a table of everything\n  \
    osv bench guest_getppid page_touch     only these\n  \
    osv bench --json                       one JSON object a line\n  \
    osv bench --system fused --icount-only")]
pub struct Bench {
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
    /// Only this system description [default: strict, fused, and bench for the kernel alone]
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Number of cores
    #[arg(long, default_value_t = 1, value_name = "N")]
    smp: u32,
    /// Only instruction counts, which do not depend on the host
    #[arg(long)]
    icount_only: bool,
    /// The measurements to make [default: all]
    names: Vec<String>,
}

impl Bench {
    /// Measures.
    ///
    /// # Errors
    /// If the host lacks something, or a machine printed no figures.
    pub fn perform(&self, consent: Consent) -> Result<u8> {
        let image = images::ensure(Profile::Release, consent)?;
        let all = || [LINUX[0], LINUX[1], KERNEL].map(String::from).to_vec();
        let systems = self.system.clone().map_or_else(all, |system| vec![system]);
        let modes: &[Mode] =
            if self.icount_only { &[Mode::Icount] } else { &[Mode::Icount, Mode::Wall] };
        let (mut figures, mut status) = (Vec::new(), 0);
        for &mode in modes {
            for system in &systems {
                let (found, outcome) = self.measure(&image, system, mode)?;
                if outcome.status != 0 {
                    eprintln!("osv: {system} ended with status {}", outcome.status);
                    status = 1;
                }
                for line in outcome.output.lines().filter(|line| line.contains(" failed")) {
                    eprintln!("osv: {system}: {line}");
                }
                if self.json {
                    for figure in &found {
                        println!("{}", serde_json::to_string(figure)?);
                    }
                }
                figures.extend(found);
            }
        }
        if !self.json {
            print!("{}", bench::table(&figures));
        }
        Ok(status)
    }

    fn measure(
        &self,
        image: &LoaderImage,
        system: &str,
        mode: Mode,
    ) -> Result<(Vec<Figure>, Outcome)> {
        let how = if mode == Mode::Icount { "in instructions" } else { "by the clock" };
        let spinner = process::spinner(&format!("measuring {system} {how}"));
        let options = options::Machine {
            system: system.to_owned(),
            smp: self.smp,
            icount: mode == Mode::Icount,
            ..options::Machine::default()
        };
        let mut line = CommandLine::default();
        if system != KERNEL {
            line.program.push("/tools/bench".to_owned());
            line.program.extend(self.names.iter().cloned());
        }
        let machine = options.on(image, line, Serial::Plain);
        let outcome = Session::start(&machine, Echo::Silent, Some(LIMIT))?.finish()?;
        spinner.finish_and_clear();
        let mut figures = bench::parse(&outcome.output, system, self.smp, mode);
        let is_wanted =
            |figure: &Figure| self.names.is_empty() || self.names.contains(&figure.name);
        figures.retain(is_wanted);
        if figures.is_empty() && self.names.is_empty() {
            let command = process::show(&machine.command());
            bail!("no figures from {system}; it printed:\n{}\nAgain: {command}", outcome.output);
        }
        Ok((figures, outcome))
    }
}
