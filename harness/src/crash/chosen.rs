//! One survival, spelled out: which of the pending pieces of a disk are left by a power cut.
//!
//! 1. A *piece* is what one operation did to one variable: the names, a file's length, or one sector. Any set of pieces is a legal
//!    survival of `posix`: of a sector and of a length the newest piece in the set is left, of names those whose forerunners are in it too.
//! 2. What is left is a function of the disk and the set alone.

use std::collections::BTreeSet;

use super::cut::{cut_at, reaches};
use super::journal::is_journaled;
use super::media::is_spoilt;
use crate::scenario::CrashModel;
use crate::trace::{DiskState, FileState, Order, SizeVersion};

/// What an operation changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Names.
    Names,
    /// The length of its file.
    Len,
    /// The length of its file as far as the block that it ended in: a write that reaches past that gives it both.
    LenInBlock,
    /// The sector of its file at this offset.
    Sector(u64),
}

/// Something pending that a power cut leaves or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// The operation.
    pub order: Order,
    /// What of it.
    pub part: Part,
}

/// All that is pending, oldest first.
pub fn pieces(state: &DiskState) -> Vec<Piece> {
    let names = state.names().pending().iter().map(|change| Piece {
        order: change.order,
        part: Part::Names,
    });
    let mut all: Vec<Piece> = names.collect();
    for (_, file) in state.files() {
        let lens = lens(file).into_iter().skip(1);
        all.extend(lens.map(|(size, part)| Piece {
            order: size.order,
            part,
        }));
        for (offset, versions) in file.pending_sectors() {
            let newer = versions.all().iter().skip(1);
            all.extend(newer.map(|&(order, _)| Piece {
                order,
                part: Part::Sector(offset),
            }));
        }
    }
    all.sort_unstable();
    all
}

/// The lengths of a file, the durable one first, and which part of their operations each is.
fn lens(file: &FileState) -> Vec<(SizeVersion, Part)> {
    let sizes: Vec<_> = file.sizes().collect();
    let part = |place: usize, size: SizeVersion| match sizes.get(place + 1) {
        Some(next) if next.order == size.order => Part::LenInBlock,
        _ => Part::Len,
    };
    let places = sizes.iter().enumerate();
    places
        .map(|(place, &size)| (size, part(place, size)))
        .collect()
}

/// What a power cut leaves of which these pieces survive.
pub fn left_of(state: &DiskState, keeps: impl Fn(Piece) -> bool) -> DiskState {
    let piece = |order, part| Piece { order, part };
    let names = state
        .names()
        .survivor(|change| keeps(piece(change.order, Part::Names)));
    state.survivor(names, |_, file| {
        let is_left =
            |size: SizeVersion, part| size.order == Order::BASE || keeps(piece(size.order, part));
        let mut lens = lens(file).into_iter().rev();
        let size = lens.find_map(|(size, part)| is_left(size, part).then_some(size));
        let (order, len) = size.map_or((Order::BASE, 0), |size| (size.order, size.len));
        let cuts = file.cuts_after(order);
        file.survivor(len, |offset, order| {
            !cuts.took(offset, order) && keeps(piece(order, Part::Sector(offset)))
        })
    })
}

/// The pieces that a power cut left of `before`, if `after` is what it left; nothing if `posix` has no such survival.
pub fn kept_in(before: &DiskState, after: &DiskState) -> Option<BTreeSet<Piece>> {
    let mut kept = kept_names(before, after)?;
    for (inode, left) in after.files() {
        if let Some(file) = before.file(inode) {
            kept.extend(kept_of(file, left));
        }
    }
    let again = left_of(before, |piece| kept.contains(&piece));
    (again.digest() == after.digest()).then_some(kept)
}

