//! What happens at the engine's named places.
//!
//! 1. A place that a fault names leaves a mark in the trace whenever it is reached; others leave none.
//! 2. A crash at a place is a cut of the trace just after its mark. So it is a case like any other, and is replayed as one.
//! 3. In a later life those places are cut first that were cut least so far: a recovery's are reached there alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use lightning_db::sync::pause;

use super::batch::{Cut, Explorer};
use super::case::{CasePath, Trouble};
use super::life::Life;
use super::points;
use crate::batch::{ExploreError, FaultCounts};
use crate::failpoints::{Watched, Watcher};
use crate::scenario::{AtFailpoints, FailpointAction, FailpointFault, IoError, Scenario};
use crate::sim::SimDisk;
use crate::trace::{Event, Mark, Trace, TracePosition};

/// How often each place was reached.
pub(super) type Reached = BTreeMap<&'static str, u64>;

/// Places that are cut in a later life, at most.
const LATER_MAX: usize = 6;

/// The places that are watched.
#[derive(Debug, Default)]
pub(super) struct Places {
    names: BTreeSet<&'static str>,
    /// Those of them at which other threads may run.
    yields: BTreeSet<&'static str>,
}

/// Marks the places that are reached in a disk's trace.
struct PlacesOfDisk {
    places: Arc<Places>,
    disk: SimDisk,
}

impl Places {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let mut places = Self::default();
        for fault in scenario.failpoints() {
            places.names.extend(fault.places());
            if fault.action == FailpointAction::Yield {
                places.yields.extend(fault.places());
            }
        }
        places
    }

    /// Who watches a life on `disk`, if any place is watched.
    pub(super) fn watcher(self: &Arc<Self>, disk: &SimDisk) -> Watched {
        let watcher = || PlacesOfDisk {
            places: Arc::clone(self),
            disk: disk.clone(),
        };
        (!self.names.is_empty()).then(|| Arc::new(watcher()) as _)
    }
}

impl Watcher for PlacesOfDisk {
    fn reached(&self, name: &'static str) -> Option<io::Error> {
        if !self.places.names.contains(name) {
            return None;
        }
        if self.places.yields.contains(name) {
            pause();
        }
        self.disk.at_failpoint(name).err()
    }
}

/// The places that a trace has marks of.
pub(super) fn reached(trace: &Trace) -> Reached {
    let mut reached = Reached::new();
    for event in &trace.events {
        if let Event::Mark(Mark::Failpoint(name)) = event {
            *reached.entry(name).or_default() += 1;
        }
    }
    reached
}

/// The moments of a life just after it reached places, by place.
fn moments<'a>(life: &Life, at: &'a AtFailpoints) -> BTreeMap<&'a str, Vec<TracePosition>> {
    let mut moments: BTreeMap<&str, Vec<TracePosition>> = BTreeMap::new();
    for (number, event) in life.trace.events.iter().enumerate() {
        if let Event::Mark(Mark::Failpoint(name)) = event
            && at.names.contains(name)
        {
            let moments = moments.entry(name).or_default();
            moments.push(TracePosition::after(number + 1));
        }
    }
    for moments in moments.values_mut() {
        let mut nth = 0;
        moments.retain(|_| {
            nth += 1;
            at.hit.covers(nth)
        });
    }
    moments
}

/// The crash points of a first life: of each place the first time, and others that are drawn.
pub(super) fn points(life: &Life, at: &AtFailpoints) -> Vec<TracePosition> {
    let wanted = at.points.map_or(usize::MAX, |points| points.get() as usize);
    let mut chosen = BTreeSet::new();
    for (name, moments) in moments(life, at) {
        let Some((first, others)) = moments.split_first() else {
            continue;
        };
        chosen.insert(*first);
        let mut rng = life.rng.split("failpoint", 0).split(name, 0);
        chosen.extend(points::draw(others.to_vec(), wanted - 1, &mut rng));
    }
    chosen.into_iter().collect()
}

impl Explorer<'_> {
    /// Lets happen what a fault asks for at named places.
    pub(super) fn stop_at_failpoints(
        &mut self,
        place: usize,
        fault: &FailpointFault,
        life: &Life,
    ) -> Result<(), ExploreError> {
        if let Some(fault) = fault.as_power_loss() {
            let points = points::first(life, &fault);
            return self.explore(&fault, life, &CasePath::start(place), &points);
        }
        match fault.as_io_error() {
            // With no place to fail at it would be errors of the disk.
            Some(errors) if !errors.failpoints.is_empty() => self.sweep(&errors),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a life reached places at which a fault is to come and never came.
    pub(super) fn reaches_new_places(&self, cut: &Cut<'_>, reached: &Reached) -> bool {
        let Some(at) = &cut.fault.at_failpoints else {
            return false;
        };
        let is_new = |name: &&str| {
            let fired = self.result.failpoints.get(*name).map_or(0, |one| one.fired);
            fired == 0 && at.names.contains(name)
        };
        reached.keys().any(is_new)
    }

    /// The crash points of a life after a crash.
    pub(super) fn later_points(
        &self,
        life: &Life,
        cut: &Cut<'_>,
        case: &CasePath,
    ) -> Vec<TracePosition> {
        let Some(at) = &cut.fault.at_failpoints else {
            return points::later(life, cut.fault.model_of(case.crashes.len()));
        };
        let cuts = |name: &str| self.result.failpoints.get(name).map_or(0, |one| one.fired);
        let moments = moments(life, at);
        let mut places: Vec<_> = moments
            .iter()
            .filter(|(_, moments)| !moments.is_empty())
            .collect();
        places.sort_by_key(|(name, _)| (cuts(name), **name));
        places.truncate(LATER_MAX);
        let mut rng = life.rng.split("failpoint", 1);
        let drawn = places
            .into_iter()
            .filter_map(|(_, moments)| rng.pick(moments));
        drawn
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Notes a crash.
    pub(super) fn note_fired(&mut self, cut: &Cut<'_>) {
        if cut.fault.at_failpoints.is_none() {
            self.note_cut(cut);
            return;
        }
        let fault = self.setup.batch.scenario.faults.get(cut.path.fault);
        let name = fault.map_or("failpoint", crate::scenario::Fault::name);
        let counts = self.result.faults.entry(name.to_owned()).or_default();
        counts.armed += 1;
        counts.fired += 1;
        let event = cut
            .at
            .index()
            .checked_sub(1)
            .and_then(|at| cut.life.trace.events.get(at));
        if let Some(Event::Mark(Mark::Failpoint(name))) = event {
            let counts = self.result.failpoints.entry((*name).to_owned());
            counts.or_default().fired += 1;
        }
    }

    /// Notes the step that failed.
    pub(super) fn note_failed_place(&mut self, fault: &IoError, trouble: &Trouble, count: u64) {
        let variants = fault.variants();
        let variant = variants.get(trouble.variant);
        if let Some(name) = variant.and_then(|variant| variant.failpoint) {
            let counts = self.result.failpoints.entry(name.to_owned());
            counts.or_default().fired += count;
        }
    }

    /// Notes the places that a life has reached.
    pub(super) fn note_reached(&mut self, reached: &Reached) {
        for (&name, count) in reached {
            let yields = self.setup.places.yields.contains(name);
            let counts = self.result.failpoints.entry(name.to_owned()).or_default();
            counts.armed += count;
            if yields {
                counts.fired += count;
                let name = FailpointAction::Yield.fault_name();
                let FaultCounts { armed, fired } =
                    self.result.faults.entry(name.to_owned()).or_default();
                *armed += count;
                *fired += count;
            }
        }
    }
}
