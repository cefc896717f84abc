//! Random reads as a table grows, all of it in the cache.

use super::load;
use super::run::{Run, read_some};
use super::units::{micros_each, ratio};
use crate::data::{KEY_LEN, VALUE_LEN};
use crate::measure::{Unit, time};
use crate::store::Setup;

const READS: u64 = 500_000;
const RECORD_LEN: u64 = (KEY_LEN + VALUE_LEN) as u64;

/// Reads at 10^4 records, and at each power of ten up to the scale.
pub fn run(run: &mut Run<'_>) -> anyhow::Result<()> {
    let mut records = 10_000;
    while records <= run.scale.growth {
        let directory = run.directory.join(records.to_string());
        std::fs::create_dir(&directory)?;
        let setup = Setup {
            // With room for half-full pages, and for the tables that lead to them.
            cache: run.scale.cache.max(records * RECORD_LEN * 3),
            beyond_cache: false,
        };
        let store = run.engine.open(&directory, setup)?;
        load::sorted(store.as_ref(), records)?;
        read_some(store.as_ref(), records, READS / 5, 1)?;
        let misses = store.misses();
        let took = time(|| read_some(store.as_ref(), records, READS, records))?;
        let row = format!("one random read of {records} records");
        run.add(&row, Unit::Microseconds, micros_each(took, READS));
        if let (Some(before), Some(after)) = (misses, store.misses()) {
            let row = format!("pages fetched a read of {records} records");
            run.note(&row, Unit::Ratio, ratio(after - before, READS));
        }
        drop(store);
        std::fs::remove_dir_all(directory)?;
        records *= 10;
    }
    Ok(())
}
