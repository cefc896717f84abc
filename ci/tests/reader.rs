//! The independent reader (`ci/reader/read_db.py`, written from `docs/design/file_format.md`) reads what the engine wrote.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use lightning_db::{CheckpointMode, Database, Options};

/// Tables, each with its rows.
type Content = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read_by_engine(place: &Path) -> Content {
    let db = Database::open(place, Options::new().read_only(true)).unwrap();
    let snapshot = db.snapshot().unwrap();
    let mut content = Content::new();
    for table in snapshot.tables().unwrap() {
        let rows = snapshot.scan(&table).unwrap().map(Result::unwrap);
        let rows = rows
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect();
        content.insert(table, rows);
    }
    content
}

fn read_by_python(place: &Path) -> Result<Content, String> {
    let script = root().join("ci/reader/read_db.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(place)
        .output()
        .expect("the independent reader runs under python3, which this test needs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut content = Content::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line.get(name).and_then(|value| value.as_str());
        let rows = content
            .entry(text("table").unwrap().to_owned())
            .or_default();
        if let (Some(key), Some(value)) = (text("key"), text("value")) {
            rows.insert(unhex(key), unhex(value));
        }
    }
    Ok(content)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

fn assert_same(place: &Path) {
    let (ours, theirs) = (read_by_engine(place), read_by_python(place).unwrap());
    assert!(ours.values().any(|rows| !rows.is_empty()));
    let names = |content: &Content| content.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs), "{}", place.display());
    assert!(ours == theirs, "{}: rows differ", place.display());
}

#[test]
fn the_independent_reader_agrees_about_every_fixture() {
    for name in ["closed", "crashed", "sealed"] {
        assert_same(&root().join("engine/tests/fixtures/v1").join(name));
    }
}

#[test]
fn the_independent_reader_agrees_about_a_fresh_database_closed_and_not() {
    let dir = tempfile::tempdir().unwrap();
    for page_size in [4096, 16384] {
        let place = dir.path().join(page_size.to_string());
        let options = Options::new()
            .page_size(page_size)
            .log_segment(64 << 10)
            .checkpoint_mode(CheckpointMode::Manual);
        let db = Database::create(&place, options).unwrap();
        let mut txn = db.begin().unwrap();
        for i in 0..3_000_u32 {
            txn.put("rows", &(i * 7919 % 3001).to_be_bytes(), &i.to_le_bytes())
                .unwrap();
        }
        for i in 0..40_u8 {
            let mut key = vec![i % 5; 450];
            key.extend(vec![i; 90 * usize::from(i)]);
            txn.put("long", &key, &vec![i; 100 * usize::from(i)])
                .unwrap();
        }
        txn.commit().unwrap();
        db.checkpoint().unwrap();
        for i in 0..200_u32 {
            db.delete("rows", &(i * 3).to_be_bytes()).unwrap();
            db.put("later", &i.to_be_bytes(), &vec![1; i as usize * 9])
                .unwrap();
        }
        db.put("later", b"large", &vec![2; 150_000]).unwrap();
        drop(db);
        assert_same(&place);
        Database::open(&place, Options::new())
            .unwrap()
            .close()
            .unwrap();
        assert_same(&place);
    }
}

#[test]
fn the_independent_reader_agrees_about_a_database_whose_map_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("db");
    let len = || std::fs::metadata(place.join("map")).unwrap().len();
    let db = Database::create(&place, Options::new().log_segment(1 << 20)).unwrap();
    let mut txn = db.begin().unwrap();
    for i in 0..4_000_u32 {
        txn.put("rows", &i.to_be_bytes(), &[7; 900]).unwrap();
    }
    txn.put("kept", b"k", b"v").unwrap();
    txn.commit().unwrap();
    db.checkpoint().unwrap();
    let large = len();
    db.delete_range("rows", 20_u32.to_be_bytes()..).unwrap();
    db.compact().unwrap();
    assert!(len() < large, "{large}");
    drop(db);
    assert_same(&place);
    Database::open(&place, Options::new())
        .unwrap()
        .close()
        .unwrap();
    assert_same(&place);
}

#[test]
fn the_independent_reader_refuses_damage() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::create(dir.path().join("db"), Options::new().log_segment(64 << 10)).unwrap();
    for i in 0..50_u32 {
        db.put("t", &i.to_be_bytes(), &[7; 100]).unwrap();
    }
    drop(db);
    let log = dir.path().join("db/wal/000001");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[4096 * 5 + 70] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let refused = read_by_python(&dir.path().join("db")).unwrap_err();
    assert!(refused.contains("durable"), "{refused}");
    std::fs::write(dir.path().join("db/map"), b"").unwrap();
    std::fs::write(dir.path().join("db/data"), b"").unwrap();
    assert!(read_by_python(&dir.path().join("db")).is_err());
}
