//! Where scenario files are.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::args::{Selection, Tier};
use super::failure::Failure;
use crate::run::Loaded;
use crate::scenario::ScenarioReadError;

const FOLDER: &str = "scenarios";
const SMOKE: &str = "smoke";
/// Themes that are about engines which have the bugs, or the settings, that they look for.
const OTHER_ENGINES: [&str; 2] = ["known-bugs", "truth"];

/// The directory that holds `scenarios/`, which names of scenario files are relative to.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    /// The nearest directory from here upward with a folder `scenarios`, or else the one that this
    /// program was built from, or else this one.
    pub(super) fn find() -> Self {
        let here = env::current_dir().unwrap_or_default();
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let root = here
            .ancestors()
            .chain(built)
            .find(|dir| dir.join(FOLDER).is_dir());
        Self(root.unwrap_or(&here).to_owned())
    }

    /// Where reports go unless told otherwise.
    pub(super) fn out(&self) -> PathBuf {
        self.0.join("target").join("chaos")
    }

    /// All scenario files under `scenarios/`.
    pub(super) fn all_files(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.0.join(FOLDER);
        if !folder.is_dir() {
            let message = format!("there is no folder `{FOLDER}` here or above");
            return Err(Failure::NothingSelected(message));
        }
        scenario_files(&folder)
    }

    /// All scenario files in these files and folders.
    pub(super) fn files_in(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for path in paths {
            for file in scenario_files(&self.resolved(path)?)? {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }

    /// A path below the root, whether it is there or not.
    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// A path as given, from here or from the root.
    pub(super) fn resolved(&self, path: &Path) -> Result<PathBuf, Failure> {
        [path.to_owned(), self.0.join(path)]
            .into_iter()
            .find(|candidate| candidate.exists())
            .ok_or_else(|| Failure::NoSuchPath(path.to_owned()))
    }

    /// How reports name a file: relative to the root, with forward slashes; as given outside of it.
    pub(super) fn name_of(&self, path: &Path) -> String {
        let full = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let root = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        let name = full.strip_prefix(&root).unwrap_or(&full);
        let parts: Vec<_> = name
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect();
        parts.join("/").replacen("//", "/", 1)
    }

    /// Reads a scenario file.
    pub(super) fn load(&self, path: &Path) -> Result<Loaded, ScenarioReadError> {
        Loaded::read(path, self.name_of(path))
    }

    /// Reads what was selected, in the order of files.
    pub(super) fn select(&self, selection: &Selection) -> Result<Vec<Loaded>, Failure> {
        let files = match selection.paths.as_slice() {
            [] => self.all_files()?,
            paths => self.files_in(paths)?,
        };
        let mut loaded = Vec::new();
        for file in files {
            loaded.push(self.load(&file)?);
        }
        refuse_equal_ids(&loaded)?;
        let mut tags = selection.tags.clone();
        let tier = selection.tier;
        if tier == Some(Tier::Smoke)
            || tier.is_none() && selection.paths.is_empty() && tags.is_empty()
        {
            tags.push(SMOKE.to_owned());
        }
        if tier == Some(Tier::Nightly) {
            loaded.retain(|l| !OTHER_ENGINES.iter().any(|tag| l.scenario.has_tag(tag)));
        }
        loaded.retain(|l| tags.is_empty() || tags.iter().any(|tag| l.scenario.has_tag(tag)));
        if loaded.is_empty() {
            let message = format!("no file with tag {}", tags.join(" or "));
            return Err(Failure::NothingSelected(message));
        }
        let without = &selection.without;
        loaded.retain(|l| !without.iter().any(|tag| l.scenario.has_tag(tag)));
        if loaded.is_empty() {
            let message = format!("every file has tag {}", without.join(" or "));
            return Err(Failure::NothingSelected(message));
        }
        Ok(loaded)
    }
}

/// Reports and replay lines tell scenarios apart by their ids.
pub(super) fn refuse_equal_ids(scenarios: &[Loaded]) -> Result<(), Failure> {
    let mut files = BTreeMap::new();
    for loaded in scenarios {
        if let Some(first) = files.insert(&loaded.scenario.id, &loaded.file) {
            let (id, second) = (loaded.scenario.id.clone(), loaded.file.clone());
            return Err(Failure::SameId {
                id,
                first: first.clone(),
                second,
            });
        }
    }
    Ok(())
}

fn scenario_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let at = |source| Failure::Folder {
        path: path.to_owned(),
        source,
    };
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<PathBuf> = entries
        .map_err(at)?
        .iter()
        .map(fs::DirEntry::path)
        .collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(scenario_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    Ok(files)
}
