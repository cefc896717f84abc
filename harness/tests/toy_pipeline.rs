//! The whole pipeline on the toy engine: a planted bug is caught, reported and replayed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PLANTED: &str = r#"# A log that is never synced.
format = 1
id = "toy-log-never-synced"
title = "The toy's log is never synced"
tags = ["smoke"]
expect = "fail"
caught_by = "durability"

[workload]
kind = "bank"
accounts = 4
transactions = 10

[[fault]]
kind = "power-loss"
model = "posix"

[[plant]]
kind = "elision"
operation = "sync"
file = "toy.log"

[[check]]
kind = "durability"

[budget]
cases = 500
"#;

fn chaos(dir: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_chaos");
    Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}{error}");
}

fn place(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("scenarios")).unwrap();
    fs::write(dir.path().join("scenarios/toy-log-never-synced.toml"), text).unwrap();
    dir
}

fn report(dir: &Path) -> lightning_report::Report {
    lightning_report::Report::read(&dir.join("target/chaos/report.json")).unwrap()
}

#[test]
fn a_planted_bug_is_caught_beside_a_healthy_control() {
    let dir = place(PLANTED);
    assert_exit(&chaos(dir.path(), &["run", "--target", "toy"]), 0);
    let report = report(dir.path());
    assert_eq!(report.scenarios[0].caught_by, ["durability"]);
    assert!(
        report.scenarios[0]
            .elisions
            .values()
            .all(|elision| elision.fired > 0)
    );
}

#[test]
fn the_same_bug_unexpected_fails_the_run_and_its_replay_line_shows_it_again() {
    let dir = place(&PLANTED.replace("expect = \"fail\"", "expect = \"pass\""));
    assert_exit(
        &chaos(dir.path(), &["run", "--target", "toy", "--jobs", "1"]),
        2,
    );
    let one = report(dir.path());
    assert_exit(
        &chaos(dir.path(), &["run", "--target", "toy", "--jobs", "2"]),
        2,
    );
    let two = report(dir.path());
    assert_eq!(one.clone().reproducible(), two.reproducible());

    let finding = &one.scenarios[0].findings[0];
    let case = finding.replay.strip_prefix("chaos replay ").unwrap();
    let replayed = chaos(dir.path(), &["replay", case, "--materialize", "state"]);
    assert_exit(&replayed, 2);
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(
        said.contains(&finding.actual),
        "{said}\ndoes not say {}",
        finding.actual
    );
    assert!(dir.path().join("state").is_dir());
}

#[test]
fn the_toy_itself_survives() {
    let healthy = PLANTED.split("[[plant]]").collect::<Vec<_>>();
    let rest = healthy[1].split_once("[[check]]").unwrap().1;
    let text = format!("{}[[check]]{rest}", healthy[0])
        .replace("expect = \"fail\"\n", "")
        .replace("caught_by = \"durability\"\n", "");
    let dir = place(&text);
    assert_exit(&chaos(dir.path(), &["run", "--target", "toy"]), 0);
    assert!(report(dir.path()).totals.counts.crash_states.distinct >= 500);
}
