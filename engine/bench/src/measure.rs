//! Figures: one a row, engine and round, and what is said of several rounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Engines whose name ends so write batches, not transactions: they are compared where a row asks for no more.
const BATCHES_ONLY: &str = "-batch";
/// Engines whose durable commits do not survive a power cut: they are not compared where a row asks for that.
const NOT_DURABLE: [&str; 1] = ["sled"];

/// What a row asks of an engine that is compared in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// Transactions and snapshots.
    #[default]
    Transactions,
    /// Transactions that survive a power cut.
    DurableTransactions,
    /// Atomic batches that survive a power cut.
    DurableBatches,
}

impl Asks {
    fn are_met_by(self, engine: &str) -> bool {
        let isolated = !engine.ends_with(BATCHES_ONLY);
        let durable = !NOT_DURABLE.contains(&engine);
        match self {
            Self::Transactions => isolated,
            Self::DurableTransactions => isolated && durable,
            Self::DurableBatches => durable,
        }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds for the whole row: less is better.
    Milliseconds,
    /// Microseconds for one operation: less is better.
    Microseconds,
    /// Thousands of operations a second: more is better.
    KiloOpsPerSecond,
    /// Mebibytes: less is better.
    Mebibytes,
    /// A plain ratio: less is better.
    Ratio,
    /// A share of what the machine could do: more is better.
    Share,
}

impl Unit {
    /// As it stands behind a figure.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::KiloOpsPerSecond => "kops/s",
            Self::Mebibytes => "MiB",
            Self::Ratio | Self::Share => "",
        }
    }

    /// Whether a larger figure is the better one.
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::KiloOpsPerSecond | Self::Share)
    }
}

/// All figures of one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The group that it was measured in.
    #[serde(default)]
    pub group: String,
    /// What its figures count.
    pub unit: Unit,
    /// Whether it takes part in the comparison; else it only explains another row.
    pub compared: bool,
    /// What it asks of those that are compared.
    pub asks: Asks,
    /// The figures by engine, one a round, in the order of rounds.
    pub figures: BTreeMap<String, Vec<f64>>,
}

/// All rows in the order in which they were first measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// The rows.
    pub rows: Vec<Row>,
}

impl Figures {
    /// Adds a figure of a row that is compared.
    pub fn add(&mut self, row: &str, unit: Unit, asks: Asks, engine: &str, figure: f64) {
        let row = self.row(row, unit, true);
        row.asks = asks;
        row.push(engine, figure);
    }

    /// Adds a figure that explains others.
    pub fn note(&mut self, row: &str, unit: Unit, engine: &str, figure: f64) {
        self.row(row, unit, false).push(engine, figure);
    }

    /// Takes over what was measured elsewhere, in `group`.
    pub fn merge(&mut self, group: &str, others: Self) {
        for other in others.rows {
            let row = self.row(&other.name, other.unit, other.compared);
            group.clone_into(&mut row.group);
            row.asks = other.asks;
            for (engine, mut figures) in other.figures {
                row.figures.entry(engine).or_default().append(&mut figures);
            }
        }
    }

    /// The row of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    fn row(&mut self, name: &str, unit: Unit, compared: bool) -> &mut Row {
        let index = self.rows.iter().position(|row| row.name == name);
        let index = index.unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.to_owned(),
                group: String::new(),
                unit,
                compared,
                asks: Asks::default(),
                figures: BTreeMap::new(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }
}

impl Row {
    /// The median over rounds of one engine.
    pub fn median(&self, engine: &str) -> Option<f64> {
        self.figures.get(engine).and_then(|figures| median(figures))
    }

    fn push(&mut self, engine: &str, figure: f64) {
        self.figures
            .entry(engine.to_owned())
            .or_default()
            .push(figure);
    }

    /// The best of the other engines that keep the same promise, by median.
    pub fn best_peer(&self, ours: &str) -> Option<(&str, f64)> {
        let peers = self.figures.iter();
        let peers = peers.filter(|(name, _)| *name != ours && self.asks.are_met_by(name));
        let medians = peers.filter_map(|(name, figures)| Some((name.as_str(), median(figures)?)));
        medians.min_by(|(_, a), (_, b)| {
            let order = a.total_cmp(b);
            if self.unit.more_is_better() {
                order.reverse()
            } else {
                order
            }
        })
    }

