//! Broken invariants, with their evidence as text.

use std::fmt::Write as _;

use super::rows::TableId;
use super::value::{Stamp, client_and_sequence};
use crate::scenario::CheckKind;
use crate::trace::TransactionId;

/// An invariant that a state breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub check: CheckKind,
    /// The same for violations of one kind: no keys, numbers or positions.
    pub shape: String,
    /// What is allowed.
    pub expected: String,
    /// What was there.
    pub actual: String,
}

impl Violation {
    /// A broken invariant.
    pub fn new(
        check: CheckKind,
        shape: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        let (shape, expected, actual) = (shape.into(), expected.into(), actual.into());
        Self {
            check,
            shape,
            expected,
            actual,
        }
    }

    /// The check and the shape: the same for findings that look alike.
    pub fn fingerprint(&self) -> String {
        format!("{}/{}", self.check, self.shape)
    }
}

/// A transaction for readers: `client 1, transaction 7`.
pub fn transaction_text(id: TransactionId) -> String {
    let (client, sequence) = client_and_sequence(id);
    format!("transaction {sequence} of client {client}")
}

/// A row for readers.
pub fn row_text(table: TableId, key: &[u8]) -> String {
    let mut text = format!("table {} key \"", table.0);
    let shown = &key[..key.len().min(40)];
    let _ = write!(text, "{}", shown.escape_ascii());
    text.push_str(if shown.len() < key.len() {
        "…\""
    } else {
        "\""
    });
    text
}

/// A row's value for readers.
pub fn value_text(table: TableId, key: &[u8], value: Option<&[u8]>) -> String {
    let Some(value) = value else {
        return "no row".to_owned();
    };
    match Stamp::read(table, key, value) {
        Ok(stamp) => format!(
            "the {} bytes of operation {} of {}",
            value.len(),
            stamp.operation,
            transaction_text(stamp.transaction),
        ),
        Err(garbage) => {
            let start = &value[..value.len().min(16)];
            format!("{garbage}, starting with \"{}\"", start.escape_ascii())
        }
    }
}
