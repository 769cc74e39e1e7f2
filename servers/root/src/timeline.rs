//! The boot timeline: which stage was reached when.

use core::fmt;
use heapless::{String, Vec};

/// Most stages; later ones are dropped.
const MAX_STAGES: usize = 64;

/// The stages of the boot.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    stages: Vec<(String<48>, u64), MAX_STAGES>,
    hz: u64,
}

impl Timeline {
    /// Makes an empty timeline of a counter of `hz` ticks a second.
    #[must_use]
    pub const fn new(hz: u64) -> Timeline {
        Timeline { stages: Vec::new(), hz }
    }

    /// Notes that `who` reached `stage` when the counter was at `counter`.
    pub fn note(&mut self, who: &str, stage: &str, counter: u64) {
        let mut name = String::new();
        // A name that is too long is cut.
        let _ = fmt::write(&mut name, format_args!("{who}: {stage}"));
        let _ = self.stages.push((name, counter));
    }
}

impl fmt::Display for Timeline {
    /// Shows milliseconds since the first stage, and since the one before.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.stages.iter().map(|(_, counter)| *counter).min().unwrap_or(0);
        let micros = |ticks: u64| u128::from(ticks) * 1_000_000 / u128::from(self.hz.max(1));
        let mut before = first;
        writeln!(f, "osv: boot timeline (ms since the first stage, ms since the one before)")?;
        for (name, counter) in &self.stages {
            let (since, step) = (micros(counter - first), micros(counter.saturating_sub(before)));
            let (whole, part) = (since / 1000, since % 1000);
            writeln!(f, "{whole:>9}.{part:03} {:>6}.{:03}  {name}", step / 1000, step % 1000)?;
            before = *counter;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn stages_are_shown_in_milliseconds() {
        let mut timeline = Timeline::new(1_000_000);
        timeline.note("kernel", "entered", 5_000);
        timeline.note("root", "started", 6_500);
        timeline.note("personality", "running", 17_000);
        let text = timeline.to_string();
        let lines: std::vec::Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines[0], "        0.000      0.000  kernel: entered");
        assert_eq!(lines[2], "       12.000     10.500  personality: running");
    }
}
