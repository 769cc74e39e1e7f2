//! QEMU's command line: a machine described, written out as arguments.

use crate::process;
use crate::target::Profile;
use std::path::PathBuf;
use std::process::Command;

/// The program.
pub const PROGRAM: &str = "qemu-system-aarch64";

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's translator: everywhere.
    #[default]
    Tcg,
    /// Linux on an arm64 host.
    Kvm,
    /// macOS on an arm64 host.
    Hvf,
}

impl Accelerator {
    /// Returns the fastest that this host has.
    #[must_use]
    pub fn of_host() -> Accelerator {
        let can_open_kvm =
            || std::fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
        match (std::env::consts::ARCH, std::env::consts::OS) {
            ("aarch64", "linux") if can_open_kvm() => Accelerator::Kvm,
            ("aarch64", "macos") => Accelerator::Hvf,
            _ => Accelerator::Tcg,
        }
    }
}

/// How QEMU's first serial port is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serial {
    /// To standard input and output, as they are.
    #[default]
    Plain,
    /// To the terminal, with QEMU's monitor behind Ctrl-a c, and Ctrl-a x to leave.
    Terminal,
}

/// A machine to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The loader image.
    pub kernel: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// What executes the instructions.
    pub accelerator: Accelerator,
    /// The CPU model; the default goes with the accelerator.
    pub cpu: Option<String>,
    /// The number of cores.
    pub cores: u32,
    /// The size of the RAM, as QEMU reads it.
    pub memory: String,
    /// Properties of the machine: `virtualization=on`.
    pub properties: Vec<String>,
    /// Count time in instructions, so that every run is the same.
    pub is_counting: bool,
    /// Wait for gdb at port 1234 before the first instruction.
    pub is_debugged: bool,
    /// An archive that overlays bootfs.
    pub initrd: Option<PathBuf>,
    /// The serial port.
    pub serial: Serial,
    /// How the image was built, to make backtraces readable.
    pub symbols: Option<Profile>,
}

impl Machine {
    /// Returns the machine of the README's plain command line, with this image.
    #[must_use]
    pub fn new(kernel: PathBuf) -> Machine {
        Machine {
            kernel,
            append: String::new(),
            accelerator: Accelerator::default(),
            cpu: None,
            cores: 1,
            memory: "1024M".to_owned(),
            properties: Vec::new(),
            is_counting: false,
            is_debugged: false,
            initrd: None,
            serial: Serial::default(),
            symbols: None,
        }
    }

    /// Returns whether a program's status can become QEMU's own: with semihosting, which only
    /// the translator has.
    #[must_use]
    pub fn has_exit_status(&self) -> bool {
        self.accelerator == Accelerator::Tcg
    }

    /// Returns the command that starts the machine.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = process::command(PROGRAM);
        command.args(self.arguments());
        command
    }

    /// Returns QEMU's arguments.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().copied().map(String::from));
        match self.serial {
            Serial::Terminal => add(&["-nographic"]),
            Serial::Plain => add(&["-display", "none", "-monitor", "none", "-serial", "stdio"]),
        }
        let properties = self.properties.iter().map(|property| format!(",{property}"));
        add(&["-M", &format!("virt{}", properties.collect::<String>())]);
        match self.accelerator {
            Accelerator::Tcg => {}
            Accelerator::Kvm => add(&["-accel", "kvm"]),
            Accelerator::Hvf => add(&["-accel", "hvf"]),
        }
        let default = if self.has_exit_status() { "cortex-a57" } else { "host" };
        add(&["-cpu", self.cpu.as_deref().unwrap_or(default), "-m", &self.memory]);
        if self.cores != 1 {
            add(&["-smp", &self.cores.to_string()]);
        }
        if self.is_counting {
            // One nanosecond an instruction, from the same start: runs repeat to the digit.
            add(&["-icount", "shift=0,sleep=off", "-seed", "1"]);
            add(&["-rtc", "clock=vm,base=2025-01-01"]);
        }
        if self.has_exit_status() {
            add(&["-semihosting-config", "enable=on,target=native"]);
        }
        if self.is_debugged {
            add(&["-s", "-S"]);
        }
        add(&["-nic", "none", "-no-reboot"]);
        add(&["-kernel", &self.kernel.display().to_string()]);
        if let Some(initrd) = &self.initrd {
            add(&["-initrd", &initrd.display().to_string()]);
        }
        add(&["-append", &self.append]);
        arguments
    }
}

/// Returns the command line that a person would type for the image at `kernel`: nothing in it
/// that is not needed.
#[must_use]
pub fn plain_command(kernel: &str, append: &str) -> String {
    let append = process::quote(append);
    format!(
        "{PROGRAM} -nographic -M virt -cpu cortex-a57 -m 1024M -kernel {kernel} -append {append}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(machine: &Machine) -> String {
        machine.arguments().join(" ")
    }

    #[test]
    fn the_default_machine_is_the_plain_one_with_an_exit_status() {
        let machine =
            Machine { append: "--nomount /tools/hello".into(), ..Machine::new("l.img".into()) };
        assert_eq!(
            line(&machine),
            "-display none -monitor none -serial stdio -M virt -cpu cortex-a57 -m 1024M \
             -semihosting-config enable=on,target=native -nic none -no-reboot -kernel l.img \
             -append --nomount /tools/hello"
        );
    }

    #[test]
    fn every_choice_is_in_the_command_line() {
        let machine = Machine {
            cpu: Some("max".into()),
            cores: 4,
            memory: "8G".into(),
            properties: vec!["virtualization=on".into(), "gic-version=2".into()],
            is_counting: true,
            is_debugged: true,
            initrd: Some("extra.cpio".into()),
            serial: Serial::Terminal,
            ..Machine::new("l.img".into())
        };
        let line = line(&machine);
        for part in [
            "-nographic ",
            "-M virt,virtualization=on,gic-version=2 ",
            "-cpu max -m 8G -smp 4 ",
            "-icount shift=0,sleep=off -seed 1 -rtc clock=vm,base=2025-01-01 ",
            "-s -S ",
            "-initrd extra.cpio ",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn a_host_accelerator_has_its_own_cpu_and_no_semihosting() {
        let machine = Machine { accelerator: Accelerator::Kvm, ..Machine::new("l.img".into()) };
        assert!(line(&machine).contains("-accel kvm -cpu host"));
        assert!(!line(&machine).contains("semihosting"));
    }
}
