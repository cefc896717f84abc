//! The line to a driver's process, for one client or for several at once.
//!
//! 1. Clients that share it have a request each outstanding, and answers come in any order. Whoever waits may be the one who reads; one at a time does, and gives
//!    the others theirs.
//! 2. A request is written whole before another is.
//! 3. After a breakdown nothing is asked any more, and everyone who waits is told.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::process::{Process, Wait, line_of};
use super::watch::INTERVAL;
use crate::target::{Breakdown, BreakdownKind};

/// So often room for a request is waited for, before it is left to whoever reads to find out that the process hangs.
const WAITS_FOR_ROOM_MAX: u32 = 200;

/// The line to a process.
#[derive(Debug)]
pub(super) struct Wire {
    state: Mutex<State>,
    /// Somebody has read an answer, or found that there will be none.
    answered: Condvar,
    broken: OnceLock<Breakdown>,
}

#[derive(Debug)]
struct State {
    /// Nobody's while somebody reads; and once it broke down or was taken away.
    process: Option<Process>,
    is_being_read: bool,
    /// Its standard input, once clients share the line.
    input: Option<Arc<Mutex<File>>>,
    asked: u64,
    /// What was asked for and not answered.
    waiting: BTreeMap<u64, String>,
    /// What was answered and not fetched.
    answers: BTreeMap<u64, Answer>,
}

impl Wire {
    /// The line to a process; or to none, which broke down.
    pub(super) fn to(process: Result<Process, Breakdown>) -> Self {
        let broken = OnceLock::new();
        let process = process.map_err(|breakdown| broken.get_or_init(|| breakdown).clone());
        Self {
            state: Mutex::new(State {
                process: process.ok(),
                is_being_read: false,
                input: None,
                asked: 0,
                waiting: BTreeMap::new(),
                answers: BTreeMap::new(),
            }),
            answered: Condvar::new(),
            broken,
        }
    }

    /// What became of the process, if it is of no more use.
    pub(super) fn breakdown(&self) -> Option<&Breakdown> {
        self.broken.get()
    }

    /// Lets several clients ask at once from now on.
    pub(super) fn share(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.input.is_some() {
            return Ok(());
        }
        let Some(process) = &state.process else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (input, asked) = (process.input()?, process.asked);
        state.input = Some(Arc::new(Mutex::new(input)));
        state.asked = asked;
        Ok(())
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(
        &self,
        op: &str,
        members: Map<String, Value>,
        wait: Wait<'_>,
    ) -> Result<Answer, Breakdown> {
        let mut state = self.state();
        if let Some(input) = state.input.clone() {
            state.asked += 1;
            let id = state.asked;
            state.waiting.insert(id, op.to_owned());
            drop(state);
            let line = line_of(id, op, members);
            write_whole(
                &mut input.lock().unwrap_or_else(PoisonError::into_inner),
                &line,
            );
            return self.answer_to(id, wait);
        }
        match state.process.as_mut() {
            Some(process) => {
                let asked = process.ask(op, members, wait);
                asked.map_err(|breakdown| self.break_down(&mut state, breakdown))
            }
            None => Err(self.gone()),
        }
    }

    /// What it answered is not what was asked for.
    pub(super) fn babbled(&self, text: &str) -> Breakdown {
        let mut state = self.state();
        let breakdown = match state.process.as_mut() {
            Some(process) => process.babbled(text),
            None => babble(text),
        };
        self.break_down(&mut state, breakdown)
    }

    /// The process, for whoever has use for it when the line is given up.
    pub(super) fn take(&self) -> Option<Process> {
        self.state().process.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What it holds is whole between calls.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn break_down(&self, state: &mut State, breakdown: Breakdown) -> Breakdown {
        state.process = None;
        self.broken.get_or_init(|| breakdown).clone()
    }

    fn gone(&self) -> Breakdown {
        let broken = self.broken.get().cloned();
        broken.unwrap_or_else(|| babble("the driver is gone"))
    }

    /// Waits until a request is answered, reading as long as nobody else does.
    fn answer_to(&self, id: u64, wait: Wait<'_>) -> Result<Answer, Breakdown> {
        let mut state = self.state();
        loop {
            if let Some(answer) = state.answers.remove(&id) {
                return Ok(answer);
            }
            if let Some(breakdown) = self.broken.get() {
                return Err(breakdown.clone());
            }
            if state.is_being_read {
                let waited = self.answered.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let Some(mut process) = state.process.take() else {
                return Err(self.gone());
            };
            state.is_being_read = true;
            drop(state);
            let heard = process.next_answer(wait);
            state = self.state();
            state.is_being_read = false;
            match heard.and_then(|answer| state.sort(answer, &mut process)) {
                Ok(()) if self.broken.get().is_none() => {
                    process.asked = state.asked;
                    state.process = Some(process);
                }
                Ok(()) => {}
                Err(breakdown) => drop(self.broken.get_or_init(|| breakdown)),
            }
            self.answered.notify_all();
        }
    }
}

impl State {
    /// Keeps an answer for whoever asked.
    fn sort(&mut self, answer: Answer, process: &mut Process) -> Result<(), Breakdown> {
        let id = answer.id();
        if let Some(id) = id.filter(|id| self.waiting.remove(id).is_some()) {
            self.answers.insert(id, answer);
            return Ok(());
        }
        let id = id.map_or_else(|| "no request".to_owned(), |id| format!("request {id}"));
        let asked = self.waiting.iter().map(|(id, op)| format!("{id} ({op})"));
        let asked = asked.collect::<Vec<_>>().join(", ");
        Err(process.babbled(&format!(
            "it answers {id}, and these were not answered: {asked}"
        )))
    }
}

fn babble(text: &str) -> Breakdown {
    Breakdown {
        how: BreakdownKind::Babbled,
        text: format!("protocol error: {text}"),
        said: String::new(),
    }
}

/// Writes a line to a pipe. If the process reads no more, whoever waits for the answer will find out.
fn write_whole(input: &mut File, mut line: &[u8]) {
    let mut waits = 0;
    while !line.is_empty() && waits < WAITS_FOR_ROOM_MAX {
        match input.write(line) {
            Ok(count) => line = &line[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                waits += 1;
                let mut polled = [PollFd::new(input.as_fd(), PollFlags::POLLOUT)];
                let timeout = PollTimeout::try_from(INTERVAL).unwrap_or(PollTimeout::ZERO);
                // What there is room for shows when it is written.
                let _ = poll(&mut polled, timeout);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
