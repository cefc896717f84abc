//! Anomalies of lists against an enumeration: random schedules of a small database that forgets to look for conflicts, or shows what it
//! should not, and all orders of their points.

use super::lists::{Lists, list};
use super::story::{row, verdict};
use crate::oracle::{Element, RowMap};
use crate::rng::Rng;
use crate::target::Isolation::{self, Serializable, Snapshot};

const ROWS: [&str; 2] = ["x", "y"];
const TRANSACTIONS: usize = 5;
const CLIENTS: usize = 3;

type State = [Vec<Element>; 2];
/// A list of each row that a transaction touched.
type Touched = [Option<Vec<Element>>; 2];

#[derive(Clone, Debug, Default)]
struct Done {
    view: (u64, u64),
    commit: (u64, u64),
    reads: Touched,
    writes: Touched,
}

/// A transaction at work.
struct Work {
    number: usize,
    sees: State,
}

struct Schedule {
    rng: Rng,
    lists: Lists,
    moment: u64,
    /// The present, and what was before it.
    states: Vec<State>,
    done: Vec<Done>,
    work: [Option<Work>; CLIENTS],
    wrong: f64,
    validates: bool,
}

impl Schedule {
    fn run(seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let wrong = *rng.pick(&[0.0, 0.1, 0.4]).unwrap();
        let validates = rng.chance(0.5);
        let mut schedule = Self {
            rng,
            lists: Lists::new(),
            moment: 0,
            states: vec![State::default()],
            done: Vec::new(),
            work: [None, None, None],
            wrong,
            validates,
        };
        for _ in 0..40 {
            let client = schedule.rng.index(CLIENTS);
            match schedule.work[client].take() {
                None => schedule.begin(client),
                Some(work) => schedule.go_on(client, work),
            }
        }
        schedule
    }

    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn begin(&mut self, client: usize) {
        if self.done.len() == TRANSACTIONS {
            return;
        }
        let number = self.done.len();
        self.lists.begin(u16::try_from(client).unwrap());
        let (from, to) = (self.tick(), self.tick());
        self.done.push(Done {
            view: (from, to),
            commit: (u64::MAX, u64::MAX),
            ..Done::default()
        });
        let sees = self.states.last().unwrap().clone();
        self.work[client] = Some(Work { number, sees });
    }

    fn go_on(&mut self, client: usize, mut work: Work) {
        let (name, at) = (u16::try_from(client).unwrap(), self.rng.index(2));
        let done = &self.done[work.number];
        let is_new = done.reads[at].is_none() && done.writes[at].is_none();
        match self.rng.below(5) {
            0..2 if is_new => {
                let seen = self.told(&work, at);
                self.lists.sees_list(name, &row(ROWS[at]), &seen);
                self.done[work.number].reads[at] = Some(seen);
            }
            0..4 if self.done[work.number].writes[at].is_none() => {
                let seen = match &self.done[work.number].reads[at] {
                    Some(seen) => seen.clone(),
                    None => self.told(&work, at),
                };
                let mut wrote = seen.clone();
                wrote.push(Element {
                    transaction: self.lists.id(name),
                    operation: 0,
                });
                self.lists.appends_list(name, &row(ROWS[at]), &wrote);
                let done = &mut self.done[work.number];
                (done.reads[at], done.writes[at]) = (Some(seen), Some(wrote.clone()));
                work.sees[at] = wrote;
            }
            _ => return self.end(name, &work),
        }
        self.work[client] = Some(work);
    }

    /// What a transaction sees, or saw, or should not see.
    fn told(&mut self, work: &Work, at: usize) -> Vec<Element> {
        if self.rng.chance(self.wrong) {
            return self.rng.pick(&self.states).unwrap()[at].clone();
        }
        work.sees[at].clone()
    }

