//! `chaos list`.

use std::io::Write;

use super::args::Selection;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use crate::scenario::Expect;

pub(super) fn list(selection: &Selection, out: &mut dyn Write) -> Result<Exit, Failure> {
    let root = Root::find();
    let mut wanted = Vec::new();
    let files = match selection.paths.as_slice() {
        [] => root.all_files()?,
        paths => root.files_in(paths)?,
    };
    for file in files {
        let loaded = root.load(&file)?;
        let tags = &selection.tags;
        if tags.is_empty() || tags.iter().any(|tag| loaded.scenario.has_tag(tag)) {
            wanted.push(loaded);
        }
    }
    let width = wanted
        .iter()
        .map(|loaded| loaded.scenario.id.len())
        .max()
        .unwrap_or(0);
    for loaded in wanted {
        let scenario = &loaded.scenario;
        let expect = match scenario.expect {
            Expect::Pass => "pass",
            Expect::Fail => "fail",
        };
        let tags = scenario.tags.join(" ");
        writeln!(
            out,
            "{:<width$}  {expect}  {}  [{tags}]",
            scenario.id, scenario.title
        )?;
    }
    Ok(Exit::Pass)
}