    /// How many times better than the best peer we are: above 1 is ahead.
    pub fn ratio(&self, ours: &str) -> Option<f64> {
        let (our, (_, best)) = (self.median(ours)?, self.best_peer(ours)?);
        Some(if self.unit.more_is_better() {
            our / best
        } else {
            best / our
        })
    }
}

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// How many of the compared rows are at or above each of these ratios, and how many rows there are.
pub fn standing(figures: &Figures, ours: &str, ratios: &[f64]) -> (Vec<usize>, usize) {
    let rows = figures.rows.iter().filter(|row| row.compared);
    let reached: Vec<f64> = rows.filter_map(|row| row.ratio(ours)).collect();
    let at_least = |goal: &f64| reached.iter().filter(|ratio| *ratio >= goal).count();
    (ratios.iter().map(at_least).collect(), reached.len())
}

/// How long `work` takes.
pub fn time(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// Processor time of this process so far, all of its threads together. Others' work on the machine stretches what a
/// row takes, and hardly this.
pub fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// In milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The value at `share` of the sorted durations, in microseconds.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index below the length"
)]
pub fn quantile_micros(durations: &mut [Duration], share: f64) -> f64 {
    durations.sort_unstable();
    let index = (durations.len() as f64 * share) as usize;
    let at = durations.get(index.min(durations.len().saturating_sub(1)));
    at.map_or(0.0, |duration| duration.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_peer_is_the_fastest_by_median_and_never_us() {
        let mut figures = Figures::default();
        for (engine, figure) in [
            ("us", 5.0),
            ("a", 10.0),
            ("b", 8.0),
            ("a", 2.0),
            ("a", 20.0),
        ] {
            let asks = Asks::Transactions;
            figures.add("time", Unit::Milliseconds, asks, engine, figure);
            figures.add("rate", Unit::KiloOpsPerSecond, asks, engine, figure);
        }
        let [time, rate] = &figures.rows[..] else {
            panic!("two rows")
        };
        assert_eq!(time.best_peer("us"), Some(("b", 8.0)));
        assert_eq!(time.ratio("us"), Some(1.6));
        assert_eq!(rate.best_peer("us"), Some(("a", 10.0)));
        assert_eq!(rate.ratio("us"), Some(0.5));
    }

    #[test]
    fn an_engine_is_compared_where_it_does_what_is_asked_for() {
        let mut figures = Figures::default();
        for (engine, figure) in [("us", 4.0), ("a", 8.0), ("a-batch", 2.0), ("sled", 1.0)] {
            for (row, asks) in [
                ("transaction", Asks::Transactions),
                ("durable", Asks::DurableTransactions),
                ("batch", Asks::DurableBatches),
            ] {
                figures.add(row, Unit::Milliseconds, asks, engine, figure);
            }
        }
        let best = figures.rows.iter().map(|row| row.best_peer("us"));
        let best: Vec<_> = best.flatten().map(|(name, _)| name).collect();
        assert_eq!(best, ["sled", "a", "a-batch"]);
        assert_eq!(standing(&figures, "us", &[0.5, 1.0]), (vec![2, 1], 3));
    }

    #[test]
    fn figures_of_several_rounds_are_joined_by_row_and_engine() {
        let mut all = Figures::default();
        for figure in [1.0, 3.0] {
            let mut round = Figures::default();
            round.add("time", Unit::Milliseconds, Asks::Transactions, "us", figure);
            all.merge("basic", round);
        }
        assert_eq!(all.rows.len(), 1);
        assert_eq!(all.rows[0].median("us"), Some(2.0));
        assert_eq!(all.rows[0].group, "basic");
    }

    #[test]
    fn quantiles_are_taken_from_sorted_figures() {
        let mut durations: Vec<_> = (1..=100).rev().map(Duration::from_micros).collect();
        assert!((quantile_micros(&mut durations, 0.5) - 51.0).abs() < 1e-6);
        assert!((quantile_micros(&mut durations, 0.99) - 100.0).abs() < 1e-6);
    }
}
