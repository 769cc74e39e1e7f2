//! The report of a server's death: what happened, where, and how it got there.

use core::fmt::{self, Write};
use ipc_proto::abi::fault::Fault;

/// Number of words that `thread_read_registers` gives: x0–x30, SP, PC, PSTATE, TPIDR_EL0.
pub const REGISTERS: usize = 35;
/// Most frames of a backtrace.
const MAX_FRAMES: usize = 32;
/// The breakpoint by which libosv ends a program that panicked.
const PANIC_BREAKPOINT: u64 = 0xf0;

/// A server's death.
#[derive(Clone, Debug)]
pub struct Death<'a> {
    /// The server.
    pub server: &'a str,
    /// Address and bytes of its image.
    pub image: (u64, u64),
    /// What it did.
    pub fault: Fault,
    /// The registers of the thread, if it is known which one it was.
    pub registers: Option<[u64; REGISTERS]>,
}

impl Death<'_> {
    /// Writes the report; `read` reads a word of the server's memory.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write, read: impl Fn(u64) -> Option<u64>) -> fmt::Result {
        write!(out, "osv: server {} died: ", self.server)?;
        write_cause(out, &self.fault)?;
        write!(out, "\n  at {}, sp {:#x}\n", self.place(self.fault.pc), self.fault.sp)?;
        let Some(registers) = &self.registers else { return Ok(()) };
        for (index, chunk) in registers.chunks(4).take(8).enumerate() {
            for (value, number) in chunk.iter().zip(index * 4..31) {
                let name = if number < 10 { " x" } else { "x" };
                write!(out, "  {name}{number} {value:016x}")?;
            }
            out.write_char('\n')?;
        }
        out.write_str("  backtrace:\n")?;
        let [frame, link] = [29, 30].map(|index| registers.get(index).copied().unwrap_or(0));
        writeln!(out, "    {}", self.place(self.fault.pc))?;
        writeln!(out, "    {} (link register)", self.place(link))?;
        for address in frames(frame, read) {
            writeln!(out, "    {}", self.place(address))?;
        }
        Ok(())
    }

    fn place(&self, address: u64) -> Place<'_> {
        Place { server: self.server, image: self.image, address }
    }
}

/// A code address as `name+0xoffset` if it lies in the image.
struct Place<'a> {
    server: &'a str,
    image: (u64, u64),
    address: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.checked_sub(self.image.0) {
            Some(offset) if offset < self.image.1 => write!(f, "{}+{offset:#x}", self.server),
            _ => write!(f, "{:#x}", self.address),
        }
    }
}

/// Follows frame records (AAPCS64 6.4.6): the caller's x29, then the return address. Each lies
/// above the one before, so the walk ends.
fn frames(first: u64, read: impl Fn(u64) -> Option<u64>) -> impl Iterator<Item = u64> {
    let mut frame = Some(first);
    core::iter::from_fn(move || {
        let at = frame.filter(|at| at.is_multiple_of(8))?;
        let (next, address) = (read(at)?, read(at.checked_add(8)?)?);
        frame = (next > at).then_some(next);
        (address != 0).then_some(address)
    })
    .take(MAX_FRAMES)
}

/// Writes what the exception syndrome says (Arm ARM D24.2.40, ESR_EL1).
fn write_cause(out: &mut impl Write, fault: &Fault) -> fmt::Result {
    let specific = fault.syndrome & 0x1ff_ffff;
    match fault.class() {
        0x00 => out.write_str("undefined instruction"),
        0x07 => out.write_str("use of floating point or SIMD"),
        0x0e => out.write_str("illegal execution state"),
        0x11 | 0x15 => write!(out, "stray system call (svc #{:#x})", specific & 0xffff),
        0x18 => out.write_str("access to a system register"),
        0x20 | 0x21 => {
            write!(out, "instruction abort, {} at {:#x}", status(specific), fault.address)
        }
        0x22 => out.write_str("misaligned program counter"),
        0x24 | 0x25 => {
            let verb = if specific & 1 << 6 == 0 { "reading" } else { "writing" };
            write!(out, "data abort, {} {verb} {:#x}", status(specific), fault.address)
        }
        0x26 => out.write_str("misaligned stack pointer"),
        0x3c if specific & 0xffff == PANIC_BREAKPOINT => out.write_str("it panicked"),
        0x3c => write!(out, "breakpoint {:#x}", specific & 0xffff),
        class => write!(out, "exception class {class:#x}, syndrome {specific:#x}"),
    }
}

/// Names the fault status code of an abort.
const fn status(specific: u64) -> &'static str {
    match specific & 0x3f {
        0x00..=0x03 => "address size fault",
        0x04..=0x07 => "nothing mapped",
        0x08..=0x0b => "access flag fault",
        0x0c..=0x0f => "no permission",
        0x10 => "external abort",
        0x21 => "misaligned",
        _ => "fault",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn report(syndrome: u64, registers: Option<[u64; REGISTERS]>) -> String {
        let fault = Fault { syndrome, address: 0x10, pc: 0x40_0123, sp: 0x9000 };
        let death = Death { server: "console", image: (0x40_0000, 0x1000), fault, registers };
        let stack = [0x8010, 0x40_0200, 0, 0x40_0300];
        let read = |address: u64| stack.get((address.checked_sub(0x8000)? / 8) as usize).copied();
        let mut text = String::new();
        death.write(&mut text, read).unwrap();
        text
    }

    #[test]
    fn the_cause_is_named() {
        let text = report(0x24 << 26 | 1 << 6 | 7, None);
        assert_eq!(
            text,
            "osv: server console died: data abort, nothing mapped writing 0x10\n  \
             at console+0x123, sp 0x9000\n"
        );
        assert!(report(0x3c << 26 | 0xf0, None).contains("it panicked"));
        assert!(report(0x20 << 26 | 0xf, None).contains("instruction abort, no permission at"));
    }

    #[test]
    fn registers_and_backtrace_follow() {
        let mut registers = [0; REGISTERS];
        registers[29] = 0x8000;
        registers[30] = 0x7fff_0000;
        let text = report(0, Some(registers));
        assert!(text.contains("   x0 0000000000000000"));
        assert!(text.contains("  x30 000000007fff0000\n"));
        let trace: std::vec::Vec<_> =
            text.lines().skip_while(|l| !l.contains("backtrace")).collect();
        let expected = [
            "    console+0x123",
            "    0x7fff0000 (link register)",
            "    console+0x200",
            "    console+0x300",
        ];
        assert_eq!(trace[1..], expected);
    }

    #[test]
    fn every_syndrome_has_a_text() {
        for class in 0..64 {
            assert!(report(class << 26 | 0x3f, None).lines().count() == 2);
        }
    }
}
