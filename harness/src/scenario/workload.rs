//! What the clients of a scenario do.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, Chore, Feature, OneOrMany, Percent};

/// A workload and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(tag = "kind")]
pub enum Workload {
    /// Puts, overwrites and deletes of keys.
    Kv(KvWorkload),
    /// Transfers between accounts, whose sum never changes.
    Bank(BankWorkload),
    /// Lists that are read and added to, by all clients alike: each shows in which order it was added to.
    Append(ContendedWorkload),
    /// Values that are read and overwritten, by all clients alike.
    Register(ContendedWorkload),
}

impl Workload {
    /// The name used in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kv(_) => "kv",
            Self::Bank(_) => "bank",
            Self::Append(_) => "append",
            Self::Register(_) => "register",
        }
    }

    /// What a run must have done for its verdict to mean anything, transactions apart.
    pub fn features(&self) -> Vec<Feature> {
        let mut features = Vec::new();
        let mut add = |asked: bool, some: &[Feature]| {
            features.extend(some.iter().filter(|_| asked));
        };
        let shares = match self {
            Self::Kv(kv) => [kv.range_reads, kv.range_deletes, kv.savepoints],
            Self::Bank(bank) => [Percent::default(), Percent::default(), bank.savepoints],
            Self::Append(rows) | Self::Register(rows) => {
                [rows.range_reads, Percent::default(), Percent::default()]
            }
        };
        let of_shares = [
            Feature::RangeReads,
            Feature::RangeDeletes,
            Feature::Savepoints,
        ];
        for (share, feature) in shares.into_iter().zip(of_shares) {
            add(share.get() > 0, &[feature]);
        }
        add(self.changes_tables(), &[Feature::TableChanges]);
        let compaction = [Feature::Compactions, Feature::CrashesInCompactions];
        add(self.chores(Chore::Compaction) > 0, &compaction);
        let backup = [
            Feature::Backups,
            Feature::CrashesInBackups,
            Feature::Restores,
        ];
        add(self.chores(Chore::Backup) > 0, &backup);
        let points = self.chores(Chore::RestorePoint) > 0;
        add(points, &[Feature::RestorePoints]);
        features
    }

    /// Whether transactions change which tables there are.
    pub fn changes_tables(&self) -> bool {
        match self {
            Self::Kv(kv) => kv.table_changes.get() > 0,
            Self::Bank(_) | Self::Append(_) | Self::Register(_) => false,
        }
    }

    /// How often a run asks for a chore.
    pub fn chores(&self, chore: Chore) -> u32 {
        let (compactions, backups, restore_points) = match self {
            Self::Kv(kv) => (kv.compactions, kv.backups, kv.restore_points),
            Self::Bank(bank) => (bank.compactions, bank.backups, bank.restore_points),
            Self::Append(_) | Self::Register(_) => (0, 0, 0),
        };
        match chore {
            Chore::Compaction => compactions,
            Chore::Backup => backups,
            Chore::RestorePoint => restore_points,
        }
    }

    /// How often a run asks for a checkpoint.
    pub fn checkpoints(&self) -> u32 {
        match self {
            Self::Kv(kv) => kv.checkpoints,
            Self::Bank(bank) => bank.checkpoints,
            Self::Append(rows) | Self::Register(rows) => rows.checkpoints,
        }
    }

    /// Transactions of one run, all clients together.
    pub fn transactions(&self) -> u32 {
        match self {
            Self::Kv(kv) => kv.transactions.get(),
            Self::Bank(bank) => bank.transactions.get(),
            Self::Append(rows) | Self::Register(rows) => rows.transactions.get(),
        }
    }

    /// Whether each client has a thread of its own.
    pub fn has_threads(&self) -> bool {
        match self {
            Self::Kv(kv) => kv.threads,
            Self::Bank(bank) => bank.threads,
            Self::Append(rows) | Self::Register(rows) => rows.threads,
        }
    }

    /// How many clients there are, tables, and transactions that their clients roll back.
    pub(crate) fn clients_tables_rollbacks(&self) -> (NonZeroU32, NonZeroU32, Percent) {
        match self {
            Self::Kv(kv) => (kv.clients, kv.tables, kv.rollbacks),
            Self::Bank(bank) => (bank.clients, bank.tables, bank.rollbacks),
            Self::Append(rows) | Self::Register(rows) => {
                (rows.clients, rows.tables, rows.rollbacks)
            }
        }
    }

    /// The durability of commits, drawn from anew for each.
    pub(crate) fn durability(&self) -> &OneOrMany<DurabilityLevel> {
        match self {
            Self::Kv(kv) => &kv.durability,
            Self::Bank(bank) => &bank.durability,
            Self::Append(rows) | Self::Register(rows) => &rows.durability,
        }
    }
}

