//! The console server as a terminal.

use ipc_proto::call::CallError;
use ipc_proto::console::{CHUNK_BYTES, Client, ConsoleError, Events, Modes, WindowSize};
use ipc_proto::data::Bytes;
use libosv::ipc::Endpoint;

use crate::vfs::tty::{Console, EndOfFile};

/// The console server.
pub struct ConsoleServer(pub Client<Endpoint>);

impl Console for ConsoleServer {
    fn write(&self, bytes: &[u8]) -> usize {
        self.0.write(Bytes::prefix(bytes)).unwrap_or(0) as usize
    }

    fn read(&self, into: &mut [u8]) -> Result<usize, EndOfFile> {
        match self.0.read(into.len().min(CHUNK_BYTES) as u32) {
            Ok(bytes) => {
                let bytes = bytes.as_slice();
                into[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
            Err(CallError::Server(ConsoleError::EndOfFile)) => Err(EndOfFile),
            Err(_) => Ok(0),
        }
    }

    fn modes(&self) -> Modes {
        self.0.modes().unwrap_or_default()
    }

    fn set_modes(&self, modes: &Modes) {
        // A console that does not answer keeps its modes.
        let _ = self.0.set_modes(*modes);
    }

    fn readable(&self) -> usize {
        self.0.readable().unwrap_or(0) as usize
    }

    fn window(&self) -> WindowSize {
        self.0.window().unwrap_or_default()
    }

    fn flush_input(&self) {
        let _ = self.0.flush_input();
    }

    fn drain(&self) {
        let _ = self.0.drain();
    }

    fn events(&self) -> Events {
        self.0.events().unwrap_or_default()
    }
}
