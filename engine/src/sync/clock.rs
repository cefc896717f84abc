//! The time of day, and how long things take.

use std::time::{Duration, Instant};

use super::scheduler::part;

/// Milliseconds since 1970-01-01 UTC, by the system's clock; 0 where it stands before that.
#[expect(clippy::disallowed_methods, reason = "this is the engine's clock")]
pub fn wall_clock_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A point in time, good for nothing but measuring how long something took.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Option<Instant>);

/// Now. A thread that takes part in a scheduler is always at the same moment: there everything takes no time, so that
/// what is measured is the same in each run.
#[expect(clippy::disallowed_methods, reason = "this is the engine's clock")]
pub fn now() -> Moment {
    Moment(part().is_none().then(Instant::now))
}

impl Moment {
    /// A moment that nobody asks for: nothing is known to take any time before or after it.
    pub const UNKNOWN: Self = Self(None);

    /// How long after `self` `later` is; zero if it is before.
    pub fn until(self, later: Self) -> Duration {
        match (self.0, later.0) {
            (Some(from), Some(to)) => to.saturating_duration_since(from),
            _ => Duration::ZERO,
        }
    }
}
