//! What transactions read, by who wrote it.

use super::history::History;
use super::rows::{RowKey, RowValue};
use super::value::Stamp;
use crate::trace::TransactionId;

/// A row as a transaction saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// None: what is there at the end.
    pub(super) reader: Option<TransactionId>,
    pub(super) row: RowKey,
    pub(super) source: Source,
    pub(super) value: Option<RowValue>,
    pub(super) through: Through,
}

/// How a row was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// By its key.
    Key,
    /// As one of a range, in which others could have been.
    Range,
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

impl Read {
    /// The transactions of whose writes something was seen: one, or all that added to a list.
    pub(super) fn writers(&self) -> Vec<TransactionId> {
        let Source::Transaction(writer) = self.source else {
            return Vec::new();
        };
        let elements = self.value.as_deref().and_then(Stamp::elements);
        elements.map_or_else(
            || vec![writer],
            |elements| elements.iter().map(|one| one.transaction).collect(),
        )
    }
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
