//! Which code this is.

/// The commit this program was built from, `-dirty` if it had changes, and a digest of the harness's and
/// engine's sources, which alone tells builds apart where there is no git: `1a2b3c4d5e6f-dirty.89abcdef01234567`.
pub const COMMIT: &str = env!("CHAOS_COMMIT");
