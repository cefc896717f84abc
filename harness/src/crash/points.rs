//! Where a trace is worth cutting.

use crate::scenario::CrashModel;
use crate::trace::{Event, Mark, Operation, Trace, TracePosition};

/// The moments worth a crash, ascending.
///
/// For `posix`, `journaled` and `media`, crash points with no sync, acknowledgement or failure between them are covered by the last one:
/// until a sync, what may survive only grows. For the other models, every moment.
pub fn crash_points(trace: &Trace, model: CrashModel) -> Vec<TracePosition> {
    let all = (0..=trace.events.len()).map(TracePosition::after);
    match model {
        CrashModel::Prefix | CrashModel::ProcessCrash => all.collect(),
        CrashModel::Posix | CrashModel::Journaled | CrashModel::Media => all
            .filter(|at| trace.events.get(at.index()).is_none_or(separates))
            .collect(),
    }
}

/// Whether a crash just before an event is not covered by one after it.
fn separates(event: &Event) -> bool {
    match event {
        Event::Mark(
            Mark::Request(_)
            | Mark::Began(_)
            | Mark::Failpoint(_)
            | Mark::Failure(_)
            | Mark::Note(_),
        ) => false,
        Event::Mark(
            Mark::Acknowledged(_)
            | Mark::Failed(_)
            | Mark::Unknown(_)
            | Mark::Opened
            | Mark::Ended(_),
        ) => true,
        Event::Operation { .. } => {
            matches!(
                event.applied(),
                Some(Operation::Sync(_) | Operation::SyncDir { .. } | Operation::FailSync { .. })
            )
        }
    }
}
