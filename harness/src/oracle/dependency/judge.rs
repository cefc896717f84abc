//! The verdict on the dependencies of a history.

use super::super::history::History;
use super::super::judge::Judgement;
use super::super::obligations::Obligations;
use super::super::observed::Observed;
use super::cast::Cast;
use super::graph::Graph;
use super::row::{Row, rows};
use crate::target::Isolation;

/// How many flaws are told of.
const FLAWS_MAX: usize = 3;

impl History {
    /// What the promise forbids in a history that nothing broke, with the rows at its end, if they were observed.
    pub fn anomalies(&self, promised: Isolation, end: Option<&Observed>) -> Judgement {
        judge(&Cast::of_live(self, promised, end), promised)
    }

    /// What the promise forbids in what a crash left of a history: whoever is there saw only what is there.
    pub fn anomalies_after(
        &self,
        promised: Isolation,
        obligations: &Obligations,
        end: &Observed,
    ) -> Judgement {
        judge(&Cast::of_crash(self, promised, obligations, end), promised)
    }
}

fn judge(cast: &Cast<'_>, promised: Isolation) -> Judgement {
    let graph = Graph::new(cast, rows(cast));
    let flaws = graph.rows.iter().flat_map(flaws_of);
    let flaws: Vec<_> = flaws
        .map(|(row, flaw)| graph.flaw(row, flaw))
        .take(FLAWS_MAX)
        .collect();
    if !flaws.is_empty() {
        return Judgement::Illegal(flaws);
    }
    if graph.has_order(promised) {
        return Judgement::Legal;
    }
    // A circle of views and commits in real time alone is not one of dependencies: `isolation` knows it.
    match graph.gravest(promised) {
        Some((sort, circle)) => Judgement::Illegal(vec![graph.circle(sort, &circle)]),
        None => Judgement::Legal,
    }
}

fn flaws_of(row: &Row) -> impl Iterator<Item = (&Row, super::row::Flaw)> {
    row.flaws.iter().map(move |&flaw| (row, flaw))
}
