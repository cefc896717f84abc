//! Puts, overwrites, deletes and reads of random keys and ranges, with savepoints between them.

use super::act::TableChange;
use super::plan::{RowRange, Setting, Step, table_of};
use crate::oracle::{RowKey, TableId, VALUE_LEN_MIN};
use crate::rng::Rng;
use crate::scenario::{KvWorkload, Percent};
use crate::target::Ability;

/// Keys in a range, at most.
const RANGE_MAX: u64 = 12;
/// Savepoints that are set at a time, at most.
const NESTED_MAX: usize = 3;

/// The steps of one transaction.
pub(super) fn steps(workload: &KvWorkload, setting: &Setting, rng: &mut Rng) -> Vec<Step> {
    let count = 1 + rng.below(u64::from(workload.operations_max.get()));
    let with_savepoints = setting.can(Ability::Savepoints) && drawn(workload.savepoints, rng);
    let mut steps = (0..count).map(|_| step(workload, setting, rng)).collect();
    if setting.can(Ability::Tables) && drawn(workload.table_changes, rng) {
        change_tables(workload, &mut steps, rng);
    }
    if with_savepoints {
        return among_savepoints(workload, steps, rng);
    }
    steps
}

fn step(workload: &KvWorkload, setting: &Setting, rng: &mut Rng) -> Step {
    let row = row(workload, rng);
    // Without transactions of the target's own, what is read while others commit is of no moment in particular.
    let reads = if workload.threads && !setting.can(Ability::Interleave) {
        0.0
    } else {
        share(workload.reads.get())
    };
    if rng.chance(reads) {
        if setting.can(Ability::Ranges) && drawn(workload.range_reads, rng) {
            return read_many(workload, row.table, rng);
        }
        Step::Get(row)
    } else if rng.chance(share(workload.deletes.get())) {
        if setting.can(Ability::Ranges) && drawn(workload.range_deletes, rng) {
            return Step::DeleteRange(range(workload, row.table, rng));
        }
        Step::Delete(row)
    } else {
        put(workload, row, rng)
    }
}

fn put(workload: &KvWorkload, row: RowKey, rng: &mut Rng) -> Step {
    Step::Put {
        row,
        len: value_len(workload, rng),
        payload: 0,
    }
}

/// Sets savepoints before some of the steps, and goes back to one after at least one put.
fn among_savepoints(workload: &KvWorkload, steps: Vec<Step>, rng: &mut Rng) -> Vec<Step> {
    let mut all = Vec::new();
    let mut depth = 0;
    for step in steps {
        if depth < NESTED_MAX && rng.chance(0.4) {
            all.push(Step::Savepoint);
            depth += 1;
        }
        all.push(step);
        if depth > 0 && rng.chance(0.4) {
            let to = rng.index(depth);
            let back = rng.chance(0.7);
            all.push(if back {
                Step::RollbackTo(to)
            } else {
                Step::Release(to)
            });
            depth = to + usize::from(back);
        }
    }
    let undone = row(workload, rng);
    let undone = put(workload, undone, rng);
    let kept = row(workload, rng);
    let kept = put(workload, kept, rng);
    all.extend([Step::Savepoint, undone, Step::RollbackTo(depth), kept]);
    all
}

/// Puts one or two changes of tables between the steps, and a look at what tables there are.
fn change_tables(workload: &KvWorkload, steps: &mut Vec<Step>, rng: &mut Rng) {
    for _ in 0..=rng.index(2) {
        let (one, other) = (changeable(workload, rng), changeable(workload, rng));
        let change = match rng.index(10) {
            0..=2 => TableChange::Create(one),
            3..=4 => TableChange::Drop(one),
            _ if one == other => TableChange::Create(one),
            _ => TableChange::Rename {
                from: one,
                to: other,
            },
        };
        let place = rng.index(steps.len() + 1);
        steps.insert(place, Step::ChangeTable(change));
    }
    let place = rng.index(steps.len() + 1);
    steps.insert(place, Step::ListTables);
}

/// A table that comes and goes: any but the first.
fn changeable(workload: &KvWorkload, rng: &mut Rng) -> TableId {
    let tables = workload.tables.get();
    let place = 1 + rng.below(u64::from(tables.saturating_sub(1).max(1)));
    table_of(place, tables)
}

fn read_many(workload: &KvWorkload, table: TableId, rng: &mut Rng) -> Step {
    let range = range(workload, table, rng);
    if rng.chance(0.7) {
        return Step::ReadRange(range);
    }
    let mut rows = range.rows;
    rng.shuffle(&mut rows);
    Step::GetMany(rows)
}

fn range(workload: &KvWorkload, table: TableId, rng: &mut Rng) -> RowRange {
    let keys = u64::from(workload.keys.get());
    let from = rng.below(keys);
    let to = (from + 1 + rng.below(RANGE_MAX)).min(keys);
    RowRange {
        table,
        from: short_key(from),
        to: short_key(to),
        rows: (from..to)
            .map(|number| RowKey::new(table, &key(number)))
            .collect(),
    }
}

fn row(workload: &KvWorkload, rng: &mut Rng) -> RowKey {
    let number = rng.below(u64::from(workload.keys.get()));
    let table = table_of(rng.next_u64() >> 8, workload.tables.get());
    RowKey::new(table, &key(number))
}

/// A few keys are long, and differ only before a long common end.
fn key(number: u64) -> Vec<u8> {
    let mut key = short_key(number);
    if number % 16 == 15 {
        key.resize(key.len() + 180, b'x');
    }
    key
}

/// A key that stands before all keys of greater numbers, and not after the key of this one.
fn short_key(number: u64) -> Vec<u8> {
    format!("key/{number:05}").into_bytes()
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

/// Whether a share draws this one. A share of nothing draws nothing: what is drawn else does not depend on it.
pub(super) fn drawn(percent: Percent, rng: &mut Rng) -> bool {
    percent.get() > 0 && rng.chance(share(percent.get()))
}

pub(super) fn share(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(keys: u32) -> KvWorkload {
        let text = format!("transactions = 1\nkeys = {keys}\nsavepoints = \"100 %\"");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_range_holds_the_rows_whose_keys_are_between_its_ends_and_no_other() {
        let (workload, mut rng) = (workload(40), Rng::from_seed(7));
        let all: Vec<_> = (0..40)
            .map(|number| RowKey::new(TableId(0), &key(number)))
            .collect();
        for _ in 0..200 {
            let range = range(&workload, TableId(0), &mut rng);
            let within = all.iter().filter(|row| {
                row.key.as_ref() >= range.from.as_slice() && row.key.as_ref() < range.to.as_slice()
            });
            assert_eq!(within.cloned().collect::<Vec<_>>(), range.rows);
            assert!(!range.rows.is_empty());
        }
    }

    #[test]
    fn savepoints_gone_back_to_are_always_set() {
        let (workload, mut rng) = (workload(40), Rng::from_seed(7));
        let mut nested = 0;
        for _ in 0..200 {
            let mut depth = 0;
            let steps =
                (0..3).map(|_| put(&workload, row(&workload, &mut rng), &mut Rng::from_seed(1)));
            for step in among_savepoints(&workload, steps.collect(), &mut rng) {
                match step {
                    Step::Savepoint => depth += 1,
                    Step::RollbackTo(to) => {
                        assert!(to < depth);
                        depth = to + 1;
                    }
                    Step::Release(to) => {
                        assert!(to < depth);
                        depth = to;
                    }
                    _ => {}
                }
                nested = nested.max(depth);
            }
        }
        assert!(nested >= 2, "savepoints nest");
    }
}
