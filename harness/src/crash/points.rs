//! Where a trace is worth cutting.

use std::collections::BTreeSet;

use crate::scenario::CrashModel;
use crate::trace::{Event, InodeId, Mark, Operation, Trace, TracePosition};

/// The moments worth a crash, ascending.
///
/// For `posix`, `journaled` and `media`, crash points with no sync, acknowledgement or failure between them are covered by the last one:
/// until a sync, what may survive only grows. For `prefix`, every moment; for `process-crash`, every moment outside of a call, since the system ends no process before a
/// call of its that writes and syncs has done both.
pub fn crash_points(trace: &Trace, model: CrashModel) -> Vec<TracePosition> {
    let all = (0..=trace.events.len()).map(TracePosition::after);
    match model {
        CrashModel::Prefix => all.collect(),
        CrashModel::ProcessCrash => {
            let inside = inside_calls(&trace.events);
            all.filter(|at| !inside.contains(&at.index())).collect()
        }
        CrashModel::Posix | CrashModel::Journaled | CrashModel::Media => all
            .filter(|at| trace.events.get(at.index()).is_none_or(separates))
            .collect(),
    }
}

/// The moments between a write and the sync that its call ends with.
fn inside_calls(events: &[Event]) -> BTreeSet<usize> {
    let mut inside = BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        let Event::Mark(Mark::Through(inode)) = event else {
            continue;
        };
        let rest = events[index..].iter();
        let end = rest
            .take_while(|event| !matches!(event, Event::Mark(Mark::Failure(_))))
            .position(|event| is_sync_of(event, *inode));
        if let Some(len) = end {
            inside.extend(index + 1..=index + len);
        }
    }
    inside
}

fn is_sync_of(event: &Event, inode: InodeId) -> bool {
    match event {
        Event::Operation { operation, .. } => match operation {
            Operation::Sync(file) | Operation::FailSync { file, .. } => file.inode == inode,
            _ => false,
        },
        Event::Mark(_) => false,
    }
}

/// Whether a crash just before an event is not covered by one after it.
fn separates(event: &Event) -> bool {
    match event {
        Event::Mark(
            Mark::Request(_)
            | Mark::Began(_)
            | Mark::Failpoint(_)
            | Mark::Through(_)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimConfig;
    use crate::trace::{DiskState, Effect, FileRef, Name};

    fn did(operation: Operation) -> Event {
        let effect = Effect::Applied;
        Event::Operation { operation, effect }
    }

    /// A file is made; one call writes it and syncs it, then one writes it and another syncs it.
    fn trace() -> Trace {
        let file = FileRef {
            inode: InodeId(0),
            name: Name::from("f"),
        };
        let write = Operation::Write {
            file: file.clone(),
            offset: 0,
            bytes: b"x".as_slice().into(),
        };
        let events = vec![
            did(Operation::Create(file.clone())),
            Event::Mark(Mark::Through(file.inode)),
            did(write.clone()),
            did(Operation::Sync(file.clone())),
            did(write),
            did(Operation::Sync(file)),
        ];
        let start = DiskState::new(SimConfig::default().sector);
        Trace { start, events }
    }

    #[test]
    fn a_process_does_not_end_between_a_write_and_the_sync_of_the_same_call() {
        let points = crash_points(&trace(), CrashModel::ProcessCrash);
        let points: Vec<_> = points.into_iter().map(TracePosition::index).collect();
        assert_eq!(points, [0, 1, 4, 5, 6]);
    }

    #[test]
    fn the_power_may_go_inside_of_a_call() {
        let points = crash_points(&trace(), CrashModel::Posix);
        assert!(points.contains(&TracePosition(3)));
    }

    #[test]
    fn a_call_that_failed_ends_at_once() {
        let mut trace = trace();
        trace.events[2] = Event::Mark(Mark::Failure("write fails".to_owned()));
        let points = crash_points(&trace, CrashModel::ProcessCrash);
        assert_eq!(points.len(), trace.events.len() + 1);
    }
}