    fn end(&mut self, name: u16, work: &Work) {
        let writes = self.done[work.number].writes.clone();
        let mut state = self.states.last().unwrap().clone();
        let is_overwritten = writes.iter().zip(&state).any(|(wrote, now)| {
            wrote
                .as_ref()
                .is_some_and(|wrote| wrote[..wrote.len() - 1] != **now)
        });
        if is_overwritten && self.validates {
            self.done[work.number].writes = Touched::default();
            return;
        }
        self.lists.ask(name);
        let from = self.tick();
        for (now, wrote) in state.iter_mut().zip(writes) {
            *now = wrote.unwrap_or_else(|| now.clone());
        }
        self.states.push(state);
        self.lists.acknowledge(name);
        let to = self.tick();
        self.done[work.number].commit = (from, to);
    }

    fn end_state(&self) -> (State, RowMap) {
        let state = self.states.last().unwrap().clone();
        let rows = ROWS.iter().zip(&state);
        let rows = rows.filter_map(|(name, elements)| {
            let row = row(name);
            let value = list(&row, elements)?;
            Some((row, value))
        });
        let rows = rows.collect();
        (state, rows)
    }
}

#[derive(Clone, Copy)]
struct Point {
    number: usize,
    span: (u64, u64),
    views: bool,
    commits: bool,
}

fn points(done: &[Done], promised: Isolation) -> Vec<Point> {
    let points = done.iter().enumerate().flat_map(|(number, one)| {
        let point = |span, views, commits| Point {
            number,
            span,
            views,
            commits,
        };
        match (one.commit.0 < u64::MAX, promised) {
            (false, _) => vec![point(one.view, true, false)],
            (true, Serializable) => vec![point((one.view.0, one.commit.1), true, true)],
            (true, Snapshot) => vec![point(one.view, true, false), point(one.commit, false, true)],
        }
    });
    points.collect()
}

/// Whether the points that are left can be placed.
fn can_go_on(done: &[Done], points: &[Point], placed: u32, state: &State, end: &State) -> bool {
    let left: Vec<_> = (0..points.len())
        .filter(|&at| placed >> at & 1 == 0)
        .collect();
    if left.is_empty() {
        return state == end;
    }
    left.iter().any(|&at| {
        let point = points[at];
        let mut others = left.iter().filter(|&&other| other != at);
        if !others.all(|&other| points[other].span.1 > point.span.0) {
            return false;
        }
        let one = &done[point.number];
        let mut state = state.clone();
        for (row, now) in state.iter_mut().enumerate() {
            if point.views && one.reads[row].as_ref().is_some_and(|seen| seen != now) {
                return false;
            }
            if let Some(wrote) = one.writes[row].as_ref().filter(|_| point.commits) {
                if wrote[..wrote.len() - 1] != **now {
                    return false;
                }
                now.clone_from(wrote);
            }
        }
        can_go_on(done, points, placed | 1 << at, &state, end)
    })
}

#[test]
fn lists_have_an_anomaly_exactly_if_no_order_of_all_points_gives_them() {
    let (mut legal, mut illegal, mut in_real_time) = (0, 0, 0);
    for seed in 0..4_000 {
        let schedule = Schedule::run(seed);
        let (end, rows) = schedule.end_state();
        for promised in [Snapshot, Serializable] {
            let points = points(&schedule.done, promised);
            let is_legal = can_go_on(&schedule.done, &points, 0, &State::default(), &end);
            let observed = super::story::observed(&rows);
            let found = verdict(schedule.lists.history.anomalies(promised, Some(&observed)));
            let after = schedule.lists.anomaly_after(promised, &rows);
            let text = || {
                format!(
                    "seed {seed} {promised:?}: {found} {end:?} {:#?}",
                    schedule.done
                )
            };
            assert!(
                after == "legal" || !is_legal,
                "after a crash {after}: {}",
                text()
            );
            if is_legal {
                assert_eq!(found, "legal", "{}", text());
                legal += 1;
            } else if found == "legal" {
                // Only moments of views are in the way: no dependency says so.
                let searched = schedule.lists.history.isolation(promised, Some(&observed));
                assert_ne!(verdict(searched), "legal", "{}", text());
                assert_eq!(promised, Snapshot, "{}", text());
                in_real_time += 1;
            } else {
                illegal += 1;
            }
        }
    }
    assert!(legal > 1_500 && illegal > 1_500, "{legal} {illegal}");
    assert!(in_real_time * 20 < illegal, "{in_real_time} of {illegal}");
}
