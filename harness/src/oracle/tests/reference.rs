//! All legal outcomes of a small history, by the definition: every order of its transactions that keeps real time, and of each order
//! every choice of what is there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::oracle::{Change, History, Outcome, RowKey, RowMap, RowValue, Transaction};
use crate::target::{CrashKind, Promise, Promises};
use crate::trace::TracePosition;

/// A crash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crash<'a> {
    pub(super) promises: &'a Promises,
    pub(super) at: TracePosition,
    pub(super) kind: CrashKind,
}

/// Whether a part of a history is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Always,
    /// If anything after it is.
    BeforeOthers,
    Perhaps,
}

struct Part {
    rule: Rule,
    requested: TracePosition,
    answered: TracePosition,
    /// Row and value by number.
    changes: Vec<(usize, usize)>,
}

/// Rows and values by number; value 0 is no row.
#[derive(Default)]
struct Numbers {
    rows: Vec<RowKey>,
    values: Vec<RowValue>,
}

type State = Vec<usize>;

struct Enumeration {
    parts: Vec<Part>,
    seen: HashSet<(u32, bool, State)>,
    states: HashSet<State>,
}

/// Every state that a crash may leave.
pub(super) fn legal_states(history: &History, crash: Crash<'_>) -> BTreeSet<RowMap> {
    let mut numbers = Numbers::default();
    let mut start = BTreeMap::new();
    for (row, value) in history.base() {
        start.insert(numbers.row(row), numbers.value(Some(value)));
    }
    let mut parts = Vec::new();
    for transaction in history.transactions() {
        parts.extend(parts_of(transaction, crash, &mut numbers));
    }
    let start = (0..numbers.rows.len()).map(|row| start.get(&row).copied().unwrap_or(0));
    let mut enumeration = Enumeration {
        parts,
        seen: HashSet::new(),
        states: HashSet::new(),
    };
    enumeration.go_on(0, false, start.collect());
    let states = enumeration.states.iter();
    states.map(|state| numbers.rows_of(state)).collect()
}

fn parts_of(transaction: &Transaction, crash: Crash<'_>, numbers: &mut Numbers) -> Vec<Part> {
    let answered = transaction.answered <= crash.at;
    let promise = crash.promises.promise(transaction.durability, crash.kind);
    let rule = match transaction.outcome {
        _ if !answered && transaction.visible_from > crash.at => return Vec::new(),
        _ if !answered => Rule::Perhaps,
        Outcome::Refused => return Vec::new(),
        Outcome::Unknown | Outcome::InFlight => Rule::Perhaps,
        Outcome::Acknowledged => match promise {
            Promise::Durable => Rule::Always,
            Promise::Prefix => Rule::BeforeOthers,
            Promise::Atomic | Promise::Nothing => Rule::Perhaps,
        },
    };
    let is_torn =
        answered && transaction.outcome == Outcome::Acknowledged && promise == Promise::Nothing;
    let mut part = |changes: &[Change]| Part {
        rule,
        requested: transaction.requested,
        answered: transaction.answered,
        changes: changes
            .iter()
            .map(|change| {
                (
                    numbers.row(&change.row),
                    numbers.value(change.value.as_ref()),
                )
            })
            .collect(),
    };
    if is_torn {
        transaction.changes.chunks(1).map(part).collect()
    } else {
        vec![part(&transaction.changes)]
    }
}

impl Numbers {
    fn row(&mut self, row: &RowKey) -> usize {
        let known = self.rows.iter().position(|known| known == row);
        known.unwrap_or_else(|| {
            self.rows.push(row.clone());
            self.rows.len() - 1
        })
    }

    fn value(&mut self, value: Option<&RowValue>) -> usize {
        let Some(value) = value else { return 0 };
        self.values.push(RowValue::clone(value));
        self.values.len()
    }

    fn rows_of(&self, state: &State) -> RowMap {
        let there = state.iter().enumerate().filter(|&(_, &value)| value > 0);
        there
            .map(|(row, &value)| (self.rows[row].clone(), self.values[value - 1].clone()))
            .collect()
    }
}

impl Enumeration {
    /// Decides about one more part. `cut`: one that had to be there if any later one is was left out.
    fn go_on(&mut self, done: u32, cut: bool, state: State) {
        if !self.seen.insert((done, cut, state.clone())) {
            return;
        }
        if done.count_ones() as usize == self.parts.len() {
            self.states.insert(state);
            return;
        }
        for next in 0..self.parts.len() {
            if !self.may_come_next(done, next) {
                continue;
            }
            let rule = self.parts[next].rule;
            if rule != Rule::Always {
                self.go_on(
                    done | 1 << next,
                    cut || rule == Rule::BeforeOthers,
                    state.clone(),
                );
            }
            if !cut {
                let mut state = state.clone();
                for &(row, value) in &self.parts[next].changes {
                    state[row] = value;
                }
                self.go_on(done | 1 << next, cut, state);
            }
        }
    }

    fn may_come_next(&self, done: u32, next: usize) -> bool {
        let is_done = |part: usize| done >> part & 1 == 1;
        let must_wait = |other: usize| {
            let answered_first = self.parts[other].answered <= self.parts[next].requested;
            other != next && !is_done(other) && answered_first
        };
        !is_done(next) && !(0..self.parts.len()).any(must_wait)
    }
}
