//! What a cut took, byte by byte: names, lengths, and the first bytes that differ in hexadecimal.

use std::fmt::Write as _;

use crate::trace::{DiskState, Entry, FileState};

/// Bytes in a line.
const LINE: usize = 16;
/// Lines of bytes shown of one file, at most.
const LINES: usize = 4;
/// Files shown, at most.
const FILES: usize = 6;

/// What of the disk after a cut is not as readers saw it before. `-` is before, `+` after.
pub(super) fn lines(before: &DiskState, after: &DiskState) -> Vec<String> {
    let mut lines = Vec::new();
    let mut files = 0;
    for (name, entry) in before.names().iter() {
        let Entry::File(inode) = entry else { continue };
        let was = before.file(inode);
        let text = match (was, after.names().get(name)) {
            (_, None) => Some(format!("{name}: the name is gone")),
            (Some(was), Some(Entry::File(now))) => {
                after.file(now).and_then(|now| of_file(name, was, now))
            }
            (_, Some(_)) => None,
        };
        if let Some(text) = text {
            files += 1;
            if files > FILES {
                lines.push("and more files".to_owned());
                return lines;
            }
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    let back = after.names().iter();
    let back = back.filter(|(name, _)| before.names().get(name).is_none());
    lines.extend(back.map(|(name, _)| format!("{name}: the name is back")));
    lines
}

fn of_file(name: &str, was: &FileState, now: &FileState) -> Option<String> {
    let (old, new) = (was.bytes(), now.bytes());
    if old == new {
        return None;
    }
    let mut text = format!("{name}: ");
    if old.len() == new.len() {
        let _ = write!(text, "{} bytes long", old.len());
    } else {
        let _ = write!(text, "{} bytes long, was {}", new.len(), old.len());
    }
    let count = old.len().min(new.len());
    let differs = |line: &usize| {
        let end = (line + LINE).min(count);
        old[*line..end] != new[*line..end]
    };
    let all: Vec<usize> = (0..count).step_by(LINE).filter(differs).collect();
    for &line in all.iter().take(LINES) {
        let end = (line + LINE).min(count);
        let _ = write!(text, "\n  {line:08x} - {}", hex(&old[line..end]));
        let _ = write!(text, "\n           + {}", hex(&new[line..end]));
    }
    if all.len() > LINES {
        let _ = write!(text, "\n  and {} more lines of {LINE}", all.len() - LINES);
    }
    Some(text)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x} ");
    }
    text.push(' ');
    for &byte in bytes {
        let plain = byte.is_ascii_graphic() || byte == b' ';
        text.push(if plain { char::from(byte) } else { '.' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_hexadecimal_and_as_characters() {
        assert_eq!(hex(b"a\x00~"), "61 00 7e  a.~");
    }
}
