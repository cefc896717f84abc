//! How much is done, and in which units it is told.

use std::path::Path;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Records loaded at the start.
    pub records: u64,
    /// Bytes of cache that every engine gets.
    pub cache: u64,
}

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
pub fn kilo_rate(operations: u64, took: std::time::Duration) -> f64 {
    operations as f64 / took.as_secs_f64() / 1e3
}
