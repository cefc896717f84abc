//! A recovery that finds the traces of an earlier one, and hides a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::{RowSink, Session, TargetError};
use super::bugged::Wrong;

/// Every scan shows all rows but the first.
#[derive(Clone)]
pub(super) struct SecondRecovery {
    fired: Arc<AtomicU64>,
}

impl SecondRecovery {
    pub(super) fn new(fired: Arc<AtomicU64>) -> Self {
        Self { fired }
    }
}

impl Wrong for SecondRecovery {
    fn scan<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        table: &str,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        let mut hidden = false;
        sound.scan(table, &mut |key, value| {
            if std::mem::replace(&mut hidden, true) {
                sink(key, value);
            } else {
                self.fired.fetch_add(1, Relaxed);
            }
        })
    }
}
