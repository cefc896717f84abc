//! What the kernel knows about this process.

use std::fs::read_to_string;

/// Bytes that this process read from storage and wrote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Io {
    /// Fetched from storage.
    pub read: u64,
    /// Passed to the kernel to be written. What the kernel counts as sent to storage would be whole folios, of which
    /// a write may have changed little.
    pub written: u64,
}

/// Memory of this process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident at its highest.
    pub peak: u64,
    /// Resident now: mapped files among it.
    pub resident: u64,
    /// Resident now and in no file.
    pub anonymous: u64,
}

impl Io {
    /// Up to now.
    pub fn now() -> Self {
        let text = read_to_string("/proc/self/io").unwrap_or_default();
        Self {
            read: field(&text, "read_bytes:"),
            written: field(&text, "wchar:"),
        }
    }

    /// Since an earlier moment.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            read: self.read.saturating_sub(earlier.read),
            written: self.written.saturating_sub(earlier.written),
        }
    }
}

impl Memory {
    /// At this moment.
    pub fn now() -> Self {
        let text = read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            peak: field(&text, "VmHWM:") << 10,
            resident: field(&text, "VmRSS:") << 10,
            anonymous: field(&text, "RssAnon:") << 10,
        }
    }
}

/// The number behind `name` at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_the_name_at_the_beginning_of_their_line() {
        let text = "rchar: 1\nwchar: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(field(text, "wchar:"), 4096);
        assert_eq!(field(text, "read_bytes:"), 0);
        assert!(Memory::now().peak > 0);
    }
}
