//! Random reads as a table grows, all of it in the cache.

use std::hint::black_box;
use std::path::Path;

use super::scale::Scale;
use crate::data::{Random, VALUE_LEN, key, value};
use crate::measure::{Figures, Unit, time};
use crate::store::{Engine, Promise};

const READS: u64 = 200_000;
const BATCH: u64 = 10_000;

/// Reads at 10^4 records, and at each power of ten up to the scale.
pub fn run(
    engine: &dyn Engine,
    directory: &Path,
    scale: Scale,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let store = engine.create(directory, scale.cache)?;
    let mut bytes = [0; VALUE_LEN];
    let (mut records, mut goal) = (0, 10_000);
    while goal <= scale.records {
        while records < goal {
            store.write(Promise::Visible, &mut |writer| {
                (records..records + BATCH).try_for_each(|record| {
                    value(record, 0, &mut bytes);
                    writer.put(&key(record), &bytes)
                })
            })?;
            records += BATCH;
        }
        store.drain()?;
        let took = time(|| {
            let mut random = Random::new(goal);
            store.read(&mut |reader| {
                for _ in 0..READS {
                    reader.get(&key(random.below(records)), &mut |value| {
                        black_box(value[0]);
                    })?;
                }
                Ok(())
            })
        })?;
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let each = took.as_secs_f64() * 1e6 / READS as f64;
        let row = format!("one random read of {goal} records");
        figures.add(&row, Unit::Microseconds, engine.name(), each);
        goal *= 10;
    }
    Ok(())
}
