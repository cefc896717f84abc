//! The verdict on one observed state.

use super::explain::explain;
use super::history::History;
use super::obligations::Obligations;
use super::observed::Observed;
use super::violation::{Violation, row_text};
use crate::scenario::CheckKind;

impl Obligations {
    /// What is wrong with an observed state; nothing if it is legal.
    ///
    /// A legal state is nearly always that after some number of transactions, which takes a few
    /// comparisons. Only others are explained.
    pub fn judge(&self, history: &History, observed: &Observed) -> Vec<Violation> {
        if observed.disorder().is_none() && self.is_prefix(history, observed) {
            return Vec::new();
        }
        let mut violations: Vec<_> = disorder(observed).into_iter().collect();
        violations.extend(explain(self, history, &observed.to_map()));
        violations
    }

    /// Whether the state is that after some number of transactions, as many as may be there.
    fn is_prefix(&self, history: &History, observed: &Observed) -> bool {
        let digest = Some(observed.digest());
        (self.least..=self.most)
            .rev()
            .any(|count| history.state_after(count) == digest)
    }
}

fn disorder(observed: &Observed) -> Option<Violation> {
    let row = observed.disorder()?;
    Some(Violation::new(
        CheckKind::NoGarbage,
        "rows-out-of-order",
        "each row once, in ascending order of keys",
        format!("{} comes twice or too late", row_text(row.table, row.key)),
    ))
}
