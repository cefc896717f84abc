//! Processes that have no database open and wait for the next one.
//!
//! Starting a process costs more than most recoveries do, so one that has answered `close` is used again. What it leaks is bounded: after
//! so many databases it is let go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Map;

use super::process::{Process, Wait};
use crate::target::BreakdownKind;

/// So many databases at most are open at once: one after a crash, and the same after another.
const IDLE_MAX: usize = 3;
/// Databases that a process has open in its life, one after the other.
const DATABASES_MAX: u32 = 200;
/// How long a driver of which nothing is expected any more may take to close before it is killed.
const FAREWELL: Duration = Duration::from_millis(300);
/// A driver that took longer so often is asked no more.
const SLOW_FAREWELLS_MAX: u32 = 2;

/// What this thread knows of a command.
#[derive(Debug, Default)]
struct Idle {
    processes: Vec<Process>,
    slow_farewells: u32,
}

thread_local! {
    /// By command. The processes end with this thread.
    static IDLE: RefCell<BTreeMap<String, Idle>> = const { RefCell::new(BTreeMap::new()) };
}

/// A process of a command that has no database open, if there is one.
pub(super) fn take(command: &str) -> Option<Process> {
    IDLE.with_borrow_mut(|idle| idle.get_mut(command)?.processes.pop())
}

/// Keeps a process that has no database open for the next one.
pub(super) fn keep(command: &str, mut process: Process) {
    process.databases += 1;
    if process.databases >= DATABASES_MAX {
        return;
    }
    with(command, |idle| {
        if idle.processes.len() < IDLE_MAX {
            idle.processes.push(process);
        }
    });
}

/// Lets a process close what it has open, and keeps it if it did; one that could not even open anything need not be able to.
pub(super) fn dismiss(command: &str, mut process: Process, is_open: bool) {
    if with(command, |idle| idle.slow_farewells) >= SLOW_FAREWELLS_MAX {
        return;
    }
    let wait = Wait {
        calls: &|| 0,
        at_most: Some(FAREWELL),
    };
    match process.ask("close", Map::new(), wait) {
        Ok(answer) if answer.is_ok() || !is_open => keep(command, process),
        Err(breakdown) if breakdown.how == BreakdownKind::Hung => with(command, |idle| {
            idle.slow_farewells += 1;
        }),
        Ok(_) | Err(_) => {}
    }
}

fn with<T>(command: &str, change: impl FnOnce(&mut Idle) -> T) -> T {
    IDLE.with_borrow_mut(|idle| change(idle.entry(command.to_owned()).or_default()))
}
