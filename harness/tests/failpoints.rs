//! Named places of the engine: a typo is refused, what is not reached is said, and what fails there is seen and replayed.
#![cfg(feature = "failpoints")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lightning_chaos::failpoints::catalogue;
use lightning_chaos::scenario::Scenario;

/// A scenario of a few transactions with a fault.
fn scenario(fault: &str, rest: &str) -> String {
    format!(
        "# A test.\nformat = 1\nid = \"places\"\ntitle = \"Places\"\n{rest}\n\
         [workload]\nkind = \"kv\"\ntransactions = 8\n\n\
         [[fault]]\nkind = \"failpoint\"\n{fault}\n\n\
         [[check]]\nkind = \"durability\"\n\n[[check]]\nkind = \"no-panic\"\n\n\
         [budget]\ncases = 40\nruns = 2\n"
    )
}

fn refused(fault: &str) -> String {
    let error = Scenario::parse("places.toml", &scenario(fault, "")).unwrap_err();
    error.render()
}

/// The exit code of `chaos` in the repository, and what it printed.
fn chaos(arguments: &[&str]) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .current_dir(root)
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code(), text)
}

fn run(dir: &Path, text: &str) -> (Option<i32>, String) {
    let file = dir.join("places.toml");
    fs::write(&file, text).unwrap();
    let out = dir.join("out");
    chaos(&[
        "run",
        file.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ])
}

#[test]
fn the_catalogue_has_each_name_once_and_each_part_of_the_engine() {
    let names: Vec<_> = catalogue().iter().map(|place| place.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    for part in [
        "archive",
        "backup",
        "cache",
        "checkpoint",
        "commit",
        "compaction",
        "create",
        "doublewrite",
        "map",
        "recovery",
        "superblock",
        "wal",
    ] {
        let has = names
            .iter()
            .any(|name| name.split('.').next() == Some(part));
        assert!(has, "{part}");
    }
}

#[test]
fn a_typo_names_the_place_that_was_meant() {
    let text = refused("name = \"wal.sync.befor\"\naction = \"power-loss\"");
    assert!(text.contains("did you mean `wal.sync.before`?"), "{text}");
    let text = refused("name = [\"wal.*\", \"disk.*\"]\naction = \"power-loss\"");
    assert!(text.contains("there is no failpoint `disk.*`"), "{text}");
}

#[test]
fn a_place_that_cannot_fail_is_not_asked_to() {
    let text = refused("name = \"commit.published\"\naction = \"error\"");
    assert!(text.contains("nothing can fail at"), "{text}");
    let text = refused("name = \"*\"\nexcept = \"*\"\naction = \"power-loss\"");
    assert!(text.contains("no failpoint is left"), "{text}");
    let text = refused("name = \"*\"\naction = \"yield\"");
    assert!(text.contains("nobody else can run"), "{text}");
}

#[test]
fn a_place_that_is_never_reached_leaves_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let fault = "name = [\"commit.published\", \"backup.done\"]\naction = \"power-loss\"";
    let (code, text) = run(dir.path(), &scenario(fault, ""));
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("1 failpoints never reached: backup.done"),
        "{text}"
    );
}

#[test]
fn a_failing_place_that_is_ignored_is_a_finding_that_replays() {
    let dir = tempfile::tempdir().unwrap();
    // The plant: a commit that fails is acknowledged.
    let rest = "expect = \"fail\"\ncaught_by = \"durability\"\n\
                [[plant]]\nkind = \"bug\"\nwhat = \"failed-commit-is-acknowledged\"\n";
    let fault = "name = \"wal.write.before\"\naction = \"error\"";
    let (code, text) = run(dir.path(), &scenario(fault, rest));
    assert_eq!(code, Some(0), "{text}");
    let case: PathBuf = dir.path().join("out/cases/places-1.toml");
    let (code, text) = chaos(&["replay", case.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("after wal.write.before failed"), "{text}");
}

#[test]
fn a_power_cut_at_a_place_replays() {
    let dir = tempfile::tempdir().unwrap();
    let rest = "expect = \"fail\"\ncaught_by = \"durability\"\n\
                [[plant]]\nkind = \"elision\"\noperation = \"sync\"\nfile = \"wal/*\"\n";
    let fault = "name = \"commit.*\"\naction = \"power-loss\"\ngenerations = 2";
    let (code, text) = run(dir.path(), &scenario(fault, rest));
    assert_eq!(code, Some(0), "{text}");
    let case: PathBuf = dir.path().join("out/cases/places-1.toml");
    let (code, text) = chaos(&["replay", case.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("at commit."),
        "the timeline says where: {text}"
    );
}
