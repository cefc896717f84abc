//! A walk through a trace.

use crate::trace::{DiskState, Trace, TracePosition};

/// Replays a trace step by step, so that each crash point starts from the last one.
#[derive(Clone, Debug)]
pub struct CrashWalker<'a> {
    trace: &'a Trace,
    state: DiskState,
    position: TracePosition,
}

impl<'a> CrashWalker<'a> {
    /// At the trace's beginning.
    pub fn new(trace: &'a Trace) -> Self {
        Self {
            trace,
            state: trace.start.clone(),
            position: TracePosition::default(),
        }
    }

    /// Goes to a moment, at most the end; back only by starting again.
    pub fn advance_to(&mut self, position: TracePosition) {
        if position < self.position {
            *self = Self::new(self.trace);
        }
        let position = position.min(self.trace.end());
        let done = self.position.index();
        for event in self.trace.before(position).iter().skip(done) {
            self.state.apply(event);
        }
        self.position = position;
    }

    /// Where the walk is.
    pub fn position(&self) -> TracePosition {
        self.position
    }

    /// What the disk held then, what was pending not decided.
    pub fn state(&self) -> &DiskState {
        &self.state
    }
}
