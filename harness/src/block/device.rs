//! A disk that is served.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::image::Image;
use super::log::{BlockEvent, BlockLog};
use crate::trace::Mark;

/// A disk that is served, and the record of what is done to it.
#[derive(Debug)]
pub struct Device {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Image,
    /// Nothing where nobody asked for a record.
    log: Option<BlockLog>,
}

impl Device {
    /// A disk that nobody keeps a record of.
    pub fn new(image: Image) -> Self {
        let state = State {
            now: image,
            log: None,
        };
        let state = Mutex::new(state);
        Self { state }
    }

    /// A disk with a record.
    pub fn recorded(image: Image) -> Self {
        let log = BlockLog {
            start: image.clone(),
            events: Vec::new(),
        };
        let state = State {
            now: image,
            log: Some(log),
        };
        let state = Mutex::new(state);
        Self { state }
    }

    /// Notes what the user of the disk saw. Returns how many events there are now.
    pub fn mark(&self, mark: Mark) -> usize {
        self.note(BlockEvent::Mark(mark))
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.state().log.as_ref().map_or(0, |log| log.events.len())
    }

    /// Takes the record, and keeps none from now on.
    pub fn take_log(&self) -> Option<BlockLog> {
        self.state().log.take()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.state().now.bytes()
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        self.state().now.read(offset, buf)
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) {
        let mut state = self.state();
        state.now.write(offset, bytes);
        if let Some(log) = &mut state.log {
            let bytes = Arc::from(bytes);
            log.events.push(BlockEvent::Write { offset, bytes });
        }
    }

    pub(super) fn flush(&self) {
        self.note(BlockEvent::Flush);
    }

    fn note(&self, event: BlockEvent) -> usize {
        let mut state = self.state();
        state.log.as_mut().map_or(0, |log| {
            log.events.push(event);
            log.events.len()
        })
    }

    // Each change is one call.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Disks by their numbers.
pub(super) type Served = Arc<Mutex<Vec<Arc<Device>>>>;
