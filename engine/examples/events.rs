//! A log of events by sensor and time: tuple keys, prefix scans, the newest first, and old ones deleted by range.

use lightning_db::typed::Table;
use lightning_db::{Database, Options};

/// Sensor and second: degrees and a remark.
const EVENTS: Table<(&str, i64), (f64, &str)> = Table::new("events");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::in_memory(Options::new())?;
    let mut txn = db.begin()?;
    for second in -5..20_i64 {
        let degrees = f64::from(i32::try_from(second)?) / 2.0;
        EVENTS.put(&mut txn, ("roof", second), (degrees, ""))?;
        EVENTS.put(&mut txn, ("yard", second), (degrees - 3.0, "in the shade"))?;
    }
    txn.commit()?;

    println!("the newest three of the roof:");
    for row in EVENTS.prefix(&db, ("roof",))?.rev().take(3) {
        let ((_, second), (degrees, _)) = row?;
        println!("  {second:3} s  {degrees} degrees");
    }
    let (low, high) = (
        EVENTS.key_bytes(("roof", i64::MIN)),
        EVENTS.key_bytes(("roof", 10)),
    );
    let mut txn = db.begin()?;
    txn.delete_range::<Vec<u8>>(EVENTS.name(), low..high)?;
    txn.commit()?;
    println!("{} events left", EVENTS.count(&db, ..)?);
    Ok(())
}
