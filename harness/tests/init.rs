//! `chaos init`: what it writes is compiled and run, and what is there stays.

use std::fs;
use std::path::Path;
use std::process::Command;

use lightning_chaos::fuse::Mount;
use support::Outside;

#[path = "support/outside.rs"]
mod support;

fn chaos(arguments: &[&str], dir: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    let output = command.args(arguments).current_dir(dir).output().unwrap();
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(both).unwrap())
}

#[test]
fn the_starter_of_a_library_is_a_test_that_passes_and_can_fail() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("engine");
    let (code, said) = chaos(&["init", dir.to_str().unwrap()], place.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cargo test --test chaos"), "{said}");
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("[dev-dependencies]\nlightning-chaos = { path"),
        "{manifest}"
    );
    let package = Outside::at(dir.clone());
    let (passed, said) = package.test(&[]);
    assert!(passed, "{said}");
    let source = dir.join("tests/chaos.rs");
    let sound = fs::read_to_string(&source).unwrap();
    let without = sound.replacen("file.sync()?;\n", "", 1);
    assert_ne!(sound, without);
    fs::write(&source, without).unwrap();
    let (passed, said) = package.test(&[]);
    assert!(!passed && said.contains("scenario first FAILED"), "{said}");
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let manifest = place.path().join("Cargo.toml");
    fs::write(&manifest, "# mine\n").unwrap();
    let test = place.path().join("tests/chaos.rs");
    fs::create_dir(place.path().join("tests")).unwrap();
    fs::write(&test, "// mine\n").unwrap();
    let (code, said) = chaos(&["init"], place.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("left ./tests/chaos.rs as it is"), "{said}");
    assert!(said.contains("add to Cargo.toml"), "{said}");
    assert!(
        said.contains("wrote ./tests/scenarios/first.toml"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "# mine\n");
    assert_eq!(fs::read_to_string(&test).unwrap(), "// mine\n");
    assert!(!place.path().join("src").exists());
}

/// A driver keeps to the protocol, and, where there is FUSE, passes a scenario.
fn must_be_sound(driver: &str, dir: &Path) {
    let (code, said) = chaos(&["driver-check", driver], dir);
    assert_eq!(code, Some(0), "{said}");
    if let Err(reason) = Mount::probe() {
        eprintln!("skipped: {reason}");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let scenario = root.join("scenarios/drivers/driver-process-crash.toml");
    let target = format!("driver:{driver}");
    let run = ["run", "--jobs", "2", "--out", "out", "--target", &target];
    let (code, said) = chaos(&[&run[..], &[scenario.to_str().unwrap()]].concat(), dir);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn the_starter_of_a_driver_in_python_is_a_sound_driver() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no python3");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (code, said) = chaos(&["init", "--driver", "python"], place.path());
    assert_eq!(code, Some(0), "{said}");
    must_be_sound("python3 chaos-driver.py", place.path());
}

#[test]
fn the_starter_of_a_driver_in_rust_is_a_sound_driver() {
    let place = tempfile::tempdir().unwrap();
    let (code, said) = chaos(&["init", "--driver", "rust"], place.path());
    assert_eq!(code, Some(0), "{said}");
    let package = Outside::at(place.path().join("chaos-driver"));
    let program = package.program("src/main.rs");
    must_be_sound(program.to_str().unwrap(), place.path());
}
