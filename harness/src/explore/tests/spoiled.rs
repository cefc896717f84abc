//! The toy with faults of behaviour that no switch of its own gives it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lightning_db::disk::{Disk, OpenMode};

use crate::target::{
    Ability, ClientId, Durability, ErrorKind, KnownOption, Mode, Options, Promises, RowSink,
    Session, Target, TargetError, find,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoil {
    PanicOnRecovery,
    PanicOnFailedRecovery,
    SpinOnRecovery,
    /// As many calls as it takes for somebody with little patience to call it a hang.
    SlowRecovery,
    SecondRecoveryLosesARow,
    CallsDifferEachTime,
    LooksElsewhereEachTime,
    ReadOnlyAfterRecovery,
    StaleReads,
}

#[derive(Debug)]
pub(super) struct Spoiled {
    toy: Box<dyn Target>,
    spoil: Spoil,
    opened: AtomicU64,
}

struct SpoiledSession {
    toy: Box<dyn Session>,
    spoil: Spoil,
    recovered: bool,
    second: bool,
}

impl Spoiled {
    pub(super) fn new(spoil: Spoil) -> Self {
        let toy = find("toy").unwrap_or_else(|| panic!("the toy is a target"));
        Self {
            toy,
            spoil,
            opened: AtomicU64::new(0),
        }
    }
}

/// Reads one of the first sectors of the log, if it is there: another one, however often a run opens it.
fn look_at_sector(disk: &dyn Disk, opened: u64) {
    let which = opened + opened / 3;
    if let Ok(file) = disk.open("toy.log", OpenMode::Read) {
        let _ = file.read_at(which % 3 * 512, &mut [0]);
    }
}

impl Target for Spoiled {
    fn name(&self) -> &'static str {
        "spoiled"
    }

    fn can(&self, ability: Ability) -> bool {
        self.toy.can(ability)
    }

    fn known_options(&self) -> &'static [KnownOption] {
        self.toy.known_options()
    }

    fn promises(&self, options: &Options) -> Promises {
        self.toy.promises(options)
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        let recovered = disk.list("").is_ok_and(|names| !names.is_empty());
        let opened = self.opened.fetch_add(1, Ordering::Relaxed);
        match self.spoil {
            Spoil::PanicOnRecovery if recovered => panic!("spoiled"),
            Spoil::SpinOnRecovery if recovered => while disk.list("").is_ok() {},
            Spoil::SlowRecovery if recovered => {
                (0..30_000).for_each(|_| drop(disk.list("")));
            }
            Spoil::CallsDifferEachTime if opened % 2 == 1 => {
                let _ = disk.list("");
            }
            Spoil::LooksElsewhereEachTime if recovered => look_at_sector(&*disk, opened),
            _ => {}
        }
        let opened = self.toy.open(disk, options, mode);
        let bears_it = opened.is_ok() || !recovered || self.spoil != Spoil::PanicOnFailedRecovery;
        assert!(bears_it, "spoiled");
        let mut toy = opened?;
        let second = self.spoil == Spoil::SecondRecoveryLosesARow
            && recovered
            && !was_first_recovery(&mut *toy)?;
        Ok(Box::new(SpoiledSession {
            toy,
            spoil: self.spoil,
            recovered,
            second,
        }))
    }
}

/// Leaves a row behind to know the second recovery by.
fn was_first_recovery(toy: &mut dyn Session) -> Result<bool, TargetError> {
    let client = ClientId(u16::MAX);
    toy.begin(client)?;
    if toy.get(client, "left behind", b"")?.is_some() {
        toy.rollback(client)?;
        return Ok(false);
    }
    toy.put(client, "left behind", b"", b"")?;
    toy.commit(client, Durability::Sync)?;
    Ok(true)
}

impl Session for SpoiledSession {
    fn begin(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.toy.begin(client)
    }

    fn get(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        let value = self.toy.get(client, table, key)?;
        Ok(value.filter(|_| self.spoil != Spoil::StaleReads))
    }

    fn put(
        &mut self,
        client: ClientId,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError> {
        self.toy.put(client, table, key, value)
    }

    fn delete(&mut self, client: ClientId, table: &str, key: &[u8]) -> Result<(), TargetError> {
        self.toy.delete(client, table, key)
    }

    fn commit(&mut self, client: ClientId, durability: Durability) -> Result<(), TargetError> {
        if self.recovered && self.spoil == Spoil::ReadOnlyAfterRecovery {
            return Err(TargetError::refused(ErrorKind::Other, "read only"));
        }
        self.toy.commit(client, durability)
    }

    fn rollback(&mut self, client: ClientId) -> Result<(), TargetError> {
        self.toy.rollback(client)
    }

    fn scan(&mut self, table: &str, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        let mut hidden = self.second;
        self.toy.scan(table, &mut |key, value| {
            if !std::mem::take(&mut hidden) {
                sink(key, value);
            }
        })
    }

    fn checkpoint(&mut self) -> Result<(), TargetError> {
        self.toy.checkpoint()
    }

    fn verify(&mut self) -> Result<Vec<String>, TargetError> {
        self.toy.verify()
    }

    fn close(self: Box<Self>) -> Result<(), TargetError> {
        self.toy.close()
    }
}
