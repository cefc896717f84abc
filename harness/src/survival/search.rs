//! All survivals of one power cut that a run can tell apart, depth first.

use super::decide::{Decision, Request};
use super::decisions::Decisions;

/// What to answer: branch 0 where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) chosen: u32,
    /// The question, if it is known from an earlier run.
    pub(super) request: Option<Request>,
}

impl Plan {
    /// Answers to whatever is asked.
    pub fn blind(decisions: &Decisions) -> Self {
        let step = |&chosen| Step {
            chosen,
            request: None,
        };
        Self {
            steps: decisions.as_slice().iter().map(step).collect(),
        }
    }
}

/// A walk over prefixes of decisions. Each run answers as the prefix says, then 0; the next prefix differs in the last
/// decision that has a branch left.
#[derive(Clone, Debug, Default)]
pub struct Search {
    prefix: Vec<Decision>,
}

impl Search {
    /// What the next run is to answer.
    pub fn plan(&self) -> Plan {
        let step = |decision: &Decision| Step {
            chosen: decision.chosen,
            request: Some(decision.request),
        };
        Plan {
            steps: self.prefix.iter().map(step).collect(),
        }
    }

    /// The name of the next run: all its decisions, as those past the prefix are 0.
    pub fn decisions(&self) -> Decisions {
        Decisions::new(self.prefix.iter().map(|decision| decision.chosen).collect())
    }

    /// Goes on after a run that decided all of `log`; false if that was the last.
    pub fn advance(&mut self, log: Vec<Decision>) -> bool {
        self.prefix = log;
        while let Some(last) = self.prefix.last_mut() {
            if last.chosen + 1 < last.request.branches {
                last.chosen += 1;
                return true;
            }
            self.prefix.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::decide::Variable;
    use super::*;

    #[test]
    fn a_search_visits_each_leaf_once() {
        let mut search = Search::default();
        let mut seen = Vec::new();
        // A tree with two branches, the second of which has three.
        loop {
            let first = search.prefix.first().map_or(0, |decision| decision.chosen);
            let second = search.prefix.get(1).map_or(0, |decision| decision.chosen);
            let decision = |chosen, branches| Decision {
                chosen,
                request: Request {
                    variable: Variable::Names,
                    branches,
                },
            };
            seen.push((search.decisions().to_string(), first, second));
            let mut log = vec![decision(first, 2)];
            if first == 1 {
                log.push(decision(second, 3));
            }
            if !search.advance(log) {
                break;
            }
        }
        let names: Vec<_> = seen.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["0", "1", "1x2", "1.2"]);
    }
}
