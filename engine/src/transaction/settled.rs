//! A write set that is not changed any more.

use std::ops::Deref;
use std::sync::Arc;

use super::helper::HELPED_LEN_MIN;
use super::write_set::WriteSet;

/// What a transaction that commits writes.
#[derive(Debug)]
pub enum Settled {
    /// Read by the leader alone.
    Small(Box<WriteSet>),
    /// Read by whoever helps the leader, too, who may be late.
    Large(Arc<WriteSet>),
}

impl Settled {
    /// These writes.
    pub fn of(writes: Box<WriteSet>) -> Self {
        if writes.len_bound() < HELPED_LEN_MIN {
            Self::Small(writes)
        } else {
            Self::Large(Arc::new(*writes))
        }
    }
}

impl Deref for Settled {
    type Target = WriteSet;

    fn deref(&self) -> &WriteSet {
        match self {
            Self::Small(writes) => writes,
            Self::Large(writes) => writes,
        }
    }
}
