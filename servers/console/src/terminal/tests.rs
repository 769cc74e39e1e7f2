//! Tests of the line discipline: what a person at a terminal expects, and random typing.

use super::*;
use crate::input::INPUT_BYTES;
use proptest::prelude::*;
use std::vec::Vec;

fn type_in(terminal: &mut Terminal, bytes: &[u8]) {
    bytes.iter().for_each(|&byte| terminal.receive(byte));
}

fn screen(terminal: &mut Terminal) -> Vec<u8> {
    core::iter::from_fn(|| terminal.output().take()).collect()
}

fn read(terminal: &mut Terminal) -> Vec<u8> {
    let mut bytes = [0; 2 * INPUT_BYTES];
    match terminal.read(&mut bytes) {
        ReadOutcome::Bytes(count) => bytes[..count].to_vec(),
        ReadOutcome::EndOfFile => b"<end>".to_vec(),
    }
}

fn without_local(flags: u32) -> Modes {
    let modes = modes::initial();
    Modes { local: modes.local & !flags, ..modes }
}

#[test]
fn a_line_is_read_whole_and_only_when_it_is_finished() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, b"ls -l");
    assert_eq!((terminal.readable(), read(&mut terminal)), (0, b"".to_vec()));
    assert_eq!(terminal.take_events(), Events::default());
    type_in(&mut terminal, b"\recho\r");
    assert_eq!(terminal.take_events(), Events::INPUT);
    assert_eq!(read(&mut terminal), b"ls -l\n");
    assert_eq!(read(&mut terminal), b"echo\n");
    assert_eq!(screen(&mut terminal), b"ls -l\r\necho\r\n");
}

#[test]
fn erase_takes_a_whole_character_and_its_columns() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, "aé\x7f\x7f\x7fb\x01\x7f\r".as_bytes());
    assert_eq!(read(&mut terminal), b"b\n");
    assert_eq!(screen(&mut terminal), "aé\x08 \x08\x08 \x08b^A\x08 \x08\x08 \x08\r\n".as_bytes());
}

#[test]
fn erasing_a_tab_goes_back_to_where_it_began() {
    let mut terminal = Terminal::default();
    terminal.write(b"$ ");
    type_in(&mut terminal, b"a\t\x7f");
    assert_eq!(terminal.output().column(), 3);
}

#[test]
fn word_erase_and_kill_leave_the_right_line() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, b"one two  \x17x\r");
    type_in(&mut terminal, b"rubbish\x15good\r");
    assert_eq!(read(&mut terminal), b"one x\n");
    assert_eq!(read(&mut terminal), b"good\n");
}

#[test]
fn end_of_file_ends_a_line_and_alone_is_the_end() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, b"abc\x04\x04");
    assert_eq!(read(&mut terminal), b"abc");
    assert_eq!(read(&mut terminal), b"<end>");
    assert_eq!(read(&mut terminal), b"");
    type_in(&mut terminal, b"abc\x04");
    let mut three = [0; 3];
    assert_eq!(terminal.read(&mut three), ReadOutcome::Bytes(3));
    assert_eq!(read(&mut terminal), b"");
}

#[test]
fn an_interrupt_drops_the_line_and_shows_itself() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, b"sleep\x03");
    assert_eq!(terminal.take_events(), Events::INTERRUPT);
    type_in(&mut terminal, b"\x1c\x1a\r");
    let events = Events::QUIT.union(Events::SUSPEND).union(Events::INPUT);
    assert_eq!(terminal.take_events(), events);
    assert_eq!(read(&mut terminal), b"\n");
    assert_eq!(screen(&mut terminal), b"sleep^C^\\^Z\r\n");
}

#[test]
fn raw_mode_gives_every_byte_at_once() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, b"part");
    terminal.set_modes(Modes {
        input: 0,
        ..without_local(linux::ICANON | linux::ECHO | linux::ISIG | linux::IEXTEN)
    });
    assert_eq!(terminal.take_events(), Events::INPUT);
    let _ = screen(&mut terminal);
    type_in(&mut terminal, b"\r\x03\x04\x7f");
    assert_eq!(read(&mut terminal), b"part\r\x03\x04\x7f");
    assert_eq!(screen(&mut terminal), b"");
}

