//! Repairs: syncs that would have to be added to a trace so that none of its crash states fails.
//!
//! 1. A sync that is added to a trace only takes survivals away, so what was legal and fails no more was one of those.
//! 2. They are chosen one after the other: the one that takes most failing states away, of equals the latest. What is not needed in the end is
//!    left out again.
//! 3. The target is not run again with them: what it would do differently, with a sync more, is to wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use lightning_report::Repair;

use super::timeline::operation_text;
use super::trials::{Added, Failing, Trial, Trials};
use crate::crash::{Part, pieces};
use crate::trace::{Effect, Event, Name, Operation, TracePosition};

/// Syncs that are added, at most.
const REPAIRS: usize = 6;
/// Failing trials that candidates are compared by, at most.
const COMPARED: usize = 80;

/// A sync that could be added.
#[derive(Clone, Debug)]
struct Candidate {
    /// After the event before this moment.
    at: TracePosition,
    sync: Operation,
}

/// The syncs that end a finding; none if no syncs do.
pub(super) fn repairs(trials: &mut Trials<'_, '_>, failing: &[Failing]) -> Vec<Repair> {
    let candidates = candidates(trials, failing);
    let all = trials.all.clone();
    let compared: Vec<Trial> = spread(failing, COMPARED);
    let mut chosen: Vec<Candidate> = Vec::new();
    let mut left = compared.len();
    while left > 0 && chosen.len() < REPAIRS {
        let mut best: Option<(usize, &Candidate)> = None;
        for candidate in &candidates {
            let with = added(chosen.iter().chain([candidate]));
            let count = trials.failing(&with, &compared).len();
            if best.is_none_or(|(least, _)| count <= least) {
                best = Some((count, candidate));
            }
        }
        match best {
            Some((count, candidate)) if count < left => {
                left = count;
                chosen.push(candidate.clone());
            }
            _ => break,
        }
    }
    leave_out(trials, &mut chosen, &compared, left);
    chosen.sort_by_key(|candidate| candidate.at);
    let mut repairs = Vec::new();
    for count in 1..=chosen.len() {
        let with = added(chosen[..count].iter());
        let still = trials.failing(&with, &all).len();
        let candidate = &chosen[count - 1];
        repairs.push(repair(trials, candidate, failing.len(), still));
    }
    repairs
}

/// Leaves out what is not needed to get as far.
fn leave_out(
    trials: &mut Trials<'_, '_>,
    chosen: &mut Vec<Candidate>,
    compared: &[Trial],
    left: usize,
) {
    let mut place = 0;
    while place < chosen.len() && chosen.len() > 1 {
        let mut fewer = chosen.clone();
        fewer.remove(place);
        if trials.failing(&added(fewer.iter()), compared).len() <= left {
            *chosen = fewer;
        } else {
            place += 1;
        }
    }
}

pub(super) fn spread(failing: &[Failing], most: usize) -> Vec<Trial> {
    let step = failing.len().div_ceil(most).max(1);
    let some = failing.iter().step_by(step);
    some.map(|failing| failing.trial.clone()).collect()
}

fn added<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Added {
    let mut added = Added::new();
    for candidate in candidates {
        let here = added.entry(candidate.at).or_default();
        here.push(candidate.sync.clone());
    }
    added
}

/// A sync after each operation of which a failing state has lost something, or of a file or directory with such.
fn candidates(trials: &Trials<'_, '_>, failing: &[Failing]) -> Vec<Candidate> {
    let lost = lost_in(trials, failing);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (place, event) in trials.life.trace.events.iter().enumerate() {
        let Some(operation) = event.applied() else {
            continue;
        };
        let at = TracePosition::after(place + 1);
        for sync in syncs_of(operation) {
            if lost.contains(&target_of(&sync)) {
                candidates.push(Candidate { at, sync });
            }
        }
    }
    candidates
}

/// The files and directories of which failing states have lost something.
fn lost_in(trials: &Trials<'_, '_>, failing: &[Failing]) -> BTreeSet<Target> {
    let orders = trials.orders();
    let mut lost = BTreeSet::new();
    for Failing { trial, before, .. } in failing.iter().take(COMPARED) {
        for piece in pieces(before) {
            if trial.survives.keeps(piece) != Some(false) {
                continue;
            }
            let place = orders.iter().position(|order| *order == Some(piece.order));
            let event = place.and_then(|place| trials.life.trace.events.get(place));
            let operation = event.and_then(Event::applied);
            for sync in operation.into_iter().flat_map(syncs_of) {
                let target = target_of(&sync);
                let is_of_names = matches!(target, Target::Directory(_));
                if is_of_names == (piece.part == Part::Names) {
                    lost.insert(target);
                }
            }
        }
    }
    lost
}

/// What a sync is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    File(u32),
    Directory(Name),
}

fn target_of(sync: &Operation) -> Target {
    match sync {
        Operation::SyncDir { dir } => Target::Directory(Arc::clone(dir)),
        Operation::Sync(file) => Target::File(file.inode.0),
        _ => Target::File(u32::MAX),
    }
}

/// The syncs that make an operation durable.
pub(super) fn syncs_of(operation: &Operation) -> Vec<Operation> {
    let dir_of = |name: &Name| {
        let dir = name.rfind('/').map_or("", |at| &name[..at]);
        Operation::SyncDir {
            dir: Name::from(dir),
        }
    };
    match operation {
        Operation::Write { file, .. }
        | Operation::SetLen { file, .. }
        | Operation::Allocate { file, .. } => vec![Operation::Sync(file.clone())],
        Operation::Create(file) => vec![dir_of(&file.name)],
        Operation::CreateDir { name } | Operation::Remove { name } => vec![dir_of(name)],
        Operation::Rename { to, .. } => vec![dir_of(to)],
        Operation::Sync(_) | Operation::SyncDir { .. } | Operation::FailSync { .. } => Vec::new(),
    }
}

fn repair(trials: &Trials<'_, '_>, candidate: &Candidate, failing: usize, still: usize) -> Repair {
    let before = candidate.at.index().saturating_sub(1);
    let event = trials
        .life
        .trace
        .events
        .get(before)
        .and_then(Event::applied);
    let after = event.map_or_else(String::new, operation_text);
    let dropped = dropped(trials, candidate);
    let note = dropped.map_or_else(String::new, |seq| {
        format!(": the one that was dropped (operation {seq})")
    });
    Repair {
        what: format!(
            "{} after operation {before} ({after}){note}",
            operation_text(&candidate.sync)
        ),
        removed: failing.saturating_sub(still) as u64,
        failing: failing as u64,
        dropped,
    }
}

/// The operation that was elided and is the same sync: of the same file or directory, and nothing happened to that in between.
fn dropped(trials: &Trials<'_, '_>, candidate: &Candidate) -> Option<u64> {
    let target = target_of(&candidate.sync);
    let later = trials.life.trace.events.iter().enumerate();
    for (place, event) in later.skip(candidate.at.index()) {
        match event {
            Event::Operation {
                operation,
                effect: Effect::Elided,
            } if target_of(operation) == target => return Some(place as u64),
            Event::Operation { operation, .. } if target_of(operation) == target => return None,
            Event::Operation { operation, .. } => {
                if syncs_of(operation)
                    .iter()
                    .any(|sync| target_of(sync) == target)
                {
                    return None;
                }
            }
            Event::Mark(_) => {}
        }
    }
    None
}
