//! One boot: QEMU started, its console read and written, ended in time, its exit status.

use crate::process;
use crate::qemu::Machine;
use crate::symbols::Symbols;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Status of a boot that did not end in time; as `timeout(1)` has it.
pub const TIMED_OUT: u8 = 124;

/// How often readers are told that the input has ended.
const END_OF_INPUT_INTERVAL: Duration = Duration::from_millis(300);

/// The kernel command line, in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Options, each with its dashes; without blanks, for which options have no quotes.
    pub options: Vec<String>,
    /// The program and its arguments; none for the default program.
    pub program: Vec<String>,
}

impl CommandLine {
    /// Writes it out: options first, then the program's words, quoted where they need it.
    #[must_use]
    pub fn text(&self) -> String {
        let program = self.program.iter().map(|word| quote(word));
        self.options.iter().cloned().chain(program).collect::<Vec<_>>().join(" ")
    }
}

/// Quotes a word for the kernel command line: double quotes, in which a backslash stands before
/// a quote or a backslash that is meant.
fn quote(word: &str) -> String {
    let needs = |c: char| c.is_whitespace() || c == '"' || c == '\\' || c == '\'';
    if !word.is_empty() && !word.contains(needs) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Who sees what the console prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Standard output, as it comes.
    Live,
    /// Nobody; it is collected only.
    Silent,
}

/// How a boot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The program's exit status; [`TIMED_OUT`] if it was ended.
    pub status: u8,
    /// All that the console printed, with plain line ends.
    pub output: String,
}

/// A running machine.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    chunks: Receiver<Vec<u8>>,
    output: Vec<u8>,
    end: Option<Instant>,
    has_exit_status: bool,
}

impl Session {
    /// Starts `machine`, which may run for `limit`.
    ///
    /// # Errors
    /// If QEMU cannot be started.
    pub fn start(machine: &Machine, echo: Echo, limit: Option<Duration>) -> Result<Session> {
        let symbols = machine.symbols.map(Symbols::new);
        let mut session = Session::spawn(machine.command(), echo, limit, symbols)?;
        session.has_exit_status = machine.has_exit_status();
        Ok(session)
    }

    /// Starts a machine by QEMU's command itself, whose exit status is taken as it is.
    ///
    /// # Errors
    /// If QEMU cannot be started.
    pub fn of(command: Command, echo: Echo, limit: Option<Duration>) -> Result<Session> {
        Session::spawn(command, echo, limit, None)
    }

    fn spawn(
        mut command: Command,
        echo: Echo,
        limit: Option<Duration>,
        symbols: Option<Symbols>,
    ) -> Result<Session> {
        let (reader, writer) = std::io::pipe()?;
        command.stdin(Stdio::piped()).stdout(writer.try_clone()?);
        match echo {
            Echo::Live => command.stderr(Stdio::inherit()),
            Echo::Silent => command.stderr(writer),
        };
        let started = command.spawn();
        let mut child = started.with_context(|| format!("starting {}", process::show(&command)))?;
        let (sender, chunks) = channel();
        let filter = Filter { symbols, ..Filter::default() };
        std::thread::spawn(move || {
            read_console(reader, filter, echo, &|chunk| sender.send(chunk).is_ok());
        });
        Ok(Session {
            input: child.stdin.take(),
            child,
            chunks,
            output: Vec::new(),
            end: limit.map(|limit| Instant::now() + limit),
            has_exit_status: true,
        })
    }

    /// Waits until the console has printed `text`, after what an earlier call waited for.
    ///
    /// # Errors
    /// If the machine ends, or its time, before that; the error has the output.
    pub fn expect(&mut self, text: &str, from: usize) -> Result<usize> {
        loop {
            let output = String::from_utf8_lossy(&self.output).into_owned();
            let rest = output.get(from..).unwrap_or("");
            if let Some(place) = rest.find(text) {
                return Ok(from + place + text.len());
            }
            if !self.receive()? {
                bail!("the console did not print {text:?}; it printed:\n{output}");
            }
        }
    }

