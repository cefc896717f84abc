//! What a target makes of a database whose files were damaged while nobody had it open.
//!
//! 1. A harm is one damaged place: a kind, and the number of the place among all that this kind has in the files, in the order of their names.
//! 2. Damage goes through `DiskState::apply` like everything else. What changes nothing is no damage, and not counted.
//! 3. Rows come from a scan of each table and from a look at each row by itself. Each is right, or the call fails; a scan shows all rows up
//!    to where it fails. Right is also what was there before the newest transaction: the newest group of a log cannot be told from a torn one.
//! 4. Where commits overlapped, the newest group is some of those that waited for their answers when the last one was asked for: all of it is
//!    there, or none. Of two that changed a row the one that was asked for later came later, since it began after the other: else one of them
//!    would have been refused. What the target showed in the end must agree, or nothing is said of the damage.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::batch::Explorer;
use super::case::{CasePath, Harm};
use super::evidence::{finding, outcome_of};
use super::life::Life;
use super::sweep::CUT_OFF;
use super::trial::Trial;
use crate::batch::FaultCounts;
use crate::crash::CrashWalker;
use crate::oracle::{
    Change, History, Outcome, RowKey, RowMap, RowValue, StateDigest, Transaction, Violation,
    row_text, value_text,
};
use crate::scenario::{
    ByteSize, CLIENTS_BESIDE_DAMAGE_MAX, CheckKind, Damage, DamageKind, DamagePlaces, Owes,
};
use crate::target::{Mode, Promises};
use crate::trace::{
    DiskState, Effect, Entry, Event, FileRef, FileState, InodeId, Name, Operation, TracePosition,
    TransactionId,
};

/// The unit of damage to sectors.
const SECTOR: u64 = 512;
/// Commits that can have waited together: as many as there can be clients.
const WAITED_MAX: usize = CLIENTS_BESIDE_DAMAGE_MAX as usize;
const UNKNOWN_ORDER: &str = "in which order overlapping commits changed rows is not known";
/// Places that are drawn until one is found that holds something, at most.
const DRAWS_MAX: u64 = 20_000;

/// A file that can be damaged.
struct File {
    at: FileRef,
    len: u64,
}

/// A database at rest, and what may be read in it.
struct Rest {
    state: DiskState,
    /// The disk in the middle of the workload.
    earlier: DiskState,
    files: Vec<File>,
    rows: Right,
}

/// What may be read in a damaged database.
struct Right {
    /// The rows, and then what they can have been before the newest group of the log.
    states: Vec<RowMap>,
    /// Every value that was ever asked for, with its row, where nothing more is promised than that.
    ever: Option<BTreeSet<(RowKey, RowValue)>>,
}

impl Right {
    /// The states that are owed, or may be shown.
    fn legal(&self, owes: Owes) -> &[RowMap] {
        match owes {
            Owes::Survive => &self.states[..1],
            Owes::Detect | Owes::MayFail => &self.states,
        }
    }
}

impl Rest {
    /// What a life leaves. Nothing if its rows are not those that the target showed in the end.
    fn of(life: &Life, fault: &Damage, promises: &Promises, showed: StateDigest) -> Option<Self> {
        let states = rows_of(&life.history);
        if StateDigest::of(&states[0]) != showed {
            return None;
        }
        let mut walker = CrashWalker::new(&life.trace);
        walker.advance_to(TracePosition(life.trace.end().0 / 2));
        let earlier = walker.state().clone();
        walker.advance_to(life.trace.end());
        let mut state = walker.state().clone();
        state.settle();
        let file = |(name, entry): (&Name, Entry)| match entry {
            Entry::File(inode) if fault.file.matches(name) => Some(File {
                at: FileRef {
                    inode,
                    name: Arc::clone(name),
                },
                len: state.file(inode).map_or(0, FileState::len),
            }),
            Entry::File(_) | Entry::Directory => None,
        };
        let files = state.names().iter().filter_map(file).collect();
        Some(Self {
            files,
            rows: Right {
                states,
                ever: (!promises.damage_is_detected()).then(|| ever_written(life)),
            },
            earlier,
            state,
        })
    }

