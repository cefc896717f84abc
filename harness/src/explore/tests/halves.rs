//! A toy whose records are cut in two, each half in a file of its own, with a third file that says how much of both counts.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use lightning_db::disk::{Disk, DiskFile, OpenMode};

use crate::target::{
    Change, Durability, ErrorKind, KeyValue, Mode, Options, RowSink, Session, Target, TargetError,
    one_at_a_time,
};

/// In what order a commit reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Both halves are synced before the head is written.
    Right,
    /// The head is synced, and neither half.
    HalvesAreNotSynced,
    /// The head is written before the halves, and synced after them.
    HeadIsFirst,
}

#[derive(Debug)]
pub(super) struct Halves(pub(super) Order);

const NAMES: [&str; 3] = ["left", "right", "head"];

struct Open {
    order: Order,
    files: [Arc<dyn DiskFile>; 3],
    ends: [u64; 2],
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Target for Halves {
    fn name(&self) -> &'static str {
        "halves"
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        _options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        Ok(one_at_a_time(
            Open::on(&*disk, self.0, mode).map_err(failed)?,
        ))
    }
}

impl Open {
    fn on(disk: &dyn Disk, order: Order, mode: Mode) -> io::Result<Self> {
        let open = |name| match disk.open(name, OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && mode != Mode::Existing => {
                disk.open(name, OpenMode::Create)
            }
            found => found,
        };
        let [left, right, head] = NAMES.map(open);
        let mut open = Self {
            order,
            files: [left?, right?, head?],
            ends: [0; 2],
            rows: BTreeMap::new(),
        };
        disk.sync_dir("")?;
        open.recover()?;
        Ok(open)
    }

    fn recover(&mut self) -> io::Result<()> {
        let mut head = [0; 16];
        if self.files[2].len()? == 0 {
            return Ok(());
        }
        self.files[2].read_at(0, &mut head)?;
        let (left, right) = head.split_at(8);
        let ends = [left, right].map(|end| u64::from_le_bytes(end.try_into().unwrap_or_default()));
        while self.ends != ends {
            let mut record = Vec::new();
            for (file, at) in self.files.iter().zip(&mut self.ends) {
                let mut len = [0; 4];
                file.read_at(*at, &mut len)?;
                let len = u32::from_le_bytes(len);
                if len == 0 || *at + u64::from(len) > file.len()? {
                    return Err(io::Error::other("half a record is not there"));
                }
                let mut half = vec![0; len as usize];
                file.read_at(*at + 4, &mut half)?;
                record.extend(half);
                *at += 4 + u64::from(len);
            }
            self.apply(&record)?;
        }
        Ok(())
    }

    fn apply(&mut self, record: &[u8]) -> io::Result<()> {
        let changes: Vec<Change> =
            serde_json::from_slice(record).map_err(|_| io::Error::other("no record"))?;
        for (key, value) in changes {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
        Ok(())
    }

    fn write_head(&self, ends: [u64; 2]) -> io::Result<()> {
        let head: Vec<u8> = ends.into_iter().flat_map(u64::to_le_bytes).collect();
        self.files[2].write_at(0, &head)
    }
}

impl KeyValue for Open {
    fn commit(&mut self, changes: &[Change], _: Durability) -> Result<(), TargetError> {
        let record = serde_json::to_vec(changes).unwrap();
        let (left, right) = record.split_at(record.len() / 2);
        let mut ends = self.ends;
        for (half, end) in [left, right].into_iter().zip(&mut ends) {
            *end += 4 + half.len() as u64;
        }
        let write = || -> io::Result<()> {
            if self.order == Order::HeadIsFirst {
                self.write_head(ends)?;
            }
            for (place, half) in [left, right].into_iter().enumerate() {
                let len = u32::try_from(half.len()).unwrap();
                let bytes = [&len.to_le_bytes(), half].concat();
                self.files[place].write_at(self.ends[place], &bytes)?;
            }
            if self.order != Order::HalvesAreNotSynced {
                self.files[0].sync()?;
                self.files[1].sync()?;
            }
            if self.order != Order::HeadIsFirst {
                self.write_head(ends)?;
            }
            self.files[2].sync()
        };
        write().map_err(failed)?;
        self.ends = ends;
        self.apply(&record).map_err(failed)
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, TargetError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&mut self, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        self.rows.iter().for_each(|(key, value)| sink(key, value));
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn failed(error: io::Error) -> TargetError {
    TargetError::unknown(ErrorKind::Io, error.to_string())
}
