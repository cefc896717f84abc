//! Recovery steps 1 to 3: choose a checkpoint, make it whole on disk, load its map.
//!
//! M5: everything written here is what the disk should hold already: the accepted buffer's content, superblock copies
//! of the chosen checkpoint, map pages proven by their parents, and "void" over a buffer that does not count. So a
//! crash in it leaves nothing that a crash before it could not have left.

use std::sync::Arc;

use super::choose::{Choice, choose};
use super::commit::write_pages;
use super::files::NamedFile;
use super::load::{Overlay, Source, load};
use super::page_map::{Access, Map, Writer};
use super::rebuild::DamagedLeaf;
use crate::disk::Disk;
use crate::disk_format::{BUFFER_HEADER_LEN, MapPage, MapPageId, SealedBuffer, encode_void};
use crate::error::StorageError;
use crate::ids::CheckpointId;
use crate::recovery_report::Damage;

/// Why a map cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapOpenError {
    /// There is none of its files.
    #[error("no database here")]
    NoDatabase,
    /// There are files of a database, but neither a superblock nor a sealed buffer: a creation that was cut
    /// off, if its marker is there, and damage otherwise.
    #[error("{0}")]
    NoSuperblock(StorageError),
    /// The database was written by a newer engine.
    #[error("format {found}, this engine reads {supported}")]
    UnsupportedFormat {
        /// The format found.
        found: u32,
        /// The format that this engine reads.
        supported: u32,
    },
    /// Damage, or a failed operation.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What became of the double-write buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferOutcome {
    /// There was nothing in it.
    Empty,
    /// The database was closed: all that the buffer was for is durable at home.
    Closed,
    /// It holds the checkpoint chosen, which was written home from it.
    Accepted,
    /// It was torn or does not continue the checkpoint chosen; it was voided.
    Rejected,
}

/// Where a superblock copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SuperblockCopy {
    /// The file.
    pub file: &'static str,
    /// Its offset there, in bytes.
    pub offset: u64,
}

/// What recovery of the map found and repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRecovery {
    /// The checkpoint chosen.
    pub checkpoint: CheckpointId,
    /// What became of the double-write buffer.
    pub buffer: BufferOutcome,
    /// Superblock copies that were damaged or missing.
    pub damaged_superblocks: Vec<SuperblockCopy>,
    /// Map pages that were damaged, and were rebuilt and proven.
    pub rebuilt: Vec<MapPageId>,
    /// Map pages that could not be rebuilt. If there is one, the map is open for reading only.
    pub lost: Vec<Damage>,
}

impl Map {
    /// Finds the last checkpoint and loads its map, repairing what can be proven. With [`Access::ReadOnly`] nothing is
    /// written: an accepted buffer and rebuilt pages are used from memory. A map with a leaf that cannot be rebuilt is
    /// opened so in any case.
    pub fn recover(
        disk: &Arc<dyn Disk>,
        access: Access,
    ) -> Result<(Self, MapRecovery), MapOpenError> {
        let choice = choose(disk.as_ref(), access)?;
        if access == Access::ReadWrite {
            make_whole(&choice)?;
        }
        let report = MapRecovery {
            checkpoint: choice.superblock.checkpoint,
            buffer: choice.outcome,
            damaged_superblocks: damaged_superblocks(&choice),
            rebuilt: Vec::new(),
            lost: Vec::new(),
        };
        load_chosen(choice, access, report)
    }
}

impl Map {
    /// Writes every superblock copy once more. After a creation that was cut off by a failed sync the cache may show copies that the
    /// disk does not have, and that no later sync writes.
    pub fn rewrite_superblocks(&self) -> Result<(), StorageError> {
        let superblock = self.superblock();
        for file in [&self.files.map, &self.files.data] {
            file.write_superblocks(&superblock)?;
            file.sync()?;
        }
        Ok(())
    }
}

fn damaged_superblocks(choice: &Choice) -> Vec<SuperblockCopy> {
    let damaged = choice.copies.iter().filter(|copy| copy.content.is_err());
    damaged.map(|copy| copy.place).collect()
}

