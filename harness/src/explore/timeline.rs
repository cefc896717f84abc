//! The last operations before a crash, and what became of each.

use std::fmt::Write as _;

use lightning_report::{Fate, TimelineEntry, TimelineKind};

use crate::oracle::transaction_text;
use crate::trace::{
    DiskState, Effect, Entry, Event, FileState, Mark, NameChange, Operation, Trace, TracePosition,
};

/// Entries shown, at most.
const SHOWN: usize = 24;

/// The last events of `trace` before `at`, with what survived from `before` to `after`.
pub(super) fn of(
    trace: &Trace,
    at: TracePosition,
    before: &DiskState,
    after: &DiskState,
) -> Vec<TimelineEntry> {
    let events = trace.before(at);
    let first = events.len().saturating_sub(SHOWN);
    let shown = events.iter().enumerate().skip(first);
    let mut entries: Vec<_> = shown
        .map(|(seq, event)| {
            let mut entry = entry(seq as u64, event, before, after);
            let fate = if came_back(trace, seq, event, after) {
                Some(Fate::Lost)
            } else {
                name_fate(event, &events[seq + 1..], before, after)
            };
            if let Some(fate) = fate {
                entry.fate = Some(fate);
                entry.note = name_note(event, fate);
            }
            entry
        })
        .collect();
    entries.push(TimelineEntry {
        seq: at.0,
        kind: TimelineKind::Cut,
        what: "the crash".to_owned(),
        fate: None,
        note: None,
    });
    entries
}

/// The events of a life around the first that `is_shown` accepts, or its last ones.
pub(super) fn around(trace: &Trace, is_shown: impl Fn(&Event) -> bool) -> Vec<TimelineEntry> {
    let state = &trace.start;
    let middle = trace.events.iter().position(is_shown);
    let end = middle.map_or(trace.events.len(), |middle| middle + SHOWN / 2);
    let first = end.min(trace.events.len()).saturating_sub(SHOWN);
    let events = trace.events.iter().enumerate().skip(first).take(SHOWN);
    let entries = events.map(|(seq, event)| TimelineEntry {
        fate: None,
        ..entry(seq as u64, event, state, state)
    });
    entries.collect()
}

fn entry(seq: u64, event: &Event, before: &DiskState, after: &DiskState) -> TimelineEntry {
    match event {
        Event::Mark(mark) => {
            let what = mark_text(mark);
            TimelineEntry {
                seq,
                kind: TimelineKind::Mark,
                what,
                fate: None,
                note: None,
            }
        }
        Event::Operation {
            operation,
            effect: Effect::Elided,
        } => TimelineEntry {
            seq,
            kind: TimelineKind::Elided,
            what: operation_text(operation),
            fate: None,
            note: Some("dropped, though success was reported".to_owned()),
        },
        Event::Operation {
            operation,
            effect: Effect::Applied,
        } => {
            let (fate, note) = fate(operation, before, after);
            let what = operation_text(operation);
            TimelineEntry {
                seq,
                kind: TimelineKind::Operation,
                what,
                fate,
                note,
            }
        }
    }
}

fn mark_text(mark: &Mark) -> String {
    match mark {
        Mark::Request(id) => format!("commit of {} requested", transaction_text(*id)),
        Mark::Acknowledged(id) => format!("commit of {} acknowledged", transaction_text(*id)),
        Mark::Failed(id) => format!("commit of {} refused", transaction_text(*id)),
        Mark::Unknown(id) => format!("commit of {} failed, outcome open", transaction_text(*id)),
        Mark::Opened => "the database is open".to_owned(),
        Mark::Failpoint(name) => format!("at {name}"),
        Mark::Through(_) => "a write that syncs what it writes".to_owned(),
        Mark::Began(what) => format!("{what} requested"),
        Mark::Ended(what) => format!("{what} done"),
        Mark::Failure(note) | Mark::Note(note) => note.clone(),
    }
}

pub(super) fn operation_text(operation: &Operation) -> String {
    match operation {
        Operation::Create(file) => format!("create {}", file.name),
        Operation::CreateDir { name } => format!("create directory {name}"),
        Operation::Rename { from, to } => format!("rename {from} to {to}"),
        Operation::Remove { name } => format!("remove {name}"),
        Operation::SyncDir { dir } if dir.is_empty() => "sync directory".to_owned(),
        Operation::SyncDir { dir } => format!("sync directory {dir}"),
        Operation::Write {
            file,
            offset,
            bytes,
        } => {
            format!(
                "write {} {offset}..{}",
                file.name,
                offset + bytes.len() as u64
            )
        }
        Operation::SetLen { file, len } => format!("set length of {} to {len}", file.name),
        Operation::Allocate { file, offset, len } => {
            format!(
                "allocate {} {offset}..{}",
                file.name,
                offset.saturating_add(*len)
            )
        }
        Operation::Sync(file) => format!("sync {}", file.name),
        Operation::FailSync {
            file,
            dropped: false,
        } => {
            format!(
                "sync {} fails, and the cache keeps what it holds",
                file.name
            )
        }
        Operation::FailSync { file, .. } => {
            format!("sync {} fails, and the cache drops pages", file.name)
        }
    }
}