#[test]
fn a_literal_next_byte_loses_its_meaning() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, b"\x16\x03\r");
    assert_eq!(read(&mut terminal), b"\x03\n");
}

#[test]
fn stop_and_start_hold_output() {
    let mut terminal = Terminal::default();
    terminal.write(b"x");
    type_in(&mut terminal, b"\x13");
    assert_eq!(screen(&mut terminal), b"");
    type_in(&mut terminal, b"\x11");
    assert_eq!(screen(&mut terminal), b"x");
}

#[test]
fn a_reprint_shows_the_line_again() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, b"ab\x12");
    assert_eq!(screen(&mut terminal), b"ab^R\r\nab");
}

#[test]
fn without_echo_nothing_is_shown_but_the_newline_that_echonl_asks_for() {
    let mut terminal = Terminal::default();
    let modes = without_local(linux::ECHO);
    terminal.set_modes(Modes { local: modes.local | linux::ECHONL, ..modes });
    type_in(&mut terminal, b"secret\x7f\x15pass\r");
    assert_eq!(read(&mut terminal), b"pass\n");
    assert_eq!(screen(&mut terminal), b"\r\n");
}

#[test]
fn a_full_line_can_still_be_ended_and_more_waits_in_the_uart() {
    let mut terminal = Terminal::default();
    type_in(&mut terminal, &[b'x'; 2 * INPUT_BYTES]);
    assert!(terminal.can_receive());
    type_in(&mut terminal, b"\r");
    assert!(!terminal.can_receive());
    let line = read(&mut terminal);
    assert_eq!((line.len(), line.last()), (INPUT_BYTES, Some(&b'\n')));
    assert!(terminal.can_receive());
}

/// What canonical mode leaves of `typed`, told the simple way.
fn expected_lines(typed: &[u8]) -> Vec<u8> {
    let (mut ready, mut line) = (Vec::new(), Vec::<u8>::new());
    for &byte in typed {
        match byte {
            b'\r' => {
                ready.append(&mut line);
                ready.push(b'\n');
            }
            0x7f | 0x08 => drop(line.pop()),
            0x15 => line.clear(),
            0x17 => {
                while line.last() == Some(&b' ') {
                    line.pop();
                }
                while line.last().is_some_and(|&byte| byte != b' ') {
                    line.pop();
                }
            }
            _ => line.push(byte),
        }
    }
    ready
}

fn read_all(terminal: &mut Terminal) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let part = read(terminal);
        if part.is_empty() {
            return all;
        }
        all.extend(part);
    }
}

proptest! {
    #[test]
    fn editing_agrees_with_the_simple_model(
        typed in proptest::collection::vec(
            prop_oneof![4 => b'a'..=b'e', 2 => Just(b' '), 1 => Just(b'\r'), 1 => Just(0x7fu8),
                        1 => Just(0x08u8), 1 => Just(0x15u8), 1 => Just(0x17u8)], 0..400)
    ) {
        let mut terminal = Terminal::default();
        type_in(&mut terminal, &typed);
        prop_assert_eq!(read_all(&mut terminal), expected_lines(&typed));
    }

    #[test]
    fn after_a_kill_the_cursor_is_back_where_the_line_began(
        prompt in "[a-z$ ]{0,12}",
        typed in proptest::collection::vec(
            prop_oneof![Just(b'\t'), b'a'..=b'z', Just(0x01u8), Just(0x7fu8), Just(0x17u8)], 0..60)
    ) {
        let mut terminal = Terminal::default();
        terminal.write(prompt.as_bytes());
        type_in(&mut terminal, &typed);
        type_in(&mut terminal, b"\x15");
        prop_assert_eq!(terminal.output().column(), prompt.len());
    }

    #[test]
    fn no_bytes_under_any_modes_panic_and_reads_end(
        flags in any::<[u32; 3]>(),
        later in any::<[u32; 3]>(),
        typed in proptest::collection::vec(any::<u8>(), 0..6000),
    ) {
        let mut terminal = Terminal::default();
        for [input, output, local] in [flags, later] {
            terminal.set_modes(Modes { input, output, local, ..modes::initial() });
            type_in(&mut terminal, &typed);
            terminal.write(&typed);
            let _ = (terminal.take_events(), read(&mut terminal), terminal.readable());
        }
    }
}
