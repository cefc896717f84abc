//! A real process on a real disk, killed with SIGKILL at random moments, 200 times.
//!
//! This test binary starts itself as the writer. The writer prints a transaction's number after its commit
//! was acknowledged; what it printed must be there after reopening, and every transaction whole. Each
//! transaction writes its number to `WIDTH` rows and to its client's sequence row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at what it did not expect"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use lightning_db::{Database, Durability, Options};

const KILLS: u32 = 200;
const WIDTH: u64 = 5;
const ROWS: u64 = 40;
/// What makes this binary the writer: the database's directory, and the durability.
const WRITER: &str = "LIGHTNING_KILL_TEST_WRITER";

fn options() -> Options {
    Options::new()
        .log_segment(256 << 10)
        .checkpoint_after(512 << 10)
}

fn number(db: &Database, table: &str, key: &[u8]) -> u64 {
    let value = db.get(table, key).unwrap();
    value.map_or(0, |bytes| {
        u64::from_be_bytes(bytes[..8].try_into().unwrap())
    })
}

fn row(transaction: u64, i: u64) -> [u8; 8] {
    ((transaction * 3 + i) % ROWS).to_be_bytes()
}

fn write_until_killed(path: &Path, durability: Durability) {
    let db = Database::open_or_create(path, options()).unwrap();
    let mut out = std::io::stdout().lock();
    for transaction in number(&db, "sequence", b"client") + 1.. {
        let mut txn = db.begin().unwrap();
        let mut value = transaction.to_be_bytes().to_vec();
        value.resize(8 + (transaction as usize * 37) % 3000, b'x');
        for i in 0..WIDTH {
            txn.put("rows", &row(transaction, i), &value).unwrap();
        }
        txn.put("sequence", b"client", &transaction.to_be_bytes())
            .unwrap();
        txn.commit_with(durability).unwrap();
        writeln!(out, "{transaction}").unwrap();
        out.flush().unwrap();
    }
}

/// Runs the writer until it has acknowledged `until` transactions, kills it a little later, and returns the
/// last number that it acknowledged.
fn run_and_kill(path: &Path, durability: &str, until: usize, spin: u32) -> u64 {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .env(WRITER, format!("{durability}:{}", path.display()))
        .args([
            "--exact",
            "a_killed_process_loses_nothing_it_acknowledged",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let parse =
        |line: std::io::Result<String>| line.ok().and_then(|l| l.trim().parse::<u64>().ok());
    let mut last = 0;
    let mut acknowledged = 0;
    while acknowledged < until {
        let line = lines.next().expect("the writer ended by itself");
        if let Some(number) = parse(line) {
            (last, acknowledged) = (number, acknowledged + 1);
        }
    }
    for _ in 0..spin {
        std::hint::spin_loop();
    }
    writer.kill().unwrap();
    // What was still in the pipe had been acknowledged before the kill.
    last = lines.filter_map(parse).last().unwrap_or(last);
    writer.wait().unwrap();
    last
}

fn check(path: &Path, acknowledged: u64) {
    let db = Database::open(path, options()).unwrap();
    let newest = number(&db, "sequence", b"client");
    assert!(
        newest >= acknowledged,
        "acknowledged {acknowledged}, found {newest}"
    );
    assert!(
        newest <= acknowledged + 1,
        "{newest} was never begun, {acknowledged} was the last"
    );
    let mut expected = std::collections::BTreeMap::new();
    for transaction in 1..=newest {
        for i in 0..WIDTH {
            expected.insert(row(transaction, i), transaction);
        }
    }
    let snapshot = db.snapshot().unwrap();
    let found: Vec<_> = snapshot
        .scan("rows")
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|(k, v)| (k.to_vec(), u64::from_be_bytes(v[..8].try_into().unwrap())))
        .collect();
    let expected: Vec<_> = expected.into_iter().map(|(k, v)| (k.to_vec(), v)).collect();
    assert_eq!(found, expected, "a torn transaction");
    assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    if let Ok(writer) = std::env::var(WRITER) {
        let (durability, path) = writer.split_once(':').unwrap();
        let durability = if durability == "sync" {
            Durability::Sync
        } else {
            Durability::Buffered
        };
        return write_until_killed(Path::new(path), durability);
    }
    let dir = tempfile::tempdir().unwrap();
    // Any generator does: the moment of a kill is not repeatable anyhow.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for kill in 0..KILLS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let durability = ["sync", "buffered"][kill as usize % 2];
        let path = dir.path().join(format!("{durability}-{}", kill / 40));
        let (until, spin) = (1 + (random % 60) as usize, (random >> 32) as u32 % 400_000);
        let acknowledged = run_and_kill(&path, durability, until, spin);
        check(&path, acknowledged);
    }
    println!("{KILLS} kills: nothing acknowledged was lost, nothing was torn");
}
