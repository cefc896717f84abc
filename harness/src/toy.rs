//! A toy engine: one append-only log of key-value records, small enough to be seen to be right.
//!
//! It is what the harness is tested on, with switches that take away one thing that it needs.
//!
//! 1. A record is its length, a checksum over length, position and content, and the content. One record is
//!    one commit. The log ends before the first record that does not hold.
//! 2. Opening cuts the log there and syncs it, so that no later record can make a cut one reachable again and
//!    nothing that was seen is lost later.
//! 3. A commit is acknowledged once its record is synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use lightning_db::disk::{Disk, DiskFile, OpenMode};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const LOG: &str = "toy.log";
const HEADER: usize = 12;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const RECORD_LEN_MAX: usize = 1 << 24;

/// What the toy does; each switch that is off is a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ToyOptions {
    /// Sync a commit's record before it is acknowledged.
    pub sync_before_ack: bool,
    /// Believe a record only if its checksum holds.
    pub checksum: bool,
    /// Sync the directory before the first acknowledgement.
    pub sync_directory: bool,
}

impl Default for ToyOptions {
    fn default() -> Self {
        Self {
            sync_before_ack: true,
            checksum: true,
            sync_directory: true,
        }
    }
}

/// A change of one key: its new value, or none if it goes.
pub type ToyChange = (Vec<u8>, Option<Vec<u8>>);

/// An open toy.
#[derive(Debug)]
pub struct ToyLog {
    file: Arc<dyn DiskFile>,
    options: ToyOptions,
    end: u64,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl ToyLog {
    /// Opens the toy on a disk, creating it if need be.
    pub fn open(disk: &dyn Disk, options: ToyOptions) -> io::Result<Self> {
        let file = match disk.open(LOG, OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.open(LOG, OpenMode::Create)?
            }
            found => found?,
        };
        let mut toy = Self {
            file,
            options,
            end: 0,
            rows: BTreeMap::new(),
        };
        toy.recover()?;
        toy.file.set_len(toy.end)?;
        if options.sync_before_ack {
            toy.file.sync()?;
        }
        if options.sync_directory {
            disk.sync_dir("")?;
        }
        Ok(toy)
    }

    /// Makes all of `changes` or none. Returned with success, it is acknowledged.
    pub fn commit(&mut self, changes: &[ToyChange]) -> io::Result<()> {
        let record = self.encode(changes);
        self.file.write_at(self.end, &record)?;
        if self.options.sync_before_ack {
            self.file.sync()?;
        }
        self.end += record.len() as u64;
        for (key, value) in changes {
            set(&mut self.rows, key, value.as_deref());
        }
        Ok(())
    }

    /// Where the next record goes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.rows.get(key).map(Vec::as_slice)
    }

    /// All rows, in order of their keys.
    pub fn rows(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.rows
    }

    fn recover(&mut self) -> io::Result<()> {
        let len = self.file.len()?;
        while let Some((content, end)) = self.read_record(len)? {
            let Some(changes) = decode(&content, self.options.checksum) else {
                break;
            };
            for (key, value) in changes {
                set(&mut self.rows, &key, value.as_deref());
            }
            self.end = end;
        }
        Ok(())
    }

    /// The content of the record at the log's end so far, and where it ends itself.
    fn read_record(&self, len: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        let mut header = [0; HEADER];
        let start = self.end + HEADER as u64;
        if start > len {
            return Ok(None);
        }
        self.file.read_at(self.end, &mut header)?;
        let [a, b, c, d, checksum @ ..] = header;
        let content_len = u32::from_le_bytes([a, b, c, d]);
        let end = start + u64::from(content_len);
        let Ok(content_len) = usize::try_from(content_len) else {
            return Ok(None);
        };
        if content_len == 0 || content_len > RECORD_LEN_MAX || end > len {
            return Ok(None);
        }
        let mut content = vec![0; content_len];
        self.file.read_at(start, &mut content)?;
        let holds = u64::from_le_bytes(checksum) == self.checksum(&content);
        Ok((holds || !self.options.checksum).then_some((content, end)))
    }

    fn encode(&self, changes: &[ToyChange]) -> Vec<u8> {
        let mut content = vec![1];
        for (key, value) in changes {
            content.push(if value.is_some() { PUT } else { DELETE });
            put(&mut content, key);
            if let Some(value) = value {
                put(&mut content, value);
            }
        }
        let len = u32::try_from(content.len()).unwrap_or(0);
        let mut record = len.to_le_bytes().to_vec();
        record.extend(self.checksum(&content).to_le_bytes());
        record.extend(content);
        record
    }

    fn checksum(&self, content: &[u8]) -> u64 {
        xxh3_64_with_seed(content, self.end ^ (content.len() as u64).rotate_left(32))
    }
}

fn set(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8], value: Option<&[u8]>) {
    match value {
        Some(value) => rows.insert(key.to_vec(), value.to_vec()),
        None => rows.remove(key),
    };
}

fn put(content: &mut Vec<u8>, bytes: &[u8]) {
    content.extend(u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    content.extend(bytes);
}

/// The changes in a record's content. Without `strict`, what cannot be read is left out rather than refused.
fn decode(content: &[u8], strict: bool) -> Option<Vec<ToyChange>> {
    let (_, mut rest) = content.split_first()?;
    let mut changes = Vec::new();
    while !rest.is_empty() {
        match take_change(&mut rest) {
            Some(change) => changes.push(change),
            None if strict => return None,
            None => break,
        }
    }
    Some(changes)
}

fn take_change(rest: &mut &[u8]) -> Option<ToyChange> {
    let (&kind, after) = rest.split_first()?;
    *rest = after;
    let key = take(rest)?;
    let value = if kind == PUT { Some(take(rest)?) } else { None };
    Some((key, value))
}

fn take(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (len, after) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (bytes, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(bytes.to_vec())
}
