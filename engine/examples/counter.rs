//! Counts how often it was run, in a directory that outlives it: `cargo run -p lightning-db --example counter -- DIR`.

use lightning_db::typed::Table;
use lightning_db::{Database, Options};

const RUNS: Table<&str, u64> = Table::new("runs");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).ok_or("say where: counter DIR")?;
    let db = Database::open_or_create(place, Options::new())?;
    let mut txn = db.begin()?;
    RUNS.update(&mut txn, "total", |runs| Some(runs.unwrap_or(0) + 1))?;
    txn.commit()?;
    println!("run {} times", RUNS.get(&db, "total")?.unwrap_or(0));
    db.close()?;
    Ok(())
}
