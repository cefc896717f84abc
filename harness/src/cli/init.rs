//! `chaos init`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::args::{InitArguments, Language};
use super::exit::Exit;
use super::failure::Failure;

/// A file that is written, by its path in the package.
type Starter = (&'static str, String);

const TEST: &str = include_str!("../../templates/chaos.rs");
const SCENARIO: &str = include_str!("../../templates/first.toml");
const PYTHON: &str = include_str!("../../templates/driver.py");
const RUST: &str = include_str!("../../templates/driver.rs");

const MANIFEST: &str = "[package]
name = \"my-engine\"
version = \"0.1.0\"
edition = \"2024\"
";
const LIBRARY: &str = "//! The engine.\n";
const DRIVER_MANIFEST: &str = "[package]
name = \"chaos-driver\"
version = \"0.1.0\"
edition = \"2024\"

[dependencies]
serde_json = \"1\"

# Not one of the workspace around it.
[workspace]
";

pub(super) fn init(arguments: &InitArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let dir = arguments.dir.as_path();
    fs::create_dir_all(dir)?;
    match arguments.driver {
        None => library(dir, out)?,
        Some(Language::Python) => {
            write_all(dir, out, &[("chaos-driver.py", PYTHON.to_owned())])?;
            next(out, "", "python3 chaos-driver.py")?;
        }
        Some(Language::Rust) => {
            let files = [
                ("chaos-driver/Cargo.toml", DRIVER_MANIFEST.to_owned()),
                ("chaos-driver/src/main.rs", RUST.to_owned()),
            ];
            write_all(dir, out, &files)?;
            let build = "cargo build --release --manifest-path chaos-driver/Cargo.toml\n  ";
            next(out, build, "chaos-driver/target/release/chaos-driver")?;
        }
    }
    Ok(Exit::Pass)
}

fn library(dir: &Path, out: &mut dyn Write) -> io::Result<()> {
    let is_new = !dir.join("Cargo.toml").exists();
    let mut files: Vec<Starter> = Vec::new();
    if is_new {
        files.push(("Cargo.toml", format!("{MANIFEST}\n{}", dependency())));
        files.push(("src/lib.rs", LIBRARY.to_owned()));
    }
    files.push(("tests/chaos.rs", TEST.to_owned()));
    files.push(("tests/scenarios/first.toml", SCENARIO.to_owned()));
    write_all(dir, out, &files)?;
    writeln!(out, "\nnext:")?;
    if !is_new {
        let lines = dependency().replace('\n', "\n    ");
        writeln!(out, "  add to Cargo.toml\n\n    {}\n", lines.trim_end())?;
    }
    writeln!(
        out,
        "  cargo test --test chaos    passes: a stand-in is tested"
    )?;
    writeln!(
        out,
        "  put your engine in the place of `StandIn` in tests/chaos.rs (docs/bring-your-engine.md)"
    )
}

/// The lines that a package needs: by the path of the sources that this program was built from, where they are.
fn dependency() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = if here.join("Cargo.toml").is_file() {
        format!("{{ path = {:?} }}", here.display().to_string())
    } else {
        format!("{:?}", env!("CARGO_PKG_VERSION"))
    };
    format!("[dev-dependencies]\nlightning-chaos = {from}\n")
}

/// Writes those that are not there.
fn write_all(dir: &Path, out: &mut dyn Write, files: &[Starter]) -> io::Result<()> {
    for (name, text) in files {
        let path = dir.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        match File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                writeln!(out, "wrote {}", path.display())?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                writeln!(out, "left {} as it is", path.display())?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn next(out: &mut dyn Write, build: &str, command: &str) -> io::Result<()> {
    writeln!(
        out,
        "\nnext:\n  {build}chaos driver-check '{command}'\n  chaos run --target 'driver:{command}' scenarios/drivers\n  \
         put your engine in the place of `Database` (docs/drivers.md has the protocol)"
    )
}
