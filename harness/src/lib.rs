//! Cuts the power, tears writes and lets storage fail under a database engine, and checks what it recovers against what it promised.
//!
//! This page is for those who have an engine in Rust: as a dev-dependency this crate runs scenarios as tests of it. An engine in another language,
//! or one that cannot be taught another storage, is tested as a process: `docs/drivers.md`. The command `chaos` is the same machinery for both;
//! `chaos init` writes a starter of what follows, and `docs/bring-your-engine.md` builds an engine from nothing.
//!
//! # Three pieces
//!
//! 1. **Storage.** The engine does its input and output through something that a test can replace: its own trait, or [`disk::Disk`] as it is. On a
//!    test that is a simulated disk, which knows what was synced and what was not; in production [`disk::RealDisk`], or whatever it is now.
//! 2. **A [`Target`]**: its name and how it is opened on a disk. What it promises is durable commits, unless [`Target::promises`] says otherwise;
//!    an engine is judged by its promises alone.
//! 3. **A session**: an open database. An engine that takes all changes of a transaction at once implements [`KeyValue`], three methods; one with
//!    transactions that are open side by side implements [`Session`].
//!
//! # A whole test
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::io;
//! use std::sync::Arc;
//!
//! use lightning_chaos::disk::{Disk, DiskFile, OpenMode};
//! use lightning_chaos::{
//!     Change, Durability, KeyValue, Mode, Options, RowSink, Session, Target, TargetError, check, one_at_a_time,
//! };
//!
//! /// A database in a file that is written anew for each commit, beside the old one, and renamed into its place.
//! struct Rewritten {
//!     disk: Arc<dyn Disk>,
//!     rows: BTreeMap<Vec<u8>, Vec<u8>>,
//! }
//!
//! impl Rewritten {
//!     fn open(disk: Arc<dyn Disk>, mode: Mode) -> io::Result<Self> {
//!         let rows = match disk.open("rows", OpenMode::Read) {
//!             Ok(file) => read(&*file)?,
//!             Err(error) if error.kind() == io::ErrorKind::NotFound && mode == Mode::CreateOrOpen => BTreeMap::new(),
//!             Err(error) => return Err(error),
//!         };
//!         let database = Self { disk, rows };
//!         database.write(&database.rows)?;
//!         Ok(database)
//!     }
//!
//!     fn write(&self, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<()> {
//!         if self.disk.list("")?.contains(&"new".to_owned()) {
//!             self.disk.remove("new")?;
//!         }
//!         let file = self.disk.open("new", OpenMode::Create)?;
//!         let mut bytes = Vec::new();
//!         for part in rows.iter().flat_map(|(key, value)| [key, value]) {
//!             bytes.extend((part.len() as u32).to_le_bytes());
//!             bytes.extend(part);
//!         }
//!         file.write_at(0, &bytes)?;
//!         file.sync()?; // without this line the test fails
//!         self.disk.rename("new", "rows")?;
//!         self.disk.sync_dir("") // and without this one
//!     }
//! }
//!
//! fn read(file: &dyn DiskFile) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
//!     let mut bytes = vec![0; file.len()? as usize];
//!     file.read_at(0, &mut bytes)?;
//!     let (mut parts, mut rest) = (Vec::new(), bytes.as_slice());
//!     while let Some((len, after)) = rest.split_first_chunk::<4>() {
//!         let part = after.split_at_checked(u32::from_le_bytes(*len) as usize);
//!         let (part, after) = part.ok_or(io::ErrorKind::InvalidData)?;
//!         parts.push(part.to_vec());
//!         rest = after;
//!     }
//!     Ok(parts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
//! }
//!
//! impl KeyValue for Rewritten {
//!     fn commit(&mut self, changes: &[Change], _: Durability) -> Result<(), TargetError> {
//!         let mut rows = self.rows.clone();
//!         for (key, value) in changes {
//!             match value {
//!                 Some(value) => drop(rows.insert(key.clone(), value.clone())),
//!                 None => drop(rows.remove(key)),
//!             }
//!         }
//!         self.write(&rows)?;
//!         self.rows = rows;
//!         Ok(())
//!     }
//!
//!     fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, TargetError> {
//!         Ok(self.rows.get(key).cloned())
//!     }
//!
//!     fn scan(&mut self, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
//!         self.rows.iter().for_each(|(key, value)| sink(key, value));
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct Engine;
//!
//! impl Target for Engine {
//!     fn name(&self) -> &'static str {
//!         "rewritten"
//!     }
//!
//!     fn open(&self, disk: Arc<dyn Disk>, _: &Options, mode: Mode) -> Result<Box<dyn Session>, TargetError> {
//!         Ok(one_at_a_time(Rewritten::open(disk, mode)?))
//!     }
//! }
//!
//! // In a `#[test]`:
//! println!("{}", check(Engine).scenario("power-loss").run());
//! ```
//!
//! # Scenarios
//!
//! [`Check::scenario`] takes the name of one that is built in ([`BUILTIN`]), the path of a file, or the text of one:
//!
//! ```no_run
//! # use lightning_chaos::{Check, check, Target};
//! # fn of(engine: impl Target + 'static) {
//! check(engine)
//!     .scenario("process-crash")
//!     .scenario("tests/scenarios/full-disk.toml")
//!     .scenario(
//!         r#"
//!         format = 1
//!         id = "short"
//!         title = "Two commits survive a power cut"
//!         [workload]
//!         kind = "kv"
//!         transactions = 2
//!         [[fault]]
//!         kind = "power-loss"
//!         model = "posix"
//!         at = "every-operation"
//!         [[check]]
//!         kind = "durability"
//!         [budget]
//!         cases = 50
//!         "#,
//!     )
//!     .run();
//! # }
//! ```
//!
//! `docs/design/scenarios.md` explains what can stand in one, `chaos schema` prints it. A test fails as well if a scenario tested nothing, or came to
//! no verdict. What it prints then ends with the seed, and with a line that runs the one case again: `CHAOS_REPLAY='c1:…' cargo test NAME`.

