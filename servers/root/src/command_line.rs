//! The kernel command line, in OSv's form: options first, then the program and its arguments.

use core::fmt;
use heapless::String;
use ipc_proto::system::Name;

/// Most bytes of the program's arguments, of its environment, each with its separators.
pub const TEXT_BYTES: usize = 2048;

/// Texts, each ended by a NUL byte.
pub type Texts = String<TEXT_BYTES>;

/// The options that are understood, as an error message lists them.
const KNOWN: &str = "--nomount --system=NAME --verbose --exit=semihosting --env=NAME=VALUE \
                     --cwd=DIR --bootchart";

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine<'a> {
    /// The system to run; `None`: the default one.
    pub system: Option<Name>,
    /// Tell more.
    pub is_verbose: bool,
    /// Print the boot timeline at the end.
    pub has_bootchart: bool,
    /// The working directory of the program; empty: the root directory.
    pub directory: &'a str,
    /// The environment, `NAME=VALUE`.
    pub environment: Texts,
    /// The program and its arguments; empty: the default one.
    pub arguments: Texts,
}

/// What is wrong with a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandLineError<'a> {
    /// There is no such option.
    UnknownOption(&'a str),
    /// The option's value is missing or makes no sense.
    BadValue(&'a str),
    /// A quotation mark is not closed.
    OpenQuote,
    /// There is more than [`TEXT_BYTES`] of it.
    TooLong,
}

impl fmt::Display for CommandLineError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandLineError::UnknownOption(option) => {
                write!(f, "unknown option '{option}' (known: {KNOWN})")
            }
            CommandLineError::BadValue(option) => write!(f, "option '{option}' has no valid value"),
            CommandLineError::OpenQuote => f.write_str("a quotation mark is not closed"),
            CommandLineError::TooLong => f.write_str("the command line is too long"),
        }
    }
}

/// Reads the command line. Words are separated by blanks; `"` keeps a part of the program's
/// words together, and `\` takes the meaning from the next character.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &str) -> Result<CommandLine<'_>, CommandLineError<'_>> {
    let mut parsed = CommandLine::default();
    let mut rest = line.trim_start();
    while rest.starts_with("--") {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (option, behind) = rest.split_at(end);
        parsed.apply(option)?;
        rest = behind.trim_start();
    }
    split_words(rest, &mut parsed.arguments)?;
    Ok(parsed)
}

impl<'a> CommandLine<'a> {
    fn apply(&mut self, option: &'a str) -> Result<(), CommandLineError<'a>> {
        let bad_value = CommandLineError::BadValue(option);
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        match (name, value) {
            // bootfs is the root file system as long as there is no other.
            ("--nomount", None) => {}
            ("--verbose", None) => self.is_verbose = true,
            ("--bootchart", None) => self.has_bootchart = true,
            // The kernel's.
            ("--exit", Some("semihosting")) => {}
            ("--system", Some(value)) if !value.is_empty() => {
                self.system = Some(value.try_into().map_err(|_| bad_value)?);
            }
            ("--env", Some(value)) if value.find('=').is_some_and(|at| at > 0) => {
                push(&mut self.environment, value)?;
                push(&mut self.environment, "\0")?;
            }
            ("--cwd", Some(value)) if value.starts_with('/') => self.directory = value,
            ("--nomount" | "--verbose" | "--bootchart" | "--exit" | "--system", _)
            | ("--env" | "--cwd", _) => return Err(bad_value),
            _ => return Err(CommandLineError::UnknownOption(option)),
        }
        Ok(())
    }
}

/// Appends the words of `text` to `words`, each ended by a NUL byte.
fn split_words<'a>(text: &str, words: &mut Texts) -> Result<(), CommandLineError<'a>> {
    let (mut is_quoted, mut is_in_word) = (false, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter.is_whitespace() && !is_quoted {
            if is_in_word {
                push(words, "\0")?;
            }
            is_in_word = false;
            continue;
        }
        is_in_word = true;
        let literal = match letter {
            '"' => {
                is_quoted = !is_quoted;
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            _ => letter,
        };
        words.push(literal).map_err(|_| CommandLineError::TooLong)?;
    }
    if is_quoted {
        return Err(CommandLineError::OpenQuote);
    }
    if is_in_word { push(words, "\0") } else { Ok(()) }
}

fn push<'a>(texts: &mut Texts, text: &str) -> Result<(), CommandLineError<'a>> {
    texts.push_str(text).map_err(|_| CommandLineError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_come_first_and_the_rest_is_the_programs() {
        let parsed = parse("  --nomount --system=fused --verbose /bin/sh -c --verbose").unwrap();
        assert_eq!(parsed.system.as_deref(), Some("fused"));
        assert!(parsed.is_verbose && !parsed.has_bootchart);
        assert_eq!(parsed.arguments, "/bin/sh\0-c\0--verbose\0");
    }

    #[test]
    fn environment_and_directory_are_kept() {
        let parsed = parse("--env=A=1 --env=B= --cwd=/tmp --bootchart --exit=semihosting").unwrap();
        assert_eq!((&*parsed.environment, parsed.directory), ("A=1\0B=\0", "/tmp"));
        assert!(parsed.has_bootchart && parsed.arguments.is_empty());
    }

    #[test]
    fn quotes_keep_words_together() {
        let parsed = parse(r#"sh -c "echo  \"a b\"" x\ y "" z"#).unwrap();
        assert_eq!(parsed.arguments, "sh\0-c\0echo  \"a b\"\0x y\0\0z\0");
        assert_eq!(parse("sh \"x"), Err(CommandLineError::OpenQuote));
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = parse("--nomount --frobnicate=1 /bin/sh").unwrap_err();
        assert_eq!(error, CommandLineError::UnknownOption("--frobnicate=1"));
        let text = error.to_string();
        assert!(text.starts_with("unknown option '--frobnicate=1' (known: --nomount --system="));
    }

    #[test]
    fn options_without_a_valid_value_are_refused() {
        for line in ["--system=", "--system", "--env==x", "--env=x", "--cwd=x", "--nomount=1"] {
            assert_eq!(parse(line), Err(CommandLineError::BadValue(line)), "{line}");
        }
        let long = format!("--system={}", "x".repeat(17));
        assert_eq!(parse(&long), Err(CommandLineError::BadValue(&long)));
        assert_eq!(parse(&"x".repeat(TEXT_BYTES + 1)), Err(CommandLineError::TooLong));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "(--[a-z]*=?| |\"|\\\\|.){0,40}") {
            let _ = parse(&line);
        }
    }
}
