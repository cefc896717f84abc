//! What one transaction will do, drawn before it begins.

use serde::{Deserialize, Serialize};

use super::act::TableChange;
use crate::oracle::{RowKey, TableId};
use crate::scenario::{DurabilityLevel, Workload};
use crate::target::{Ability, Durability};

/// What of a target's abilities and promises a workload has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What the target can.
    pub abilities: Vec<Ability>,
    /// Whether transactions can be rolled back.
    pub roll_back: bool,
    /// The durability levels of the target.
    pub levels: Vec<Durability>,
    /// Whether commits may be refused for want of space.
    pub disk_is_limited: bool,
}

impl Setting {
    /// Whether the target can do this.
    pub(super) fn can(&self, ability: Ability) -> bool {
        self.abilities.contains(&ability)
    }
}

/// What a transaction will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

/// One step of a transaction. Others may come between two steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Get(RowKey),
    Put {
        row: RowKey,
        len: usize,
        payload: i64,
    },
    Delete(RowKey),
    /// Reads all rows of a range at once.
    ReadRange(RowRange),
    /// Reads several rows at once, in any order.
    GetMany(Vec<RowKey>),
    DeleteRange(RowRange),
    ChangeTable(TableChange),
    ListTables,
    /// Sets a savepoint inside those that are set.
    Savepoint,
    /// Goes back to a savepoint, counted from the outermost, and keeps it.
    RollbackTo(usize),
    /// Gives up a savepoint, and those inside it.
    Release(usize),
    /// Reads the balances of two accounts.
    Look {
        from: RowKey,
        to: RowKey,
    },
    /// Adds to the list in a row.
    Append(RowKey),
    /// Looks at a row and overwrites it.
    Overwrite(RowKey),
    /// Moves money between the accounts looked at last.
    Move {
        amount: i64,
    },
}

/// A range of keys in one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowRange {
    pub(super) table: TableId,
    #[serde(with = "plain_bytes")]
    pub(super) from: Vec<u8>,
    /// The first key that is not in it any more.
    #[serde(with = "plain_bytes")]
    pub(super) to: Vec<u8>,
    /// Every row in it that the workload ever writes.
    pub(super) rows: Vec<RowKey>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Commit(Durability),
    Rollback,
}

/// The levels that a workload draws from and a target offers.
pub(super) fn levels(workload: &Workload, setting: &Setting) -> Vec<Durability> {
    let asked = workload.durability().as_slice();
    let level = |asked: &DurabilityLevel| match asked {
        DurabilityLevel::Sync => Durability::Sync,
        DurabilityLevel::Buffered => Durability::Buffered,
        DurabilityLevel::None => Durability::None,
    };
    asked
        .iter()
        .map(level)
        .filter(|level| setting.levels.contains(level))
        .collect()
}

/// The row that each of a client's transactions writes.
pub(super) fn sequence_row(client: u16) -> RowKey {
    RowKey::new(TableId(0), format!("seq/{client}").as_bytes())
}

/// The table of row number `row`, and the names of all tables.
pub(super) fn table_of(row: u64, tables: u32) -> TableId {
    TableId(u8::try_from(row % u64::from(tables.max(1))).unwrap_or(0))
}

/// The names of tables.
pub(super) fn table_names(tables: u32) -> Vec<String> {
    (0..tables.min(256))
        .map(|table| format!("t{table}"))
        .collect()
}

/// Bytes as text.
mod plain_bytes {
    use serde::de::{Deserializer, Error as _};
    use serde::ser::Serializer;
    use serde::{Deserialize as _, Serialize as _};

    use crate::oracle::{bytes_of, plain_text};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        plain_text(bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        bytes_of(&text).ok_or_else(|| D::Error::custom("a `%` without two digits"))
    }
}
