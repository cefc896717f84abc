//! Segments of the log made before a commit needs them, by whoever has the time.
//!
//! The writer's lock is held to order the file and to deliver it, not while it is written. A commit that comes too early for it makes
//! one itself.

use crate::engine::{Engine, SessionLog};
use std::sync::atomic::Ordering::Relaxed;

/// Makes one, if the log wants it. A failure shows where it matters: want of space at the next commit that needs a segment, anything else
/// at once, as a poisoned database.
pub fn make_if_wanted(engine: &Engine) {
    if !engine.counters.wants_segment.load(Relaxed) {
        return;
    }
    let _one_at_a_time = engine.making_segment();
    let ordered = match &mut engine.writer_in_turn().log {
        SessionLog::Open(wal) => wal.order_segment(),
        _ => None,
    };
    let Some(ordered) = ordered else { return };
    let made = ordered.make_beside_the_log();
    let mut writer = engine.writer_in_turn();
    if let SessionLog::Open(wal) = &mut writer.log
        && let Err(error) = wal.deliver(made)
    {
        engine.poison(error);
    }
    engine.note_gauges(&writer);
}

/// Waits until nobody makes one: what that takes of the disk may be given back.
pub fn wait(engine: &Engine) {
    drop(engine.making_segment());
}
