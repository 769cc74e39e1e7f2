//! The kernel's own part of the command line; root reads the rest.

/// Tells whether `option` stands among the options, that is, before the program's path.
#[must_use]
pub fn has_option(command_line: &str, option: &str) -> bool {
    command_line
        .split_ascii_whitespace()
        .take_while(|word| word.starts_with("--"))
        .any(|word| word == option)
}

#[cfg(test)]
mod tests {
    use super::has_option;

    #[test]
    fn the_programs_arguments_are_not_options() {
        let line = "--nomount --exit=semihosting /tools/hello --verbose";
        assert!(has_option(line, "--exit=semihosting"));
        assert!(!has_option(line, "--verbose"));
        assert!(!has_option("", "--verbose"));
    }
}
