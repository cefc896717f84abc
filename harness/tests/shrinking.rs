//! Findings shrink to small cases that replay by themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn chaos(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_chaos");
    let command = &mut Command::new(program);
    command
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap()
}

/// Runs planted bugs. The report, and the directory that it is in.
fn run(plants: &[&str], more: &[&str]) -> (Value, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<String> = plants
        .iter()
        .map(|plant| format!("scenarios/must-fail/{plant}.toml"))
        .collect();
    let mut arguments = vec!["run", "--out", dir.path().to_str().unwrap()];
    arguments.extend(files.iter().map(String::as_str));
    arguments.extend(more);
    let output = chaos(&arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let text = fs::read_to_string(dir.path().join("report.json")).unwrap();
    (serde_json::from_str(&text).unwrap(), dir)
}

fn shrunk(report: &Value, place: usize) -> &Value {
    let findings = report["scenarios"][place]["findings"].as_array().unwrap();
    let mut shrunk = findings.iter().filter_map(|one| one.get("shrunk"));
    shrunk
        .next()
        .unwrap_or_else(|| panic!("nothing is shrunk: {findings:?}"))
}

#[test]
fn planted_bugs_shrink_to_few_operations_and_the_files_replay() {
    // A power cut, a bug of the target that needs none, an ignored failure of storage, and clients on threads.
    let plants = [
        ("data-not-synced", 3, 1),
        ("log-sync-skipped-once", 6, 1),
        ("range-read-skips-a-row", 6, 0),
        ("dropped-log-pages-ignored", 4, 1),
        ("group-not-synced", 6, 1),
    ];
    let names: Vec<&str> = plants.iter().map(|(name, ..)| *name).collect();
    let (report, dir) = run(&names, &[]);
    for (place, (name, operations, faults)) in plants.into_iter().enumerate() {
        let shrunk = shrunk(&report, place);
        let count = shrunk["operations"].as_u64().unwrap();
        assert!(count <= operations, "{name}: {shrunk:#}");
        assert!(
            count < shrunk["operations_before"].as_u64().unwrap(),
            "{name}: {shrunk:#}"
        );
        assert_eq!(shrunk["faults"].as_u64(), Some(faults), "{name}");
        let file = dir.path().join(shrunk["case_file"].as_str().unwrap());
        let replayed = chaos(&["replay", file.to_str().unwrap()]);
        assert_eq!(replayed.status.code(), Some(2), "{name}: {replayed:?}");
    }
}

#[test]
fn hangs_shrink_to_few_operations_and_the_files_hang_again() {
    // Threads that wait for each other, a recovery without an end, and threads that wait for one whose commit failed.
    let plants = [
        ("locks-in-two-orders", 4, 0),
        ("recovery-loops", 0, 1),
        ("failed-commit-keeps-its-lock", 4, 1),
    ];
    let names: Vec<&str> = plants.iter().map(|(name, ..)| *name).collect();
    let (report, dir) = run(&names, &[]);
    for (place, (name, operations, faults)) in plants.into_iter().enumerate() {
        let shrunk = shrunk(&report, place);
        assert!(
            shrunk["operations"].as_u64().unwrap() <= operations,
            "{name}: {shrunk:#}"
        );
        assert_eq!(shrunk["faults"].as_u64(), Some(faults), "{name}");
        let file = dir.path().join(shrunk["case_file"].as_str().unwrap());
        let replayed = chaos(&["replay", file.to_str().unwrap()]);
        assert_eq!(replayed.status.code(), Some(3), "{name}: {replayed:?}");
    }
}

#[test]
fn what_a_finding_shrinks_to_follows_from_the_seed() {
    let once = run(&["log-sync-skipped-once"], &["--jobs", "1"]);
    let again = run(&["log-sync-skipped-once"], &["--jobs", "2"]);
    assert_eq!(shrunk(&once.0, 0), shrunk(&again.0, 0));
}

#[test]
fn no_shrink_leaves_findings_as_they_were_found() {
    let (report, dir) = run(&["data-not-synced"], &["--no-shrink"]);
    let findings = report["scenarios"][0]["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    assert!(findings.iter().all(|one| one.get("shrunk").is_none()));
    let files = fs::read_dir(dir.path().join("cases")).unwrap();
    let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.contains("shrunk")));
}

