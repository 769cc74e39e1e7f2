//! Supervision: servers' faults, the end of the system, boot stages.

use crate::boot::Running;
use crate::report::{Death, REGISTERS};
use crate::timeline::Timeline;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use ipc_proto::abi::fault::Fault;
use ipc_proto::abi::word::CPtr;
use ipc_proto::call::{Badge, Malformed, Message, Service, Verdict};
use ipc_proto::data::Text;
use ipc_proto::supervisor::{self, MemoryReport, STAGE_BYTES, Supervisor, SupervisorError};
use ipc_proto::system::{Caller, Protocol};

/// The status that the system ends with when a server died.
pub const DEATH_STATUS: i32 = 70;

/// What supervision asks of the machine.
pub trait Host {
    /// Writes to the debug console.
    fn write(&mut self, text: &str);
    /// Returns the counter.
    fn counter(&self) -> u64;
    /// Powers the machine off; returns if it cannot.
    fn power_off(&mut self, status: i32);
    /// Asks the console at the other end of `notification` to bring its output out.
    fn ask_to_drain(&mut self, notification: CPtr);
    /// Reads a stopped thread's registers.
    fn registers(&mut self, thread: CPtr) -> Option<[u64; REGISTERS]>;
    /// Reads a word of a server's memory that root has mapped for itself.
    fn word(&self, address: u64) -> u64;
    /// Returns the memory: all that root was given, and what is left.
    fn memory(&self) -> MemoryReport;
}

/// Root, once the servers run.
#[derive(Debug)]
pub struct Root<H> {
    host: H,
    servers: Vec<Running>,
    timeline: Timeline,
    has_bootchart: bool,
    is_verbose: bool,
    /// The status that the system is about to end with.
    ending: Option<i32>,
}

impl<H: Host> Root<H> {
    /// Takes charge of the servers.
    pub const fn new(
        host: H,
        servers: Vec<Running>,
        timeline: Timeline,
        has_bootchart: bool,
        is_verbose: bool,
    ) -> Root<H> {
        Root { host, servers, timeline, has_bootchart, is_verbose, ending: None }
    }

    fn server(&self, badge: Badge) -> Option<&Running> {
        let client = usize::from(Caller::from_badge(badge).client);
        client.checked_sub(1).and_then(|index| self.servers.get(index))
    }

    /// Ends the system, now.
    fn end(&mut self, status: i32) {
        let mut text = String::new();
        if self.has_bootchart {
            let _ = write!(text, "{}", self.timeline);
        }
        if self.is_verbose {
            let _ = writeln!(text, "osv: exit status {status}");
        }
        self.host.write(&text);
        self.host.power_off(status);
        self.host.write("osv: the machine cannot power itself off; it is safe to switch it off\n");
    }
}

impl<H: Host> Supervisor for Root<H> {
    fn exit(&mut self, caller: Badge, status: i32) -> Result<(), SupervisorError> {
        let is_console = self.server(caller).is_some_and(|server| server.is_console);
        match self.ending {
            // The console has brought its output out.
            Some(status) if is_console => self.end(status),
            Some(_) => {}
            None => {
                self.ending = Some(status);
                let console = self.servers.iter().find(|server| server.is_console);
                match console.and_then(|console| console.notification) {
                    Some(notification) if !is_console => self.host.ask_to_drain(notification),
                    _ => self.end(status),
                }
            }
        }
        Ok(())
    }

    fn stage(&mut self, caller: Badge, name: Text<STAGE_BYTES>) -> Result<(), SupervisorError> {
        let counter = self.host.counter();
        let who = self.server(caller).map(|server| server.name.clone());
        self.timeline.note(who.as_deref().unwrap_or("?"), &name, counter);
        Ok(())
    }

    fn memory(&mut self, _: Badge) -> Result<MemoryReport, SupervisorError> {
        Ok(self.host.memory())
    }
}

impl<H: Host> Service for Root<H> {
    const MAX_MESSAGE: usize = supervisor::MAX_MESSAGE;

    fn request(&mut self, message: Message<'_>) -> Result<usize, Malformed> {
        if Caller::from_badge(message.caller).protocol != Protocol::Supervisor as u8 {
            return Err(Malformed);
        }
        supervisor::dispatch(self, message)
    }

    fn fault(&mut self, thread: Badge, fault: Fault) -> Verdict {
        let mut text = String::new();
        match self.server(thread).cloned() {
            Some(server) => {
                // A server may have more threads; only the first one's registers are known.
                let registers = self.host.registers(server.thread);
                let registers = registers.filter(|words| words.get(32) == Some(&fault.pc));
                let image = server.loaded.image;
                let death = Death { server: &server.name, image, fault, registers };
                let host = &self.host;
                let read = |address| Some(host.word(server.loaded.seen(address)?));
                let _ = death.write(&mut text, read);
            }
            None => {
                let _ = writeln!(text, "osv: an unknown thread died at {:#x}", fault.pc);
            }
        }
        let _ = writeln!(text, "osv: the system stops");
        // What the console still holds is lost if it is the one that died; else it is not worth
        // the risk to wait for it.
        self.host.write("\n");
        self.host.write(&text);
        self.is_verbose = false;
        self.end(DEATH_STATUS);
        Verdict::Leave
    }
}

#[cfg(test)]
mod tests;
