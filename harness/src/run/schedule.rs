//! Which batch is computed next, and which results count.
//!
//! A *track* is the list of a scenario's runs, with or without its plants. Runs are computed a little ahead,
//! in any order and by anyone, and merged strictly in order; a track ends at the first run that
//! satisfies its budget, and what was computed beyond is dropped.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::config::Loaded;
use super::tally::Tally;
use crate::batch::PlantSwitch;
use crate::scenario::Expect;
use crate::worker::Explored;

/// All tracks of a run, in the order of the report.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) tracks: Vec<Track>,
    lookahead: u32,
}

/// One scenario's runs.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) scenario: usize,
    pub(super) plants: PlantSwitch,
    pub(super) tally: Tally,
    pub(super) end: Option<TrackEnd>,
    pub(super) wall: Duration,
    loaded: Loaded,
    started: Option<Instant>,
    next_run: u32,
    ahead: BTreeMap<u32, Explored>,
}

/// Why a track has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TrackEnd {
    Enough,
    Unfinished(Unfinished),
}

/// Why a scenario ended before its budget was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Its time was up.
    Time,
    /// The run was interrupted.
    Interrupted,
    /// An earlier scenario failed, and the run was to end there.
    FailFast,
    /// The target promises nothing under its model: whatever it showed, nothing would follow.
    NothingPromised,
    /// The target cannot do what it asks for.
    Unable,
}

/// A batch to compute: a track and one of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) track: usize,
    pub(super) run: u32,
}

/// How far a run is, for those who watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Distinct states checked in all tracks.
    pub states: u64,
    /// Distinct states that the budgets ask for.
    pub states_wanted: u64,
    /// The ids of the scenarios that are running.
    pub running: Vec<String>,
}

impl Schedule {
    pub(super) fn new(scenarios: &[Loaded], jobs: usize) -> Self {
        let mut tracks = Vec::new();
        for (index, loaded) in scenarios.iter().enumerate() {
            let plants = if loaded.scenario.plants.is_empty() {
                PlantSwitch::Healthy
            } else {
                PlantSwitch::Planted
            };
            tracks.push(Track::new(index, loaded.clone(), plants));
            if loaded.scenario.expect == Expect::Fail {
                tracks.push(Track::new(index, loaded.clone(), PlantSwitch::Healthy));
            }
        }
        Self {
            tracks,
            lookahead: u32::try_from(jobs).unwrap_or(u32::MAX),
        }
    }

    /// The next batch to compute, if one can be given out now.
    pub(super) fn next(&mut self) -> Option<Ticket> {
        let lookahead = self.lookahead;
        let (index, track) = self
            .tracks
            .iter_mut()
            .enumerate()
            .find(|(_, track)| track.can_start(lookahead))?;
        track.started.get_or_insert_with(Instant::now);
        let run = track.next_run;
        track.next_run += 1;
        Some(Ticket { track: index, run })
    }

    pub(super) fn is_over(&self) -> bool {
        self.tracks.iter().all(|track| track.end.is_some())
    }

    /// Whether a batch that is being computed is still wanted.
    pub(super) fn wants(&self, ticket: Ticket) -> bool {
        self.tracks
            .get(ticket.track)
            .is_some_and(|track| track.end.is_none())
    }

    /// Takes a computed batch, and merges what is next in order.
    pub(super) fn deliver(&mut self, ticket: Ticket, explored: Explored) {
        if let Some(track) = self.tracks.get_mut(ticket.track) {
            track.deliver(ticket.run, explored);
        }
    }

    /// Ends the tracks whose time is up.
    pub(super) fn end_overdue(&mut self) {
        for track in &mut self.tracks {
            let ceiling = track.loaded.scenario.budget.time.duration();
            if track
                .started
                .is_some_and(|started| started.elapsed() >= ceiling)
            {
                track.finish(TrackEnd::Unfinished(Unfinished::Time));
            }
        }
    }

    /// Ends every track that is not at its end and whose scenario is one of these.
    pub(super) fn end_all(&mut self, why: Unfinished, concerned: impl Fn(usize) -> bool) {
        for track in self
            .tracks
            .iter_mut()
            .filter(|track| concerned(track.scenario))
        {
            track.finish(TrackEnd::Unfinished(why));
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for track in &self.tracks {
            let states = track.tally.distinct.len() as u64;
            let wanted = track.loaded.scenario.budget.cases.get();
            snapshot.states += states;
            snapshot.states_wanted += if track.end.is_some() {
                states
            } else {
                wanted.max(states)
            };
            let id = &track.loaded.scenario.id;
            let is_running = track.started.is_some() && track.end.is_none();
            if is_running && !snapshot.running.contains(id) {
                snapshot.running.push(id.clone());
            }
        }
        snapshot
    }

    /// The tracks of one scenario.
    pub(super) fn of_scenario(&self, scenario: usize) -> impl Iterator<Item = &Track> {
        self.tracks
            .iter()
            .filter(move |track| track.scenario == scenario)
    }
}

impl Track {
    fn new(scenario: usize, loaded: Loaded, plants: PlantSwitch) -> Self {
        Self {
            scenario,
            plants,
            tally: Tally::default(),
            end: None,
            wall: Duration::ZERO,
            loaded,
            started: None,
            next_run: 0,
            ahead: BTreeMap::new(),
        }
    }

    /// What it runs.
    pub(super) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn can_start(&self, lookahead: u32) -> bool {
        self.end.is_none()
            && self.next_run < self.loaded.scenario.budget.runs.get()
            && self.next_run - self.tally.runs < lookahead
    }

    fn deliver(&mut self, run: u32, explored: Explored) {
        if self.end.is_some() {
            return;
        }
        self.ahead.insert(run, explored);
        while let Some(explored) = self.ahead.remove(&self.tally.runs) {
            self.tally.add(self.tally.runs, explored);
            if self.tally.is_enough(&self.loaded.scenario, self.plants) {
                self.finish(TrackEnd::Enough);
                return;
            }
        }
    }

    fn finish(&mut self, end: TrackEnd) {
        if self.end.is_none() {
            self.end = Some(end);
            self.ahead.clear();
            self.wall = self
                .started
                .map_or(Duration::ZERO, |started| started.elapsed());
        }
    }
}
