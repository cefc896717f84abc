//! The assumption card: what storage must not keep to for a state to be possible.
//!
//! An assumption here is what some storage keeps to and `posix` does not ask for. A state violates it if no storage that keeps to it could have
//! left that state. What all failing states violate, would end the finding if one could rely on it.

use std::collections::BTreeSet;

use lightning_report::Assumption;

use super::trials::{Failing, Trials};
use crate::crash::{Part, Piece, is_legal, kept_in, pieces};
use crate::scenario::CrashModel;
use crate::trace::{DiskState, Effect, Event, InodeId, Operation, Order};

/// Failing states that are held against the assumptions, at most.
const LOOKED_AT: usize = 120;

/// What is known of a failing state.
struct State<'a> {
    failing: &'a Failing,
    events: &'a [Event],
    orders: &'a [Option<Order>],
    all: Vec<Piece>,
    kept: BTreeSet<Piece>,
}

type Violates = fn(&State<'_>) -> bool;

const ASSUMPTIONS: [(&str, Violates); 7] = [
    ("a sync that reports success has happened", |state| {
        state.lost_before_sync(Effect::Elided)
    }),
    ("what is written reaches the disk in order", |state| {
        !state.is_legal(CrashModel::Prefix)
    }),
    (
        "a journal keeps names and lengths in order, as ext4 and xfs do",
        |state| !state.is_legal(CrashModel::Journaled),
    ),
    ("a write survives whole or not at all", is_torn),
    (
        "bytes are on disk before the length that exposes them",
        exposes_zeroes,
    ),
    ("the sync of a file keeps its name", lost_name),
    ("sectors are written whole", |state| {
        !state.is_legal(CrashModel::Media)
    }),
];

/// Which assumptions failing states violate; those that most violate first.
pub(super) fn card(trials: &Trials<'_, '_>, failing: &[Failing]) -> Vec<Assumption> {
    let orders = trials.orders();
    let step = failing.len().div_ceil(LOOKED_AT).max(1);
    let states: Vec<State<'_>> = failing
        .iter()
        .step_by(step)
        .filter_map(|failing| {
            Some(State {
                events: trials.life.trace.before(failing.trial.at),
                orders: &orders,
                all: pieces(&failing.before),
                kept: kept_in(&failing.before, &failing.after)?,
                failing,
            })
        })
        .collect();
    let mut card: Vec<Assumption> = ASSUMPTIONS
        .iter()
        .map(|(what, violates)| Assumption {
            what: (*what).to_owned(),
            violated: states.iter().filter(|state| violates(state)).count() as u64,
            failing: states.len() as u64,
        })
        .filter(|assumption| assumption.violated > 0)
        .collect();
    card.sort_by_key(|assumption| std::cmp::Reverse(assumption.violated));
    card
}

impl State<'_> {
    fn is_legal(&self, model: CrashModel) -> bool {
        is_legal(model, &self.failing.before, &self.failing.after)
    }

    fn lost(&self) -> impl Iterator<Item = Piece> {
        let lost = self.all.iter().copied();
        lost.filter(|piece| !self.kept.contains(piece))
    }

    fn event_of(&self, order: Order) -> Option<(usize, &Operation)> {
        let place = self.orders.iter().position(|known| *known == Some(order))?;
        Some((place, self.events.get(place)?.applied()?))
    }

    /// Whether something was lost that a sync came after.
    fn lost_before_sync(&self, effect: Effect) -> bool {
        self.lost().any(|piece| {
            let Some((place, operation)) = self.event_of(piece.order) else {
                return false;
            };
            let later = self.events.iter().skip(place + 1);
            let mut syncs = later.filter_map(|event| match event {
                Event::Operation {
                    operation,
                    effect: found,
                } if *found == effect => Some(operation),
                _ => None,
            });
            syncs.any(|sync| covers(sync, operation, piece.part))
        })
    }
}

/// Whether a part of a write survived.
fn is_torn(state: &State<'_>) -> bool {
    let is_sector = |piece: &&Piece| matches!(piece.part, Part::Sector(_));
    let mut writes = state.all.chunk_by(|a, b| a.order == b.order);
    writes.any(|write| {
        let sectors = write.iter().filter(is_sector);
        let kept = sectors.clone().filter(|piece| state.kept.contains(piece));
        let (count, kept) = (sectors.count(), kept.count());
        0 < kept && kept < count
    })
}

/// Whether a length survived that a write gave, and of the write not all.
fn exposes_zeroes(state: &State<'_>) -> bool {
    let mut writes = state.all.chunk_by(|a, b| a.order == b.order);
    writes.any(|write| {
        let is_kept = |piece: &Piece| state.kept.contains(piece);
        let is_len = |piece: &Piece| matches!(piece.part, Part::Len | Part::LenInBlock);
        let is_sector = |piece: &Piece| matches!(piece.part, Part::Sector(_));
        write.iter().any(|piece| is_len(piece) && is_kept(piece))
            && write
                .iter()
                .any(|piece| is_sector(piece) && !is_kept(piece))
    })
}

/// Whether a file that was synced has lost its name.
fn lost_name(state: &State<'_>) -> bool {
    let synced: BTreeSet<InodeId> = state
        .events
        .iter()
        .filter_map(|event| match event.applied()? {
            Operation::Sync(file) => Some(file.inode),
            _ => None,
        })
        .collect();
    let has = |disk: &DiskState, inode: InodeId| {
        let mut names = disk.names().iter();
        names.any(|(_, entry)| entry == crate::trace::Entry::File(inode))
    };
    let (before, after) = (&state.failing.before, &state.failing.after);
    let mut synced = synced.into_iter();
    synced.any(|inode| has(before, inode) && !has(after, inode))
}

/// Whether a sync makes a part of an operation durable.
fn covers(sync: &Operation, operation: &Operation, part: Part) -> bool {
    let dir_of = |name: &str| name.rfind('/').map_or("", |at| &name[..at]).to_owned();
    match (sync, operation) {
        (
            Operation::Sync(synced),
            Operation::Write { file, .. }
            | Operation::SetLen { file, .. }
            | Operation::Allocate { file, .. },
        ) => part != Part::Names && synced.inode == file.inode,
        (Operation::SyncDir { dir }, Operation::Create(file)) => dir_of(&file.name) == **dir,
        (
            Operation::SyncDir { dir },
            Operation::CreateDir { name } | Operation::Remove { name },
        ) => dir_of(name) == **dir,
        (Operation::SyncDir { dir }, Operation::Rename { from, to }) => {
            dir_of(from) == **dir || dir_of(to) == **dir
        }
        _ => false,
    }
}
