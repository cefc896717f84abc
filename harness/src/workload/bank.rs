//! Accounts and transfers: the sum of all balances never changes.

use super::kv::drawn;
use super::plan::{Setting, Step, table_of};
use crate::oracle::{RowKey, RowMap, Stamp, Violation};
use crate::rng::Rng;
use crate::scenario::{BankWorkload, CheckKind};
use crate::target::Ability;

const AMOUNT_MAX: u64 = 100;

/// The row of an account.
pub(super) fn account(workload: &BankWorkload, number: u32) -> RowKey {
    let table = table_of(u64::from(number), workload.tables.get());
    RowKey::new(table, format!("account/{number:04}").as_bytes())
}

/// The steps that open all accounts.
pub(super) fn setup(workload: &BankWorkload) -> Vec<Step> {
    let payload = i64::from(workload.initial_balance.get());
    let put = |number| Step::Put {
        row: account(workload, number),
        len: 0,
        payload,
    };
    (0..workload.accounts).map(put).collect()
}

/// The steps of one transfer. With a savepoint, a wrong amount is moved first, and moved back by going back.
pub(super) fn steps(workload: &BankWorkload, setting: &Setting, rng: &mut Rng) -> Vec<Step> {
    let accounts = workload.accounts.max(2);
    let from = draw(rng, accounts);
    let to = (from + 1 + draw(rng, accounts - 1)) % accounts;
    let amount = 1 + rng.below(AMOUNT_MAX).cast_signed();
    let (from, to) = (account(workload, from), account(workload, to));
    let (look, right) = (Step::Look { from, to }, Step::Move { amount });
    if setting.can(Ability::Savepoints) && drawn(workload.savepoints, rng) {
        let wrong = Step::Move { amount: amount + 1 };
        return vec![look, Step::Savepoint, wrong, Step::RollbackTo(0), right];
    }
    vec![look, right]
}

fn draw(rng: &mut Rng, bound: u32) -> u32 {
    u32::try_from(rng.below(u64::from(bound))).unwrap_or(0)
}

/// A balance read from an account's row; what is not a value counts as nothing.
pub(super) fn balance(row: &RowKey, value: Option<&[u8]>) -> i64 {
    let stamp = value.and_then(|value| Stamp::read(row.table, &row.key, value).ok());
    stamp.map_or(0, |stamp| stamp.payload)
}

/// What is wrong if the balances don't add up.
pub(super) fn check_sum(workload: &BankWorkload, rows: &RowMap) -> Option<Violation> {
    let accounts = (0..workload.accounts).map(|number| account(workload, number));
    let there: Vec<_> = accounts
        .filter_map(|row| rows.get_key_value(&row))
        .collect();
    if there.is_empty() {
        return None;
    }
    let balances = there
        .iter()
        .map(|(row, value)| i128::from(balance(row, Some(value))));
    let sum: i128 = balances.sum();
    let owed = i128::from(workload.initial_balance.get()) * i128::from(workload.accounts);
    (sum != owed).then(|| {
        Violation::new(
            CheckKind::Atomicity,
            "sum-of-balances",
            format!("{owed} in {} accounts", workload.accounts),
            format!("{sum} in {} accounts", there.len()),
        )
    })
}
