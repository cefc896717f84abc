//! Each sync of a target is left out by itself, and is needed or not shown to be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const SCENARIO: &str = r#"# A small database that is created, written to and checkpointed.
format = 1
id = "small"
title = "A small database"
tags = ["audit"]

[workload]
kind = "bank"
accounts = 4
transactions = 8
checkpoints = 2

[options.lightning]
page_size = "4 KiB"
log_segment = "16 KiB"
checkpoint_after = "64 KiB"

[[fault]]
kind = "power-loss"
model = "posix"
at = "every-operation"

[[check]]
kind = "durability"

[[check]]
kind = "integrity"

[budget]
cases = 500
"#;

fn chaos(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(arguments).current_dir(dir).output().unwrap()
}

fn audit(dir: &Path) -> Value {
    let file = dir.join("scenarios/small.toml");
    fs::create_dir_all(dir.join("scenarios")).unwrap();
    fs::write(&file, SCENARIO).unwrap();
    let more = ["--runs", "1", "--states", "2000"];
    let output = chaos(dir, &[&["audit-syncs"], more.as_slice()].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("not shown to be needed:"), "{text}");
    let json = fs::read_to_string(dir.join("target/chaos/audit-syncs.json")).unwrap();
    serde_json::from_str(&json).unwrap()
}

#[test]
fn the_sync_of_the_log_is_needed_and_its_witness_replays() {
    let dir = tempfile::tempdir().unwrap();
    let audit = audit(dir.path());
    let syncs = audit["syncs"].as_array().unwrap();
    let needed = |operation: &str, file: &str, place: &str| {
        let mut found = syncs.iter().filter(|one| {
            one["operation"] == operation
                && one["file"] == file
                && one["place"].as_str().unwrap().starts_with(place)
        });
        let needed = found.find(|one| one["verdict"] == "needed");
        needed.unwrap_or_else(|| panic!("{operation} {file} {place}: {syncs:#?}"))
    };
    needed("sync", "data", "checkpoint");
    needed("sync-dir", ".", "creating");
    let of_commits = needed("sync", "wal/*", "committing: again, after write");
    let replay = of_commits["replay"].as_str().unwrap();
    let file = replay.strip_prefix("chaos replay ").unwrap();
    let file = dir.path().join("target/chaos").join(file);
    let replayed = chaos(dir.path(), &["replay", file.to_str().unwrap()]);
    assert_eq!(replayed.status.code(), Some(2), "{replayed:?}");
    assert!(of_commits["operations"].as_u64().unwrap() <= 4);
    for one in syncs {
        let is_shown = one["verdict"] == "needed";
        let left_out = one["left_out"].as_u64();
        assert!(is_shown || left_out.unwrap() > 0, "{one:#}");
    }
}
