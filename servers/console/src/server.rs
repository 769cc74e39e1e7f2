//! The server: requests, interrupts and log lines, on one terminal and one UART.

use crate::input::ReadOutcome;
use crate::log_line;
use crate::terminal::Terminal;
use crate::uart::{ReceiveInterrupt, Received, TransmitInterrupt, Uart};
use heapless::Vec;
use ipc_proto::call::{Badge, Malformed, Message, Service};
use ipc_proto::capability::{Cap, kind};
use ipc_proto::console::{CHUNK_BYTES, Console, ConsoleError, Events, Modes, WindowSize};
use ipc_proto::data::{Bytes, Text};
use ipc_proto::log::{LINE_BYTES, Level, Log, LogError};
use ipc_proto::system::{Caller, ConsoleStart, Protocol};
use ipc_proto::{console, log, system};

/// Most clients that watch the console.
const MAX_WATCHERS: usize = 8;

/// What the server asks of the system around it.
pub trait Host {
    /// Signals a notification.
    fn signal(&mut self, notification: Cap<kind::Notification>);
    /// Lets the UART interrupt again.
    fn acknowledge(&mut self);
    /// Tells root that all output is out.
    fn report_drained(&mut self);
}

/// The console server.
#[derive(Debug)]
pub struct ConsoleServer<U, H> {
    terminal: Terminal,
    uart: U,
    host: H,
    start: ConsoleStart,
    watchers: Vec<Cap<kind::Notification>, MAX_WATCHERS>,
    /// The events that the watchers have been told of.
    told: Events,
}

impl<U: Uart, H: Host> ConsoleServer<U, H> {
    /// Makes the server and sets the UART up.
    pub fn new(uart: U, host: H, start: ConsoleStart) -> Self {
        let terminal = Terminal::default();
        let (watchers, told) = (Vec::new(), Events::default());
        let mut server = ConsoleServer { terminal, uart, host, start, watchers, told };
        server.uart.configure();
        // What came during the set-up has lost its interrupt.
        server.collect();
        server
    }

    fn take(&mut self, received: Received) {
        match received {
            Received::Byte(byte) | Received::Damaged(byte) => self.terminal.receive(byte),
            Received::Break => self.terminal.receive_break(),
        }
    }

    /// Takes what the UART received, as far as there is room for it.
    fn collect(&mut self) {
        while self.terminal.can_receive()
            && let Some(received) = self.uart.receive()
        {
            self.take(received);
        }
    }

    /// Gives the UART what it has room for.
    fn send(&mut self) {
        let output = self.terminal.output();
        while let Some(byte) = output.take() {
            if !self.uart.transmit(byte) {
                output.put_back(byte);
                break;
            }
        }
    }

    /// Moves bytes both ways, chooses the interrupts, and tells the watchers what is new.
    fn turn(&mut self) {
        self.collect();
        self.send();
        let receive = match self.terminal.can_receive() {
            true => ReceiveInterrupt::On,
            false => ReceiveInterrupt::Off,
        };
        let transmit = match self.terminal.output().has_pending() {
            true => TransmitInterrupt::On,
            false => TransmitInterrupt::Off,
        };
        self.uart.set_interrupts(receive, transmit);
        self.tell();
    }

    fn tell(&mut self) {
        let events = self.terminal.events();
        if !self.told.contains(events) {
            self.told = self.told.union(events);
            for &watcher in &self.watchers {
                self.host.signal(watcher);
            }
        }
    }

    fn drain_output(&mut self) {
        self.terminal.output().resume();
        while self.terminal.output().has_pending() || !self.uart.is_idle() {
            self.turn();
            self.terminal.output().resume();
        }
        self.turn();
    }

    /// Sends until there is room for `bytes` more or output is stopped.
    fn make_room(&mut self, bytes: usize) {
        while self.terminal.output().room() < bytes && self.terminal.output().has_pending() {
            self.send();
        }
    }
}