    /// The same, or why the files are more than the fault is about.
    fn within(self, fault: &Damage) -> Result<Self, String> {
        let bytes: u64 = self.files.iter().map(|file| file.len).sum();
        match fault.bytes_max.map(ByteSize::bytes) {
            Some(most) if bytes > most => Err(format!(
                "the files are {bytes} bytes long, more than `bytes_max`, {most}"
            )),
            _ => Ok(self),
        }
    }

    /// How many places a kind of damage has.
    fn places(&self, kind: DamageKind) -> u64 {
        self.files.iter().map(|file| file.places(kind)).sum()
    }

    /// The file that a place is in, with its place there, and the file after it.
    fn find(&self, harm: &Harm, kind: DamageKind) -> Option<(&File, u64, Option<&File>)> {
        let mut place = harm.place;
        for (number, file) in self.files.iter().enumerate() {
            let places = file.places(kind);
            if place < places {
                return Some((file, place, self.files.get(number + 1)));
            }
            place -= places;
        }
        None
    }

    fn changes_something(&self, harm: &Harm, kind: DamageKind) -> bool {
        let found = self.find(harm, kind);
        found.is_some_and(|(file, place, next)| self.operations(kind, file, place, next).is_some())
    }

    /// The database with one harm, and what that is; nothing if it changes nothing.
    fn harmed(&self, harm: &Harm, kind: DamageKind) -> Option<(DiskState, String)> {
        let (file, place, next) = self.find(harm, kind)?;
        let mut state = self.state.clone();
        for operation in self.operations(kind, file, place, next)? {
            let effect = Effect::Applied;
            state.apply(&Event::Operation { operation, effect });
        }
        state.settle();
        Some((state, format!("{} ({kind} {place})", file.at.name)))
    }

    fn operations(
        &self,
        kind: DamageKind,
        file: &File,
        place: u64,
        next: Option<&File>,
    ) -> Option<Vec<Operation>> {
        let write = |offset: u64, bytes: Vec<u8>| {
            let mut before = vec![0; bytes.len()];
            self.state.file(file.at.inode)?.read(offset, &mut before);
            let operation = Operation::Write {
                file: file.at.clone(),
                offset,
                bytes: Arc::from(bytes.as_slice()),
            };
            (before != bytes).then(|| vec![operation])
        };
        let sector = |at: u64| (at * SECTOR, (file.len - at * SECTOR).min(SECTOR));
        Some(match kind {
            DamageKind::FlippedBit => {
                let mut byte = [0];
                self.state.file(file.at.inode)?.read(place, &mut byte);
                write(place, vec![byte[0] ^ 1 << (place * 5 % 8)])?
            }
            DamageKind::ZeroedSector => {
                let (offset, len) = sector(place);
                write(offset, vec![0; usize::try_from(len).ok()?])?
            }
            DamageKind::GarbageSector => {
                let (offset, len) = sector(place);
                let garbage = (0..len).map(|byte| (byte * 167 + place * 59 + 13).to_le_bytes()[0]);
                write(offset, garbage.collect())?
            }
            DamageKind::Truncated => vec![Operation::SetLen {
                file: file.at.clone(),
                len: place,
            }],
            DamageKind::Missing => vec![Operation::Remove {
                name: Arc::clone(&file.at.name),
            }],
            DamageKind::Swapped => {
                let next = next?;
                let mut both = self.copied(&self.state, next.at.inode, &file.at)?;
                both.extend(self.copied(&self.state, file.at.inode, &next.at)?);
                both
            }
            DamageKind::Stale => {
                let Some(Entry::File(old)) = self.earlier.names().get(&file.at.name) else {
                    return None;
                };
                self.copied(&self.earlier, old, &file.at)?
            }
        })
    }

