//! Which moments of a life are cut.

use super::failpoint;
use super::life::Life;
use crate::crash::crash_points;
use crate::rng::Rng;
use crate::scenario::{CrashModel, CrashPoints, PowerLoss};
use crate::trace::{Event, Operation, Trace, TracePosition};

/// Crash points drawn with `at = "sampled"` where the scenario does not say how many.
const SAMPLED: usize = 32;
/// Crash points of a later generation on each side of the moment when it was open.
const LATER_HALF: usize = 4;

/// The crash points of a first life, ascending.
pub(super) fn first(life: &Life, fault: &PowerLoss) -> Vec<TracePosition> {
    if let Some(at) = &fault.at_failpoints {
        return failpoint::points(life, at);
    }
    let mut points = crash_points(&life.trace, fault.model_of(0));
    match fault.at {
        CrashPoints::EveryOperation => points,
        CrashPoints::EverySync => {
            points.retain(|&at| before_sync(&life.trace, at) || at == life.trace.end());
            points
        }
        CrashPoints::Sampled => {
            let wanted = fault.points.map_or(SAMPLED, |points| points.get() as usize);
            draw(points, wanted, &mut life.rng.split("points", 0))
        }
    }
}

/// The crash points of a later life: some inside its recovery, some after it.
pub(super) fn later(life: &Life, model: CrashModel) -> Vec<TracePosition> {
    let points = crash_points(&life.trace, model);
    let opened = life.history.opened_at();
    let (inside, after): (Vec<_>, Vec<_>) = points.into_iter().partition(|&at| at < opened);
    let mut rng = life.rng.split("points", 0);
    let mut drawn = draw(inside, LATER_HALF, &mut rng);
    drawn.extend(draw(after, LATER_HALF, &mut rng));
    drawn
}

/// Some moments of a life after so many of its events.
pub(super) fn after(
    life: &Life,
    model: CrashModel,
    first: usize,
    wanted: usize,
) -> Vec<TracePosition> {
    let mut points = crash_points(&life.trace, model);
    points.retain(|at| at.index() >= first);
    draw(points, wanted, &mut life.rng.split("points", 0))
}

pub(super) fn draw(
    mut points: Vec<TracePosition>,
    wanted: usize,
    rng: &mut Rng,
) -> Vec<TracePosition> {
    if points.len() > wanted {
        rng.shuffle(&mut points);
        points.truncate(wanted);
        points.sort_unstable();
    }
    points
}

fn before_sync(trace: &Trace, at: TracePosition) -> bool {
    let operation = trace.events.get(at.index()).and_then(Event::applied);
    matches!(
        operation,
        Some(Operation::Sync(_) | Operation::SyncDir { .. })
    )
}
