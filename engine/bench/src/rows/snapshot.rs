//! A reader that stays while a writer overwrites everything it sees.

use super::load;
use super::run::Run;
use super::units::{disk_bytes, kilo_rate, mebibytes};
use crate::check;
use crate::data::{Random, VALUE_LEN, generation, key, value};
use crate::measure::{Unit, time};
use crate::store::{Promise, Reader, Store};

const RECORDS_MAX: u64 = 200_000;
const BATCH: u64 = 100;
const LOOKS: u64 = 10_000;

/// Overwrites a table without and with a reader.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    let store = run.open()?;
    let records = run.scale.records.min(RECORDS_MAX);
    load::sorted(store.as_ref(), records)?;
    let took = time(|| overwrite(store.as_ref(), records, 1))?;
    let rate = kilo_rate(records, took);
    run.note("overwrites, no reader", Unit::KiloOpsPerSecond, rate);
    store.drain()?;
    let before = disk_bytes(run.directory)?;
    let mut rate = 0.0;
    store.read(&mut |reader| {
        expect(reader, records, 1)?;
        let took = time(|| overwrite(store.as_ref(), records, 2))?;
        rate = kilo_rate(records, took);
        if store.has_snapshots() {
            expect(reader, records, 1)?;
        }
        Ok(())
    })?;
    let row = "overwrites, a reader stays";
    run.add(row, Unit::KiloOpsPerSecond, rate);
    store.read(&mut |reader| expect(reader, records, 2))?;
    store.drain()?;
    let grown = disk_bytes(run.directory)?.saturating_sub(before);
    let row = "files grew by, while a reader stayed";
    run.note(row, Unit::Mebibytes, mebibytes(grown));
    check::whole_table(store.as_ref(), records)
}

/// Writes every record once, in batches, in no order of keys.
fn overwrite(store: &dyn Store, records: u64, generation: u64) -> anyhow::Result<()> {
    let mut bytes = [0; VALUE_LEN];
    for first in (0..records).step_by(usize::try_from(BATCH)?) {
        store.write(Promise::Visible, &mut |writer| {
            (first..(first + BATCH).min(records)).try_for_each(|record| {
                let key = key(record);
                value(&key, generation, &mut bytes);
                writer.put(&key, &bytes)
            })
        })?;
    }
    Ok(())
}

/// Checks that `reader` sees records as their `expected`-th generation.
fn expect(reader: &dyn Reader, records: u64, expected: u64) -> anyhow::Result<()> {
    let mut random = Random::new(expected);
    for _ in 0..LOOKS.min(records) {
        let key = key(random.below(records));
        let mut seen = None;
        reader.get(&key, &mut |value| seen = generation(&key, value))?;
        let what =
            || format!("a snapshot shows generation {seen:?}, not {expected}, of {key:02x?}");
        check::ensure(seen == Some(expected), what)?;
    }
    Ok(())
}
