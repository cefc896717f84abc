//! Values from 16 bytes to a mebibyte.

use std::hint::black_box;

use super::run::Run;
use super::units::{disk_bytes, mebibytes, micros_each, ratio};
use crate::check;
use crate::data::{Random, is_of, key, value};
use crate::measure::{Unit, time};
use crate::store::{Promise, Store};

/// Value lengths, and how they are called.
const LENGTHS: [(usize, &str); 5] = [
    (16, "16 B"),
    (1 << 10, "1 KiB"),
    (16 << 10, "16 KiB"),
    (128 << 10, "128 KiB"),
    (1 << 20, "1 MiB"),
];
/// Bytes of values of each length, where that is not too many records.
const TOTAL: usize = 64 << 20;
const RECORDS_MAX: usize = 200_000;
/// Bytes of values in a durable batch, where that is not too many records.
const BATCH: usize = 1 << 20;
const BATCH_RECORDS_MAX: usize = 1_000;
const READS_MIN: u64 = 200;

/// Writes and reads values of each length.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    for (len, name) in LENGTHS {
        let directory = run.directory.join(len.to_string());
        std::fs::create_dir(&directory)?;
        let setup = crate::store::Setup {
            cache: run.scale.cache,
            beyond_cache: false,
        };
        let store = run.engine.open(&directory, setup)?;
        let records = (TOTAL / len).min(RECORDS_MAX) as u64;
        let took = time(|| fill(store.as_ref(), records, len))?;
        let each = micros_each(took, records);
        run.add_durable(
            &format!("a value of {name} written, durable batches"),
            Unit::Microseconds,
            each,
        );
        store.drain()?;
        let reads = records.max(READS_MIN);
        let took = time(|| read(store.as_ref(), records, reads))?;
        run.add(
            &format!("a value of {name} read"),
            Unit::Microseconds,
            micros_each(took, reads),
        );
        let payload = records * (len + crate::data::KEY_LEN) as u64;
        let size = disk_bytes(&directory)?;
        let row = format!("files a byte of payload, values of {name}");
        run.note(&row, Unit::Ratio, ratio(size, payload));
        check::whole_table(store.as_ref(), records)?;
        drop(store);
        std::fs::remove_dir_all(directory)?;
    }
    let memory = crate::process::Memory::now();
    let row = "values: peak memory, mapped files among it";
    run.note(row, Unit::Mebibytes, mebibytes(memory.peak));
    Ok(())
}

fn fill(store: &dyn Store, records: u64, len: usize) -> anyhow::Result<()> {
    let batch = (BATCH / len).clamp(1, BATCH_RECORDS_MAX) as u64;
    let mut bytes = vec![0; len];
    let mut first = 0;
    while first < records {
        let end = (first + batch).min(records);
        store.write(Promise::Durable, &mut |writer| {
            (first..end).try_for_each(|record| {
                let key = key(record);
                value(&key, 0, &mut bytes);
                writer.put(&key, &bytes)
            })
        })?;
        first = end;
    }
    Ok(())
}

/// Reads values at random, and all of their bytes.
fn read(store: &dyn Store, records: u64, reads: u64) -> anyhow::Result<()> {
    let mut random = Random::new(5);
    store.read(&mut |reader| {
        for _ in 0..reads {
            let key = key(random.below(records));
            let mut ours = false;
            let found = reader.get(&key, &mut |value| {
                let words = value.chunks_exact(8);
                let sum = words.fold(0_u64, |sum, word| {
                    sum.wrapping_add(word.first_chunk().map_or(0, |w| u64::from_le_bytes(*w)))
                });
                black_box(sum);
                ours = is_of(&key, value);
            })?;
            check::ensure(found && ours, || format!("{key:02x?} has another value"))?;
        }
        Ok(())
    })
}
