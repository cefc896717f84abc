//! Records which sources the program is built from, without failing where git is absent.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [&str; 6] = [
    "src",
    "Cargo.toml",
    "build.rs",
    "../engine/src",
    "../engine/Cargo.toml",
    "../Cargo.lock",
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = Vec::new();
    for source in SOURCES {
        let path = here.join(source);
        println!("cargo::rerun-if-changed={}", path.display());
        // What cannot be read does not count: a published crate has no engine beside it.
        let _ = collect(&path, &mut files);
    }
    files.sort();
    for name in ["HEAD", "index", "logs/HEAD"] {
        if let Some(path) = git(&here, &["rev-parse", "--git-path", name]) {
            let path = here.join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
    let commit = git(
        &here,
        &[
            "describe",
            "--always",
            "--exclude=*",
            "--abbrev=12",
            "--dirty",
        ],
    );
    let commit = commit.unwrap_or_else(|| "nogit".to_owned());
    println!(
        "cargo::rustc-env=CHAOS_COMMIT={commit}.{:016x}",
        digest(&here, &files)
    );
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// FNV-1a over names and contents: tells builds apart, guards against nobody.
fn digest(here: &Path, files: &[PathBuf]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for file in files {
        let name = file.strip_prefix(here).unwrap_or(file);
        eat(name.to_string_lossy().as_bytes());
        eat(&fs::read(file).unwrap_or_default());
    }
    hash
}

fn git(here: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(here)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