/// The changes of names that make the names after the cut: from the newest on, each that is not needed is left out.
fn kept_names(before: &DiskState, after: &DiskState) -> Option<BTreeSet<Piece>> {
    let all = before.names().pending();
    let mut kept: Vec<bool> = vec![true; all.len()];
    let mismatch = |kept: &[bool]| {
        let mut keeps = kept.iter().copied();
        let names = before.names().survivor(|_| keeps.next().unwrap_or(false));
        let here: BTreeSet<_> = names.iter().collect();
        let there: BTreeSet<_> = after.names().iter().collect();
        here.symmetric_difference(&there).count()
    };
    let mut best = mismatch(&kept);
    for place in (0..all.len()).rev() {
        kept[place] = false;
        let now = mismatch(&kept);
        if now <= best && best > 0 {
            best = now;
        } else {
            kept[place] = true;
        }
    }
    let changes = all.iter().zip(kept).filter(|(_, keeps)| *keeps);
    let kept = changes.map(|(change, _)| Piece {
        order: change.order,
        part: Part::Names,
    });
    (best == 0).then(|| kept.collect())
}

fn kept_of(before: &FileState, left: &FileState) -> Vec<Piece> {
    let mut sizes = lens(before);
    let base = sizes.remove(0).0.len;
    let size = sizes.iter().rfind(|(size, _)| size.len == left.len());
    let is_newest = sizes.last().is_some_and(|(size, _)| size.len == base);
    let len = size.filter(|_| left.len() != base || is_newest);
    let mut kept: Vec<Piece> = len
        .map(|&(size, part)| Piece {
            order: size.order,
            part,
        })
        .into_iter()
        .collect();
    for (offset, versions) in before.pending_sectors() {
        let inside = usize::try_from(left.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; inside.min(before.sector().bytes())];
        left.read(offset, &mut bytes);
        let all = versions.all();
        let version = all.iter().rfind(|(_, held)| held.starts_with(&bytes));
        kept.extend(
            version
                .filter(|(order, _)| *order != all[0].0)
                .map(|&(order, _)| Piece {
                    order,
                    part: Part::Sector(offset),
                }),
        );
    }
    kept
}

/// Whether a model allows a survival of `posix`. A process crash takes nothing in whole pieces, so it never does.
pub fn is_legal(model: CrashModel, before: &DiskState, after: &DiskState) -> bool {
    match model {
        CrashModel::Posix => true,
        CrashModel::Journaled => is_journaled(before, after),
        CrashModel::Prefix => is_in_order(before, after),
        CrashModel::Media => !is_spoilt(before, after),
        CrashModel::ProcessCrash => false,
    }
}

/// Whether storage that keeps the order of all operations could have left `after` of `before`.
fn is_in_order(before: &DiskState, after: &DiskState) -> bool {
    let wanted = after.digest();
    let mut all = reaches(before);
    all.any(|reach| cut_at(before, &reach).digest() == wanted)
}

#[cfg(test)]
mod tests {
    use lightning_db::disk::{Disk, OpenMode};

    use super::*;
    use crate::sim::{SimConfig, SimDisk};

    #[test]
    fn both_lengths_of_one_write_are_pieces_of_their_own() {
        let disk = SimDisk::new(SimConfig::default());
        let file = disk.open("a", OpenMode::Create).unwrap();
        file.write_at(0, &[7; 5000]).unwrap();
        file.sync().unwrap();
        disk.sync_dir("").unwrap();
        file.write_at(5000, &[8; 4000]).unwrap();
        let state = disk.state();
        let all = pieces(&state);
        let is_len = |piece: &&Piece| matches!(piece.part, Part::Len | Part::LenInBlock);
        let lens: Vec<Part> = all.iter().filter(is_len).map(|piece| piece.part).collect();
        assert_eq!(lens, [Part::Len, Part::LenInBlock]);
        let left = |part: Part| left_of(&state, |piece| piece.part == part);
        let len = |left: &DiskState| left.files().map(|(_, file)| file.len()).max();
        assert_eq!(len(&left(Part::LenInBlock)), Some(8192));
        assert_eq!(len(&left(Part::Len)), Some(9000));
        assert_eq!(len(&left(Part::Names)), Some(5000));
        for part in [Part::LenInBlock, Part::Len] {
            let left = left(part);
            let kept = kept_in(&state, &left).unwrap();
            let again = left_of(&state, |piece| kept.contains(&piece));
            assert_eq!(again.digest(), left.digest(), "{part:?}");
        }
    }
}
