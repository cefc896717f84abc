//! What a target takes and should give back: descriptors, files and space; and how much work a recovery may be.
//!
//! 1. After a clean close no file is open.
//! 2. Opening, taking a checkpoint and closing again and again comes to a state in which it adds neither a file nor a byte. What grows in two rounds
//!    in a row, after one in which everything may settle, is a leak.
//! 3. Beside what there was when the database was recovered, or closed, there are a few files at most.
//! 4. A recovery takes a number of disk operations that is bounded by the length of the log it finds.

use super::trial::Trial;
use crate::oracle::Violation;
use crate::scenario::CheckKind;
use crate::target::{Ability, Mode};
use crate::trace::{DiskState, Entry, FileState};

/// Rounds after the first.
const ROUNDS: usize = 3;
/// Files that a recovery and a checkpoint may add.
const NEW_FILES_MAX: usize = 3;
/// Operations that a recovery may take with an empty log.
const CALLS_OF_A_RECOVERY: u64 = 512;
/// The unit in which a log is counted.
const BLOCK: u64 = 512;
/// Operations that a recovery may take for each block of the log.
const CALLS_OF_A_BLOCK: u64 = 4;

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    files: usize,
    bytes: u64,
}

impl Taken {
    /// So many files, of so many bytes together.
    pub(super) fn new(files: usize, bytes: u64) -> Self {
        Self { files, bytes }
    }

    /// What more there may be for what the clients added since.
    pub(super) fn beside(self, closed: Self) -> Self {
        Self {
            files: self.files.max(closed.files),
            ..closed
        }
    }

    /// All that a disk holds.
    pub(super) fn of(state: &DiskState) -> Self {
        Self::of_files(state, |_| true)
    }

    fn of_files(state: &DiskState, is_meant: impl Fn(&str) -> bool) -> Self {
        let files = state.names().iter().filter(|(name, _)| is_meant(name));
        files.fold(Self::default(), |sum, (_, entry)| match entry {
            Entry::File(inode) => Self {
                files: sum.files + 1,
                bytes: sum.bytes + state.file(inode).map_or(0, FileState::len),
            },
            Entry::Directory => sum,
        })
    }

    fn text(self) -> String {
        format!("{} files of {} bytes", self.files, self.bytes)
    }

    fn has_grown_since(self, before: Self) -> bool {
        self.files > before.files || self.bytes > before.bytes
    }
}

/// The operations that a recovery of these files may take.
pub(super) fn calls_max(state: &DiskState, is_log: impl Fn(&str) -> bool) -> u64 {
    calls_max_of(Taken::of_files(state, is_log).bytes)
}

/// The operations that a recovery of a log of so many bytes may take.
pub(super) fn calls_max_of(log_bytes: u64) -> u64 {
    CALLS_OF_A_RECOVERY + CALLS_OF_A_BLOCK * log_bytes.div_ceil(BLOCK)
}

/// A recovery that took longer than that.
pub(super) fn unbounded(calls: u64, calls_max: u64) -> Violation {
    Violation::new(
        CheckKind::BoundedRecovery,
        "too-many-operations",
        format!("a recovery of at most {calls_max} operations, by the length of the log"),
        format!("{calls} operations"),
    )
}

/// What is open though everything was closed.
pub(super) fn left_open(trial: &Trial<'_>) -> Option<Violation> {
    left_open_of(trial.disk().open_files())
}

/// What is open of a closed database, if anything is.
pub(super) fn left_open_of(open: u64) -> Option<Violation> {
    let leak = |open| {
        Violation::new(
            CheckKind::NoLeak,
            "files-left-open",
            "no file of a closed database is open",
            format!("{open} are"),
        )
    };
    (open > 0).then(|| leak(open))
}

/// Closes a target, and opens and closes it again and again. `booted`: what there was when it was recovered, if there was a database.
pub(super) fn check(trial: &mut Trial<'_>, booted: Option<Taken>) -> Option<()> {
    trial.close()?;
    // What the clients added is explained.
    let closed = Taken::of(&trial.disk().state());
    let booted = booted.map(|booted| booted.beside(closed));
    let found = left_open(trial).or_else(|| grown(trial, booted));
    let is_good = found.is_none() && trial.violations.is_empty();
    trial.violations.extend(found);
    is_good.then_some(())
}

fn grown(trial: &mut Trial<'_>, booted: Option<Taken>) -> Option<Violation> {
    let mut rounds = Vec::new();
    let mut at = trial.killed();
    for _ in 0..OPENINGS {
        let went_well = round(&mut at);
        rounds.push(Taken::of(&at.disk().state()));
        let next = at.killed();
        let ended = std::mem::replace(&mut at, next).finish();
        trial.violations.extend(ended.violations);
        went_well?;
    }
    judge(&rounds, booted)
}

/// Openings that are tried for a leak.
pub(super) const OPENINGS: usize = ROUNDS + 1;

/// What is wrong with what there was after each of some openings.
pub(super) fn judge(rounds: &[Taken], booted: Option<Taken>) -> Option<Violation> {
    let texts: Vec<_> = rounds.iter().map(|taken| taken.text()).collect();
    let settled = rounds.get(1..)?;
    let grows = settled
        .windows(2)
        .all(|pair| pair[1].has_grown_since(pair[0]));
    if grows {
        return Some(Violation::new(
            CheckKind::NoLeak,
            "grows-with-every-opening",
            "opening and closing a database takes neither files nor space for good",
            texts.join(", then "),
        ));
    }
    let (last, booted) = (rounds.last()?, booted?);
    (last.files > booted.files + NEW_FILES_MAX).then(|| {
        Violation::new(
            CheckKind::NoLeak,
            "files-that-nothing-explains",
            format!("{} files, and {NEW_FILES_MAX} more at most", booted.files),
            texts.join(", then "),
        )
    })
}

fn round(at: &mut Trial<'_>) -> Option<()> {
    at.open(Mode::Existing)?;
    if at.can(Ability::Checkpoint) {
        at.checkpoint()?;
    }
    at.close()
}
