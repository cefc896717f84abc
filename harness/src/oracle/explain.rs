//! Whether a state that is not that after some number of answers is legal, and if not, what it breaks.
//!
//! What is wrong in any order is said first: values that nobody wrote, or that must not be there. Then what follows from the rows,
//! piece by piece. Only if all of that holds, a circle: each of its steps is needed, and together they can't be.

use std::collections::BTreeSet;

use super::findings;
use super::history::History;
use super::judge::Judgement;
use super::obligations::{Obligations, Owed};
use super::problem::{Piece, Problem};
use super::rows::RowMap;
use super::search::{Contradiction, Solution, solve};
use super::sequence::{Edge, Link};
use super::violation::{Violation, row_text, transaction_text};
use crate::scenario::CheckKind;

/// Looks for a legal set and order of transactions that leaves the observed rows.
pub(super) fn explain(
    obligations: &Obligations,
    history: &History,
    observed: &RowMap,
) -> Judgement {
    let (problem, mut violations) = Problem::new(obligations, history, observed);
    let words = Words {
        problem: &problem,
        history,
        observed,
    };
    match solve(&problem) {
        Solution::Found if violations.is_empty() => return Judgement::Legal,
        Solution::GaveUp if violations.is_empty() => return Judgement::Undecided,
        Solution::Contradictions(found) => violations.extend(words.contradictions(&found)),
        Solution::Circle(links) if violations.is_empty() => violations.push(words.circle(&links)),
        // What is wrong in any order needs no circle.
        Solution::Found | Solution::GaveUp | Solution::Circle(_) => {}
    }
    Judgement::Illegal(violations)
}

/// What violations are written with.
struct Words<'p, 'a> {
    problem: &'p Problem<'a>,
    history: &'p History,
    observed: &'p RowMap,
}

impl Words<'_, '_> {
    /// One violation a piece and kind.
    fn contradictions(&self, found: &[Contradiction]) -> Vec<Violation> {
        let lost = self.lost(found);
        let mut told = BTreeSet::new();
        let mut violations = Vec::new();
        for contradiction in found.iter().rev() {
            match *contradiction {
                Contradiction::NotThere { piece, row } if told.insert(piece) => {
                    violations.extend(self.not_there(piece, row, &lost));
                }
                Contradiction::OutOfOrder { absent, later }
                    if !lost.contains(&later) && told.insert(absent) =>
                {
                    violations.push(self.out_of_order(absent, later));
                }
                Contradiction::BaseLost { row } => {
                    let key = self.problem.rows[row].key;
                    let base = self.history.base().get(key);
                    violations.extend(base.map(|base| findings::recovered_lost(key, base)));
                }
                _ => {}
            }
        }
        violations
    }

    /// The pieces that should be there, and of which nothing is.
    fn lost(&self, found: &[Contradiction]) -> BTreeSet<usize> {
        let pieces = found
            .iter()
            .filter_map(|contradiction| match *contradiction {
                Contradiction::NotThere { piece, .. } => Some(piece),
                _ => None,
            });
        let shows = |piece: &usize| self.problem.pieces[*piece].shown.is_some();
        pieces.filter(|piece| !shows(piece)).collect()
    }

    /// A piece must be there, and a row says that it is not.
    fn not_there(&self, index: usize, row: usize, lost: &BTreeSet<usize>) -> Vec<Violation> {
        let piece = &self.problem.pieces[index];
        let key = self.problem.rows[row].key;
        let Some(broken) = piece.changes.iter().find(|change| change.row == *key) else {
            return Vec::new();
        };
        if let Some(held) = piece.shown {
            let half = findings::half_applied(piece.transaction, held, broken, self.observed);
            return vec![half];
        }
        let mut violations = Vec::new();
        if piece.owed == Owed::Must {
            let gone = findings::lost(piece.transaction, Some(broken), self.observed);
            violations.push(gone);
        }
        let later = self.latest_there(lost);
        let later = later.filter(|later| piece.precedes(later));
        violations.extend(
            later.map(|later| findings::earlier_lost(piece.transaction, later.transaction)),
        );
        violations
    }

    fn out_of_order(&self, absent: usize, later: usize) -> Violation {
        let piece = |piece: usize| self.problem.pieces[piece].transaction;
        findings::earlier_lost(piece(absent), piece(later))
    }

    /// The newest piece that is certainly there: all that must be because of a later one are older. One that was lost
    /// proves nothing of those before it.
    fn latest_there(&self, lost: &BTreeSet<usize>) -> Option<&Piece<'_>> {
        let pieces = self.problem.pieces.iter().enumerate();
        let there = pieces.filter(|(index, piece)| {
            piece.shown.is_some() || piece.owed == Owed::Must && !lost.contains(index)
        });
        let there = there.map(|(_, piece)| piece);
        there.max_by_key(|piece| piece.transaction.requested)
    }

    fn circle(&self, links: &[Link]) -> Violation {
        let steps: Vec<_> = links.iter().map(|link| self.link(*link)).collect();
        Violation::new(
            CheckKind::Atomicity,
            "no-order",
            "rows that whole transactions leave, one after the other, in some order",
            if steps.is_empty() {
                "there is no such order".to_owned()
            } else {
                format!("a circle: {}", steps.join("; "))
            },
        )
    }

    fn link(&self, link: Link) -> String {
        let name = |piece: usize| transaction_text(self.problem.pieces[piece].transaction.id);
        match link {
            Link::RealTime { before, after } => {
                format!(
                    "{} was answered before {} was requested",
                    name(before),
                    name(after)
                )
            }
            Link::Edge(Edge { before, after, why }) => {
                let key = self.problem.rows[why].key;
                let place = row_text(key.table, &key.key);
                let (before, after) = (name(before), name(after));
                if self.observed.contains_key(key) {
                    format!("{before} wrote {place} before {after}, whose value is there")
                } else {
                    format!("{before} put {place} before {after} deleted it, as it is not there")
                }
            }
        }
    }
}
