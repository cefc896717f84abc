//! The record of one boot.

use super::event::{Event, TracePosition};
use super::state::DiskState;

/// What a disk held when it was started, and all that happened since, in order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// What the disk held at position 0.
    pub start: DiskState,
    /// What happened.
    pub events: Vec<Event>,
}

impl Trace {
    /// The moment after the last event.
    pub fn end(&self) -> TracePosition {
        TracePosition::after(self.events.len())
    }

    /// The events before `position`.
    pub fn before(&self, position: TracePosition) -> &[Event] {
        self.events.get(..position.index()).unwrap_or(&self.events)
    }
}