/// Puts, overwrites and deletes of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KvWorkload {
    /// Transactions of one run, all clients together.
    pub transactions: NonZeroU32,
    /// Logical clients, whose open transactions interleave.
    #[serde(default = "one")]
    #[schemars(range(max = 64))]
    pub clients: NonZeroU32,
    /// Each client has a thread of its own, interleaved with the others and the target's own at disk operations and where they
    /// block; else one thread drives them all, and commits don't overlap.
    #[serde(default, skip_serializing_if = "is_false")]
    pub threads: bool,
    /// Tables, used alike.
    #[serde(default = "one")]
    #[schemars(range(max = 64))]
    pub tables: NonZeroU32,
    /// Different keys in each table.
    #[serde(default = "keys_by_default")]
    pub keys: NonZeroU32,
    /// Operations in one transaction, at most; at least 1.
    #[serde(default = "operations_by_default")]
    pub operations_max: NonZeroU32,
    /// Share of reads among the operations; what they return is compared with what was committed.
    #[serde(
        default = "reads_by_default",
        skip_serializing_if = "is_reads_by_default"
    )]
    pub reads: Percent,
    /// Share of reads that are of a range, or of several keys at once.
    #[serde(default, skip_serializing_if = "is_none")]
    pub range_reads: Percent,
    /// Share of deletes among the other operations.
    #[serde(default = "deletes_by_default")]
    pub deletes: Percent,
    /// Share of deletes that are of a range.
    #[serde(default, skip_serializing_if = "is_none")]
    pub range_deletes: Percent,
    /// Longest ordinary value.
    #[serde(default = "value_len_by_default")]
    pub value_len_max: ByteSize,
    /// Share of large values among the puts.
    #[serde(default)]
    pub large_values: Percent,
    /// Longest large value; they are at least half as long.
    #[serde(default = "large_value_len_by_default")]
    pub large_value_len_max: ByteSize,
    /// Share of transactions that their client rolls back.
    #[serde(default)]
    pub rollbacks: Percent,
    /// Share of transactions that set savepoints, nested ones among them, and go back to some.
    #[serde(default, skip_serializing_if = "is_none")]
    pub savepoints: Percent,
    /// Share of transactions that create, drop, rename or list tables; all but the first table are theirs to change.
    #[serde(default, skip_serializing_if = "is_none")]
    pub table_changes: Percent,
    /// Durability of commits: a level, or a list that each transaction draws from.
    #[serde(default = "sync")]
    pub durability: OneOrMany<DurabilityLevel>,
    /// Checkpoints asked for, spread over the run.
    #[serde(default)]
    pub checkpoints: u32,
    /// Compactions asked for, spread over the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub compactions: u32,
    /// Backups taken, full ones and such of what has changed, spread over the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backups: u32,
    /// How often the log is archived, spread over the run, so that the database can be restored to that point.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restore_points: u32,
}