/// Step 2.
fn make_whole(choice: &Choice) -> Result<(), StorageError> {
    if let Some(buffer) = &choice.accepted {
        return rewrite_accepted(choice, buffer);
    }
    if choice.has_remains {
        // Durable before any slot is written: it must never count again.
        choice
            .files
            .doublewrite
            .write(0, &encode_void(choice.highest_id))?;
        failpoint!("recovery.buffer.voided", fails);
        choice.files.doublewrite.sync()?;
    }
    rewrite_stale_copies(choice, &choice.files.map)?;
    rewrite_stale_copies(choice, &choice.files.data)
}

/// The cache may show what the disk does not have, so the buffer is written anew before anything relies on it.
fn rewrite_accepted(choice: &Choice, buffer: &SealedBuffer) -> Result<(), StorageError> {
    choice.files.doublewrite.write(0, &buffer.encode())?;
    failpoint!("recovery.buffer.rewritten", fails);
    choice.files.doublewrite.sync()?;
    write_pages(&choice.files.map, &buffer.pages)?;
    failpoint!("recovery.home.pages-written", fails);
    for file in [&choice.files.map, &choice.files.data] {
        file.write_superblocks(&buffer.superblock)?;
        failpoint!("recovery.superblock.written", fails);
        file.sync()?;
    }
    Ok(())
}

fn rewrite_stale_copies(choice: &Choice, file: &NamedFile) -> Result<(), StorageError> {
    let is_stale = |copy: &&super::choose::Copy| {
        copy.place.file == file.name() && copy.content.as_ref() != Ok(&choice.superblock)
    };
    let stale: Vec<_> = choice.copies.iter().filter(is_stale).collect();
    if stale.is_empty() {
        return Ok(());
    }
    for copy in stale {
        file.write(copy.place.offset, &choice.superblock.encode())?;
    }
    failpoint!("recovery.copies.rewritten", fails);
    file.sync()
}

/// Step 3.
fn load_chosen(
    choice: Choice,
    access: Access,
    mut report: MapRecovery,
) -> Result<(Map, MapRecovery), MapOpenError> {
    let Choice {
        files,
        superblock,
        accepted,
        highest_id,
        outcome,
        ..
    } = choice;
    // Bytes past what was written just now may have a length, but no blocks.
    let buffer_len = accepted
        .as_ref()
        .map_or(0, |buffer| buffer.encode().len() as u64);
    let accepted = accepted.map(|buffer| buffer.pages).unwrap_or_default();
    let mut overlay: Overlay = accepted.into_iter().collect();
    let source = Source {
        file: &files.map,
        overlay: &overlay,
    };
    let loaded = load(&source, &files.data, superblock)?;
    report.rebuilt = loaded.rebuilt.iter().map(|(id, _)| *id).collect();
    report.lost = loaded.unproven.iter().map(DamagedLeaf::damage).collect();
    let access = if report.lost.is_empty() {
        access
    } else {
        Access::ReadOnly
    };
    match access {
        Access::ReadWrite => {
            write_rebuilt(&files.map, &loaded.rebuilt)?;
            overlay.clear();
        }
        Access::ReadOnly => overlay.extend(loaded.rebuilt),
    }
    let writer = Writer {
        access,
        highest_id,
        busy: false,
        closed: outcome == BufferOutcome::Closed,
        poison: None,
        data_len: files.data.len()?,
        // Where the file has space is asked again at the first need.
        homes_end: 0,
        set_aside: 0,
        last_freed: None,
        buffer_len: buffer_len.max(files.doublewrite.len()?.min(BUFFER_HEADER_LEN as u64)),
    };
    Ok((Map::new(files, loaded.state, writer, overlay), report))
}

fn write_rebuilt(map: &NamedFile, pages: &[(MapPageId, MapPage)]) -> Result<(), StorageError> {
    if pages.is_empty() {
        return Ok(());
    }
    write_pages(map, pages)?;
    map.sync()
}
