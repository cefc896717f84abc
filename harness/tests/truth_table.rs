//! Some cells of SQLite's truth table, with few states each: `chaos truth-table` shows all.

#![cfg(feature = "sqlite")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lightning_chaos::scenario::Scenario;
use lightning_chaos::truth::{Agreement, Cell, Documented, Found, Table, explore};

const STATES: u64 = 300;

fn found(journal_mode: &'static str, synchronous: &'static str, table: Table) -> Found {
    let file = table.scenario_file();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join(file)).unwrap();
    let scenario = Arc::new(Scenario::parse(file, &text).unwrap());
    let cell = Cell {
        journal_mode,
        synchronous,
    };
    let found = explore(&scenario, cell, table, 1, STATES).unwrap();
    let agreement = Documented::of(cell, table).compare(&found, STATES);
    assert_eq!(agreement, Agreement::Agrees, "{cell:?}: {found:#?}");
    found
}

#[test]
fn full_with_a_deleted_journal_loses_commits_for_want_of_a_directory_sync() {
    let found = found("delete", "full", Table::PowerLoss);
    let witness = found.lost.unwrap();
    let lost = witness.finding.timeline.iter().find(|entry| {
        let note = entry.note.as_deref().unwrap_or_default();
        entry.what == "remove db-journal" && note.contains("no sync of its directory")
    });
    assert!(lost.is_some(), "{:#?}", witness.finding);
}

#[test]
fn extra_with_a_deleted_journal_keeps_every_commit() {
    found("delete", "extra", Table::PowerLoss);
}

#[test]
fn normal_with_a_log_loses_commits_and_damages_nothing() {
    found("wal", "normal", Table::PowerLoss);
}

#[test]
fn the_end_of_the_process_takes_nothing_even_with_synchronous_off() {
    found("truncate", "off", Table::ProcessCrash);
}

#[test]
fn a_journaling_file_system_makes_up_neither_for_a_journal_that_is_half_written_nor_for_a_missing_directory_sync()
 {
    let found = found("delete", "normal", Table::JournalingFileSystem);
    for witness in [found.lost, found.corrupt] {
        let finding = witness.unwrap().finding;
        assert!(finding.assumptions.is_empty(), "{finding:#?}");
    }
}

#[test]
fn without_a_journal_the_end_of_the_process_may_damage_the_database() {
    found("off", "extra", Table::ProcessCrash);
    found("memory", "extra", Table::ProcessCrash);
    found("off", "full", Table::PowerLoss);
}
