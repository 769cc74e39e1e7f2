//! Options that describe the machine and the system, for every command that boots one.

use crate::boot::CommandLine;
use crate::images::LoaderImage;
use crate::qemu::{self, Accelerator, Serial};
use crate::target::Profile;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// The machine and the system.
#[derive(Args, Clone, Debug)]
pub struct Machine {
    /// The system description: strict (each server alone) or fused (one window)
    #[arg(long, default_value = "strict", value_name = "NAME")]
    pub system: String,
    /// Number of cores
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub smp: u32,
    /// Size of the RAM: 64M to 8G
    #[arg(long, default_value = "1024M", value_name = "SIZE")]
    pub mem: String,
    /// CPU model: cortex-a53, cortex-a57, cortex-a72, max [default: cortex-a57, or the host's]
    #[arg(long, value_name = "MODEL")]
    pub cpu: Option<String>,
    /// A property of QEMU's machine, like virtualization=on or gic-version=2; repeatable
    #[arg(long, value_name = "PROPERTY")]
    pub machine: Vec<String>,
    /// Count time in instructions: runs repeat to the digit
    #[arg(long)]
    pub icount: bool,
    /// More options for the kernel's command line
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// A cpio archive that overlays bootfs
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Wait for gdb before the first instruction, and say how to attach it
    #[arg(long)]
    pub gdb: bool,
    /// Print QEMU's command line
    #[arg(short, long)]
    pub verbose: bool,
    /// End the run after so many seconds, with status 124
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Optimise as a whole: slower to build, faster to run
    #[arg(long)]
    pub release: bool,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            system: "strict".to_owned(),
            smp: 1,
            mem: "1024M".to_owned(),
            cpu: None,
            machine: Vec::new(),
            icount: false,
            append: None,
            initrd: None,
            gdb: false,
            verbose: false,
            timeout: None,
            release: false,
        }
    }
}

impl Machine {
    /// Returns how to build what runs on it.
    #[must_use]
    pub fn profile(&self) -> Profile {
        if self.release { Profile::Release } else { Profile::Fast }
    }

    /// Returns the time limit.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    /// Returns QEMU's machine for `image`, with `program` as the rest of the kernel's command line.
    #[must_use]
    pub fn on(&self, image: &LoaderImage, program: CommandLine, serial: Serial) -> qemu::Machine {
        // Counting and other CPUs than the host's need the translator.
        let is_translated = self.icount || self.cpu.is_some();
        let accelerator = if is_translated { Accelerator::Tcg } else { Accelerator::of_host() };
        let mut machine = qemu::Machine {
            accelerator,
            cpu: self.cpu.clone(),
            cores: self.smp,
            memory: self.mem.clone(),
            properties: self.machine.clone(),
            is_counting: self.icount,
            is_debugged: self.gdb,
            initrd: self.initrd.clone(),
            serial,
            symbols: Some(image.profile),
            ..qemu::Machine::new(image.path.clone())
        };
        let mut options = vec![format!("--system={}", self.system)];
        // Without semihosting the status is read from the last words, which need asking for.
        let exit = if machine.has_exit_status() { "--exit=semihosting" } else { "--verbose" };
        options.push(exit.to_owned());
        options.extend(program.options);
        let line = CommandLine { options, program: Vec::new() }.text();
        let rest = CommandLine { options: Vec::new(), program: program.program }.text();
        let parts = [line, self.append.clone().unwrap_or_default(), rest];
        let parts = parts.iter().filter(|part| !part.is_empty()).map(String::as_str);
        machine.append = parts.collect::<Vec<_>>().join(" ");
        machine
    }
}
