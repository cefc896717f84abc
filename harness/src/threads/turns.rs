//! Who may run: the state behind a baton, without any thread.
//!
//! 1. At most one thread has the turn. One that waits, or has ended, never has it.
//! 2. The next is drawn among those that are ready, in the order in which they were added: nothing else enters the draw.
//! 3. Time goes on with each turn, and leaps when all who are left wait for it.
//! 4. Where all wait, and none for time, that is a hang: it is noted, and one of them is ended, so that others can go on.

use std::time::Duration;

use lightning_db::sync::{ThreadNo, Wait, Woken};

use crate::rng::Rng;

/// One is drawn for all of a run: some bugs need many changes, others a long stretch alone, others a thread that is slower than all
/// the rest.
const STYLES: [Style; 6] = [
    Style::Even { stays: 0.0 },
    Style::Even { stays: 0.5 },
    Style::Even { stays: 0.9 },
    Style::Ranked { falls: 0.25 },
    Style::Ranked { falls: 0.06 },
    Style::Ranked { falls: 0.015 },
];
/// Time that one turn stands for.
const TURN: Duration = Duration::from_millis(1);

/// Who may run.
#[derive(Debug)]
pub(super) struct Turns {
    threads: Vec<Thread>,
    turn: Option<usize>,
    rng: Rng,
    style: Style,
    /// Below all ranks.
    lowest: i64,
    now: u64,
    /// Turns so far.
    passed: u64,
    /// Turns after which it is a hang.
    limit: u64,
    hang: Option<String>,
}

/// How the next thread is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    /// All are alike; the one that runs runs on with this probability.
    Even { stays: f64 },
    /// The one of the highest rank runs; with this probability it falls behind all others first. (The idea of PCT: Burckhardt et
    /// al., "A randomized scheduler with probabilistic guarantees of finding bugs", 2010.)
    Ranked { falls: f64 },
}

#[derive(Debug)]
struct Thread {
    name: String,
    rank: i64,
    state: State,
    /// How its last wait ended.
    woken: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Waiting(Waiting),
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    wait: Wait,
    until: Option<u64>,
    is_unwinding: bool,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As waits end.
    Woken(Woken),
    /// The thread is to end.
    Evicted,
}

/// Everybody waits and nobody can be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck;

impl Turns {
    pub(super) fn new(mut rng: Rng, turns_max: u64) -> Self {
        let style = rng.pick(&STYLES).copied();
        Self {
            threads: Vec::new(),
            turn: None,
            rng,
            style: style.unwrap_or(Style::Even { stays: 0.0 }),
            lowest: -1,
            now: 0,
            passed: 0,
            limit: turns_max,
            hang: None,
        }
    }