/// Transfers between accounts, whose sum never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BankWorkload {
    /// Accounts, spread over the tables; a transfer needs two.
    #[schemars(range(min = 2))]
    pub accounts: u32,
    /// Transfers of one run, all clients together.
    pub transactions: NonZeroU32,
    /// Logical clients, whose open transactions interleave.
    #[serde(default = "one")]
    #[schemars(range(max = 64))]
    pub clients: NonZeroU32,
    /// Each client has a thread of its own, interleaved with the others and the target's own at disk operations and where they
    /// block; else one thread drives them all, and commits don't overlap.
    #[serde(default, skip_serializing_if = "is_false")]
    pub threads: bool,
    /// Tables, used alike.
    #[serde(default = "one")]
    #[schemars(range(max = 64))]
    pub tables: NonZeroU32,
    /// What each account holds at the start.
    #[serde(default = "balance_by_default")]
    pub initial_balance: NonZeroU32,
    /// Share of transfers that their client rolls back.
    #[serde(default)]
    pub rollbacks: Percent,
    /// Share of transfers that move a wrong amount first, and go back to a savepoint.
    #[serde(default, skip_serializing_if = "is_none")]
    pub savepoints: Percent,
    /// Durability of commits: a level, or a list that each transaction draws from.
    #[serde(default = "sync")]
    pub durability: OneOrMany<DurabilityLevel>,
    /// Checkpoints asked for, spread over the run.
    #[serde(default)]
    pub checkpoints: u32,
    /// Compactions asked for, spread over the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub compactions: u32,
    /// Backups taken, full ones and such of what has changed, spread over the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backups: u32,
    /// How often the log is archived, spread over the run, so that the database can be restored to that point.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restore_points: u32,
}

/// A few rows that all clients read and write, so that each transaction depends on others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContendedWorkload {
    /// Transactions of one run, all clients together.
    pub transactions: NonZeroU32,
    /// Logical clients, whose open transactions interleave.
    #[serde(default = "three")]
    #[schemars(range(max = 64))]
    pub clients: NonZeroU32,
    /// Each client has a thread of its own, interleaved with the others and the target's own at disk operations and where they
    /// block; else one thread drives them all, and commits don't overlap.
    #[serde(default, skip_serializing_if = "is_false")]
    pub threads: bool,
    /// Tables, used alike.
    #[serde(default = "one")]
    #[schemars(range(max = 64))]
    pub tables: NonZeroU32,
    /// Different rows, all tables together.
    #[serde(default = "rows_by_default")]
    pub rows: NonZeroU32,
    /// Operations in one transaction, at most; at least 1.
    #[serde(default = "operations_by_default")]
    pub operations_max: NonZeroU32,
    /// Share of operations that only read.
    #[serde(default = "half")]
    pub reads: Percent,
    /// Share of reads that are of a range.
    #[serde(default, skip_serializing_if = "is_none")]
    pub range_reads: Percent,
    /// Share of writes that overwrite a row without looking at it. A list is always looked at.
    #[serde(default, skip_serializing_if = "is_none")]
    pub blind_writes: Percent,
    /// Share of transactions that their client rolls back.
    #[serde(default)]
    pub rollbacks: Percent,
    /// Durability of commits: a level, or a list that each transaction draws from.
    #[serde(default = "sync")]
    pub durability: OneOrMany<DurabilityLevel>,
    /// Checkpoints asked for, spread over the run.
    #[serde(default)]
    pub checkpoints: u32,
}

/// How durable a commit is asked to be.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DurabilityLevel {
    /// On stable storage when acknowledged.
    Sync,
    /// With the operating system when acknowledged.
    Buffered,
    /// Decided when acknowledged.
    None,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none(share: &Percent) -> bool {
    share.get() == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_reads_by_default(share: &Percent) -> bool {
    *share == reads_by_default()
}

fn reads_by_default() -> Percent {
    Percent::clamped(15)
}

fn sync() -> OneOrMany<DurabilityLevel> {
    OneOrMany::one(DurabilityLevel::Sync)
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn three() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(2)
}

fn rows_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(5)
}

fn half() -> Percent {
    Percent::clamped(50)
}

fn keys_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(63)
}

fn operations_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(3)
}

fn balance_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(999)
}

fn deletes_by_default() -> Percent {
    Percent::clamped(20)
}

fn value_len_by_default() -> ByteSize {
    ByteSize::from_bytes(100)
}

fn large_value_len_by_default() -> ByteSize {
    ByteSize::from_bytes(20 << 10)
}
