//! The engines under test, behind one small trait.
//!
//! A target is opened on a disk; several clients' transactions may be open at once, each with one thread at a time. One that can shares
//! an open database among several threads.
//! It declares what it promises for each durability level and kind of crash, and is judged by that alone.
//! Nothing here knows scenarios, workloads, crash states or the oracle.

mod contract;
mod error;
mod promises;

mod options;

mod driver;
mod lightning;
mod redb;
#[cfg(feature = "sqlite")]
mod sqlite;
mod toy;

mod key_value;

mod folder;
mod guest;
mod spoiled;

mod find;

pub use driver::{Driver, Step, StepEnd, check_driver, is_process};

pub use contract::{Ability, ClientId, Copied, KeyRange, Mode, Options, RowSink, Session, Target};
pub use error::{Applied, Breakdown, BreakdownKind, ErrorKind, TargetError};
pub use find::{TARGETS, find};
pub use guest::{Hosted, host};
pub use key_value::{Change, KeyValue, one_at_a_time};
pub use options::{KnownOption, OptionError, OptionKind, parse_size};
pub use promises::{CrashKind, Durability, Isolation, Promise, Promises};
pub use spoiled::Spoiled;
