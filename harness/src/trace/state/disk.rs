//! What a disk holds, and how each operation changes it.
//!
//! 1. `apply` is the only way in: the running disk and the replay of a trace go through it alike.
//! 2. A clone shares everything, and is cheap; a change copies the one file, or the one chunk of it, or the names.
//! 3. It does not know why an operation came, whether it was right, or what will survive: it keeps the versions
//!    from which `crash` chooses.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use super::super::event::{Event, FileRef, Operation};
use super::file::FileState;
use super::names::{Change, Entry, Names};
use super::sectors::SectorSize;

/// Names a file for as long as its disk lives, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub u32);

/// The order of the operations that changed a disk, across boots: larger is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(pub u64);

impl Order {
    /// What was durable before anything pending.
    pub const BASE: Self = Self(0);
}

/// The last operation, if it was a write that nobody saw the end of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) inode: InodeId,
    pub(crate) order: Order,
}

/// What a disk holds: what is durable, what is pending, and what readers see.
#[derive(Clone, Debug, Default)]
pub struct DiskState {
    sector: SectorSize,
    pub(super) names: Arc<Names>,
    pub(super) files: Vec<Option<Arc<FileState>>>,
    pub(super) newest: Order,
    pub(super) durable: Order,
    pub(super) journaled: Order,
    in_flight: Option<InFlight>,
}

impl DiskState {
    /// An empty disk.
    pub fn new(sector: SectorSize) -> Self {
        Self {
            sector,
            ..Self::default()
        }
    }

    /// The names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// A file's content.
    pub fn file(&self, inode: InodeId) -> Option<&FileState> {
        self.files.get(slot(inode))?.as_deref()
    }

    /// The content of the file that has a name now.
    pub fn named(&self, name: &str) -> Option<&FileState> {
        match self.names.get(name)? {
            Entry::File(inode) => self.file(inode),
            Entry::Directory => None,
        }
    }

    /// All files, also those without a name.
    pub fn files(&self) -> impl Iterator<Item = (InodeId, &FileState)> {
        let known = (0..).map(InodeId).zip(&self.files);
        known.filter_map(|(inode, file)| Some((inode, file.as_deref()?)))
    }

    /// Whether a power cut could change what readers see.
    pub fn is_pending(&self) -> bool {
        !self.names.pending().is_empty() || self.files().any(|(_, file)| file.is_pending())
    }

    /// The newest operation.
    pub fn newest(&self) -> Order {
        self.newest
    }

    /// The newest operation that a sync has covered.
    pub fn durable(&self) -> Order {
        self.durable
    }

    /// The newest change of metadata that a sync has made durable, with all before it, where a journal keeps their order.
    pub fn journaled(&self) -> Order {
        self.journaled
    }

    /// The id that the next created file gets.
    pub fn next_inode(&self) -> InodeId {
        InodeId(u32::try_from(self.files.len()).unwrap_or(u32::MAX))
    }

    /// Does what an event did.
    pub fn apply(&mut self, event: &Event) {
        self.in_flight = None;
        if let Some(operation) = event.applied() {
            self.operate(operation);
        }
    }

