//! SQLite's truth table: what its documentation says of each setting, and what exploration finds.
//!
//! 1. Each setting is judged as if it promised that acknowledged commits survive whole: the table says which do not.
//! 2. A state counts as *lost* if all that is wrong with it is that acknowledged commits are gone, as *corrupt* if
//!    anything else is wrong.
//! 3. It explores in its own process: it tests the tester, and SQLite does not abort.

mod cell;
mod table;

mod documented;

mod explore;

pub use cell::{Cell, JOURNAL_MODES, SYNCHRONOUS};
pub use documented::{Agreement, Documented};
pub use explore::{Found, Witness, explore};
pub use table::Table;
