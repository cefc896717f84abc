//! What a person sees while scenarios run: a bar on a terminal, plain lines otherwise.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use lightning_report::ScenarioReport;

use crate::run::{Snapshot, Watch};

/// Shows progress.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    id_width: usize,
}

impl Progress {
    pub(super) fn new(id_width: usize) -> Self {
        let bar = io::stderr().is_terminal().then(bar);
        Self { bar, id_width }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, line: &str) {
        let print = || {
            // Nobody may be reading any more; the run goes on for its report.
            let _ = writeln!(io::stdout(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

fn bar() -> ProgressBar {
    let template = "{elapsed:>4} {wide_bar:.cyan/dim} {human_pos}/{human_len} states  {msg}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

impl Watch for Progress {
    fn progress(&mut self, snapshot: &Snapshot) {
        if let Some(bar) = &self.bar {
            bar.set_length(snapshot.states_wanted);
            bar.set_position(snapshot.states);
            bar.set_message(snapshot.running.first().cloned().unwrap_or_default());
        }
    }

    fn judged(&mut self, scenario: &ScenarioReport) {
        let rate = scenario
            .timing
            .as_ref()
            .map_or(0, |timing| timing.states_per_second);
        let mut line = format!(
            "{:<12}  {:<width$}  {:>9} states  {:>6}/s",
            scenario.verdict.as_str(),
            scenario.id,
            scenario.totals.crash_states.distinct,
            rate,
            width = self.id_width,
        );
        if !scenario.caught_by.is_empty() {
            line = format!("{line}  caught by {}", scenario.caught_by.join(", "));
        }
        if let Some(reason) = &scenario.reason {
            line = format!("{line}  ({reason})");
        }
        self.line(&line);
    }
}
