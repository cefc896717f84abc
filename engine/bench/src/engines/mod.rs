//! The engines, each through its own interface.

#[cfg(feature = "full")]
mod canopydb;
mod fjall;
mod lightning;
mod lmdb;
#[cfg(feature = "mdbx")]
mod mdbx;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "full")]
mod sled;
mod sqlite;
mod sqlite_connection;

mod registry;

pub use registry::all;
