//! A driver in Rust: an engine behind a trait, and the loop that speaks the protocol of docs/drivers.md for it.
//!
//! 1. Whatever comes in is answered: what is not a request, not known, or out of its turn is a failure with a kind, never a panic.
//! 2. An engine that panics ends the process: that is what it would do to a user, and it is for the harness to see.
//! 3. At the end of input the engine is not closed and not dropped: a process that ends tidies nothing up.
//!
//! An engine of one's own, whole:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::path::Path;
//!
//! use chaos_driver_kit::{About, Engine, Failure, Level, Mode, Options, Promise, See, Write};
//!
//! struct Forgetful(BTreeMap<Vec<u8>, Vec<u8>>);
//!
//! impl Engine for Forgetful {
//!     fn about() -> About {
//!         About::new("forgetful", "1").level(Level::Sync, Promise::Nothing, Promise::Nothing)
//!     }
//!
//!     fn open(_dir: &Path, _mode: Mode, _options: &Options) -> Result<Self, Failure> {
//!         Ok(Self(BTreeMap::new()))
//!     }
//!
//!     fn commit(&mut self, writes: &[Write], _level: Level) -> Result<(), Failure> {
//!         for write in writes {
//!             match &write.value {
//!                 Some(value) => drop(self.0.insert(write.key.clone(), value.clone())),
//!                 None => drop(self.0.remove(&write.key)),
//!             }
//!         }
//!         Ok(())
//!     }
//!
//!     fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
//!         Ok(self.0.get(key).cloned())
//!     }
//!
//!     fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
//!         for (key, value) in self.0.range(from.to_vec()..) {
//!             if !see(key, value) {
//!                 break;
//!             }
//!         }
//!         Ok(())
//!     }
//!
//!     fn close(self) -> Result<(), Failure> {
//!         Ok(())
//!     }
//! }
//!
//! // fn main() -> std::process::ExitCode { chaos_driver_kit::serve::<Forgetful>() }
//! ```

mod about;
mod engine;
mod failure;
mod options;

mod home;
mod locked;

mod hex;
mod request;
mod serve;

pub use about::{About, Level, Promise};
pub use engine::{Engine, Mode, See, Write};
pub use failure::{Failure, Kind};
pub use home::Home;
pub use locked::locked;
pub use options::Options;
pub use serve::{serve, serve_on};
