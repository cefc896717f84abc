//! The plane `block`, where this machine has it; else the reason is printed.

use std::path::Path;
use std::process::{Command, Output};

fn chaos(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.current_dir(root).args(arguments);
    if arguments[0] == "run" {
        command.arg("--out").arg(out.path());
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether ext4 can be had here.
fn has_ext4() -> bool {
    let output = chaos(&["calibrate", "--file-system", "ext4", "--programs", "0"]);
    let printed = text(&output);
    let why = printed.lines().find(|line| line.contains("skipped"));
    if let Some(why) = why {
        eprintln!("not run: {why}");
    }
    why.is_none()
}

#[test]
fn posix_holds_on_ext4_and_without_barriers_it_does_not() {
    if !has_ext4() {
        return;
    }
    let few = [
        "calibrate",
        "--file-system",
        "ext4",
        "--programs",
        "2",
        "--images",
        "12",
    ];
    let held = chaos(&few);
    let printed = text(&held);
    assert!(
        printed.lines().any(|line| line.starts_with("ext4")),
        "{printed}"
    );
    assert!(!printed.contains("no state of `posix`"), "{printed}");
    let control = chaos(&[&few[..], &["--mount", "barrier=0"]].concat());
    assert_eq!(control.status.code(), Some(2), "{}", text(&control));
    assert!(text(&control).contains("no state of `posix`"));
}

#[test]
fn the_end_of_a_run_leaves_no_mount_and_no_loop_device() {
    if !has_ext4() {
        return;
    }
    let scenario = "scenarios/block/power-cuts-under-ext4.toml";
    let mut child = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["run", scenario, "--jobs", "1", "--out"])
        .arg(tempfile::tempdir().unwrap().path())
        .spawn()
        .unwrap();
    let served = || {
        let loops = Command::new("losetup").arg("-a").output().unwrap();
        text(&loops).contains("/mnt/disks/")
    };
    // Each look starts a program, which takes a millisecond or two.
    let wait_for = |wanted: bool| (0..20_000).any(|_| served() == wanted);
    assert!(wait_for(true), "no disk was mounted");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(wait_for(false), "a loop device is left");
}
