//! The scenario files of this repository, and the schema that describes them.

use std::fs;
use std::path::{Path, PathBuf};

use lightning_chaos::scenario::{self, Expect, Fault, Scenario};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push(path);
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{} holds no scenario", dir.display());
    found
}

fn as_json(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).unwrap();
    serde_json::to_value(table).unwrap()
}

/// Whether a schema accepts a value: the keywords that ours uses, all but `pattern` and `format`.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let Some(schema) = schema.as_object() else {
        return schema != &Value::Bool(false);
    };
    schema.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$ref" => accepts(
            root,
            root.pointer(&rule.as_str().unwrap()[1..]).unwrap(),
            value,
        ),
        "type" => match rule {
            Value::Array(types) => types.iter().any(|one| is_a(value, one)),
            one => is_a(value, one),
        },
        "const" => value == rule,
        "enum" => list(rule).contains(value),
        "anyOf" => list(rule).iter().any(|one| accepts(root, one, value)),
        "oneOf" => {
            list(rule)
                .iter()
                .filter(|one| accepts(root, one, value))
                .count()
                == 1
        }
        "allOf" => list(rule).iter().all(|one| accepts(root, one, value)),
        "minimum" => value
            .as_i64()
            .is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => value
            .as_i64()
            .is_none_or(|number| number <= rule.as_i64().unwrap()),
        "minItems" => value
            .as_array()
            .is_none_or(|l| l.len() as u64 >= rule.as_u64().unwrap()),
        "items" => value
            .as_array()
            .is_none_or(|l| l.iter().all(|one| accepts(root, rule, one))),
        "required" => list(rule)
            .iter()
            .all(|key| value.get(key.as_str().unwrap()).is_some()),
        "properties" => rule
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, inner)| value.get(key).is_none_or(|part| accepts(root, inner, part))),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            object
                .iter()
                .filter(|(key, _)| {
                    schema
                        .get("properties")
                        .is_none_or(|p| p.get(key).is_none())
                })
                .all(|(_, part)| accepts(root, rule, part))
        }),
        "$schema" | "$defs" | "title" | "description" | "default" | "pattern" | "format" => true,
        other => panic!("the schema uses `{other}`, which this test does not know"),
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn is_a(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the schema has a type `{other}`, which this test does not know"),
    }
}

#[test]
fn every_scenario_file_is_read_and_fits_the_schema() {
    let schema = scenario::schema();
    for path in files(&root()) {
        if let Err(error) = Scenario::read(&path) {
            panic!("{}", error.render());
        }
        let value = as_json(&fs::read_to_string(&path).unwrap());
        assert!(
            accepts(&schema, &schema, &value),
            "{} does not fit the schema",
            path.display()
        );
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = scenario::schema();
    let good = fs::read_to_string(root().join("power-loss/bank-power-cut.toml")).unwrap();
    assert!(accepts(&schema, &schema, &as_json(&good)));
    for (from, to) in [
        ("accounts = 16", "acounts = 16"),
        ("accounts = 16", "accounts = 1"),
        ("kind = \"bank\"", "kind = \"queue\""),
        ("title = ", "titel = "),
        ("format = 1", "format = 2"),
        ("model = \"posix\"", "model = \"posix7\""),
        ("[\"16 KiB\", \"64 KiB\"]", "[]"),
        ("rollbacks = \"10 %\"", "rollbacks = 10"),
        ("cases = ", "case = "),
        ("kind = \"integrity\"", "kind = \"sanity\""),
    ] {
        assert!(good.contains(from), "the scenario has no {from:?}");
        let wrong = good.replacen(from, to, 1);
        assert!(
            Scenario::parse("wrong.toml", &wrong).is_err(),
            "the reader takes {to:?}"
        );
        assert!(
            !accepts(&schema, &schema, &as_json(&wrong)),
            "the schema takes {to:?}"
        );
    }
}

#[test]
fn every_scenario_says_first_what_it_is_about_and_is_named_like_its_file() {
    for path in files(&root()) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# "),
            "{} has no comment at its head",
            path.display()
        );
        let scenario = Scenario::read(&path).unwrap();
        assert_eq!(
            path.file_stem().unwrap().to_str(),
            Some(scenario.id.as_str())
        );
    }
}

#[test]
fn planted_bugs_are_where_they_are_looked_for() {
    let planted = files(&root().join("must-fail"));
    assert!(planted.len() >= 40, "{} planted bugs", planted.len());
    for path in files(&root()) {
        let scenario = Scenario::read(&path).unwrap();
        assert_eq!(
            scenario.expect == Expect::Fail,
            planted.contains(&path),
            "{}",
            path.display()
        );
        assert_eq!(
            scenario.has_tag("must-fail"),
            planted.contains(&path),
            "{}",
            path.display()
        );
    }
}

#[test]
fn scenarios_said_to_be_covered_ask_for_it() {
    let covered = files(&root().join("covered"));
    assert!(covered.len() >= 5, "{} covered scenarios", covered.len());
    for path in covered {
        let scenario = Scenario::read(&path).unwrap();
        let [Fault::PowerLoss(fault)] = scenario.faults.as_slice() else {
            panic!("{} has other faults", path.display());
        };
        assert!(fault.leaves_of(0).is_some(), "{}", path.display());
        assert_eq!(fault.generations.get(), 1, "{}", path.display());
        assert!(scenario.has_tag("smoke"), "{}", path.display());
    }
}

#[test]
fn the_smoke_tier_is_wide_enough_to_mean_something() {
    let read = |path: &PathBuf| Scenario::read(path).unwrap();
    let smoke: Vec<_> = files(&root())
        .iter()
        .map(read)
        .filter(|s| s.has_tag("smoke"))
        .collect();
    assert!(smoke.len() >= 10, "{} smoke scenarios", smoke.len());
    let states: u64 = smoke
        .iter()
        .map(|scenario| scenario.budget.cases.get())
        .sum();
    assert!(states >= 60_000, "{states} states");
}
