//! One transaction, from its begin to the answer to its commit.
//!
//! 1. Trace positions say what had happened when a crash came. Moments count the calls of one history, and say what happened
//!    before what while nothing was broken.
//! 2. A transaction was committed, if it was, between its request and its answer, and it sees a state from between the two moments of its
//!    begin. Nothing more is known of the order in which the target worked.

use super::rows::{RowKey, RowValue};
use super::sight::Moment;
use crate::target::Durability;
use crate::trace::{TracePosition, TransactionId};

/// One transaction whose commit was requested.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its name.
    pub id: TransactionId,
    /// How durable it was asked to be.
    pub durability: Durability,
    /// Its effect: one change a row.
    pub changes: Vec<Change>,
    /// The moment after its request.
    pub requested: TracePosition,
    pub(super) requested_moment: Moment,
    /// The first moment at which the disk may hold some of it.
    pub visible_from: TracePosition,
    /// What the target answered.
    pub outcome: Outcome,
    /// The moment after the answer.
    pub answered: TracePosition,
    pub(super) answered_moment: Moment,
}

/// What a transaction does to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub row: RowKey,
    /// Its new value, or none if it is deleted.
    pub value: Option<RowValue>,
}

/// What a target answered to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    InFlight,
    /// Success.
    Acknowledged,
    /// It did not happen and never will.
    Refused,
    /// An error that leaves it open.
    Unknown,
}

/// The request of a commit.
#[derive(Clone, Debug)]
pub struct Request {
    /// The transaction.
    pub id: TransactionId,
    /// How durable it is asked to be.
    pub durability: Durability,
    /// Its operations in order; the last one on a row counts.
    pub operations: Vec<Change>,
    /// The moment after its request.
    pub at: TracePosition,
}

impl Transaction {
    /// Whether this one was answered before the other was requested.
    pub fn precedes(&self, other: &Self) -> bool {
        self.answered <= other.requested
    }
}
