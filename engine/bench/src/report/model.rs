//! Everything that is told, ready to be shown in any form.

use std::collections::BTreeMap;

use serde::Serialize;

use super::goals::{self, Goal};
use crate::OURS;
use crate::machine::Machine;
use crate::measure::{Row, Unit, standing};
use crate::session::Session;

/// Ratios that rows are counted by.
pub const RATIOS: [f64; 4] = [1.0, 1.3, 1.5, 1.8];

/// A session in figures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// On what it was measured.
    pub machine: Machine,
    /// Engines, ours first, and how they were set up.
    pub engines: Vec<Setting>,
    /// Rounds that medians are taken of.
    pub rounds: u32,
    /// Records in a table.
    pub records: u64,
    /// How long it took.
    pub seconds: f64,
    /// The rows, in the order in which they were measured.
    pub rows: Vec<Line>,
    /// How many rows are compared with a peer.
    pub compared: usize,
    /// How many of them reach which ratio.
    pub standing: Vec<Reached>,
    /// What is asked of us, and whether it is so.
    pub goals: Vec<Goal>,
    /// Engines that returned wrong data.
    pub wrong: Vec<String>,
    /// Engines that could not be measured to the end.
    pub failures: Vec<String>,
}

/// How an engine was set up.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// The engine.
    pub name: &'static str,
    /// In words.
    pub setting: &'static str,
}

/// How many rows reach a ratio.
#[derive(Debug, Serialize)]
pub struct Reached {
    /// The ratio to the best peer.
    pub ratio: f64,
    /// Rows at or above it.
    pub rows: usize,
}

/// A row and what follows from its figures.
#[derive(Debug, Serialize)]
pub struct Line {
    /// All figures.
    #[serde(flatten)]
    pub row: Row,
    /// The medians by engine.
    pub medians: BTreeMap<String, f64>,
    /// The best engine but ours, among those that keep the same promise.
    pub best_peer: Option<String>,
    /// How many times better than it we are: above 1 is ahead.
    pub ratio: Option<f64>,
}

impl Report {
    /// Of a whole session.
    pub fn of(session: &Session) -> Self {
        let (reached, compared) = standing(&session.figures, OURS, &RATIOS);
        let standing = RATIOS.into_iter().zip(reached);
        Self {
            machine: session.machine.clone(),
            engines: session.engines.iter().copied().map(setting).collect(),
            rounds: session.rounds,
            records: session.records,
            seconds: session.took.as_secs_f64(),
            rows: session.figures.rows.iter().map(Line::of).collect(),
            compared,
            standing: standing
                .map(|(ratio, rows)| Reached { ratio, rows })
                .collect(),
            goals: goals::judge(&session.figures, session.records),
            wrong: session.wrong.clone(),
            failures: session.failures.clone(),
        }
    }

    /// How many rows reach which ratio, in one sentence.
    pub fn summary(&self) -> String {
        let reached = self.standing.iter();
        let reached: Vec<_> = reached
            .map(|reached| format!("{} at >= {:.1}", reached.rows, reached.ratio))
            .collect();
        let met = self
            .goals
            .iter()
            .filter(|goal| goal.met == Some(true))
            .count();
        let judged = self.goals.iter().filter(|goal| goal.met.is_some()).count();
        format!(
            "of {} compared rows {}; {met} of {judged} goals met; {} of {} records, {:.0} s",
            self.compared,
            reached.join(", "),
            rounds(self.rounds),
            self.records,
            self.seconds,
        )
    }
}

fn rounds(count: u32) -> String {
    match count {
        1 => "one round".to_owned(),
        count => format!("medians of {count} rounds"),
    }
}

fn setting((name, setting): (&'static str, &'static str)) -> Setting {
    Setting { name, setting }
}

impl Line {
    fn of(row: &Row) -> Self {
        let medians = row.figures.keys().filter_map(|engine| {
            let median = row.median(engine)?;
            Some((engine.clone(), median))
        });
        let peer = row.compared.then(|| row.best_peer(OURS)).flatten();
        Self {
            medians: medians.collect(),
            best_peer: peer.map(|(name, _)| name.to_owned()),
            ratio: row.ratio(OURS).filter(|_| row.compared),
            row: row.clone(),
        }
    }

    /// Its name and unit.
    pub fn title(&self) -> String {
        match self.row.unit {
            Unit::Ratio | Unit::Share => self.row.name.clone(),
            unit => format!("{} [{}]", self.row.name, unit.text()),
        }
    }
}

/// A figure with as many digits as mean something.
pub fn number(figure: f64) -> String {
    match figure {
        f if f >= 1000.0 => format!("{f:.0}"),
        f if f >= 10.0 => format!("{f:.1}"),
        f if f >= 1.0 => format!("{f:.2}"),
        f => format!("{f:.3}"),
    }
}