    fn operate(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(file) => self.create(file),
            Operation::CreateDir { name } => {
                self.rename(Change::Set {
                    name: Arc::clone(name),
                    entry: Entry::Directory,
                });
            }
            Operation::Rename { from, to } => {
                if let Some(Entry::File(inode)) = self.names.get(from) {
                    let (from, to) = (Arc::clone(from), Arc::clone(to));
                    self.rename(Change::Rename { from, to, inode });
                }
            }
            Operation::Remove { name } => self.rename(Change::Remove {
                name: Arc::clone(name),
            }),
            Operation::SyncDir { dir } => {
                let newest = self.names.newest_in(dir);
                self.journaled = self.journaled.max(newest.unwrap_or_default());
                let covered = Arc::make_mut(&mut self.names).sync_dir(dir);
                self.durable = self.durable.max(covered.unwrap_or_default());
            }
            Operation::Write {
                file,
                offset,
                bytes,
            } => {
                let order = self.change(file, |state, order| state.write(*offset, bytes, order));
                self.in_flight = Some(InFlight {
                    inode: file.inode,
                    order,
                });
            }
            Operation::SetLen { file, len } => {
                self.change(file, |state, order| state.set_len(*len, order));
            }
            Operation::Allocate { file, offset, len } => {
                let end = offset.saturating_add(*len);
                self.change(file, |state, order| state.allocate(end, order));
            }
            Operation::Sync(file) => self.sync(file),
            Operation::FailSync { file, dropped } => self.fail_sync(file, *dropped),
        }
    }

    fn tick(&mut self) -> Order {
        self.newest.0 += 1;
        self.newest
    }

    fn create(&mut self, file: &FileRef) {
        if self.files.len() <= slot(file.inode) {
            self.files.resize(slot(file.inode) + 1, None);
        }
        self.files[slot(file.inode)] = Some(Arc::new(FileState::new(self.sector)));
        self.rename(Change::Set {
            name: Arc::clone(&file.name),
            entry: Entry::File(file.inode),
        });
    }

    fn rename(&mut self, change: Change) {
        let order = self.tick();
        Arc::make_mut(&mut self.names).change(change, order);
    }

    fn change(&mut self, file: &FileRef, edit: impl FnOnce(&mut FileState, Order)) -> Order {
        let order = self.tick();
        if let Some(Some(state)) = self.files.get_mut(slot(file.inode)) {
            edit(Arc::make_mut(state), order);
        }
        order
    }

    fn sync(&mut self, file: &FileRef) {
        let sized = self.file(file.inode).and_then(FileState::newest_size);
        let changed = sized.max(self.names.creation_of(file.inode));
        self.journaled = self.journaled.max(changed.unwrap_or_default());
        if let Some(Some(state)) = self.files.get_mut(slot(file.inode))
            && state.newest().is_some()
        {
            let covered = Arc::make_mut(state).sync();
            self.durable = self.durable.max(covered.unwrap_or_default());
        }
    }

    fn fail_sync(&mut self, file: &FileRef, dropped: bool) {
        if let Some(Some(state)) = self.files.get_mut(slot(file.inode))
            && state.newest().is_some()
        {
            Arc::make_mut(state).fail_sync(dropped);
        }
    }

    pub(crate) fn in_flight(&self) -> Option<InFlight> {
        self.in_flight
    }

    /// Lets the last operation be over.
    pub(crate) fn settle(&mut self) {
        self.in_flight = None;
    }

    /// The disk with another content of one file.
    pub(crate) fn replace(&mut self, inode: InodeId, file: FileState) {
        self.in_flight = None;
        if let Some(state) = self.files.get_mut(slot(inode)) {
            *state = Some(Arc::new(file));
        }
    }

    /// The disk after a power cut that left these names, and of each file that has one what `resolve` makes of
    /// it. Nothing is pending then, and files without a name are gone.
    pub(crate) fn survivor(
        &self,
        names: Names,
        mut resolve: impl FnMut(InodeId, &FileState) -> FileState,
    ) -> Self {
        let mut files = vec![None; self.files.len()];
        for (_, entry) in names.iter() {
            if let Entry::File(inode) = entry
                && let Some(Some(file)) = self.files.get(slot(inode))
            {
                let whole = !file.is_pending();
                let kept = if whole {
                    Arc::clone(file)
                } else {
                    Arc::new(resolve(inode, file))
                };
                files[slot(inode)] = Some(kept);
            }
        }
        let (sector, newest) = (self.sector, self.newest);
        Self {
            sector,
            names: Arc::new(names),
            files,
            newest,
            durable: newest,
            journaled: newest,
            in_flight: None,
        }
    }

    /// The disk after a power cut of which nothing is decided yet: the newest names, and every file as
    /// [`FileState::undecided`] has it.
    pub(crate) fn undecided(&self) -> Self {
        let undecided = |file: &Arc<FileState>| {
            if file.is_pending() {
                Arc::new(file.undecided())
            } else {
                Arc::clone(file)
            }
        };
        let files = self.files.iter();
        let files = files.map(|file| file.as_ref().map(undecided)).collect();
        Self {
            sector: self.sector,
            names: Arc::new(self.names.survivor(|_| true)),
            files,
            newest: self.newest,
            durable: self.newest,
            journaled: self.newest,
            in_flight: None,
        }
    }

    /// Puts the names that survived in place of the newest. Until then no name may change.
    pub(crate) fn decide_names(&mut self, names: &Names) {
        self.names = Arc::new(names.clone());
        let kept: BTreeSet<_> = names.iter().map(|(_, entry)| entry).collect();
        for (inode, file) in (0..).map(InodeId).zip(&mut self.files) {
            if !kept.contains(&Entry::File(inode)) {
                *file = None;
            }
        }
    }

    /// A file's content, to be decided.
    pub(crate) fn file_mut(&mut self, inode: InodeId) -> Option<&mut FileState> {
        self.files.get_mut(slot(inode))?.as_mut().map(Arc::make_mut)
    }

    /// Writes what readers see into a real directory, which is created if need be and should be empty.
    pub fn materialize(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        for (name, entry) in self.names.iter() {
            match entry {
                Entry::Directory => fs::create_dir_all(dir.join(&**name))?,
                Entry::File(inode) => {
                    fs::write(
                        dir.join(&**name),
                        self.file(inode).map_or(vec![], FileState::bytes),
                    )?;
                }
            }
        }
        Ok(())
    }
}

fn slot(inode: InodeId) -> usize {
    usize::try_from(inode.0).unwrap_or(usize::MAX)
}
