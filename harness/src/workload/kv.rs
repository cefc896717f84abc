//! Puts, overwrites, deletes and reads of random keys.

use super::plan::{Step, table_of};
use crate::oracle::{RowKey, VALUE_LEN_MIN};
use crate::rng::Rng;
use crate::scenario::KvWorkload;

/// Share of reads; what they return is compared with the history.
const READS: f64 = 0.15;

/// The steps of one transaction.
pub(super) fn steps(workload: &KvWorkload, rng: &mut Rng) -> Vec<Step> {
    let count = 1 + rng.below(u64::from(workload.operations_max.get()));
    (0..count).map(|_| step(workload, rng)).collect()
}

fn step(workload: &KvWorkload, rng: &mut Rng) -> Step {
    let row = row(workload, rng);
    if rng.chance(READS) {
        Step::Get(row)
    } else if rng.chance(share(workload.deletes.get())) {
        Step::Delete(row)
    } else {
        Step::Put {
            row,
            len: value_len(workload, rng),
            payload: 0,
        }
    }
}

fn row(workload: &KvWorkload, rng: &mut Rng) -> RowKey {
    let number = rng.below(u64::from(workload.keys.get()));
    let table = table_of(rng.next_u64() >> 8, workload.tables.get());
    let mut key = format!("key/{number:05}").into_bytes();
    if number % 16 == 15 {
        // A few keys are long, and differ only before a long common end.
        key.resize(key.len() + 180, b'x');
    }
    RowKey::new(table, &key)
}

fn value_len(workload: &KvWorkload, rng: &mut Rng) -> usize {
    let len = if rng.chance(share(workload.large_values.get())) {
        let max = workload.large_value_len_max.bytes();
        max / 2 + rng.below(max / 2 + 1)
    } else {
        rng.below(workload.value_len_max.bytes() + 1)
    };
    usize::try_from(len).unwrap_or(VALUE_LEN_MIN)
}

pub(super) fn share(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}
