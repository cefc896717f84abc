//! The verdict on one observed state.

use super::explain::explain;
use super::history::History;
use super::obligations::Obligations;
use super::observed::Observed;
use super::violation::{Violation, row_text};
use crate::scenario::CheckKind;

/// What is to be said of an observed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may be shown.
    Legal,
    /// It may not.
    Illegal(Vec<Violation>),
    /// So many orders of overlapping transactions are possible that the search for a legal one was given up.
    Undecided,
}

impl Obligations {
    /// Whether an observed state is legal, and if not, what is wrong with it.
    ///
    /// A legal state is nearly always that after some number of answers, which takes a few comparisons. Only others are
    /// explained.
    ///
    /// What a recovery showed and nobody was promised may be gone (`doubt`): a state is legal if it is so with or without that.
    pub fn judge(&self, history: &History, observed: &Observed) -> Judgement {
        let judgement = self.judge_as_shown(history, observed);
        match (judgement, self.in_doubt(history)) {
            (Judgement::Illegal(_), Some((whole, obligations))) => {
                obligations.judge_as_shown(&whole, observed)
            }
            (judgement, _) => judgement,
        }
    }

    fn judge_as_shown(&self, history: &History, observed: &Observed) -> Judgement {
        let disorder = disorder(observed);
        if disorder.is_none() && self.is_prefix(history, observed) {
            return Judgement::Legal;
        }
        let mut judgement = explain(self, history, &observed.to_map());
        if let Some(disorder) = disorder {
            let mut violations = vec![disorder];
            if let Judgement::Illegal(others) = judgement {
                violations.extend(others);
            }
            judgement = Judgement::Illegal(violations);
        }
        judgement
    }

    /// Whether the state is that after some number of answers, as many as may be there.
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
