//! What is left in the directory of what is published.

use std::fs;
use std::io;
use std::path::Path;

use super::contest::Cases;
use super::standing::League;
use super::{findings, html, markdown};
use crate::run::write_atomically;

/// Writes `league.md`, `league.json` and `league.html`, and below `findings/` a page and the shrunk cases of each engine of which something was found. Pages of an
/// earlier league go.
pub fn publish(league: &League, cases: &Cases, dir: &Path) -> io::Result<()> {
    write_atomically(&dir.join("league.md"), &markdown::page(league))?;
    write_atomically(&dir.join("league.html"), &html::page(league))?;
    let mut json = serde_json::to_string_pretty(league)?;
    json.push('\n');
    write_atomically(&dir.join("league.json"), &json)?;
    let folder = dir.join("findings");
    for standing in league.standings.iter().filter(|one| one.absent.is_none()) {
        let id = &standing.entry.id;
        let page = folder.join(format!("{id}.md"));
        forget(fs::remove_file(&page))?;
        forget(fs::remove_dir_all(folder.join(id)))?;
        let Some(text) = findings::page(standing) else {
            continue;
        };
        write_atomically(&page, &text)?;
        let files = cases.get(id).into_iter().flatten();
        for (name, file) in files.filter(|(name, _)| name.ends_with("-shrunk.toml")) {
            let name = name.rsplit('/').next().unwrap_or_default();
            let text = file.to_toml().map_err(io::Error::other)?;
            write_atomically(&folder.join(id).join(name), &text)?;
        }
    }
    Ok(())
}

/// What is not there need not go.
fn forget(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