    /// Types `text`.
    ///
    /// # Errors
    /// If the machine has ended.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let input = self.input.as_mut().context("the input is closed")?;
        input.write_all(text.as_bytes())?;
        Ok(input.flush()?)
    }

    /// Passes on all that `source` gives, and from its end on tells every reader that the input
    /// has ended.
    pub fn feed(&mut self, mut source: impl Read + Send + 'static) {
        let Some(mut input) = self.input.take() else { return };
        // On its own, as the source may have nothing to say for longer than the machine runs.
        std::thread::spawn(move || {
            let mut type_in = |text: &[u8]| input.write_all(text).and_then(|()| input.flush());
            // QEMU's UART drops what it holds when its FIFO is switched on, which is one byte:
            // this one, an erase that finds nothing to erase if it does arrive.
            let mut result = type_in(b"\x7f");
            let mut buffer = [0; 1024];
            while let (Ok(()), Ok(count @ 1..)) = (&result, source.read(&mut buffer)) {
                result = type_in(&buffer[..count]);
            }
            // ^D is the end of the input for whoever reads next; so again for the next one.
            while result.is_ok() {
                result = type_in(b"\x04");
                std::thread::sleep(END_OF_INPUT_INTERVAL);
            }
        });
    }

    /// Waits for the machine to power off, or for the end of its time.
    ///
    /// # Errors
    /// If the system refuses to say how it ended.
    pub fn finish(mut self) -> Result<Outcome> {
        while self.receive()? {}
        let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        let status = process::wait(&mut self.child, left)?;
        // What was printed between the last look and the end.
        self.output.extend(self.chunks.try_iter().flatten());
        let output = String::from_utf8_lossy(&self.output).into_owned();
        let status = match status {
            None => TIMED_OUT,
            Some(status) if self.has_exit_status => {
                status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
            }
            Some(_) => status_of(&output).unwrap_or(1),
        };
        Ok(Outcome { status, output })
    }

    /// Takes the next piece of output; false if the machine or its time has ended.
    fn receive(&mut self) -> Result<bool> {
        let received = match self.end {
            None => self.chunks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(end) => self.chunks.recv_timeout(end.saturating_duration_since(Instant::now())),
        };
        match received {
            Ok(chunk) => self.output.extend(chunk),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Err(RecvTimeoutError::Timeout) => {
                self.child.kill()?;
                self.end = Some(Instant::now());
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the console to its end and passes it on, filtered.
fn read_console(
    mut reader: impl Read,
    mut filter: Filter,
    echo: Echo,
    send: &dyn Fn(Vec<u8>) -> bool,
) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        let chunk = filter.pass(&buffer[..count]);
        if echo == Echo::Live {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(&chunk).and_then(|()| out.flush());
        }
        if !chunk.is_empty() && !send(chunk) {
            return;
        }
    }
}

/// What is changed in the console's output, as it comes in pieces: a carriage return before a
/// line end is dropped, and a line with a code address gets the function's name at its end.
#[derive(Debug, Default)]
struct Filter {
    symbols: Option<Symbols>,
    /// The piece before ended in a carriage return, which is held back.
    has_return: bool,
    /// The line so far.
    line: Vec<u8>,
}

impl Filter {
    fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() + 1);
        for &byte in piece {
            if std::mem::take(&mut self.has_return) && byte != b'\n' {
                out.push(b'\r');
            }
            match byte {
                b'\r' => {
                    self.has_return = true;
                    continue;
                }
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let line = String::from_utf8_lossy(&line);
                    let name = self.symbols.as_mut().and_then(|symbols| symbols.annotate(&line));
                    if let Some(name) = name {
                        out.extend_from_slice(format!("  {name}").as_bytes());
                    }
                }
                _ => self.line.push(byte),
            }
            out.push(byte);
        }
        out
    }
}

/// Finds the exit status in what the system prints as its last words: `… status N`.
#[must_use]
pub fn status_of(output: &str) -> Option<u8> {
    let last = output.lines().rev().find(|line| line.contains("status "))?;
    let digits = last.rsplit("status ").next()?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_has_options_first_and_quotes_what_needs_it() {
        let line = CommandLine {
            options: vec!["--system=fused".into(), "--env=A=b".into()],
            program: vec!["/bin/sh".into(), "-c".into(), "echo \"$A\" \\n".into(), String::new()],
        };
        assert_eq!(line.text(), r#"--system=fused --env=A=b /bin/sh -c "echo \"$A\" \\n" """#);
    }

    #[test]
    fn line_ends_become_plain_even_across_pieces() {
        let mut filter = Filter::default();
        assert_eq!(filter.pass(b"a\r\nb\r"), b"a\nb");
        assert_eq!(filter.pass(b"\nc\rd\r"), b"\nc\rd");
        assert_eq!(filter.pass(b"e"), b"\re");
    }

    #[test]
    fn the_status_is_read_from_the_last_words() {
        assert_eq!(status_of("status 1\nosv: power off, status 127\nbye\n"), Some(127));
        assert_eq!(status_of("nothing of the kind"), None);
    }
}
