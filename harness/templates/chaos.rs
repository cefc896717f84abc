//! Power cuts, errors and damage under the engine. `cargo test --test chaos`

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use lightning_chaos::disk::{Disk, OpenMode};
use lightning_chaos::{
    Change, Durability, KeyValue, Mode, Options, RowSink, Session, Target, TargetError, check,
    one_at_a_time,
};

/// How the engine is found and opened. What it promises is durable commits, unless `promises` says otherwise.
#[derive(Debug)]
struct Engine;

impl Target for Engine {
    fn name(&self) -> &'static str {
        "my-engine"
    }

    /// The engine works on `disk`: each of its writes and syncs must go there.
    fn open(
        &self,
        disk: Arc<dyn Disk>,
        _options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        Ok(one_at_a_time(StandIn::open(disk, mode)?))
    }
}

/// A stand-in, which writes all rows anew for each commit: your engine goes in its place.
struct StandIn {
    disk: Arc<dyn Disk>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl StandIn {
    fn open(disk: Arc<dyn Disk>, mode: Mode) -> io::Result<Self> {
        let mut rows = BTreeMap::new();
        match disk.open("rows", OpenMode::Read) {
            Ok(file) => {
                let mut bytes = vec![0; file.len()? as usize];
                file.read_at(0, &mut bytes)?;
                let mut rest = bytes.as_slice();
                while let (Some(key), Some(value)) = (take(&mut rest), take(&mut rest)) {
                    rows.insert(key, value);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && mode == Mode::CreateOrOpen => {}
            Err(error) => return Err(error),
        }
        let opened = Self { disk, rows };
        opened.write(&opened.rows)?;
        Ok(opened)
    }

    fn write(&self, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<()> {
        if self.disk.list("")?.contains(&"new".to_owned()) {
            self.disk.remove("new")?;
        }
        let file = self.disk.open("new", OpenMode::Create)?;
        let mut bytes = Vec::new();
        for part in rows.iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend((part.len() as u32).to_le_bytes());
            bytes.extend(part);
        }
        file.write_at(0, &bytes)?;
        file.sync()?;
        self.disk.rename("new", "rows")?;
        self.disk.sync_dir("")
    }
}

fn take(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (len, after) = rest.split_first_chunk::<4>()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *rest = after;
    Some(bytes.to_vec())
}

impl KeyValue for StandIn {
    fn commit(&mut self, changes: &[Change], _: Durability) -> Result<(), TargetError> {
        let mut rows = self.rows.clone();
        for (key, value) in changes {
            match value {
                Some(value) => drop(rows.insert(key.clone(), value.clone())),
                None => drop(rows.remove(key)),
            }
        }
        self.write(&rows)?;
        self.rows = rows;
        Ok(())
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, TargetError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&mut self, sink: &mut RowSink<'_>) -> Result<(), TargetError> {
        self.rows.iter().for_each(|(key, value)| sink(key, value));
        Ok(())
    }
}

#[test]
fn commits_survive_a_loss_of_power() {
    println!("{}", check(Engine).scenario("power-loss").run());
}

#[test]
fn commits_survive_what_our_own_scenario_does() {
    println!("{}", check(Engine).scenario("tests/scenarios/first.toml").run());
}
