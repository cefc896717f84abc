//! The time of day.

/// Milliseconds since 1970-01-01 UTC, by the system's clock; 0 where it stands before that.
#[expect(clippy::disallowed_methods, reason = "this is the engine's clock")]
pub fn wall_clock_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
