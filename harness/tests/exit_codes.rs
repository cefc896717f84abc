//! The exit codes that take more than a broken check: a proven hang, an internal error, an interruption.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const SCENARIO: &str = r#"format = 1
id = "misbehaves"
title = "A scenario that misbehaves"
tags = ["smoke"]

[workload]
kind = "kv"
transactions = 10

[options.selftest]
misbehave = "HOW"
at = "p3.s0"

[[fault]]
kind = "power-loss"
model = "posix"

[[check]]
kind = "durability"

[[check]]
kind = "no-hang"

[budget]
cases = 50
"#;

fn place(how: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("scenarios")).unwrap();
    let text = SCENARIO.replace("HOW", how);
    fs::write(dir.path().join("scenarios/misbehaves.toml"), text).unwrap();
    dir
}

fn chaos(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command
        .args(["run", "--target", "selftest"])
        .args(arguments)
        .current_dir(dir);
    command
}

#[test]
fn a_proven_hang_alone_is_3_and_an_internal_error_70() {
    for (how, code) in [("spin", 3), ("contradict", 70), ("break", 2)] {
        let dir = place(how);
        let output = chaos(dir.path(), &[]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{how}: {said}");
    }
}

#[test]
fn an_interrupted_run_is_130_and_leaves_its_report() {
    let dir = place("hang");
    let patient = ["--stall-limit", "10 min", "--jobs", "1"];
    let mut run = chaos(dir.path(), &patient);
    let mut run = run.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(run.stdout.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    assert!(first.starts_with("seed 1"), "{first}");
    let pid = run.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert_eq!(run.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(dir.path().join("target/chaos/report.json").is_file());
}
