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
use crate::trace::{DiskState, FileState, Order};

/// What an operation changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Names.
    Names,
    /// The length of its file.
    Len,
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
        all.extend(file.sizes().skip(1).map(|size| Piece {
            order: size.order,
            part: Part::Len,
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

/// What a power cut leaves of which these pieces survive.
pub fn left_of(state: &DiskState, keeps: impl Fn(Piece) -> bool) -> DiskState {
    let piece = |order, part| Piece { order, part };
    let names = state
        .names()
        .survivor(|change| keeps(piece(change.order, Part::Names)));
    state.survivor(names, |_, file| {
        let is_left = |order| order == Order::BASE || keeps(piece(order, Part::Len));
        let size = file.sizes().filter(|size| is_left(size.order)).last();
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
    let sizes: Vec<_> = before.sizes().skip(1).collect();
    let size = sizes.iter().rfind(|size| size.len == left.len());
    let base = before.sizes().next().map_or(0, |size| size.len);
    let len = size.filter(|_| left.len() != base || sizes.last().is_some_and(|s| s.len == base));
    let mut kept: Vec<Piece> = len
        .map(|size| Piece {
            order: size.order,
            part: Part::Len,
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