    /// What gives a file the bytes of another one.
    fn copied(&self, from: &DiskState, inode: InodeId, to: &FileRef) -> Option<Vec<Operation>> {
        let bytes = from.file(inode)?.bytes();
        if self.state.file(to.inode)?.bytes() == bytes {
            return None;
        }
        let len = bytes.len() as u64;
        let (file, offset) = (to.clone(), 0);
        let bytes = Arc::from(bytes);
        Some(vec![
            Operation::Write {
                file: file.clone(),
                offset,
                bytes,
            },
            Operation::SetLen { file, len },
        ])
    }
}

impl File {
    fn places(&self, kind: DamageKind) -> u64 {
        match kind {
            DamageKind::FlippedBit | DamageKind::Truncated => self.len,
            DamageKind::ZeroedSector | DamageKind::GarbageSector => self.len.div_ceil(SECTOR),
            DamageKind::Missing | DamageKind::Swapped | DamageKind::Stale => 1,
        }
    }
}

/// All rows after a life, and then all that there can have been before the newest group of its log.
fn rows_of(history: &History) -> Vec<RowMap> {
    if history.overlaps() {
        return rows_without_groups(history);
    }
    let count = history.transactions().len();
    let last = history.state_after(count);
    let differs = |before: &usize| history.state_after(*before) != last;
    let before = (0..count).rev().find(differs).unwrap_or(count);
    vec![history.rows_after(count), history.rows_after(before)]
}

/// The same where commits overlapped: the first state is with all of them.
fn rows_without_groups(history: &History) -> Vec<RowMap> {
    let done = |one: &&Transaction| one.outcome == Outcome::Acknowledged;
    let mut done: Vec<_> = history.transactions().iter().filter(done).collect();
    done.sort_by_key(|one| one.requested);
    let last = done.last().map_or(TracePosition(0), |one| one.requested);
    let waited = done.iter().filter(|one| one.answered > last);
    let waited: Vec<_> = waited.map(|one| one.id).take(WAITED_MAX).collect();
    let is_out = |group: usize, id: TransactionId| {
        let place = waited.iter().position(|&one| one == id);
        place.is_some_and(|place| group >> place & 1 == 1)
    };
    let rows = |group: usize| {
        let mut rows = history.base().clone();
        let there = done.iter().filter(|one| !is_out(group, one.id));
        for Change { row, value } in there.flat_map(|one| &one.changes) {
            match value {
                Some(value) => rows.insert(row.clone(), Arc::clone(value)),
                None => rows.remove(row),
            };
        }
        rows
    };
    (0..1 << waited.len()).map(rows).collect()
}

/// Every value that a transaction of a life asked for, with its row.
fn ever_written(life: &Life) -> BTreeSet<(RowKey, RowValue)> {
    let changes = life.history.transactions().iter().flat_map(|t| &t.changes);
    let written = changes.filter_map(|change| {
        let value = change.value.as_ref()?;
        Some((change.row.clone(), Arc::clone(value)))
    });
    written.collect()
}

