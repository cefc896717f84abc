//! Some cells of SQLite's truth table, with few states each: `chaos truth-table` shows all.

#![cfg(feature = "sqlite")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lightning_chaos::scenario::Scenario;
use lightning_chaos::target::CrashKind;
use lightning_chaos::truth::{Agreement, Cell, Documented, Found, explore};

const STATES: u64 = 300;

fn found(journal_mode: &'static str, synchronous: &'static str, crash: CrashKind) -> Found {
    let file = match crash {
        CrashKind::Power => "sqlite-power-loss.toml",
        CrashKind::Process => "sqlite-process-crash.toml",
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/truth");
    let text = fs::read_to_string(path.join(file)).unwrap();
    let scenario = Arc::new(Scenario::parse(file, &text).unwrap());
    let cell = Cell {
        journal_mode,
        synchronous,
    };
    let found = explore(&scenario, cell, crash, 1, STATES).unwrap();
    let agreement = Documented::of(cell, crash).compare(&found, STATES);
    assert_eq!(agreement, Agreement::Agrees, "{cell:?}: {found:#?}");
    found
}

#[test]
fn full_with_a_deleted_journal_loses_commits_for_want_of_a_directory_sync() {
    let found = found("delete", "full", CrashKind::Power);
    let witness = found.lost.unwrap();
    let lost = witness.finding.timeline.iter().find(|entry| {
        let note = entry.note.as_deref().unwrap_or_default();
        entry.what == "remove db-journal" && note.contains("no sync of its directory")
    });
    assert!(lost.is_some(), "{:#?}", witness.finding);
}

#[test]
fn extra_with_a_deleted_journal_keeps_every_commit() {
    found("delete", "extra", CrashKind::Power);
}

#[test]
fn normal_with_a_log_loses_commits_and_damages_nothing() {
    found("wal", "normal", CrashKind::Power);
}

#[test]
fn the_end_of_the_process_takes_nothing_even_with_synchronous_off() {
    found("truncate", "off", CrashKind::Process);
}
