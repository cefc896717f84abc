//! How long it takes to open a database whose process died, by what it had written since the last checkpoint.

use super::load;
use super::run::Run;
use super::units::mebibytes;
use crate::check;
use crate::data::{KEY_LEN, VALUE_LEN, generation, key, value};
use crate::measure::{Unit, millis, time};
use crate::store::{Promise, Store};

const RECORDS: u64 = 100_000;
const BATCH: u64 = 100;

/// Loads a table, writes `MIB` mebibytes durably, and dies.
pub fn write_and_die<const MIB: u64>(run: &mut Run<'_>) -> anyhow::Result<()> {
    // What an earlier phase left, if there was one, is overwritten, and no part of the log any more.
    let store = run.open()?;
    load::sorted(store.as_ref(), RECORDS)?;
    let mut bytes = [0; VALUE_LEN];
    for batch in 0..batches(MIB) {
        store.write(Promise::Durable, &mut |writer| {
            (batch * BATCH..(batch + 1) * BATCH).try_for_each(|write| {
                let key = key(write % RECORDS);
                value(&key, 1 + write / RECORDS, &mut bytes);
                writer.put(&key, &bytes)
            })
        })?;
    }
    std::process::abort()
}

/// Opens what such a process left behind.
pub fn reopen<const MIB: u64>(run: &mut Run<'_>) -> anyhow::Result<()> {
    let mut opened: Option<Box<dyn Store>> = None;
    let took = time(|| {
        let store = run.open()?;
        check::get_alone(store.as_ref(), &key(0))?;
        opened = Some(store);
        Ok(())
    })?;
    if run.engine.has_log() {
        let row = format!("opening after a crash, {MIB} MiB since the checkpoint");
        run.add_durable(&row, Unit::Milliseconds, millis(took));
    } else {
        let row = format!("opening after a crash, {MIB} MiB written, without a log");
        run.note(&row, Unit::Milliseconds, millis(took));
    }
    let Some(store) = opened else { return Ok(()) };
    if let Some(log) = store.replayed() {
        let row = format!("log replayed, of {MIB} MiB");
        run.note(&row, Unit::Mebibytes, mebibytes(log));
    }
    acknowledged(store.as_ref(), batches(MIB) * BATCH)
}

/// Checks that every acknowledged write is there.
fn acknowledged(store: &dyn Store, writes: u64) -> anyhow::Result<()> {
    check::whole_table(store, RECORDS)?;
    store.read(&mut |reader| {
        for record in 0..RECORDS {
            let expected = (writes + RECORDS - 1 - record) / RECORDS;
            let key = key(record);
            let mut seen = None;
            reader.get(&key, &mut |value| seen = generation(&key, value))?;
            let what = || format!("generation {seen:?} of {key:02x?}, {expected} was acknowledged");
            check::ensure(seen == Some(expected), what)?;
        }
        Ok(())
    })
}

fn batches(mib: u64) -> u64 {
    (mib << 20) / (BATCH * (KEY_LEN + VALUE_LEN) as u64)
}
