//! Lightning DB as a target.
//!
//! A database's salt is fixed, so that a run is repeated to the byte. It has a thread of its own only where that is interleaved by
//! the seed: elsewhere checkpoints "in the background" are run by the thread that makes them due.
//!
//! A map page that recovery had to rebuild from the slots counts as a problem of its integrity: the double-write
//! buffer is there so that no crash ever asks for that.

mod target;

mod options;
mod session;

mod copies;

mod errors;

pub(super) use target::Lightning;
