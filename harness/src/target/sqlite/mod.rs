//! SQLite as a target: its C library over a virtual file system of ours, on whatever disk a session is opened on.
//!
//! 1. What SQLite asks of its file system reaches the disk as its own `os_unix.c` would have it: no sync is added, none
//!    is left out. Verdicts on SQLite rest on this.
//! 2. Nothing depends on time, on the process or on other sessions: randomness comes from what the disk held at open.
//! 3. `unsafe` stands in `vfs`, `methods` and `connection` alone (docs/decisions/0010).

mod target;

mod session;

mod connection;

mod vfs;

mod methods;

mod open_file;

mod host;
mod shm;

#[cfg(test)]
mod tests;

pub use target::Sqlite;