impl<U: Uart, H: Host> Console for ConsoleServer<U, H> {
    fn write(&mut self, _: Badge, bytes: Bytes<CHUNK_BYTES>) -> Result<u32, ConsoleError> {
        let taken = self.terminal.write(&bytes);
        self.turn();
        Ok(taken as u32)
    }

    fn read(&mut self, _: Badge, limit: u32) -> Result<Bytes<CHUNK_BYTES>, ConsoleError> {
        let mut space = [0; CHUNK_BYTES];
        let limit = CHUNK_BYTES.min(limit as usize);
        let outcome = self.terminal.read(space.get_mut(..limit).unwrap_or_default());
        self.turn();
        match outcome {
            ReadOutcome::Bytes(count) => Ok(Bytes::prefix(space.get(..count).unwrap_or_default())),
            ReadOutcome::EndOfFile => Err(ConsoleError::EndOfFile),
        }
    }

    fn modes(&mut self, _: Badge) -> Result<Modes, ConsoleError> {
        Ok(*self.terminal.modes())
    }

    fn set_modes(&mut self, _: Badge, modes: Modes) -> Result<(), ConsoleError> {
        self.terminal.set_modes(modes);
        self.turn();
        Ok(())
    }

    fn readable(&mut self, _: Badge) -> Result<u32, ConsoleError> {
        Ok(self.terminal.readable() as u32)
    }

    fn window(&mut self, _: Badge) -> Result<WindowSize, ConsoleError> {
        let config = self.start.config;
        Ok(WindowSize { rows: config.rows, columns: config.columns })
    }

    fn flush_input(&mut self, _: Badge) -> Result<(), ConsoleError> {
        self.terminal.flush_input();
        self.turn();
        Ok(())
    }

    /// Waits in place: the UART empties its FIFO by itself, and input is taken meanwhile.
    /// Output that was stopped (`^S`) goes on, for who drains is about to end something.
    fn drain(&mut self, _: Badge) -> Result<(), ConsoleError> {
        self.drain_output();
        Ok(())
    }

    fn watch(&mut self, _: Badge, event: Cap<kind::Notification>) -> Result<(), ConsoleError> {
        self.watchers.push(event).map_err(|_| ConsoleError::TooManyWatchers)?;
        if self.terminal.events() != Events::default() {
            self.host.signal(event);
        }
        Ok(())
    }

    fn events(&mut self, _: Badge) -> Result<Events, ConsoleError> {
        self.told = Events::default();
        Ok(self.terminal.take_events())
    }
}

impl<U: Uart, H: Host> Log for ConsoleServer<U, H> {
    fn line(&mut self, who: Badge, level: Level, text: Text<LINE_BYTES>) -> Result<(), LogError> {
        if self.start.is_verbose || level <= Level::Warn {
            let client = usize::from(Caller::from_badge(who).client);
            self.make_room(log_line::MAX_BYTES);
            let name = self.start.clients.get(client).map_or("?", |name| name.as_str());
            log_line::put(self.terminal.output(), name, level, &text);
            self.turn();
        }
        Ok(())
    }
}

impl<U: Uart, H: Host> Service for ConsoleServer<U, H> {
    const MAX_MESSAGE: usize = if console::MAX_MESSAGE > log::MAX_MESSAGE {
        console::MAX_MESSAGE
    } else {
        log::MAX_MESSAGE
    };

    fn request(&mut self, message: Message<'_>) -> Result<usize, Malformed> {
        let protocol = Caller::from_badge(message.caller).protocol;
        if protocol == Protocol::Console as u8 {
            console::dispatch(self, message)
        } else if protocol == Protocol::Log as u8 {
            log::dispatch(self, message)
        } else {
            Err(Malformed)
        }
    }

    /// The UART interrupts, or root asks for the last bytes.
    fn signal(&mut self, bits: u64) {
        if bits & system::DRAIN_SIGNAL != 0 {
            self.drain_output();
            self.host.report_drained();
        }
        if bits & !system::DRAIN_SIGNAL != 0 {
            // First clear, then look: what comes after the look interrupts again.
            self.uart.clear_interrupts();
            self.turn();
            self.host.acknowledge();
        }
    }
}

#[cfg(test)]
mod tests;