    /// Adds a thread. The first one has the turn.
    pub(super) fn add(&mut self, name: &str) -> ThreadNo {
        let number = self.threads.len();
        self.threads.push(Thread {
            name: name.to_owned(),
            rank: self.rng.below(1 << 32).cast_signed(),
            state: State::Ready,
            woken: None,
        });
        if number == 0 {
            self.turn = Some(number);
        }
        ThreadNo(u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub(super) fn count(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn name(&self, thread: ThreadNo) -> &str {
        self.threads
            .get(index(thread))
            .map_or("", |thread| &thread.name)
    }

    /// What hung first, if anything did.
    pub(super) fn hang(&self) -> Option<&str> {
        self.hang.as_deref()
    }

    pub(super) fn has_turn(&self, thread: ThreadNo) -> bool {
        self.turn == Some(index(thread))
    }

    /// Who has the turn.
    pub(super) fn turn(&self) -> Option<usize> {
        self.turn
    }

    pub(super) fn has_ended(&self, thread: ThreadNo) -> bool {
        let thread = self.threads.get(index(thread));
        thread.is_none_or(|thread| thread.state == State::Ended)
    }

    /// A turn is over. False if there were too many of them.
    pub(super) fn tick(&mut self) -> bool {
        self.now = self.now.saturating_add(1);
        self.passed += 1;
        let in_time = self.passed <= self.limit;
        if !in_time {
            let turns = self.limit;
            self.hang
                .get_or_insert_with(|| format!("{turns} turns, and no end"));
        }
        in_time
    }

    /// The thread that has the turn waits from now on.
    pub(super) fn block(
        &mut self,
        thread: ThreadNo,
        wait: Wait,
        patience: Option<Duration>,
        is_unwinding: bool,
    ) {
        let until = patience.map(|patience| self.now.saturating_add(turns_of(patience)));
        if let Some(thread) = self.threads.get_mut(index(thread)) {
            thread.woken = None;
            thread.state = State::Waiting(Waiting {
                wait,
                until,
                is_unwinding,
            });
        }
    }

    /// The thread that has the turn, or never had one, has ended.
    pub(super) fn end(&mut self, thread: ThreadNo) {
        if let Some(ended) = self.threads.get_mut(index(thread)) {
            ended.state = State::Ended;
        }
        self.wake(Wait::End(thread), true);
    }

    /// One or all of those who wait for `wait` are ready.
    pub(super) fn wake(&mut self, wait: Wait, all: bool) {
        let mut waiting = self.those(|waiting| waiting.wait == wait);
        if !all && waiting.len() > 1 {
            waiting = vec![waiting[self.rng.index(waiting.len())]];
        }
        for thread in waiting {
            self.ready(thread, End::Woken(Woken::Event));
        }
    }

    /// How the last wait of a thread ended.
    pub(super) fn take_woken(&mut self, thread: ThreadNo) -> End {
        let thread = self.threads.get_mut(index(thread));
        let woken = thread.and_then(|thread| thread.woken.take());
        woken.unwrap_or(End::Woken(Woken::Event))
    }

    /// Gives the turn to the next.
    pub(super) fn pass(&mut self) -> Result<(), Stuck> {
        let now = self.now;
        for thread in self.those(|waiting| waiting.until.is_some_and(|until| until <= now)) {
            self.ready(thread, End::Woken(Woken::Timeout));
        }
        loop {
            let ready = self.in_state(|state| state == State::Ready);
            if let Some(next) = self.draw(&ready) {
                self.turn = Some(next);
                return Ok(());
            }
            if self.in_state(|state| state != State::Ended).is_empty() {
                self.turn = None;
                return Ok(());
            }
            if !self.let_time_pass() {
                self.break_deadlock()?;
            }
        }
    }

    fn draw(&mut self, ready: &[usize]) -> Option<usize> {
        if let &[only] = ready {
            return Some(only);
        }
        let runs = self.turn.filter(|turn| ready.contains(turn));
        match (self.style, runs) {
            (Style::Even { stays }, Some(_)) if self.rng.chance(stays) => runs,
            (Style::Even { .. }, _) => self.rng.pick(ready).copied(),
            (Style::Ranked { falls }, runs) => {
                if let Some(runs) = runs
                    && self.rng.chance(falls)
                {
                    self.threads[runs].rank = self.lowest;
                    self.lowest -= 1;
                }
                ready
                    .iter()
                    .copied()
                    .max_by_key(|&thread| self.threads[thread].rank)
            }
        }
    }

    /// Wakes the one whose patience ends first.
    fn let_time_pass(&mut self) -> bool {
        let until = |thread: &usize| match self.threads[*thread].state {
            State::Waiting(Waiting { until, .. }) => until,
            State::Ready | State::Ended => None,
        };
        let timed = self.those(|waiting| waiting.until.is_some());
        let Some(next) = timed.into_iter().min_by_key(until) else {
            return false;
        };
        self.now = until(&next).unwrap_or_default().max(self.now);
        self.ready(next, End::Woken(Woken::Timeout));
        true
    }

    fn break_deadlock(&mut self) -> Result<(), Stuck> {
        let text = self.waiting_text();
        self.hang.get_or_insert(text);
        let is_join = |wait| matches!(wait, Wait::End(_));
        let mut victims = self.those(|waiting| !waiting.is_unwinding && !is_join(waiting.wait));
        if victims.is_empty() {
            victims = self.those(|waiting| !waiting.is_unwinding);
        }
        let &victim = victims.first().ok_or(Stuck)?;
        self.ready(victim, End::Evicted);
        Ok(())
    }

    /// Who waits for what.
    fn waiting_text(&self) -> String {
        let text = |thread: &Thread| {
            let State::Waiting(waiting) = thread.state else {
                return None;
            };
            let what = match waiting.wait {
                Wait::Lock(_) => "a lock".to_owned(),
                Wait::Signal(_) => "a signal".to_owned(),
                Wait::End(other) => format!("the end of {}", self.name(other)),
                Wait::Time => "time".to_owned(),
            };
            Some(format!("{} waits for {what}", thread.name))
        };
        let texts: Vec<_> = self.threads.iter().filter_map(text).collect();
        texts.join(", ")
    }

    fn ready(&mut self, thread: usize, end: End) {
        let thread = &mut self.threads[thread];
        thread.state = State::Ready;
        thread.woken = Some(end);
    }

    fn those(&self, filter: impl Fn(Waiting) -> bool) -> Vec<usize> {
        self.in_state(|state| match state {
            State::Waiting(waiting) => filter(waiting),
            State::Ready | State::Ended => false,
        })
    }

    fn in_state(&self, filter: impl Fn(State) -> bool) -> Vec<usize> {
        let numbered = self.threads.iter().enumerate();
        numbered
            .filter(|(_, thread)| filter(thread.state))
            .map(|(number, _)| number)
            .collect()
    }
}

fn index(thread: ThreadNo) -> usize {
    usize::try_from(thread.0).unwrap_or(usize::MAX)
}

fn turns_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TURN.as_nanos())).unwrap_or(u64::MAX)
}
