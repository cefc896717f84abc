//! A disk whose survival is decided as it is looked at.
//!
//! 1. Before a call looks at something undecided, that is decided and put into the state under what was written since.
//! 2. A sector that is overwritten before anybody looks is never decided: what survived of it cannot be seen.
//! 3. A write, or a cut, that keeps part of a sector decides it first; one past the shortest length, the length.
//! 4. Two disks after one power cut share its decisions; each remembers which of them its own state has.

use std::collections::BTreeSet;

use super::machine::Machine;
use crate::survival::Survival;
use crate::trace::InodeId;

/// What of an undecided disk was looked at, or is out of sight for good.
#[derive(Clone, Debug)]
pub(super) struct Lazy {
    survival: Survival,
    names: bool,
    lens: BTreeSet<InodeId>,
    sectors: BTreeSet<(InodeId, u64)>,
}

impl Lazy {
    pub(super) fn new(survival: Survival) -> Self {
        Self {
            survival,
            names: false,
            lens: BTreeSet::new(),
            sectors: BTreeSet::new(),
        }
    }

    /// The pending sectors of a file that reach into a range and were never looked at nor overwritten.
    fn open_in(&self, inode: InodeId, start: u64, end: u64) -> Vec<u64> {
        let Some(file) = self.survival.undecided().file(inode) else {
            return Vec::new();
        };
        let sectors = file.sectors_in(start, end);
        sectors
            .filter(|&offset| !self.sectors.contains(&(inode, offset)))
            .collect()
    }
}

impl Machine {
    /// Before a call that depends on names.
    pub(super) fn look_at_names(&mut self) {
        if let Some(lazy) = self.lazy.as_mut().filter(|lazy| !lazy.names) {
            lazy.names = true;
            self.state.decide_names(&lazy.survival.decide_names());
        }
    }

    /// Before a call that depends on a file's length.
    pub(super) fn look_at_len(&mut self, inode: InodeId) {
        let Some(lazy) = &mut self.lazy else { return };
        if lazy.survival.undecided().file(inode).is_none() || !lazy.lens.insert(inode) {
            return;
        }
        if let Some(len) = lazy.survival.decide_len(inode)
            && let Some(file) = self.state.file_mut(inode)
        {
            file.decide_len(len);
        }
    }

    /// Before a call that reads bytes: if they are there, they are decided.
    pub(super) fn look_at_bytes(&mut self, inode: InodeId, offset: u64, len: u64) {
        self.look_at_len(inode);
        let end = offset.saturating_add(len);
        if self.state.file(inode).is_some_and(|file| end <= file.len()) {
            for sector in self.open_in(inode, offset, end) {
                self.look_at_sector(inode, sector);
            }
        }
    }

    /// Before a write.
    pub(super) fn look_before_write(&mut self, inode: InodeId, offset: u64, len: u64) {
        let Some((len_min, sector_len)) = self.undecided_file(inode) else {
            return;
        };
        let end = offset.saturating_add(len);
        let reaches_out = end > len_min;
        let sectors = self.open_in(inode, offset, end);
        let keeps_part = |&sector: &u64| sector < offset || sector + sector_len > end;
        if reaches_out || sectors.iter().any(keeps_part) {
            self.look_at_len(inode);
        }
        for sector in sectors {
            self.pass_or_look(inode, sector, keeps_part(&sector));
        }
    }

    /// Before a file's length is set.
    pub(super) fn look_before_cut(&mut self, inode: InodeId, len: u64) {
        self.look_at_len(inode);
        if self.state.file(inode).is_none_or(|file| len >= file.len()) {
            return;
        }
        for sector in self.open_in(inode, len, u64::MAX) {
            self.pass_or_look(inode, sector, sector < len);
        }
    }

    /// The shortest length that may survive, and the length of a sector, of a file with something undecided.
    fn undecided_file(&self, inode: InodeId) -> Option<(u64, u64)> {
        let file = self.lazy.as_ref()?.survival.undecided().file(inode)?;
        Some((file.len_min(), file.sector_len()))
    }

    fn open_in(&self, inode: InodeId, start: u64, end: u64) -> Vec<u64> {
        self.lazy
            .as_ref()
            .map_or_else(Vec::new, |lazy| lazy.open_in(inode, start, end))
    }

    fn pass_or_look(&mut self, inode: InodeId, sector: u64, keeps_part: bool) {
        if keeps_part {
            self.look_at_sector(inode, sector);
        } else if let Some(lazy) = &mut self.lazy {
            lazy.sectors.insert((inode, sector));
        }
    }

    fn look_at_sector(&mut self, inode: InodeId, sector: u64) {
        let Some(lazy) = &mut self.lazy else { return };
        lazy.sectors.insert((inode, sector));
        if let Some(bytes) = lazy.survival.decide_sector(inode, sector)
            && let Some(file) = self.state.file_mut(inode)
        {
            file.decide_sector(sector, &bytes);
        }
    }
}
