//! A target that finds damage and says something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::{ClientId, ErrorKind, RowSink, Session, TargetError};
use super::bugged::Wrong;
use crate::scenario::Bug;

/// What damage is read as.
const GARBAGE: &[u8] = b"\0what stood in a page that nobody checks";

/// Hides damage, returns it, or falls over it.
#[derive(Clone)]
pub(super) struct Careless {
    bug: Bug,
    fired: Arc<AtomicU64>,
}

impl Careless {
    pub(super) fn new(bug: Bug, fired: Arc<AtomicU64>) -> Self {
        Self { bug, fired }
    }

    /// What is made of a failure.
    fn bear(&self, error: TargetError) -> Result<Option<Vec<u8>>, TargetError> {
        if error.kind != ErrorKind::Corruption {
            return Err(error);
        }
        self.fired.fetch_add(1, Relaxed);
        match self.bug {
            Bug::DamageIsHidden => Ok(None),
            Bug::DamageIsReturned => Ok(Some(GARBAGE.to_vec())),
            _ => panic!("a page is not what it should be: {error}"),
        }
    }
}

impl Wrong for Careless {
    fn get<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError> {
        sound
            .get(client, table, key)
            .or_else(|error| self.bear(error))
    }

    fn scan<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        table: &str,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError> {
        let mut last = Vec::new();
        let scanned = sound.scan(table, &mut |key, value| {
            key.clone_into(&mut last);
            sink(key, value);
        });
        if let Err(error) = scanned
            && let Some(value) = self.bear(error)?
        {
            last.push(u8::MAX);
            sink(&last, &value);
        }
        Ok(())
    }
}