/// What became of the last change of a name; earlier ones leave nothing that could be told apart.
fn name_fate(
    event: &Event,
    later: &[Event],
    before: &DiskState,
    after: &DiskState,
) -> Option<Fate> {
    let name = changed_name(event)?;
    if later.iter().any(|event| changed_name(event) == Some(name)) {
        return None;
    }
    let pending = before.names().pending().iter();
    if !pending
        .flat_map(NameChange::names)
        .any(|pending| **pending == *name)
    {
        return Some(Fate::Durable);
    }
    let survived = before.names().get(name) == after.names().get(name);
    Some(if survived { Fate::Survived } else { Fate::Lost })
}

/// Whether an operation removed a file whose name stands for it again after the crash.
fn came_back(trace: &Trace, seq: usize, event: &Event, after: &DiskState) -> bool {
    let Some(Operation::Remove { name }) = event.applied() else {
        return false;
    };
    let mut earlier = trace.events[..seq].iter().rev();
    let created = earlier.find_map(|event| match event.applied()? {
        Operation::Create(file) if file.name == *name => Some(Entry::File(file.inode)),
        _ => None,
    });
    let removed = created.or_else(|| trace.start.names().get(name));
    removed.is_some() && after.names().get(name) == removed
}

/// The name that an operation created or removed.
fn changed_name(event: &Event) -> Option<&str> {
    match event.applied()? {
        Operation::Create(file) => Some(&file.name),
        Operation::CreateDir { name } | Operation::Remove { name } => Some(name),
        Operation::Rename { to, .. } => Some(to),
        _ => None,
    }
}

fn name_note(event: &Event, fate: Fate) -> Option<String> {
    let name = changed_name(event).filter(|_| fate == Fate::Lost)?;
    let dir = name
        .rsplit_once('/')
        .map_or("the database's own", |(dir, _)| dir);
    Some(format!(
        "no sync of its directory ({dir}) came after it, so a power cut can take it back"
    ))
}

/// What became of a write, and how much of it; other operations leave nothing that could be told apart.
fn fate(
    operation: &Operation,
    before: &DiskState,
    after: &DiskState,
) -> (Option<Fate>, Option<String>) {
    let Operation::Write {
        file,
        offset,
        bytes,
    } = operation
    else {
        return (None, None);
    };
    let end = offset + bytes.len() as u64;
    let sector = before
        .file(file.inode)
        .map_or(1, |file| file.sector().bytes() as u64);
    let pending = before.file(file.inode).is_some_and(|file| {
        file.pending_sectors()
            .any(|(at, _)| at < end && at + sector > *offset)
    });
    if !pending {
        return (Some(Fate::Durable), None);
    }
    let pieces = pieces(*offset, bytes, sector);
    let total = pieces.len();
    let (Some(before), Some(after)) = (before.file(file.inode), after.file(file.inode)) else {
        return (Some(Fate::Lost), None);
    };
    let count = |what: &dyn Fn(u64, &[u8]) -> bool| {
        pieces.iter().filter(|(at, piece)| what(*at, piece)).count()
    };
    let kept = count(&|at, piece| holds(after, at, piece));
    let mixed = count(&|at, piece| is_mixture(before, after, at, piece.len()));
    match kept {
        0 if mixed == 0 => (Some(Fate::Lost), None),
        all if all == total => (Some(Fate::Survived), None),
        some => {
            let mut note = format!("{some} of {total} sectors survived");
            if mixed > 0 {
                let _ = write!(note, ", {mixed} torn inside");
            }
            (Some(Fate::Torn), Some(note))
        }
    }
}

/// Whether a range inside a sector survived as none of the sector's versions.
fn is_mixture(before: &FileState, after: &FileState, at: u64, len: usize) -> bool {
    let from = usize::try_from(at % before.sector().bytes() as u64).unwrap_or(0);
    let mut left = vec![0; len];
    after.read(at, &mut left)
        && before.pending_sectors().any(|(offset, versions)| {
            let mut versions = versions.all().iter();
            offset + from as u64 == at
                && !versions.any(|(_, bytes)| bytes[from..from + len] == left)
        })
}

/// A write, cut where sectors end.
fn pieces(offset: u64, bytes: &[u8], sector: u64) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let room = usize::try_from(sector - at % sector).unwrap_or(usize::MAX);
        let (piece, left) = rest.split_at(room.min(rest.len()));
        pieces.push((at, piece));
        at += piece.len() as u64;
        rest = left;
    }
    pieces
}

fn holds(file: &FileState, at: u64, piece: &[u8]) -> bool {
    let mut left = vec![0; piece.len()];
    file.read(at, &mut left) && left == piece
}