#[test]
fn shrinking_that_may_try_little_keeps_the_best_so_far() {
    let (report, dir) = run(&["log-sync-skipped-once"], &["--no-shrink"]);
    let finding = &report["scenarios"][0]["findings"][0];
    let case = dir.path().join(finding["case_file"].as_str().unwrap());
    let small = dir.path().join("small.toml");
    let (case, small) = (case.to_str().unwrap(), small.to_str().unwrap());
    let output = chaos(&["shrink", case, "--tries", "60", "--out", small]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("shrinking log-sync-skipped-once seed 1 run 0"));
    assert!(text.contains("no more tries were allowed"), "{text}");
    assert_eq!(chaos(&["replay", small]).status.code(), Some(2));
}

#[test]
fn a_case_that_shows_nothing_is_not_shrunk() {
    let (report, dir) = run(&["log-sync-skipped-once"], &[]);
    let shrunk = shrunk(&report, 0);
    let file = dir.path().join(shrunk["case_file"].as_str().unwrap());
    let text = fs::read_to_string(&file).unwrap();
    // Without the planted bug nothing is broken.
    fs::write(&file, text.replace("\"planted\"", "\"healthy\"")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(chaos(&["replay", file]).status.code(), Some(0));
    let output = chaos(&["shrink", file]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("nothing is broken"));
}

#[test]
fn a_case_file_that_makes_no_sense_is_wrong_use_and_no_panic() {
    let (report, dir) = run(&["log-sync-skipped-once"], &[]);
    let shrunk = shrunk(&report, 0);
    let file = dir.path().join(shrunk["case_file"].as_str().unwrap());
    let text = fs::read_to_string(&file).unwrap();
    let wrong = dir.path().join("wrong.toml");
    for (from, to, code) in [
        ("0 commit sync", "0 commit never", 1),
        ("format = 2", "format = 3", 1),
        // A client that the workload does not have, and a cut after the end: there is no such case, so nothing is broken.
        ("0 commit sync", "77 commit sync", 0),
        ("[exact.lives.cut]\nat = ", "[exact.lives.cut]\nat = 9", 0),
    ] {
        assert!(text.contains(from), "{text}");
        fs::write(&wrong, text.replace(from, to)).unwrap();
        let output = chaos(&["replay", wrong.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(code), "{to}: {output:?}");
    }
}

#[test]
fn the_repair_of_an_elided_sync_is_that_sync() {
    let plants = [
        "archive-not-synced",
        "backup-directory-not-synced",
        "backup-not-synced",
        "compaction-data-not-synced",
        "compaction-map-not-synced",
        "data-not-synced",
        "group-not-synced",
        "log-directory-not-synced",
        "log-never-synced",
        "log-sync-skipped-once",
        "map-not-synced",
        "root-directory-not-synced",
    ];
    let (report, _dir) = run(&plants, &[]);
    for (place, plant) in plants.into_iter().enumerate() {
        let shrunk = shrunk(&report, place);
        let repairs = shrunk["repairs"].as_array();
        let repairs = repairs.unwrap_or_else(|| panic!("{plant} has no repair: {shrunk:#}"));
        let dropped = |repair: &Value| repair["dropped"].is_u64();
        assert!(repairs.iter().all(dropped), "{plant}: {repairs:#?}");
        let last = repairs.last().unwrap();
        assert_eq!(last["removed"], last["failing"], "{plant}: {repairs:#?}");
        let names_it = |line: &Value| {
            let what = line["what"].as_str().unwrap();
            what == "a sync that reports success has happened"
        };
        let card = shrunk["assumptions"].as_array().unwrap();
        assert!(card.iter().any(names_it), "{plant}: {card:#?}");
    }
}

#[test]
fn no_sync_repairs_a_write_that_is_lost() {
    let (report, _dir) = run(&["log-write-lost"], &[]);
    let shrunk = shrunk(&report, 0);
    let repairs = shrunk["repairs"].as_array().cloned().unwrap_or_default();
    let ends_it = |repair: &Value| repair["removed"] == repair["failing"];
    assert!(!repairs.iter().any(ends_it), "{repairs:#?}");
}
