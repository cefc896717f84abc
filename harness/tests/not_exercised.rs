//! What a run says of a target that promises nothing: neither passed nor accused.

use std::path::Path;
use std::process::Command;

/// The exit code of `chaos run`, and what it printed.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .current_dir(root)
        .arg("run")
        .args(arguments)
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

#[test]
fn media_that_a_target_is_not_made_for_leave_its_scenario_undecided_and_the_others_run() {
    let (code, text) = run(&[
        "scenarios/known-bugs/redb-torn-commit-slot.toml",
        "scenarios/power-loss/first-steps.toml",
    ]);
    assert_eq!(code, Some(4), "{text}");
    let has = |start: &str, end: &str| {
        let mut lines = text.lines();
        lines.any(|line| line.starts_with(start) && line.contains(end))
    };
    assert!(
        has("inconclusive  redb-torn-commit-slot", "not exercised"),
        "{text}"
    );
    assert!(has("pass          first-steps", "states"), "{text}");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_setting_that_promises_nothing_is_neither_passed_nor_accused() {
    for option in ["synchronous=off", "journal_mode=off", "journal_mode=memory"] {
        let (code, text) = run(&[
            "scenarios/power-loss/first-steps.toml",
            "--target",
            "sqlite",
            "--target-option",
            option,
        ]);
        assert_eq!(code, Some(4), "{text}");
        assert!(text.contains("not exercised: "), "{text}");
        assert!(text.contains("the target promises nothing"), "{text}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn no_rollback_is_asked_of_a_setting_that_leaves_it_undefined() {
    let scenario = tempfile::tempdir().unwrap();
    let file = scenario.path().join("rollbacks.toml");
    std::fs::write(
        &file,
        r#"
format = 1
id = "rollbacks"
title = "Rollbacks of transactions that do not fit the cache"

[workload]
kind = "kv"
transactions = 20
keys = 400
operations_max = 60
rollbacks = "40 %"

[options.sqlite]
page_size = "1 KiB"
cache_pages = 10

[[fault]]
kind = "power-loss"
model = "process-crash"
at = "sampled"
points = 5

[[check]]
kind = "durability"

[budget]
cases = 50
"#,
    )
    .unwrap();
    let file = file.to_str().unwrap();
    for (mode, code) in [("off", 4), ("memory", 4), ("truncate", 0)] {
        let option = format!("journal_mode={mode}");
        let (ended, text) = run(&[file, "--target", "sqlite", "--target-option", &option]);
        assert_eq!(ended, Some(code), "{text}");
    }
}

/// A sweep over a damaged database, of which a few places are tried.
fn swept(scenario: &str, change: impl Fn(String) -> String) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = root.join(format!("scenarios/damage/{scenario}.toml"));
    let text = std::fs::read_to_string(file).unwrap();
    let few = text.replace("bytes_max", "at = \"sampled\"\npoints = 40\nbytes_max");
    assert_ne!(few, text);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("swept.toml");
    std::fs::write(&file, change(few)).unwrap();
    run(&[file.to_str().unwrap()])
}

#[test]
fn the_database_of_the_exhaustive_damage_is_at_most_256_kib_long() {
    for scenario in ["every-bit-of-a-byte-flips", "every-length"] {
        let (code, text) = swept(scenario, |text| {
            assert!(text.contains("bytes_max = \"256 KiB\""), "{text}");
            text
        });
        assert_eq!(code, Some(0), "{text}");
        let (code, text) = swept(scenario, |text| {
            text.replace("bytes_max = \"256 KiB\"", "bytes_max = \"200 KiB\"")
        });
        assert_eq!(code, Some(4), "{text}");
        assert!(
            text.contains("bytes long, more than `bytes_max`, 204800"),
            "{text}"
        );
    }
}
