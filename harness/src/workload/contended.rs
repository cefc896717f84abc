//! A few rows that all clients read and write. Nothing is ever deleted, so that what a row shows says who was there before.

use super::kv::{drawn, share};
use super::plan::{RowRange, Setting, Step, table_of};
use crate::oracle::{RowKey, TableId};
use crate::rng::Rng;
use crate::scenario::ContendedWorkload;
use crate::target::Ability;

/// How a row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// It is a list, and gets one more element.
    Append,
    /// It gets another value.
    Overwrite,
}

/// The steps of one transaction.
pub(super) fn steps(
    workload: &ContendedWorkload,
    write: Write,
    setting: &Setting,
    rng: &mut Rng,
) -> Vec<Step> {
    let count = 1 + rng.below(u64::from(workload.operations_max.get()));
    let step = |_| step(workload, write, setting, rng);
    (0..count).map(step).collect()
}

fn step(workload: &ContendedWorkload, write: Write, setting: &Setting, rng: &mut Rng) -> Step {
    let number = rng.below(u64::from(workload.rows.get()));
    let row = row(workload, number);
    if rng.chance(share(workload.reads.get())) {
        if setting.can(Ability::Ranges) && drawn(workload.range_reads, rng) {
            return Step::ReadRange(range(workload, row.table, number, rng));
        }
        return Step::Get(row);
    }
    match write {
        Write::Append => Step::Append(row),
        Write::Overwrite if drawn(workload.blind_writes, rng) => Step::Put {
            row,
            len: 0,
            payload: 0,
        },
        Write::Overwrite => Step::Overwrite(row),
    }
}

fn row(workload: &ContendedWorkload, number: u64) -> RowKey {
    RowKey::new(table_of(number, workload.tables.get()), &key(number))
}

fn key(number: u64) -> Vec<u8> {
    format!("row/{number:04}").into_bytes()
}

/// The rows of one table from a number on.
fn range(workload: &ContendedWorkload, table: TableId, from: u64, rng: &mut Rng) -> RowRange {
    let rows = u64::from(workload.rows.get());
    let to = from + 1 + rng.below(rows - from);
    let within = (from..to).map(|number| row(workload, number));
    RowRange {
        table,
        from: key(from),
        to: key(to),
        rows: within.filter(|row| row.table == table).collect(),
    }
}
