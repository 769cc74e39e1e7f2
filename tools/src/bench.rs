//! Figures: what the bench programs print, what other systems need, and the table of both.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Other systems' figures, in instructions, measured on the same QEMU under `-icount shift=0`
/// with the same programs: OSv, and Debian's Linux 6.1 arm64 with `nokaslr mitigations=off`; seL4
/// for what the kernel does.
const REFERENCES: &[(&str, &str, f64)] = &[
    ("guest_getppid", "OSv", 202.0),
    ("guest_getppid", "Linux", 449.0),
    ("page_touch", "OSv", 1459.0),
    ("page_touch", "Linux", 3230.0),
    ("pipe_pingpong", "Linux", 12_620.0),
    ("fork_exit_wait", "Linux", 86_980.0),
    ("fork_exec_wait", "Linux", 207_134.0),
    ("boot_to_guest", "OSv", 13_200_000.0),
    ("boot_to_guest", "Linux", 914_000_000.0),
    ("clock_gettime_vdso", "Linux", 45.0),
    ("clock_gettime_call", "Linux", 677.0),
    ("ipc_null_other", "seL4", 411.0),
    ("yield", "seL4", 329.0),
    ("fault_reply", "seL4", 1129.0),
    ("map_one", "seL4", 561.0),
    ("map_512_each", "seL4", 551.0),
    ("unmap_one", "seL4", 508.0),
    ("unmap_512_each", "seL4", 500.0),
];

/// How a figure was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In virtual time, one nanosecond an instruction; runs repeat to the digit.
    Icount,
    /// By the clock on the wall.
    Wall,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The system description it was measured on.
    pub system: String,
    /// The number of cores.
    pub smp: u32,
    /// How.
    pub mode: Mode,
    /// The figure.
    pub value: f64,
    /// Its unit: `instructions` or `ns`.
    pub unit: String,
    /// The same on other systems, in instructions, where it is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reference: BTreeMap<&'static str, f64>,
}

/// Reads the figures out of what a machine printed: lines `bench NAME VALUE UNIT`.
#[must_use]
pub fn parse(output: &str, system: &str, smp: u32, mode: Mode) -> Vec<Figure> {
    let parse_line = |line: &str| {
        // Behind what a log puts before it.
        let (_, rest) = line.split_once("bench ")?;
        let mut words = rest.split_whitespace();
        let (name, value, unit) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        let unit = if mode == Mode::Icount && unit == "ns" { "instructions" } else { unit };
        let known = REFERENCES.iter().filter(|known| mode == Mode::Icount && known.0 == name);
        Some(Figure {
            name: name.to_owned(),
            system: system.to_owned(),
            smp,
            mode,
            value,
            unit: unit.to_owned(),
            reference: known.map(|known| (known.1, known.2)).collect(),
        })
    };
    output.lines().filter_map(parse_line).collect()
}

/// Writes the figures as a table: a line for each name and mode, a column for each system.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let mut rows: Vec<(Mode, &str, &str)> = Vec::new();
    let mut systems: Vec<&str> = Vec::new();
    for figure in figures {
        let row = (figure.mode, figure.name.as_str(), figure.unit.as_str());
        if !rows.contains(&row) {
            rows.push(row);
        }
        if !systems.contains(&figure.system.as_str()) {
            systems.push(&figure.system);
        }
    }
    rows.sort_by_key(|row| row.0);
    let others = ["OSv", "Linux", "seL4"];
    let mut text = format!("{:<22} {:<14}", "what", "unit");
    for name in systems.iter().chain(&others) {
        let _ = write!(text, "{name:>14}");
    }
    for (mode, name, unit) in rows {
        let _ = write!(text, "\n{name:<22} {unit:<14}");
        let of = |f: &&Figure| f.mode == mode && f.name == name;
        let cell = |value: Option<f64>| value.map_or("–".to_owned(), number);
        for system in &systems {
            let figure = figures.iter().filter(of).find(|figure| figure.system == *system);
            let _ = write!(text, "{:>14}", cell(figure.map(|figure| figure.value)));
        }
        let reference = figures.iter().find(of).map(|figure| &figure.reference);
        for other in others {
            let value = reference.and_then(|known| known.get(other)).copied();
            let _ = write!(text, "{:>14}", cell(value));
        }
    }
    text + "\n"
}

/// Writes a number with its thousands apart; a fraction only where it says something.
fn number(value: f64) -> String {
    let whole = if value < 1000.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    let whole = whole.strip_suffix(".0").unwrap_or(&whole);
    let (digits, fraction) = whole.split_once('.').map_or((whole, ""), |(a, b)| (a, b));
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if fraction.is_empty() { text } else { text + "." + fraction }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "booting\nbench guest_getppid 198.4 ns\nbench pipe_pingpong failed: EINVAL\n\
                          console: bench boot_to_guest 12345678 ns\n";

    #[test]
    fn figures_are_read_from_the_console_with_their_references() {
        let figures = parse(OUTPUT, "fused", 1, Mode::Icount);
        assert_eq!(figures.len(), 2);
        assert_eq!((figures[0].value, figures[0].unit.as_str()), (198.4, "instructions"));
        assert_eq!(figures[0].reference["Linux"], 449.0);
        let json = serde_json::to_string(&figures[0]).unwrap();
        assert!(json.contains(r#""mode":"icount""#) && json.contains(r#""OSv":202.0"#), "{json}");
        let wall = parse(OUTPUT, "fused", 1, Mode::Wall);
        assert_eq!((wall[0].unit.as_str(), wall[0].reference.len()), ("ns", 0));
    }

    #[test]
    fn the_table_has_a_column_for_each_system() {
        let mut figures = parse(OUTPUT, "strict", 1, Mode::Icount);
        figures.extend(parse("bench guest_getppid 150 ns", "fused", 1, Mode::Icount));
        let table = table(&figures);
        let line = table.lines().find(|line| line.starts_with("guest_getppid")).unwrap();
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(cells, ["guest_getppid", "instructions", "198.4", "150", "202", "449", "–"]);
        assert!(table.contains("12,345,678"));
    }
}
