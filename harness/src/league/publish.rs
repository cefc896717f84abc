//! What is left in the directory of what is published.

use std::fs;
use std::io;
use std::path::Path;

use super::contest::Cases;
use super::standing::League;
use super::{findings, html, markdown};
use crate::run::write_atomically;

/// Where drivers are in the repository.
const DRIVERS: &str = "harness/drivers/target/release";
/// Where cargo keeps the sources of crates.
const REGISTRY: &str = "/registry/src/";

/// Writes `league.md`, `league.json` and `league.html`, and below `findings/` a page and the shrunk cases of each engine of which something was found. Pages of an
/// earlier league go.
pub fn publish(league: &League, cases: &Cases, drivers: &Path, dir: &Path) -> io::Result<()> {
    let write = |path: &Path, text: &str| write_atomically(path, &anywhere(text, drivers));
    write(&dir.join("league.md"), &markdown::page(league))?;
    write(&dir.join("league.html"), &html::page(league))?;
    let mut json = serde_json::to_string_pretty(league)?;
    json.push('\n');
    write(&dir.join("league.json"), &json)?;
    let folder = dir.join("findings");
    for standing in league.standings.iter().filter(|one| one.absent.is_none()) {
        let id = &standing.entry.id;
        let page = folder.join(format!("{id}.md"));
        forget(fs::remove_file(&page))?;
        forget(fs::remove_dir_all(folder.join(id)))?;
        let Some(text) = findings::page(standing) else {
            continue;
        };
        write(&page, &text)?;
        let files = cases.get(id).into_iter().flatten();
        for (name, file) in files.filter(|(name, _)| name.ends_with("-shrunk.toml")) {
            let name = name.rsplit('/').next().unwrap_or_default();
            let text = file.to_toml().map_err(io::Error::other)?;
            write(&folder.join(id).join(name), &text)?;
        }
    }
    Ok(())
}

/// A text without the places of this machine: drivers by where the repository has them, and sources of crates by the names of their packages.
fn anywhere(text: &str, drivers: &Path) -> String {
    let mut text = text.replace(&*drivers.to_string_lossy(), DRIVERS);
    while let Some(at) = text.find(REGISTRY) {
        let is_path = |c: char| !c.is_whitespace() && !"\"'`()".contains(c);
        let before = text[..at].chars().rev().take_while(|&c| is_path(c));
        let start = at - before.map(char::len_utf8).sum::<usize>();
        // The registry's own name comes next.
        let after = at + REGISTRY.len();
        let end = text[after..]
            .find('/')
            .map_or(text.len(), |slash| after + slash + 1);
        text.replace_range(start..end, "");
    }
    text
}

/// What is not there need not go.
fn forget(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_published_names_a_place_of_this_machine() {
        let text = "chaos replay c1:driver%3a/home/me/bin/chaos-driver-sled: panicked at /home/me/.cargo/registry/src/index.crates.io-1949/sled-0.34.7/src/a.rs:4";
        let there = "chaos replay c1:driver%3aharness/drivers/target/release/chaos-driver-sled: panicked at sled-0.34.7/src/a.rs:4";
        assert_eq!(anywhere(text, Path::new("/home/me/bin")), there);
    }
}
