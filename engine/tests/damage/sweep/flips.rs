//! The flips, and what is demanded of each.

use std::sync::Arc;

use lightning_db::disk::{Disk, MemoryDisk, OpenMode};
use lightning_db::error::{Corruption, StorageError};
use lightning_db::{Damage, Database, OpenError, ReadError};

use super::database::{Image, Rows, Subject, disk_of, flip, image, options};
use super::live::{Live, What, live};
use super::rng::Rng;

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Findings {
    pub flips: u64,
    /// Opened, with everything there.
    pub whole: u64,
    /// Opened, with errors where the damage is.
    pub partial: u64,
    /// Refused, naming the place.
    pub refused: u64,
    /// The last commit, which nothing proves durable, was taken for a torn write.
    pub cut: u64,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// One flipped bit.
#[derive(Clone, Debug)]
struct Flip<'a> {
    file: &'a str,
    offset: u64,
    bit: u8,
}

fn corruption(error: &StorageError) -> Option<&Corruption> {
    match error {
        StorageError::Corruption(corruption) => Some(corruption),
        _ => None,
    }
}

/// Whether a named place is that of the flip: the structure, or for the log a place at or before it.
fn names(place: (&str, u64), live: &Live) -> bool {
    match live.what {
        What::Frame { .. } | What::SegmentHeader => place.0.starts_with("wal"),
        _ => place.0 == live.file && live.range.contains(&place.1),
    }
}

/// Flips bits of structures in use, `count` of them, or all if there are fewer bytes; `None`: one bit of every byte.
pub fn sweep_live(subject: &Subject, seed: u64, count: Option<u64>) -> Findings {
    let all = live(&subject.image);
    let mut rng = Rng(seed);
    let mut findings = Findings::default();
    assert!(subject.db.verify().unwrap().is_clean());
    for (structure, offset) in positions(&all, count, &mut rng) {
        let flip = Flip {
            file: &structure.file,
            offset,
            bit: rng.below(8).to_le_bytes()[0],
        };
        findings.flips += 1;
        let outcome = verified(subject, &flip, structure)
            .and_then(|()| reopened(subject, &flip, structure, &mut findings));
        if let Err(failure) = outcome {
            let failure = format!("{flip:?} in {:?}: {failure}", structure.what);
            findings.failures.push(failure);
        }
    }
    findings
}

/// Every structure gets its share, however small it is, and every byte of it the same chance.
fn positions<'a>(all: &'a [Live], count: Option<u64>, rng: &mut Rng) -> Vec<(&'a Live, u64)> {
    let Some(count) = count else {
        let each = |live: &'a Live| live.range.clone().map(move |at| (live, at));
        return all.iter().flat_map(each).collect();
    };
    (0..count)
        .map(|i| {
            let live = &all[usize::try_from(i).unwrap() % all.len()];
            let len = live.range.end - live.range.start;
            (live, live.range.start + rng.below(len))
        })
        .collect()
}

/// The open database's own check finds it, and names the place.
fn verified(subject: &Subject, bit: &Flip<'_>, structure: &Live) -> Result<(), String> {
    flip(&subject.disk, bit.file, bit.offset, bit.bit);
    let report = subject.db.verify();
    flip(&subject.disk, bit.file, bit.offset, bit.bit);
    let report = report.map_err(|error| error.to_string())?;
    let is_named = |d: &Damage| names((&d.file, d.offset), structure);
    if report.damage.iter().any(is_named) {
        Ok(())
    } else {
        Err(format!("verify found {:?}", report.problems))
    }
}

