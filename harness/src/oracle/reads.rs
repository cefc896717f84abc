//! What transactions read, by who wrote it.

use super::history::History;
use super::rows::RowKey;
use super::value::Stamp;
use crate::trace::TransactionId;

/// A row as a transaction saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// None: what is there at the end.
    pub(super) reader: Option<TransactionId>,
    pub(super) row: RowKey,
    pub(super) source: Source,
}

/// Where a row's state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// There was no row.
    Nothing,
    /// The row was so in the beginning.
    Base,
    /// The transaction put it.
    Transaction(TransactionId),
}

impl History {
    /// Who wrote a value; none if nobody did that is known of.
    pub(super) fn source(&self, row: &RowKey, value: Option<&[u8]>) -> Option<Source> {
        let Some(value) = value else {
            return Some(Source::Nothing);
        };
        if self.base().get(row).is_some_and(|base| **base == *value) {
            return Some(Source::Base);
        }
        let stamp = Stamp::read(row.table, &row.key, value).ok()?;
        let was_begun = self.was_begun(stamp.transaction);
        was_begun.then_some(Source::Transaction(stamp.transaction))
    }
}
