//! redb as a target: what it promises, what can be set.
//!
//! - A commit with `Durability::Immediate` (here `sync`) is "persistent as soon as commit returns"; one with `None` is not "unless
//!   followed by a commit with Immediate". The latter lives in redb's own memory, so the end of the process takes it
//!   like a power cut. There is nothing in between.
//! - redb's design page assumes of the disk that single bytes are written whole, that what is synced stays, and that bytes
//!   beside a write stay as they are: so it promises the same where writes are torn inside a sector.
//! - What is called a checkpoint is `compact`, which moves pages and cuts the file.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use lightning_db::disk::Disk;

use super::engine::{Engine, Settings};
use super::file::open_with;
use super::session::RedbSession;
use crate::target::{
    Ability, Durability, KnownOption, Mode, OptionKind, Options, Promise, Promises, Session,
    Target, TargetError, parse_size,
};

/// Far below redb's own default, so that pages are evicted and written before their commit.
const CACHE_LEN: u64 = 256 << 10;

const KNOWN: &[KnownOption] = &[
    KnownOption {
        name: "two_phase",
        kind: OptionKind::Switch,
    },
    KnownOption {
        name: "quick_repair",
        kind: OptionKind::Switch,
    },
    KnownOption {
        name: "cache_size",
        kind: OptionKind::Size,
    },
];

/// A version of redb.
#[derive(Debug)]
pub struct Redb<E> {
    promises: Promises,
    version: PhantomData<E>,
}

impl<E: Engine> Default for Redb<E> {
    fn default() -> Self {
        use Promise::{Durable, Prefix};
        let promises = Promises::none()
            .with(Durability::Sync, Durable, Durable)
            .with(Durability::None, Prefix, Prefix)
            .serializable()
            .without_any_word_of_damage()
            .even_if_sectors_tear();
        Self {
            promises,
            version: PhantomData,
        }
    }
}

impl<E: Engine> Target for Redb<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Interleave
            | Ability::Savepoints
            | Ability::Ranges
            | Ability::Tables
            | Ability::Compact
            | Ability::Backup
            | Ability::Threads
            | Ability::Failpoints => false,
            Ability::Checkpoint | Ability::Verify => true,
        }
    }

    fn known_options(&self) -> &'static [KnownOption] {
        KNOWN
    }

    fn promises(&self, _options: &Options) -> Promises {
        self.promises.clone()
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        let settings = settings(options);
        let session = open_with(&*disk, mode, |file| RedbSession::<E>::open(file, settings))?;
        Ok(Box::new(session))
    }
}

fn settings(options: &Options) -> Settings {
    let switch = |name: &str| options.get(name).is_some_and(|value| value == "true");
    let cache = options
        .get("cache_size")
        .and_then(|value| parse_size(value))
        .unwrap_or(CACHE_LEN);
    Settings {
        two_phase: switch("two_phase"),
        quick_repair: switch("quick_repair"),
        cache_len: usize::try_from(cache).unwrap_or(usize::MAX),
    }
}
