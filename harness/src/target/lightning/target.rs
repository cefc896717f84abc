//! Lightning DB as a target.

use std::sync::Arc;

use lightning_db::Database;
use lightning_db::disk::Disk;

use super::copies::{self, with_archive};
use super::errors::of_open;
use super::options::{KNOWN, check, is_serializable};
use super::session::LightningSession;
use crate::target::{
    Ability, Copied, Durability, KnownOption, Mode, OptionError, Options, Promise, Promises,
    Session, Target, TargetError,
};

/// Lightning DB.
#[derive(Debug)]
pub struct Lightning {
    promises: Promises,
}

impl Default for Lightning {
    fn default() -> Self {
        use Promise::{Durable, Prefix};
        let promises = Promises::none()
            .with(Durability::Sync, Durable, Durable)
            .with(Durability::Buffered, Durable, Prefix)
            .with(Durability::None, Prefix, Prefix)
            .going_on_with_space()
            .with_shown_durable();
        Self { promises }
    }
}

impl Target for Lightning {
    fn name(&self) -> &'static str {
        "lightning"
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Failpoints => cfg!(feature = "failpoints"),
            Ability::Interleave
            | Ability::Checkpoint
            | Ability::Verify
            | Ability::Savepoints
            | Ability::Ranges
            | Ability::Tables
            | Ability::Compact
            | Ability::Backup
            | Ability::Threads => true,
        }
    }

    fn known_options(&self) -> &'static [KnownOption] {
        KNOWN
    }

    fn promises(&self, options: &Options) -> Promises {
        let promises = self.promises.clone();
        if is_serializable(options) {
            return promises.serializable();
        }
        promises
    }

    fn check_options(&self, options: &Options) -> Result<(), OptionError> {
        let known = |(name, value): (&String, &String)| KnownOption::check(KNOWN, name, value);
        options.iter().try_for_each(known)?;
        check(options)
    }

    fn is_log(&self, name: &str) -> bool {
        name.starts_with("wal/")
    }

    fn restore(
        &self,
        from: Arc<dyn Disk>,
        copy: Copied<'_>,
        options: &Options,
        to: Arc<dyn Disk>,
    ) -> Result<(), TargetError> {
        copies::restore(from, copy, options, to)
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        let options = with_archive(options, &disk)?;
        let kept = Arc::clone(&disk);
        let database = match mode {
            Mode::Existing => Database::open_on(disk, options),
            Mode::CreateOrOpen => Database::open_or_create_on(disk, options),
        };
        let database = database.map_err(|error| of_open(&error))?;
        Ok(Box::new(LightningSession::new(database, kept)))
    }
}
