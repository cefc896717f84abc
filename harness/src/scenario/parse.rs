//! From text to a scenario.
//!
//! Serde loses track of lines in an enum tagged from within (`kind = "bank"`), so before it sees the
//! document each such table is turned into one tagged from without (`bank = { … }`), spans kept.

use std::fs;
use std::path::Path;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::error::Problem;
use super::{Scenario, ScenarioError, ScenarioReadError, validate};

pub(super) const TAG: &str = "kind";
pub(super) const TAGGED: [&str; 3] = ["workload", "fault", "plant"];

impl Scenario {
    /// Reads a scenario from its text. `file` is what errors call it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Box<ScenarioError>> {
        parsed(text).map_err(|problem| Box::new(ScenarioError::new(file, text, problem)))
    }

    /// Reads a scenario file.
    pub fn read(path: &Path) -> Result<Self, ScenarioReadError> {
        let text = fs::read_to_string(path).map_err(|source| ScenarioReadError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse(&path.display().to_string(), &text)?)
    }
}

fn parsed(text: &str) -> Result<Scenario, Problem> {
    let mut document = DeTable::parse(text).map_err(|error| Problem::from_toml(&error))?;
    for key in TAGGED {
        if let Some(value) = document.get_mut().get_mut(key) {
            tag_from_without(value)?;
        }
    }
    let scenario = Scenario::deserialize(Deserializer::from(document))
        .map_err(|error| Problem::from_toml(&error))?;
    validate::validate(&scenario).map_err(|fault| fault.in_text(text))?;
    Ok(scenario)
}

fn tag_from_without(value: &mut Spanned<DeValue<'_>>) -> Result<(), Problem> {
    let span = value.span();
    match value.get_mut() {
        DeValue::Array(list) => list.iter_mut().try_for_each(tag_from_without),
        DeValue::Table(table) => {
            let Some(kind) = table.remove(TAG) else {
                return Err(problem_at(span, format!("missing key `{TAG}`")));
            };
            let kind_span = kind.span();
            let DeValue::String(name) = kind.into_inner() else {
                return Err(problem_at(kind_span, format!("`{TAG}` is not a string")));
            };
            let parameters = DeValue::Table(std::mem::take(table));
            table.insert(
                Spanned::new(kind_span, name),
                Spanned::new(span, parameters),
            );
            Ok(())
        }
        // Serde says best what is wrong with anything else.
        _ => Ok(()),
    }
}

fn problem_at(span: std::ops::Range<usize>, message: String) -> Problem {
    Problem {
        message,
        help: None,
        span,
    }
}