fn reopened(
    subject: &Subject,
    bit: &Flip<'_>,
    structure: &Live,
    findings: &mut Findings,
) -> Result<(), String> {
    let disk = disk_of(&subject.image);
    flip(&disk, bit.file, bit.offset, bit.bit);
    // The superseded buffer of the last checkpoint heals most map pages: every other time it is not there.
    let is_without_buffer = bit.offset.is_multiple_of(2);
    if is_without_buffer {
        let buffer = disk.open("doublewrite", OpenMode::Write).unwrap();
        buffer.set_len(0).unwrap();
    }
    let db = match Database::open_on(Arc::new(disk.clone()), options()) {
        Ok(db) => db,
        Err(OpenError::Storage(error)) => {
            let place = corruption(&error).ok_or_else(|| error.to_string())?;
            let may_refuse = !matches!(structure.what, What::Superblock | What::MapPage(_));
            findings.refused += 1;
            return if may_refuse && names((&place.file, place.offset), structure) {
                Ok(())
            } else {
                Err(format!("refused: {error}"))
            };
        }
        Err(error) => return Err(error.to_string()),
    };
    match structure.what {
        What::Superblock | What::MapPage(_) => {
            if is_without_buffer && db.recovery_report().repairs.is_empty() {
                return Err("nothing was repaired".to_owned());
            }
            findings.whole += 1;
            read_all(&db, &subject.rows).and_then(|unread| all_read(&unread))?;
            clean(&db)?;
            repaired(&disk)
        }
        What::Frame { is_last: true } => {
            findings.cut += 1;
            read_all(&db, &subject.before_last).and_then(|unread| all_read(&unread))?;
            clean(&db)
        }
        What::Page(_) => {
            findings.partial += 1;
            costs_that_page(&db, subject, structure)
        }
        What::SegmentHeader | What::Frame { is_last: false } => {
            Err("opened in spite of a lost part of the log".to_owned())
        }
    }
}

fn clean(db: &Database) -> Result<(), String> {
    let report = db.verify().map_err(|error| error.to_string())?;
    if report.is_clean() {
        Ok(())
    } else {
        Err(format!("after opening: {:?}", report.problems))
    }
}

/// What was repaired is whole on disk: the next opening has nothing to do.
fn repaired(disk: &MemoryDisk) -> Result<(), String> {
    let db = Database::open_on(Arc::new(disk_of(&image(disk))), options());
    let db = db.map_err(|error| error.to_string())?;
    let repairs = &db.recovery_report().repairs;
    if repairs.is_empty() {
        Ok(())
    } else {
        Err(format!("still to be repaired: {repairs:?}"))
    }
}

type Unread = Vec<((String, Vec<u8>), ReadError)>;

/// Reads every key: what is read is right. Returns what could not be read.
fn read_all(db: &Database, rows: &Rows) -> Result<Unread, String> {
    let snapshot = db.snapshot().map_err(|error| error.to_string())?;
    let mut unread = Vec::new();
    for ((table, key), value) in rows {
        match snapshot.get(table, key) {
            Ok(Some(found)) if *found == **value => {}
            Ok(found) => {
                let found = found.map(|found| found.len());
                let key = key.escape_ascii();
                return Err(format!("wrong data at {table} {key}: {found:?} bytes"));
            }
            Err(error) => unread.push(((table.clone(), key.clone()), error)),
        }
    }
    scan_all(&snapshot, rows)?;
    Ok(unread)
}

/// Iterates over each table: a prefix of the rows, and then nothing more or one error for ever.
fn scan_all(snapshot: &lightning_db::Snapshot, rows: &Rows) -> Result<(), String> {
    let tables: std::collections::BTreeSet<&String> = rows.keys().map(|(table, _)| table).collect();
    for table in tables {
        let of_table = rows.iter().filter(|((name, _), _)| name == table);
        let mut expected = of_table.map(|((_, key), value)| (key, value));
        let Ok(mut range) = snapshot.scan(table) else {
            continue;
        };
        loop {
            match range.next() {
                Some(Ok((key, value))) => {
                    let next = expected.next();
                    if next.is_none_or(|(k, v)| **k != *key || **v != *value) {
                        return Err(format!("wrong row in a scan of {table}: {key:?}"));
                    }
                }
                Some(Err(_)) => {
                    if !matches!(range.next(), Some(Err(_))) {
                        return Err(format!("a scan of {table} forgot its error"));
                    }
                    break;
                }
                None if expected.next().is_none() => break,
                None => return Err(format!("a scan of {table} ended early")),
            }
        }
    }
    Ok(())
}

fn all_read(unread: &Unread) -> Result<(), String> {
    match unread.first() {
        None => Ok(()),
        Some(((table, key), error)) => {
            let key = key.escape_ascii();
            Err(format!("{table} {key} cannot be read: {error}"))
        }
    }
}

