//! What happened to a disk, in order.

use std::sync::Arc;

use super::image::Image;
use crate::trace::Mark;

/// One thing that happened to a disk.
#[derive(Clone, Debug)]
pub enum BlockEvent {
    /// Bytes were written. They are in the disk's cache.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// All earlier writes are on the medium.
    Flush,
    /// Whoever uses the disk saw something, for the reader of a record.
    Mark(#[expect(dead_code, reason = "for whoever debugs a record")] Mark),
}

/// The record of a disk.
#[derive(Clone, Debug)]
pub struct BlockLog {
    /// What it held at first.
    pub start: Image,
    /// What happened, in order.
    pub events: Vec<BlockEvent>,
}

impl BlockLog {
    /// How many flushes there were before an event.
    pub fn flushes_before(&self, at: usize) -> usize {
        let events = self.events.iter().take(at);
        events
            .filter(|event| matches!(event, BlockEvent::Flush))
            .count()
    }

    /// The first of the events before `at` that a flush has not covered.
    pub fn unflushed_from(&self, at: usize) -> usize {
        let before = self.events.get(..at).unwrap_or(&self.events);
        let last = before
            .iter()
            .rposition(|event| matches!(event, BlockEvent::Flush));
        last.map_or(0, |last| last + 1)
    }
}
