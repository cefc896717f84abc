//! Transfers between accounts on several threads: whoever loses a conflict tries again, and no money is lost.

use lightning_db::typed::{Table, TypedError};
use lightning_db::{Database, Options};

const ACCOUNTS: Table<u32, i64> = Table::new("accounts");
const COUNT: u32 = 100;

/// Moves `amount`, if it is there.
fn transfer(db: &Database, from: u32, to: u32, amount: i64) -> Result<bool, TypedError> {
    db.transact(|txn| {
        let balance = ACCOUNTS.get(txn, from)?.unwrap_or(0);
        if balance < amount || from == to {
            return Ok(false);
        }
        ACCOUNTS.update(txn, from, |_| Some(balance - amount))?;
        ACCOUNTS.update(txn, to, |old| Some(old.unwrap_or(0) + amount))?;
        Ok(true)
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::in_memory(Options::new())?;
    let mut txn = db.begin()?;
    for account in 0..COUNT {
        ACCOUNTS.put(&mut txn, account, 1000)?;
    }
    txn.commit()?;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for n in 0..1000 {
                    let (from, to) = ((n * 7 + thread) % COUNT, (n * 13 + thread * 5) % COUNT);
                    if let Err(error) = transfer(db, from, to, i64::from(n % 50)) {
                        eprintln!("{error}");
                    }
                }
            });
        }
    });
    let mut total = 0;
    for row in ACCOUNTS.range(&db.snapshot()?, ..)? {
        total += row?.1;
    }
    let stats = db.stats();
    println!(
        "{total} in {COUNT} accounts after {} commits in {} groups, {} conflicts",
        stats.commits, stats.groups, stats.conflicts
    );
    Ok(())
}
