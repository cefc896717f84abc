//! A driver in another language, written from the protocol page alone, on the whole set for drivers: the sound one passes, and each of its broken
//! versions is told what is wrong with it. Where there is no FUSE, or no Perl, there is nothing to test, and the tests say so.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lightning_chaos::fuse::Mount;

/// How the driver is started; nothing, and the reason printed, where it can't be.
fn driver() -> Option<String> {
    if let Err(reason) = Mount::probe() {
        eprintln!("skipped: {reason}");
        return None;
    }
    let perl = Command::new("perl")
        .args(["-MJSON::PP", "-MDigest::MD5", "-e", "print $^X"])
        .output();
    match perl {
        Ok(found) if found.status.success() => {
            let perl = String::from_utf8(found.stdout).unwrap();
            let script = root().join("harness/tests/drivers_of_strangers/journal.pl");
            Some(format!("{perl} {}", script.display()))
        }
        other => {
            eprintln!("skipped: no perl with JSON::PP: {other:?}");
            None
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn chaos() -> Command {
    Command::new(env!("CARGO_BIN_EXE_chaos"))
}

fn run(driver: &str, options: &[&str], scenarios: &str) -> (Option<i32>, String) {
    let out = tempfile::tempdir().unwrap();
    let mut command = chaos();
    command.args(["run", "--jobs", "2", "--target"]);
    command.arg(format!("driver:{driver}")).args(options);
    command.arg("--out").arg(out.path());
    said(&command.arg(root().join(scenarios)).output().unwrap())
}

fn said(output: &Output) -> (Option<i32>, String) {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&both).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_sound_driver_of_a_stranger_passes_the_whole_set() {
    let Some(driver) = driver() else { return };
    let (code, text) = said(&chaos().args(["driver-check", &driver]).output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = run(&driver, &[], "scenarios/drivers");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn an_option_reaches_the_driver_and_one_that_is_unknown_is_refused() {
    let Some(driver) = driver() else { return };
    let scenario = "scenarios/drivers/driver-process-crash.toml";
    let (code, text) = run(&driver, &["--target-option", "fsync=no"], scenario);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("durability: acknowledged-lost/sync"),
        "{text}"
    );
    let (code, text) = run(&driver, &["--target-option", "colour=red"], scenario);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("unknown option colour"), "{text}");
}

#[test]
fn each_broken_version_is_told_what_is_wrong() {
    let Some(driver) = driver() else { return };
    let scenario = "scenarios/drivers/driver-full-disk.toml";
    for (broken, code, finding) in [
        ("wrong-id", 2, "it answers request"),
        ("garbage", 2, "`all is well` is not JSON"),
        ("early-exit", 2, "the driver ended with exit code 7"),
        ("hang-open", 3, "no-hang: open/no answer"),
        ("hang-close", 3, "no-hang: close/no answer"),
    ] {
        let (ended, text) = run(&format!("{driver} {broken}"), &[], scenario);
        assert_eq!(ended, Some(code), "{broken}: {text}");
        assert!(text.contains(finding), "{broken}: {text}");
    }
}

/// The same in C: `examples/drivers/ledger.c`, whose bugs are the ones that every log has. Without a C compiler there is nothing to test.
#[test]
fn a_driver_in_c_is_told_what_is_wrong_with_it() {
    if let Err(reason) = Mount::probe() {
        return eprintln!("skipped: {reason}");
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("ledger");
    let source = root().join("examples/drivers/ledger.c");
    let mut compiler = Command::new("cc");
    compiler.arg("-O1").arg("-o").arg(&program).arg(source);
    if !compiler.status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no C compiler");
    }
    let driver = program.display().to_string();
    let (code, text) = said(&chaos().args(["driver-check", &driver]).output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    let without_shrinking = ["--no-shrink"];
    for (broken, code, scenario, finding) in [
        ("", 0, "driver-process-crash", "1 of 1 scenarios passed"),
        (
            "early-answer",
            2,
            "driver-process-crash",
            "durability: acknowledged-lost/sync",
        ),
        ("cut-at-damage", 2, "driver-damage", "no-wrong-reads: scan"),
    ] {
        let scenario = format!("scenarios/drivers/{scenario}.toml");
        let (ended, text) = run(&format!("{driver} {broken}"), &without_shrinking, &scenario);
        assert_eq!(ended, Some(code), "{broken}: {text}");
        assert!(text.contains(finding), "{broken}: {text}");
    }
}
