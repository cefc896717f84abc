//! What is asked of Lightning DB, beside being ahead: bounds that figures are held to. They are told, not enforced.

use serde::Serialize;

use crate::OURS;
use crate::measure::Figures;

/// A bound and the figure that it is for.
#[derive(Debug, PartialEq, Serialize)]
pub struct Goal {
    /// What is bounded.
    pub name: String,
    /// The figure, if it was measured.
    pub figure: Option<f64>,
    /// Whether it may be at most, or must be at least, the bound.
    pub at_most: bool,
    /// The bound.
    pub bound: f64,
    /// Whether it is kept, if the figure was measured.
    pub met: Option<bool>,
}

/// Rows in which twice and half as fast as the best peer is asked for.
const READS: [&str; 7] = [
    "random reads",
    "ranges of 10",
    "full scan",
    "random reads, 4 threads",
    "YCSB B",
    "YCSB C",
    "YCSB E",
];

/// What figures goals are held against.
struct Held<'f> {
    figures: &'f Figures,
    records: u64,
}

/// A goal before anything was measured.
struct Asked {
    name: &'static str,
    bound: Bound,
    figure: fn(&Held<'_>) -> Option<f64>,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}
use Bound::{AtLeast, AtMost};

const ASKED: [Asked; 13] = [
    Asked {
        name: "every row, to the best peer",
        bound: AtLeast(1.0),
        figure: |held| lowest(held.compared()),
    },
    Asked {
        name: "reads, ranges, scan, YCSB B, C, E, to the best peer",
        bound: AtLeast(1.5),
        figure: |held| {
            let rows = READS.iter().filter_map(|row| held.figures.find(row));
            lowest(rows.filter_map(|row| row.ratio(OURS)))
        },
    },
    Asked {
        name: "syncs a commit, 8 threads",
        bound: AtMost(0.15),
        figure: |held| held.ours("syncs a commit, 8 threads"),
    },
    Asked {
        name: "commits of 8 threads, to RocksDB's",
        bound: AtLeast(2.0),
        figure: |held| {
            let row = held.figures.find("durable commits, 8 threads")?;
            Some(row.median(OURS)? / row.median("rocksdb")?)
        },
    },
    Asked {
        name: "commits of 1 thread, to overwrite + fdatasync",
        bound: AtLeast(0.85),
        figure: |held| held.ours("1 thread, to overwrite + fdatasync beside it"),
    },
    Asked {
        name: "latency of clients that think, to where nobody waits for company",
        bound: AtMost(1.1),
        figure: |held| {
            held.quotient(
                "commit of 8 clients that think, p50",
                "commit of 8 clients that think where nobody waits, p50",
            )
        },
    },
    Asked {
        name: "µs for a random read",
        bound: AtMost(0.75),
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        figure: |held| Some(held.ours("random reads")? * 1e3 / held.records as f64),
    },
    Asked {
        name: "a miss, to one pread of a page from the disk",
        bound: AtMost(1.3),
        figure: |held| held.ours("beyond the cache: a miss to one pread of a page from the disk"),
    },
    Asked {
        name: "memory after 20,000 reads more, beyond the cache",
        bound: AtMost(1.05),
        figure: |held| {
            held.quotient(
                "beyond the cache: memory after the second 20,000 reads more",
                "beyond the cache: memory after the first 20,000 reads more",
            )
        },
    },
    Asked {
        name: "p99.9 of commits during checkpoints, to p50 outside",
        bound: AtMost(5.0),
        figure: |held| held.ours("p99.9 during checkpoints to p50 outside"),
    },
    Asked {
        name: "size after compaction, to the payload",
        bound: AtMost(1.3),
        figure: |held| held.ours("size after compaction a byte of payload"),
    },
    Asked {
        name: "log of 100 batches, to the payload",
        bound: AtMost(1.3),
        figure: |held| held.ours("batches: log a byte of payload"),
    },
    Asked {
        name: "bytes written for 100 batches when acknowledged, to the payload",
        bound: AtMost(1.3),
        figure: |held| held.ours("batches: bytes written a byte of payload, when acknowledged"),
    },
];

impl Held<'_> {
    fn ours(&self, row: &str) -> Option<f64> {
        self.figures.find(row)?.median(OURS)
    }

    fn quotient(&self, row: &str, other: &str) -> Option<f64> {
        Some(self.ours(row)? / self.ours(other)?)
    }

    /// The ratio of each row to its best peer.
    fn compared(&self) -> impl Iterator<Item = f64> {
        let rows = self.figures.rows.iter().filter(|row| row.compared);
        rows.filter_map(|row| row.ratio(OURS))
    }
}

fn lowest(ratios: impl Iterator<Item = f64>) -> Option<f64> {
    ratios.reduce(f64::min)
}

/// All goals, held against `figures` of tables of `records`.
pub fn judge(figures: &Figures, records: u64) -> Vec<Goal> {
    let held = Held { figures, records };
    ASKED.iter().map(|asked| asked.judge(&held)).collect()
}

impl Asked {
    fn judge(&self, held: &Held<'_>) -> Goal {
        let figure = (self.figure)(held);
        let (at_most, bound) = match self.bound {
            AtMost(bound) => (true, bound),
            AtLeast(bound) => (false, bound),
        };
        let kept = |figure| {
            if at_most {
                figure <= bound
            } else {
                figure >= bound
            }
        };
        Goal {
            name: self.name.to_owned(),
            figure,
            at_most,
            bound,
            met: figure.map(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Asks, Unit};

    #[test]
    fn a_goal_is_judged_only_if_its_figure_was_measured() {
        let mut figures = Figures::default();
        figures.note("syncs a commit, 8 threads", Unit::Ratio, OURS, 0.16);
        figures.add(
            "random reads",
            Unit::Milliseconds,
            Asks::Transactions,
            OURS,
            700.0,
        );
        let goals = judge(&figures, 1_000_000);
        let met = |name: &str| {
            goals
                .iter()
                .find(|goal| goal.name == name)
                .map(|goal| goal.met)
        };
        assert_eq!(met("syncs a commit, 8 threads"), Some(Some(false)));
        assert_eq!(met("µs for a random read"), Some(Some(true)));
        assert_eq!(met("every row, to the best peer"), Some(None));
    }
}
