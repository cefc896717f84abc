//! A package of somebody else, with this crate as its dependency.
//!
//! `cargo` would build everything once more for it, so the compiler is called as cargo would, with the library that the tests around it were linked with. With
//! `OUTSIDE_BY_CARGO` set it is cargo itself, in a folder where it finds all crates without a network.

#![allow(dead_code, reason = "not every test takes all of it")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

/// A package's directory.
pub struct Outside {
    dir: PathBuf,
    build: tempfile::TempDir,
}

impl Outside {
    pub fn at(dir: PathBuf) -> Self {
        let build = tempfile::tempdir().unwrap();
        Self { dir, build }
    }

    /// Whether everything is left to cargo.
    pub fn has_cargo() -> bool {
        env::var_os("OUTSIDE_BY_CARGO").is_some()
    }

    /// `cargo test`, with these variables.
    pub fn test(&self, variables: &[(&str, &str)]) -> (bool, String) {
        if Self::has_cargo() {
            let mut command = Command::new(env!("CARGO"));
            command.args(["test", "--offline"]).current_dir(&self.dir);
            return said(&command.envs(variables.iter().copied()).output().unwrap());
        }
        self.compile_library();
        let program = self.build.path().join("chaos-test");
        let mut compile = Self::rustc(&self.dir.join("tests/chaos.rs"), &program);
        compile.arg("--test");
        self.extern_own(&mut compile);
        built(&mut compile);
        let mut command = Command::new(&program);
        command.current_dir(&self.dir).env_remove("CHAOS_SEED");
        said(&command.envs(variables.iter().copied()).output().unwrap())
    }

    /// A program of the package.
    pub fn program(&self, source: &str) -> PathBuf {
        let program = self.build.path().join("program");
        built(&mut Self::rustc(&self.dir.join(source), &program));
        program
    }

    /// The package's name in source code.
    fn name(&self) -> String {
        let manifest = fs::read_to_string(self.dir.join("Cargo.toml")).unwrap();
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = "));
        name.unwrap().trim_matches('"').replace('-', "_")
    }

    fn library(&self) -> PathBuf {
        self.build.path().join(format!("lib{}.rlib", self.name()))
    }

    fn compile_library(&self) {
        let mut command = Self::rustc(&self.dir.join("src/lib.rs"), &self.library());
        command.args(["--crate-type", "rlib", "--crate-name", &self.name()]);
        built(&mut command);
    }

    fn extern_own(&self, command: &mut Command) {
        let library = self.library();
        let own = format!("{}={}", self.name(), library.display());
        command.arg("--extern").arg(own);
    }

    fn rustc(source: &Path, to: &Path) -> Command {
        let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
        let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(compiler);
        command.args(["--edition", "2024", "-A", "warnings"]);
        command.arg(source).arg("-o").arg(to);
        command
            .arg("-L")
            .arg(format!("dependency={}", deps.display()));
        for name in ["lightning_chaos", "serde_json"] {
            let library = newest(&deps, name);
            command
                .arg("--extern")
                .arg(format!("{name}={}", library.display()));
        }
        command
    }
}

/// The library of this name that was built last: the one that the tests around it are linked with.
fn newest(deps: &Path, name: &str) -> PathBuf {
    let start = format!("lib{name}-");
    let files = fs::read_dir(deps).unwrap().map(|entry| entry.unwrap());
    let is_it = |file: &fs::DirEntry| {
        let name = file.file_name().into_string().unwrap_or_default();
        name.starts_with(&start)
            && Path::new(&name)
                .extension()
                .is_some_and(|end| end == "rlib")
    };
    let built = |file: &fs::DirEntry| {
        let data = file.metadata().unwrap();
        data.modified().unwrap_or(SystemTime::UNIX_EPOCH)
    };
    files.filter(is_it).max_by_key(built).unwrap().path()
}

fn built(command: &mut Command) {
    let (is_good, text) = said(&command.output().unwrap());
    assert!(is_good, "{command:?}: {text}");
}

fn said(output: &Output) -> (bool, String) {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&both).into_owned(),
    )
}