/// A damaged page costs what is behind it: each error names it, `verify` names the keys, and the rest can be read and
/// written.
fn costs_that_page(db: &Database, subject: &Subject, structure: &Live) -> Result<(), String> {
    let unread = read_all(db, &subject.rows)?;
    for (_, error) in &unread {
        let ReadError::Storage(storage) = error else {
            return Err(error.to_string());
        };
        let place = corruption(storage).ok_or_else(|| error.to_string())?;
        if !names((&place.file, place.offset), structure) {
            return Err(format!("another place is named: {error}"));
        }
    }
    let report = db.verify().map_err(|error| error.to_string())?;
    for ((table, key), _) in &unread {
        let names_it = |d: &Damage| {
            let is_table = d.table.as_ref() == Some(table) || d.table.as_deref() == Some("");
            is_table
                && d.keys
                    .as_ref()
                    .is_some_and(|keys| keys.contains(key) || d.table.as_deref() == Some(""))
        };
        if !report.damage.iter().any(names_it) {
            return Err(format!(
                "verify does not say that {} is lost",
                key.escape_ascii()
            ));
        }
    }
    if db.recovery_report().read_only.is_none() {
        write_elsewhere(db, subject, &unread)?;
    }
    Ok(())
}

fn write_elsewhere(db: &Database, subject: &Subject, unread: &Unread) -> Result<(), String> {
    let is_lost = |place: &(String, Vec<u8>)| unread.iter().any(|(lost, _)| lost == place);
    let readable = subject.rows.keys().filter(|place| !is_lost(place));
    for (table, key) in readable.step_by(7).take(12) {
        db.put(table, key, b"new")
            .map_err(|error| error.to_string())?;
        let found = db.get(table, key).map_err(|error| error.to_string())?;
        if found.as_deref() != Some(b"new") {
            return Err("a write beside damage was lost".to_owned());
        }
    }
    db.checkpoint().map_err(|error| error.to_string())
}

/// Flips bits that no structure covers: nothing changes.
pub fn sweep_dead(subject: &Subject, seed: u64, count: u64) -> Findings {
    let all = live(&subject.image);
    let mut rng = Rng(seed);
    let mut findings = Findings::default();
    let names: Vec<&String> = subject
        .image
        .keys()
        .filter(|name| !subject.image[*name].is_empty())
        .collect();
    while findings.flips < count {
        let file = names[usize::try_from(rng.below(names.len() as u64)).unwrap()];
        let offset = rng.below(subject.image[file].len() as u64);
        if all
            .iter()
            .any(|live| live.file == *file && live.range.contains(&offset))
        {
            continue;
        }
        findings.flips += 1;
        let disk = disk_of(&subject.image);
        let bit = rng.below(8).to_le_bytes()[0];
        flip(&disk, file, offset, bit);
        let outcome = changes_nothing(&disk, subject);
        match outcome {
            Ok(()) => findings.whole += 1,
            Err(failure) => findings
                .failures
                .push(format!("{file} at {offset}: {failure}")),
        }
    }
    findings
}

fn changes_nothing(disk: &MemoryDisk, subject: &Subject) -> Result<(), String> {
    let db = Database::open_on(Arc::new(disk.clone()), options()).map_err(|e| e.to_string())?;
    read_all(&db, &subject.rows).and_then(|unread| all_read(&unread))?;
    clean(&db)
}

/// Flips bits of a sealed buffer that was not yet written home: read-only, `verify` finds them; opening falls back to
/// the checkpoint before and its log, with the same rows.
pub fn sweep_buffer(subject: &Subject, rows: &Rows, seed: u64, count: u64) -> Findings {
    let mut rng = Rng(seed);
    let mut findings = Findings::default();
    let sealed: &Image = &subject.sealed;
    let body = u64::from_le_bytes(sealed["doublewrite"][24..32].try_into().unwrap());
    let disk = disk_of(sealed);
    let open = Database::open_on(Arc::new(disk.clone()), options().read_only(true)).unwrap();
    assert!(open.verify().unwrap().is_clean(), "{:?}", open.verify());
    for _ in 0..count {
        let (offset, bit) = (rng.below(512 + body), rng.below(8).to_le_bytes()[0]);
        findings.flips += 1;
        flip(&disk, "doublewrite", offset, bit);
        let report = open.verify().unwrap();
        let flipped = disk_of(&image(&disk));
        flip(&disk, "doublewrite", offset, bit);
        let outcome = if report
            .damage
            .iter()
            .any(|damage| damage.file == "doublewrite")
        {
            Database::open_on(Arc::new(flipped), options())
                .map_err(|error| error.to_string())
                .and_then(|db| {
                    read_all(&db, rows).and_then(|unread| all_read(&unread))?;
                    clean(&db)
                })
        } else {
            Err(format!("verify found {:?}", report.problems))
        };
        match outcome {
            Ok(()) => findings.whole += 1,
            Err(failure) => findings
                .failures
                .push(format!("buffer at {offset}: {failure}")),
        }
    }
    findings
}