impl Explorer<'_> {
    /// Damages a database wherever the fault asks for it.
    pub(super) fn damage(&mut self, fault: &Damage, life: &Life) {
        let found = self
            .rest(fault, life)
            .ok_or_else(|| UNKNOWN_ORDER.to_owned());
        let rest = match found.and_then(|rest| rest.within(fault)) {
            Ok(rest) => rest,
            Err(reason) => {
                let (variant, place) = (0, 0);
                self.note_untried(&CasePath::harmed(Harm { variant, place }), &reason);
                return;
            }
        };
        for (variant, &kind) in fault.what.as_slice().iter().enumerate() {
            let places = rest.places(kind);
            let chosen: Vec<u64> = match fault.at {
                DamagePlaces::EveryByte => (0..places).collect(),
                DamagePlaces::Sampled => {
                    let wanted = fault.points.map_or(1, |points| u64::from(points.get()));
                    let mut rng = self.setup.rng.split("harms", variant as u64);
                    let drawn = (0..wanted.min(places)).map(|_| rng.below(places));
                    drawn.collect()
                }
            };
            let mut is_tried = false;
            for place in chosen {
                let harm = Harm { variant, place };
                if self.is_done() {
                    self.note_untried(&CasePath::harmed(harm), CUT_OFF);
                    return;
                }
                is_tried |= self.try_harm(fault, &rest, &harm);
            }
            if !is_tried && fault.at == DamagePlaces::Sampled {
                is_tried = self.look_for_harm(fault, &rest, variant);
            }
            if !is_tried {
                let first = Harm { variant, place: 0 };
                let path = CasePath::harmed(first);
                self.note_untried(&path, "there is nothing that this kind of damage changes");
            }
        }
    }

    /// What a life leaves that came to its end just now.
    fn rest(&self, fault: &Damage, life: &Life) -> Option<Rest> {
        Rest::of(life, fault, &self.setup.promises, self.observed.digest())
    }

    /// Draws on until a kind of damage changes something: files may be zeroes nearly everywhere. Whether anything does.
    fn look_for_harm(&mut self, fault: &Damage, rest: &Rest, variant: usize) -> bool {
        let kind = fault.what.as_slice().get(variant).copied();
        let Some((kind, places)) = kind.map(|kind| (kind, rest.places(kind))) else {
            return false;
        };
        let mut rng = self.setup.rng.split("more harms", variant as u64);
        let draws = if places == 0 { 0 } else { DRAWS_MAX };
        let mut tried = (0..draws).map(|_| Harm {
            variant,
            place: rng.below(places),
        });
        let found = tried.find(|harm| rest.changes_something(harm, kind));
        found.is_some_and(|harm| self.try_harm(fault, rest, &harm))
    }

    /// Runs one harm again. The damaged files; nothing if there is no such harm.
    pub(super) fn rerun_harm(
        &mut self,
        fault: &Damage,
        life: &Life,
        harm: &Harm,
    ) -> Option<DiskState> {
        let rest = self.rest(fault, life)?;
        let kind = *fault.what.as_slice().get(harm.variant)?;
        let (state, _) = rest.harmed(harm, kind)?;
        self.try_harm(fault, &rest, harm);
        Some(state)
    }

    /// Whether there is such a harm.
    fn try_harm(&mut self, fault: &Damage, rest: &Rest, harm: &Harm) -> bool {
        let Some(&kind) = fault.what.as_slice().get(harm.variant) else {
            return false;
        };
        let case = CasePath::harmed(harm.clone()).id();
        let counts = self.result.faults.entry("damage".to_owned()).or_default();
        counts.armed += 1;
        let Some((state, place)) = rest.harmed(harm, kind) else {
            return false;
        };
        if self.skip.contains(&case) {
            return true;
        }
        (self.announce)(&case);
        let FaultCounts { fired, .. } = self.result.faults.entry("damage".to_owned()).or_default();
        *fired += 1;
        self.note_variety(format!("damage: {kind}"), true);
        self.note_threads("damage", true);
        self.result.generated += 1;
        self.result.checked += 1;
        let key = self.harm_key(harm);
        self.result.distinct.push(key);
        let (violations, outcome) = self.harmed(fault.owes, rest, state);
        self.note_outcome(outcome);
        for mut violation in violations {
            if self.is_asked(&violation) {
                violation.actual = format!("{}; damaged: {place}", violation.actual);
                violation.shape = format!("{}, {kind}", violation.shape);
                self.result.findings.push(finding(&case, violation));
            }
        }
        true
    }

    /// What is wrong with what a damaged database shows, and how that ended.
    fn harmed(
        &mut self,
        owes: Owes,
        rest: &Rest,
        state: DiskState,
    ) -> (Vec<Violation>, &'static str) {
        let mut trial = Trial::boot(self.setup, state);
        let tables = Rc::clone(&self.tables);
        let mut wrong = None;
        let mut outcome = "cannot-open";
        let is_promised = self.setup.promises.says_something_of_damage();
        let mut seen = vec![CheckKind::NoPanic, CheckKind::NoHang];
        if trial.open(Mode::Existing).is_some() {
            let whole = trial.observe(&tables, &mut self.observed).is_some();
            let shown = self.observed.to_map();
            let (in_scans, (in_gets, answers)) = (
                wrong_rows(&rest.rows, &shown, whole, owes),
                wrong_row(&mut trial, &tables, &rest.rows, owes),
            );
            wrong = in_scans.or(in_gets);
            let is_whole = whole && answers == rest.rows.states[0].len();
            outcome = match &wrong {
                Some(_) => "wrong",
                None if is_whole => "survived",
                None => "detected",
            };
            // Where every read was an error, or may be wrong, nothing was checked.
            if is_promised && owes != Owes::MayFail && !(shown.is_empty() && answers == 0) {
                seen.push(CheckKind::NoWrongReads);
            }
        }
        for check in seen {
            *self.result.checks_seen.entry(check).or_default() += 1;
        }
        let mut violations = trial.finish().violations;
        if owes != Owes::Survive {
            // An error is an answer.
            violations.retain(|one| matches!(one.check, CheckKind::NoPanic | CheckKind::NoHang));
        }
        if !violations.is_empty() {
            outcome = outcome_of(&violations);
        }
        self.result.unpromised += u64::from(!is_promised);
        violations.extend(wrong.filter(|_| is_promised && owes != Owes::MayFail));
        (violations, outcome)
    }

    fn harm_key(&self, harm: &Harm) -> u128 {
        let mut hasher = Xxh3::new();
        let run = u64::from(self.setup.batch.run);
        for number in [self.setup.digest, run, harm.variant as u64, harm.place] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.digest128()
    }
}

