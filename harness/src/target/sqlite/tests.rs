//! SQLite on the simulated disk: what it asks of its file system arrives, and what a crash leaves is recovered.

use std::sync::Arc;

use super::Sqlite;
use crate::crash::CrashWalker;
use crate::sim::{SimConfig, SimDisk};
use crate::target::{ClientId, Durability, Mode, Options, Session, Target};
use crate::trace::{DiskState, Event, Operation, Trace, TracePosition};

const CLIENT: ClientId = ClientId(0);

fn options(pairs: &[(&str, &str)]) -> Options {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn with_journal(mode: &str) -> Options {
    options(&[("journal_mode", mode)])
}

fn open(disk: &SimDisk, options: &Options, mode: Mode) -> Box<dyn Session> {
    Sqlite.open(Arc::new(disk.clone()), options, mode).unwrap()
}

fn put(session: &mut dyn Session, key: &[u8], value: &[u8]) {
    session.begin(CLIENT).unwrap();
    session.put(CLIENT, "t0", key, value).unwrap();
    session.commit(CLIENT, Durability::Sync).unwrap();
}

fn rows(session: &mut dyn Session) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut sink = |key: &[u8], value: &[u8]| rows.push((key.to_vec(), value.to_vec()));
    session.scan("t0", &mut sink).unwrap();
    assert_eq!(session.verify().unwrap(), Vec::<String>::new());
    rows
}

fn row(key: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (key.to_vec(), value.to_vec())
}

/// The disk before the first event from `from` on that `wanted` accepts, with all that was written.
fn state_before(trace: &Trace, from: usize, wanted: impl Fn(&Operation) -> bool) -> DiskState {
    let events = trace.events.iter().enumerate().skip(from);
    let mut found = events.filter(|(_, event)| event.applied().is_some_and(&wanted));
    let (at, _) = found.next().unwrap();
    let mut walker = CrashWalker::new(trace);
    walker.advance_to(TracePosition::after(at));
    walker.state().clone()
}

fn is_removal(operation: &Operation) -> bool {
    matches!(operation, Operation::Remove { name } if &**name == "db-journal")
}

/// What one commit does to names and durability, in words.
fn syncs_of_a_commit(options: &Options) -> Vec<String> {
    let disk = SimDisk::new(SimConfig::default());
    let mut session = open(&disk, options, Mode::CreateOrOpen);
    let before = disk.position().index();
    put(session.as_mut(), b"a", b"1");
    let trace = disk.finish();
    let events = trace.events[before..].iter().filter_map(Event::applied);
    let text = |operation: &Operation| match operation {
        Operation::Create(file) => Some(format!("create {}", file.name)),
        Operation::Remove { name } => Some(format!("remove {name}")),
        Operation::Sync(file) => Some(format!("sync {}", file.name)),
        Operation::SyncDir { .. } => Some("sync directory".to_owned()),
        _ => None,
    };
    events.filter_map(text).collect()
}

#[test]
fn every_journal_mode_creates_reads_back_and_opens_again() {
    for mode in ["delete", "truncate", "persist", "wal", "memory", "off"] {
        let disk = SimDisk::new(SimConfig::default());
        let options = with_journal(mode);
        let mut session = open(&disk, &options, Mode::CreateOrOpen);
        put(session.as_mut(), b"b", b"2");
        put(session.as_mut(), b"a", b"");
        session.begin(CLIENT).unwrap();
        let value = session.get(CLIENT, "t0", b"b").unwrap();
        assert_eq!(value.as_deref(), Some(&b"2"[..]), "{mode}");
        session.delete(CLIENT, "t0", b"b").unwrap();
        session.commit(CLIENT, Durability::Sync).unwrap();
        session.close().unwrap();
        let mut session = open(&disk, &options, Mode::Existing);
        assert_eq!(rows(session.as_mut()), [row(b"a", b"")], "{mode}");
    }
}

#[test]
fn a_log_is_read_again_after_the_process_ended() {
    let disk = SimDisk::new(SimConfig::default());
    let options = with_journal("wal");
    let mut session = open(&disk, &options, Mode::CreateOrOpen);
    put(session.as_mut(), b"a", b"1");
    let before = disk.position();
    drop(session);
    assert_eq!(
        disk.position(),
        before,
        "the end of a process writes nothing"
    );
    assert!(
        disk.state()
            .named("db-wal")
            .is_some_and(|log| log.len() > 32)
    );
    let mut session = open(&disk, &options, Mode::Existing);
    assert_eq!(rows(session.as_mut()), [row(b"a", b"1")]);
    session.checkpoint().unwrap();
    put(session.as_mut(), b"b", b"2");
    session.close().unwrap();
    assert!(disk.state().named("db-wal").is_none());
}

#[test]
fn a_hot_journal_is_rolled_back() {
    let disk = SimDisk::new(SimConfig::default());
    let options = with_journal("delete");
    let mut session = open(&disk, &options, Mode::CreateOrOpen);
    put(session.as_mut(), b"a", b"old");
    let from = disk.position().index();
    put(session.as_mut(), b"a", b"new");
    let state = state_before(&disk.finish(), from, is_removal);
    assert!(state.named("db-journal").is_some());
    let disk = SimDisk::boot(state, SimConfig::default());
    let mut session = open(&disk, &options, Mode::Existing);
    assert_eq!(rows(session.as_mut()), [row(b"a", b"old")]);
}

#[test]
fn an_existing_database_that_is_not_there_is_refused() {
    let disk = SimDisk::new(SimConfig::default());
    let opened = Sqlite.open(Arc::new(disk), &Options::new(), Mode::Existing);
    assert!(opened.err().unwrap().text.contains("unable to open"));
}

#[test]
fn only_extra_syncs_the_directory_after_the_journal_is_removed() {
    let full = [
        "create db-journal",
        "sync db-journal",
        "sync directory",
        "sync db-journal",
        "sync db",
        "remove db-journal",
    ];
    let set = |synchronous| options(&[("synchronous", synchronous)]);
    assert_eq!(syncs_of_a_commit(&set("full")), full);
    let extra: Vec<_> = full.into_iter().chain(["sync directory"]).collect();
    assert_eq!(syncs_of_a_commit(&set("extra")), extra);
}

#[test]
fn a_log_has_its_directory_synced_once() {
    let set = |synchronous| options(&[("journal_mode", "wal"), ("synchronous", synchronous)]);
    let full = [
        "create db-wal",
        "sync db-wal",
        "sync directory",
        "sync db-wal",
    ];
    assert_eq!(syncs_of_a_commit(&set("full")), full);
    assert_eq!(syncs_of_a_commit(&set("off")), ["create db-wal"]);
}

#[test]
fn sessions_side_by_side_do_not_change_each_others_bytes() {
    let options = with_journal("persist");
    let disks = [(); 2].map(|()| SimDisk::new(SimConfig::default()));
    let mut sessions = disks
        .each_ref()
        .map(|disk| open(disk, &options, Mode::CreateOrOpen));
    let [first, second] = &mut sessions;
    put(first.as_mut(), b"a", b"1");
    put(first.as_mut(), b"b", b"2");
    put(second.as_mut(), b"a", b"1");
    put(second.as_mut(), b"b", b"2");
    let [first, second] = disks.map(|disk| disk.finish().events);
    assert_eq!(first, second);
}
