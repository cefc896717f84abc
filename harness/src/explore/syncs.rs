//! Which syncs a target issues, in a run and in recoveries of it.

use std::collections::BTreeMap;

use super::batch::Explorer;
use super::exact::left_by;
use super::exact_case::Survives;
use super::examine::Next;
use super::setup::Setup;
use crate::batch::{Batch, CaseId, ExploreError};
use crate::crash::{CrashWalker, crash_points};
use crate::scenario::Fault;
use crate::sim::{SyncPlace, SyncPlaces};
use crate::trace::Trace;
use crate::workload::Script;

/// Recoveries that are looked at, at most.
const RECOVERIES: usize = 24;

/// How often each sync was issued.
pub type IssuedSyncs = Vec<(SyncPlace, u64)>;

/// The syncs of a batch's run, and of some recoveries after power cuts of it.
pub fn issued_syncs(batch: &Batch) -> Result<IssuedSyncs, ExploreError> {
    let setup = Setup::new(batch)?;
    let mut ignore = |_: &CaseId| ();
    let mut explorer = Explorer::new(&setup, &mut ignore);
    let life = explorer.live()?;
    let mut issued = BTreeMap::new();
    count(&life.trace, &mut issued);
    let faults = batch.scenario.faults.iter();
    let mut power = faults.filter_map(|fault| match fault {
        Fault::PowerLoss(fault) => Some(fault),
        _ => None,
    });
    if let Some(fault) = power.next() {
        let points = crash_points(&life.trace, fault.model_of(0));
        let step = points.len().div_ceil(RECOVERIES).max(1);
        let nothing = Script::default();
        let rng = explorer.exact_rng(0);
        for at in points.into_iter().step_by(step) {
            let mut walker = CrashWalker::new(&life.trace);
            walker.advance_to(at);
            let survives = &Survives::Everything;
            let left = left_by(walker.state(), fault.model_of(0), survives, &rng);
            let Some(left) = left else { continue };
            let examined = explorer.examine_state(fault, 0, &life, at, &left, Next::Play(&nothing));
            if let Some(life) = examined.life {
                count(&life.trace, &mut issued);
            }
        }
    }
    Ok(issued.into_iter().collect())
}

fn count(trace: &Trace, issued: &mut BTreeMap<SyncPlace, u64>) {
    let mut places = SyncPlaces::new(&trace.start);
    for event in &trace.events {
        if let Some(place) = event.applied().and_then(|sync| places.place_of(sync)) {
            *issued.entry(place).or_default() += 1;
        }
        places.follow(event);
    }
}
