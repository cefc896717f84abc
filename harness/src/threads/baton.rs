//! Real threads of which one runs at a time: the one that has the baton.
//!
//! 1. Each thread sleeps on a bell of its own; passing the baton rings one.
//! 2. A thread is ended by unwinding it with a payload that no panic hook sees. One that unwinds already is left alone.
//! 3. A place is given up only when every thread started from it has ended: none outlives its run.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::process::abort;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::panicking;
use std::time::Duration;

use lightning_db::sync::{Panicked, Scheduler, Seat, ThreadNo, Wait, Woken};

use super::turns::{End, Turns};
use crate::failpoints::{Watch, Watched};
use crate::rng::Rng;

/// Lets threads run one at a time, in an order that a seed draws.
#[derive(Clone, Debug)]
pub struct Baton {
    inner: Arc<Inner>,
}

/// The part of the thread that began. Given up by [`leave`](Self::leave).
#[derive(Debug)]
pub struct Place {
    seat: Seat,
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    watched: Mutex<Watched>,
}

#[derive(Debug)]
struct State {
    turns: Turns,
    bells: Vec<Arc<Condvar>>,
    panics: Vec<String>,
}

/// What a thread is unwound with when it is to end.
struct Evicted;

impl Baton {
    /// A baton whose ways `rng` draws. More than `turns_max` turns are a hang.
    pub fn new(rng: Rng, turns_max: u64) -> Self {
        let state = State {
            turns: Turns::new(rng, turns_max),
            bells: Vec::new(),
            panics: Vec::new(),
        };
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            watched: Mutex::new(None),
        });
        Self { inner }
    }

    /// Makes the calling thread the first one. Threads that the engine's `sync` starts from it take part.
    pub fn take(&self, name: &str) -> Place {
        let inner = Arc::clone(&self.inner);
        let seat = Seat::take(Arc::clone(&inner) as _, name);
        Place { seat, inner }
    }

    /// Threads that start from now on are watched as they pass the engine's named places.
    pub fn watch(&self, watched: Watched) {
        *self
            .inner
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = watched;
    }

    /// What hung first: who waited for what when nobody could run, or that there was no end.
    pub fn hang(&self) -> Option<String> {
        self.inner.state().turns.hang().map(str::to_owned)
    }

    /// The threads that panicked, each with what it said.
    pub fn panics(&self) -> Vec<String> {
        self.inner.state().panics.clone()
    }
}

impl Place {
    /// Lets all other threads run to their ends, and gives up the place.
    pub fn leave(self) {
        drop(self);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.see_off(self.seat.thread());
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of everybody else.
    fn see_off(&self, me: ThreadNo) {
        let mut state = self.state();
        // Threads that are ending may still start others.
        let mut other = 0;
        while other < state.turns.count() {
            let thread = ThreadNo(u32::try_from(other).unwrap_or(u32::MAX));
            if thread == me || state.turns.has_ended(thread) {
                other += 1;
                continue;
            }
            state.turns.tick();
            state.turns.block(me, Wait::End(thread), None, false);
            state = pass(state, me);
            state.turns.take_woken(me);
        }
    }
}

impl Scheduler for Inner {
    fn add(&self, name: &str) -> ThreadNo {
        let mut state = self.state();
        state.bells.push(Arc::default());
        state.turns.add(name)
    }

    fn begin(&self, thread: ThreadNo) {
        drop(wait_for_turn(self.state(), thread));
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        Watch::for_good(&watched);
    }

    fn end(&self, thread: ThreadNo, panicked: Option<Panicked<'_>>) {
        let mut state = self.state();
        if let Some(text) = panicked.and_then(|panicked| text_of(panicked.0)) {
            let text = format!("{}: {text}", state.turns.name(thread));
            state.panics.push(text);
        }
        let had_turn = state.turns.has_turn(thread);
        state.turns.end(thread);
        if had_turn {
            give(&mut state, thread);
        }
    }

    fn pause(&self, thread: ThreadNo) {
        let mut state = self.state();
        if !state.turns.tick() && !panicking() {
            drop(state);
            resume_unwind(Box::new(Evicted));
        }
        drop(pass(state, thread));
    }

    fn wait(&self, thread: ThreadNo, wait: Wait, patience: Option<Duration>) -> Woken {
        let mut state = self.state();
        if !state.turns.tick() && !panicking() {
            drop(state);
            resume_unwind(Box::new(Evicted));
        }
        if matches!(wait, Wait::End(other) if state.turns.has_ended(other)) {
            return Woken::Event;
        }
        state.turns.block(thread, wait, patience, panicking());
        state = pass(state, thread);
        let end = state.turns.take_woken(thread);
        drop(state);
        match end {
            End::Woken(woken) => woken,
            End::Evicted => resume_unwind(Box::new(Evicted)),
        }
    }

    fn wake(&self, wait: Wait, all: bool) {
        self.state().turns.wake(wait, all);
    }
}

/// Gives the baton to the next, and waits until it comes back.
fn pass(mut state: MutexGuard<'_, State>, me: ThreadNo) -> MutexGuard<'_, State> {
    give(&mut state, me);
    wait_for_turn(state, me)
}

fn give(state: &mut State, me: ThreadNo) {
    if state.turns.pass().is_err() {
        // Threads that unwind can be neither ended nor waited for. The process is a worker: its end is a finding.
        eprintln!(
            "threads that unwind wait for each other: {}",
            state.turns.hang().unwrap_or_default()
        );
        abort();
    }
    if !state.turns.has_turn(me)
        && let Some(next) = state.turns.turn()
    {
        state.bells[next].notify_one();
    }
}

fn wait_for_turn(mut state: MutexGuard<'_, State>, me: ThreadNo) -> MutexGuard<'_, State> {
    let place = usize::try_from(me.0).unwrap_or(usize::MAX);
    let bell = Arc::clone(&state.bells[place]);
    while !state.turns.has_turn(me) {
        state = bell.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state
}

/// What a panic said; nothing for the end of a thread that was told to end.
fn text_of(payload: &(dyn Any + Send)) -> Option<String> {
    if payload.is::<Evicted>() {
        return None;
    }
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Some(text.unwrap_or_else(|| "a panic without a text".to_owned()))
}
