//! The console server as the console behind the terminal.

use ipc_proto::call::{CallError, Transport};
use ipc_proto::console::{CHUNK_BYTES, Client, ConsoleError, Events, Modes, WindowSize};
use ipc_proto::data::Bytes;

use super::{Console, EndOfFile};

/// A console server behind a transport. When it does not answer, output is dropped, so that
/// programs go on, and there is nothing to read.
pub struct ConsoleClient<T>(pub Client<T>);

impl<T: Transport + Send + Sync> Console for ConsoleClient<T> {
    fn write(&self, bytes: &[u8]) -> usize {
        let chunk = bytes.get(..CHUNK_BYTES).unwrap_or(bytes);
        self.0.write(Bytes::prefix(chunk)).map_or(chunk.len(), |count| count as usize)
    }

    fn read(&self, into: &mut [u8]) -> Result<usize, EndOfFile> {
        let limit = into.len().min(CHUNK_BYTES);
        match self.0.read(limit as u32) {
            Ok(bytes) => {
                let bytes = bytes.as_slice();
                let count = bytes.len().min(limit);
                if let (Some(to), Some(from)) = (into.get_mut(..count), bytes.get(..count)) {
                    to.copy_from_slice(from);
                }
                Ok(count)
            }
            Err(CallError::Server(ConsoleError::EndOfFile)) => Err(EndOfFile),
            Err(_) => Ok(0),
        }
    }

    fn modes(&self) -> Modes {
        self.0.modes().unwrap_or_default()
    }

    fn set_modes(&self, modes: &Modes) {
        // Idempotent: the transport repeats it when a server dies; there is nobody else to tell.
        let _ = self.0.set_modes(*modes);
    }

    fn readable(&self) -> usize {
        self.0.readable().map_or(0, |count| count as usize)
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