pub use lightning_db::disk;

pub use target::{
    Ability, Applied, Change, ClientId, CrashKind, Durability, ErrorKind, Isolation, KeyRange,
    KeyValue, KnownOption, Mode, OptionError, OptionKind, Options, Promise, Promises, RowSink,
    Session, Target, TargetError, one_at_a_time,
};
pub use testing::{BUILTIN, Check, Failed, Passed, check};

#[doc(hidden)]
pub mod cli;

#[doc(hidden)]
pub mod audit;
#[doc(hidden)]
pub mod doctor;
#[doc(hidden)]
pub mod league;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod soak;
mod testing;

#[doc(hidden)]
pub mod case;
#[doc(hidden)]
pub mod worker;

#[doc(hidden)]
pub mod batch;
mod block;
mod calibrate;
#[doc(hidden)]
pub mod failpoints;
#[doc(hidden)]
pub mod scenario;

#[doc(hidden)]
pub mod ddmin;
#[doc(hidden)]
pub mod shrink;

#[doc(hidden)]
pub mod crash;
#[doc(hidden)]
pub mod fuse;
#[doc(hidden)]
pub mod rng;
#[doc(hidden)]
pub mod sim;
#[doc(hidden)]
pub mod survival;
#[doc(hidden)]
pub mod threads;
#[doc(hidden)]
pub mod toy;
#[doc(hidden)]
pub mod trace;

#[doc(hidden)]
pub mod oracle;
#[doc(hidden)]
pub mod target;
#[doc(hidden)]
pub mod workload;

#[doc(hidden)]
pub mod explore;
pub mod process;

#[cfg(feature = "sqlite")]
#[doc(hidden)]
pub mod truth;
