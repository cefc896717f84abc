//! What a state after a crash may show, and what is wrong with one that shows something else.
//!
//! See docs/design/oracle.md for the rules. Nothing here knows disks, targets or how clients choose their
//! transactions: only what was asked for, what was answered, and when in the trace.

mod rows;
mod value;

mod observed;

mod doubt;
mod history;
mod reads;
mod sight;
mod transaction;

mod obligations;

mod findings;
mod violation;

mod sequence;

mod problem;
mod search;

mod explain;

mod judge;

mod isolation;

mod dependency;

#[cfg(test)]
mod tests;

pub use history::History;
pub use judge::Judgement;
pub use obligations::{CrashKinds, Obligations};
pub use observed::{Observed, ObservedRow};
pub use reads::Through;
pub use rows::{RowDigest, RowKey, RowMap, RowValue, StateDigest, TableId, bytes_of, plain_text};
pub use transaction::{Change, Outcome, Request, Transaction};
pub use value::{Element, Garbage, Stamp, VALUE_LEN_MIN, client_and_sequence, transaction_id};
pub use violation::{Violation, row_text, transaction_text, value_text};