/// What is wrong with the rows that scans showed, all of them or those up to an error.
fn wrong_rows(right: &Right, shown: &RowMap, whole: bool, owes: Owes) -> Option<Violation> {
    let rows = &right.states;
    if let Some(ever) = &right.ever {
        let mut shown = shown.iter();
        let strange =
            shown.find(|(row, value)| !ever.contains(&((*row).clone(), Arc::clone(value))));
        return strange.map(|(row, value)| wrong_read("scan", shown_text(row, Some(&**value))));
    }
    let last = shown.keys().next_back();
    let is_prefix = |rows: &RowMap| {
        let all = rows
            .iter()
            .take_while(|(row, _)| whole || Some(*row) <= last);
        all.eq(shown.iter())
    };
    if right.legal(owes).iter().any(is_prefix) {
        return None;
    }
    let missing = rows[0].keys().find(|row| !shown.contains_key(*row));
    let strange = shown
        .iter()
        .find(|(row, value)| rows[0].get(*row) != Some(value));
    let actual = match (strange, missing) {
        (Some((row, value)), _) => shown_text(row, Some(&**value)),
        (None, Some(row)) => shown_text(row, None),
        (None, None) => "a mixture of two states".to_owned(),
    };
    Some(wrong_read("scan", actual))
}

/// What is wrong with rows that are looked at one by one, and how many of these looks were answered.
fn wrong_row(
    trial: &mut Trial<'_>,
    tables: &[String],
    right: &Right,
    owes: Owes,
) -> (Option<Violation>, usize) {
    let rows = &right.states;
    let was_ever = |row: &RowKey, value: Option<&[u8]>| match (&right.ever, value) {
        (Some(ever), Some(value)) => ever.contains(&(row.clone(), Arc::from(value))),
        (Some(_), None) => true,
        (None, _) => false,
    };
    let (mut wrong, mut answers) = (None, 0);
    trial.look_up(tables, rows[0].keys(), &mut |row, value| {
        answers += 1;
        let is = |rows: &RowMap| rows.get(row).map(|value| &**value) == value;
        if wrong.is_none() && !right.legal(owes).iter().any(is) && !was_ever(row, value) {
            wrong = Some(wrong_read("get", shown_text(row, value)));
        }
    });
    (wrong, answers)
}

fn shown_text(row: &RowKey, value: Option<&[u8]>) -> String {
    let value = value_text(row.table, &row.key, value);
    format!("{value} in {}", row_text(row.table, &row.key))
}

fn wrong_read(shape: &str, actual: String) -> Violation {
    Violation::new(
        CheckKind::NoWrongReads,
        shape,
        "what was committed, or an error",
        actual,
    )
}
