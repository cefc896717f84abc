//! The whole of it: find out where the pages are, walk the trees, replay the log.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, DiskLock, OpenMode, RealDisk};
use crate::disk_format::{Geometry, SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS, Superblock};
use crate::error::{OpenError, StorageError};
use crate::map::{Access, Map, MapOpenError};
use crate::options::Options;
use crate::recovery_report::Damage;

use super::addresses::{Addresses, guess_page_size};
use super::harvest::survey;
use super::log::Replay;
use super::output::{Output, Trust};
use super::pages::Pages;
use super::report::{SalvageError, SalvageReport};
use super::source::Patient;

/// Held while a database is open.
const LOCK: &str = "lock";

/// Copies every record that can be read of the damaged database in the directory `from` into a new one in the directory
/// `to`, which must hold none. The damaged one is not changed.
///
/// What is proven to be the newest goes into tables of the same name; what may be older, because the part of the map
/// that would prove it is lost, into tables whose names begin with `uncertain-`; rows whose table is not known, into `lost-1` and
/// so on. The log is replayed up to its first damage: what the commits lost there did is not known, of any table, so those behind it
/// would be applied to rows that they were not made for. They are reported as lost. Where no superblock is left all of it is uncertain
/// anyway, and what log there is is replayed over gaps too.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lightning_db::{Database, Options, salvage};
/// let dir = tempfile::tempdir()?;
/// let (damaged, new) = (dir.path().join("damaged"), dir.path().join("new"));
/// Database::create(&damaged, Options::new().log_segment(1 << 20))?.put("t", b"k", b"v")?;
///
/// let report = salvage(&damaged, &new, Options::new().log_segment(1 << 20))?;
/// assert!(report.is_complete());
/// let db = Database::open(&new, Options::new())?;
/// assert_eq!(db.get("t", b"k")?.as_deref(), Some(&b"v"[..]));
/// # Ok(())
/// # }
/// ```
pub fn salvage(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: Options,
) -> Result<SalvageReport, SalvageError> {
    let from = RealDisk::open(from).map_err(|e| StorageError::io("open", "the directory", e))?;
    let target = |e| SalvageError::Target(StorageError::io("create", "the directory", e).into());
    let to = RealDisk::create(to).map_err(target)?;
    salvage_on(&(Arc::new(from) as Arc<dyn Disk>), Arc::new(to), options)
}

/// As [`salvage`], on any storage.
pub fn salvage_on(
    from: &Arc<dyn Disk>,
    to: Arc<dyn Disk>,
    options: Options,
) -> Result<SalvageReport, SalvageError> {
    let patient = Patient::new(from);
    let has_files = patient
        .has_files()
        .map_err(|e| StorageError::io("list", "the directory", e))?;
    if !has_files {
        let why = "none of its files is here".to_owned();
        return Err(SalvageError::Source(OpenError::NotFound(why)));
    }
    let lock = lock(from)?;
    let patient: Arc<dyn Disk> = Arc::new(patient);
    let data = patient
        .open("data", OpenMode::Read)
        .map_err(|e| StorageError::io("open", "data", e))?;
    let mut lost = Vec::new();
    let addresses = addresses(&patient, data.as_ref(), &mut lost)?;
    let mut output = Output::create(to, options)?;
    let mut report = SalvageReport::default();
    let trust = if addresses.superblock.is_some() {
        Trust::Certain
    } else {
        Trust::Uncertain
    };
    let (superblock, newest) = (addresses.superblock, addresses.newest);
    let mut pages = Pages::new(addresses, data);
    let mut trees = survey(&pages);
    if pages.addresses.has_uncertain() {
        pages.addresses.prove(&trees.reached);
    }
    trees.take_rows(&pages, &mut output)?;
    let mut replay = Replay {
        disk: patient.as_ref(),
        output: &mut output,
        trust,
        version: newest.max(crate::ids::Version(1)),
        groups: 0,
        lost: Vec::new(),
    };
    match &superblock {
        Some(superblock) => replay.behind(superblock)?,
        None => replay.any()?,
    }
    report.groups = replay.groups;
    lost.append(&mut trees.lost);
    lost.append(&mut replay.lost);
    report.lost = lost;
    report.tables = output.finish()?;
    drop(lock);
    Ok(report)
}

/// Locks out whoever might write. A medium that cannot be written has no room for a lock, and nobody to lock out.
fn lock(from: &Arc<dyn Disk>) -> Result<Option<Box<dyn DiskLock>>, SalvageError> {
    let names = from.list("").unwrap_or_default();
    if !names.iter().any(|name| name == LOCK) {
        return Ok(None);
    }
    match from.lock(LOCK) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(SalvageError::Source(OpenError::Locked))
        }
        lock => Ok(lock.ok()),
    }
}

/// Where the pages are: by the map, or without one by the slots.
fn addresses(
    patient: &Arc<dyn Disk>,
    data: &dyn DiskFile,
    lost: &mut Vec<Damage>,
) -> Result<Addresses, SalvageError> {
    let error = match Map::recover(patient, Access::ReadOnly) {
        Ok((map, found)) => {
            lost.extend(found.lost);
            return Ok(Addresses::of_map(&map, data));
        }
        Err(MapOpenError::UnsupportedFormat { found, supported }) => {
            return Err(SalvageError::Source(OpenError::Unsupported {
                found,
                supported,
            }));
        }
        Err(error) => error,
    };
    lost.push(Damage {
        file: "map".to_owned(),
        what: format!("without the map, nothing proves a page to be the newest: {error}"),
        ..Damage::default()
    });
    if let Some(superblock) = newest_superblock(patient) {
        return Ok(Addresses::of_slots(
            superblock.geometry,
            Some(superblock),
            data,
        ));
    }
    let page_size = match guess_page_size(data) {
        Some(page_size) => page_size,
        // Without a page there may still be a log.
        None if !crate::wal::configs(patient.as_ref()).is_empty() => 4096,
        None => return Err(SalvageError::NoGeometry),
    };
    let geometry = Geometry {
        page_size,
        segment_len: 0,
        salt: 0,
    };
    Ok(Addresses::of_slots(geometry, None, data))
}

/// The newest of the superblock copies. Copies of one state are all alike, so an older one is of no use: its slots may be
/// others' by now, and the map would have been opened with it if it were the last.
fn newest_superblock(patient: &Arc<dyn Disk>) -> Option<Superblock> {
    let files = ["map", "data"].into_iter();
    let copies = files.flat_map(|name| {
        let file = patient.open(name, OpenMode::Read).ok();
        SUPERBLOCK_OFFSETS.into_iter().filter_map(move |offset| {
            let mut sector = [0; SUPERBLOCK_LEN];
            file.as_ref()?.read_at(offset, &mut sector).ok()?;
            Superblock::decode(&sector).ok()
        })
    });
    copies.max_by_key(|copy| copy.checkpoint)
}
