//! In which units figures are told.

use std::path::Path;
use std::time::Duration;

/// Bytes of all files under `directory`, as the file system counts their blocks.
pub fn disk_bytes(directory: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

/// In mebibytes.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Thousands a second.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn kilo_rate(operations: u64, took: Duration) -> f64 {
    operations as f64 / took.as_secs_f64() / 1e3
}

/// Microseconds for each of `operations`.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn micros_each(took: Duration, operations: u64) -> f64 {
    took.as_secs_f64() * 1e6 / operations.max(1) as f64
}

/// One number divided by another.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
