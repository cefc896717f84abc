//! Engines that are processes of their own, on the fuse plane: a sound one passes, and each broken one is caught by the check that fits. Where there is
//! no FUSE, or no Python, there is nothing to test, and the tests say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lightning_chaos::fuse::Mount;

/// A place for a run, and how its driver is started.
struct Place {
    dir: tempfile::TempDir,
    python: String,
}

impl Place {
    /// Nothing, and the reason printed, where drivers cannot be run.
    fn new() -> Option<Self> {
        if let Err(reason) = Mount::probe() {
            eprintln!("skipped: {reason}");
            return None;
        }
        let python = Command::new("python3")
            .args(["-c", "import sqlite3, sys; print(sys.executable)"])
            .output();
        match python {
            Ok(found) if found.status.success() => Some(Self {
                dir: tempfile::tempdir().unwrap(),
                python: String::from_utf8(found.stdout).unwrap().trim().to_owned(),
            }),
            other => {
                eprintln!("skipped: no python3 with sqlite3: {other:?}");
                None
            }
        }
    }

    fn driver(&self, arguments: &str) -> String {
        let drivers = root().join("examples/drivers");
        format!("driver:{} {}/{arguments}", self.python, drivers.display())
    }

    /// A scenario of the set for drivers, with a smaller budget.
    fn scenario(&self, name: &str, cases: u32) -> PathBuf {
        let file = root().join(format!("scenarios/drivers/{name}.toml"));
        let text = fs::read_to_string(file).unwrap();
        let (head, _) = text.split_once("[budget]").unwrap();
        let path = self.dir.path().join(format!("{name}.toml"));
        let head = head.replace("points = 80", "points = 15");
        let text = format!("{head}[budget]\ncases = {cases}\nruns = 3\n");
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, driver: &str, scenario: &Path, options: &[&str]) -> Output {
        let mut command = chaos();
        command.args(["run", "--no-shrink", "--jobs", "2"]);
        command.args(["--target", &self.driver(driver)]);
        command.arg("--out").arg(self.dir.path().join("out"));
        command.arg(scenario).args(options).output().unwrap()
    }

    /// A run that must fail with a finding of a check whose title holds `how`.
    fn must_be_caught(&self, driver: &str, scenario: &str, check: &str, how: &str) {
        let output = self.run(driver, &self.scenario(scenario, 120), &[]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = if check == "no-hang" { 3 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{driver}: {said}");
        let named = said.lines().any(|line| {
            let title = line.trim().strip_prefix(&format!("{check}: "));
            title.is_some_and(|title| title.contains(how))
        });
        assert!(named, "{driver}, {check}, {how}: {said}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn chaos() -> Command {
    Command::new(env!("CARGO_BIN_EXE_chaos"))
}

#[test]
fn a_sound_driver_passes() {
    let Some(place) = Place::new() else { return };
    for (scenario, cases) in [
        ("driver-power-loss", 60),
        ("driver-process-crash", 60),
        ("driver-damage", 150),
    ] {
        let output = place.run("toylog.py", &place.scenario(scenario, cases), &[]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}

#[test]
fn a_driver_that_forgets_to_sync_is_caught() {
    let Some(place) = Place::new() else { return };
    let lost = "acknowledged-lost";
    place.must_be_caught(
        "toylog.py no-fsync",
        "driver-power-loss",
        "durability",
        lost,
    );
    let dir = "toylog.py no-directory-sync";
    place.must_be_caught(dir, "driver-power-loss", "durability", "");
    let failed = "toylog.py ignore-failed-sync";
    place.must_be_caught(failed, "driver-failed-sync", "durability", "");
    let forgetful = "toylog.py drop-last-on-close";
    place.must_be_caught(forgetful, "driver-full-disk", "durability", lost);
}

#[test]
fn a_driver_that_takes_damage_for_data_or_for_an_end_is_caught() {
    let Some(place) = Place::new() else { return };
    for driver in ["toylog.py no-checksum", "toylog.py cut-at-damage"] {
        place.must_be_caught(driver, "driver-damage", "no-wrong-reads", "scan");
    }
}

#[test]
fn a_driver_that_hangs_ends_or_babbles_is_caught() {
    let Some(place) = Place::new() else { return };
    let scenario = "driver-power-loss";
    place.must_be_caught("toylog.py hang", scenario, "no-hang", "no answer");
    let ended = "the driver ended with exit code";
    place.must_be_caught("toylog.py exit", scenario, "no-panic", ended);
    place.must_be_caught("toylog.py garbage", scenario, "no-panic", "protocol error");
}

/// The order in which its process works is its own, so nothing is said of which states it shows.
#[test]
fn commits_of_several_clients_are_outstanding_at_once() {
    let Some(place) = Place::new() else { return };
    let scenario = "driver-concurrent";
    let file = place.scenario(scenario, 100);
    for sound in ["grouplog.py", "toylog.py"] {
        let output = place.run(sound, &file, &[]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{sound}: {said}");
    }
    let lost = "acknowledged-lost";
    for broken in ["grouplog.py early-answer", "grouplog.py late-joiner"] {
        place.must_be_caught(broken, scenario, "durability", lost);
    }
}

/// Deleting the journal is the commit, and only `extra` syncs the directory after it.
#[test]
fn an_unmodified_sqlite_loses_a_commit_with_full_and_not_with_extra() {
    let Some(place) = Place::new() else { return };
    let scenario = place.scenario("driver-power-loss", 120);
    for (synchronous, code) in [("extra", 0), ("full", 2)] {
        let option = format!("synchronous={synchronous}");
        let options = [
            "--target-option",
            &option,
            "--target-option",
            "journal_mode=delete",
        ];
        let output = place.run("sqlite.py", &scenario, &options);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{synchronous}: {said}");
        let lost = said.contains("durability: acknowledged-lost/sync");
        assert_eq!(lost, code == 2, "{synchronous}: {said}");
    }
}

/// Each client has a connection of its own: what one has not committed keeps others from writing, and is refused as busy.
#[test]
fn transactions_of_several_clients_over_several_tables_reach_a_driver_that_has_them() {
    let Some(place) = Place::new() else { return };
    let scenario = place.scenario("driver-transactions", 40);
    for driver in ["sqlite_transactions.py", "sqlite.py", "toylog.py"] {
        let output = place.run(driver, &scenario, &[]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{driver}: {said}");
    }
}

#[test]
fn a_driver_is_checked_against_the_protocol_step_by_step() {
    let Some(place) = Place::new() else { return };
    let check = |driver: &str| {
        let output = chaos().arg("driver-check").arg(driver).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    for driver in ["toylog.py", "sqlite.py", "sqlite_transactions.py"] {
        let (code, said) = check(&place.driver(driver));
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("ok   shows the rows that it was closed with"),
            "{said}"
        );
    }
    for (command, why) in [
        ("cat", "there is no `ok`"),
        ("no-such-program", "cannot start no-such-program"),
        ("true", "ended with exit code 0"),
        ("'", "not closed"),
    ] {
        let (code, said) = check(command);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
