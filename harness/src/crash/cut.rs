//! What a disk can hold after a crash.
//!
//! 1. Every state made here is legal under its model.
//! 2. Every legal state can be drawn.
//! 3. After a power cut nothing is pending; after a process crash everything still is.

use super::journal::Journal;
use super::media::spoilt;
use super::plan::Plan;
use super::sample::Sample;
use crate::rng::Rng;
use crate::scenario::CrashModel;
use crate::trace::{CHUNK_LEN, DiskState, FileState, Order, PendingWrite};

/// One legal crash state. Deterministic in (state, model, sample, generator).
///
/// Sample 0 loses all it can, sample 1 loses nothing, the others are drawn.
pub fn cut(state: &DiskState, model: CrashModel, sample: Sample, rng: &mut Rng) -> DiskState {
    match model {
        CrashModel::Posix => posix(state, sample, rng),
        CrashModel::Prefix => prefix(state, sample, rng),
        CrashModel::Journaled => journaled(state, sample, rng),
        CrashModel::ProcessCrash => process_crash(state, sample, rng),
        CrashModel::Media => spoilt(state, posix(state, sample, rng), sample, rng),
    }
}

fn posix(state: &DiskState, sample: Sample, rng: &mut Rng) -> DiskState {
    let plan = match sample {
        Sample::NOTHING => Plan::all(false),
        Sample::EVERYTHING => Plan::all(true),
        Sample(_) => Plan::drawn(state, rng),
    };
    let names = state.names().survivor(|change| plan.keeps_name(change));
    state.survivor(names, |inode, file| plan.resolve(inode, file))
}

fn journaled(state: &DiskState, sample: Sample, rng: &mut Rng) -> DiskState {
    let journal = Journal::of(state);
    let (plan, replayed) = match sample {
        Sample::NOTHING => (Plan::all(false), journal.shortest()),
        Sample::EVERYTHING => (Plan::all(true), journal.whole()),
        Sample(_) => (Plan::drawn(state, rng), journal.drawn(rng)),
    };
    let names = state
        .names()
        .survivor(|change| replayed.holds(change.order));
    state.survivor(names, |inode, file| {
        plan.resolve_journaled(inode, file, &replayed)
    })
}

/// How far the operations of a `prefix` state go: up to `last`, which, if it is a write, ends before `end`.
pub(super) struct Reach {
    last: Order,
    end: u64,
}

impl Reach {
    const WHOLE: u64 = u64::MAX;

    fn drawn(state: &DiskState, rng: &mut Rng) -> Self {
        let range = state.newest().0 - state.durable().0;
        let near = if rng.chance(0.5) { range } else { range.min(3) };
        let last = Order(state.newest().0 - rng.below(near + 1));
        let write = state
            .files()
            .find_map(|(_, file)| Some((file, file.write_of(last)?)));
        let tearable = write.filter(|_| last > state.durable() && rng.chance(0.5));
        let end = tearable.map_or(Self::WHOLE, |(file, write)| {
            let size = file.sector().bytes() as u64;
            let first = write.offset / size + 1;
            let end = (write.offset + write.len).div_ceil(size);
            (first + rng.below(end.saturating_sub(first))) * size
        });
        Self { last, end }
    }

    fn resolve(&self, file: &FileState) -> FileState {
        let mut len = 0;
        for size in file.sizes().filter(|size| size.order <= self.last) {
            let cut = size.order == self.last && file.write_of(self.last).is_some();
            len = if cut {
                size.len.min(self.end.max(len))
            } else {
                size.len
            };
        }
        file.survivor(len, |offset, order| {
            order < self.last || order == self.last && offset < self.end
        })
    }
}

/// Every reach that a disk can have, each write cut at each of its sectors.
pub(super) fn reaches(state: &DiskState) -> impl Iterator<Item = Reach> + '_ {
    (state.durable().0..=state.newest().0).flat_map(|last| {
        let last = Order(last);
        let write = state
            .files()
            .find_map(|(_, file)| Some((file, file.write_of(last)?)));
        let ends = write
            .filter(|_| last > state.durable())
            .map(|(file, write)| {
                let size = file.sector().bytes() as u64;
                let end = (write.offset + write.len).div_ceil(size);
                (write.offset / size + 1..end).map(move |sector| sector * size)
            });
        let ends = ends.into_iter().flatten().chain([Reach::WHOLE]);
        ends.map(move |end| Reach { last, end })
    })
}

/// What is left if the operations went so far.
pub(super) fn cut_at(state: &DiskState, reach: &Reach) -> DiskState {
    let names = state.names().survivor(|change| change.order <= reach.last);
    state.survivor(names, |_, file| reach.resolve(file))
}

fn prefix(state: &DiskState, sample: Sample, rng: &mut Rng) -> DiskState {
    let reach = match sample {
        Sample::NOTHING => Reach {
            last: state.durable(),
            end: Reach::WHOLE,
        },
        Sample::EVERYTHING => Reach {
            last: state.newest(),
            end: Reach::WHOLE,
        },
        Sample(_) => Reach::drawn(state, rng),
    };
    cut_at(state, &reach)
}

fn process_crash(state: &DiskState, sample: Sample, rng: &mut Rng) -> DiskState {
    let mut survivor = state.clone();
    survivor.settle();
    let flying = state.in_flight().and_then(|flying| {
        let file = state.file(flying.inode)?;
        Some((flying, file, *file.write_of(flying.order)?))
    });
    if let Some((flying, file, write)) = flying
        && sample != Sample::EVERYTHING
    {
        let kept = if sample == Sample::NOTHING {
            0
        } else {
            page_in(&write, rng)
        };
        survivor.replace(flying.inode, file.without_tail(flying.order, kept));
    }
    survivor
}

/// A page's start inside a write or at either end of it.
fn page_in(write: &PendingWrite, rng: &mut Rng) -> u64 {
    let page = CHUNK_LEN as u64;
    let first = write.offset / page;
    let end = (write.offset + write.len).div_ceil(page);
    (first + rng.below(end - first + 1)) * page
}
