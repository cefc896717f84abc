//! What a driver says of itself in the first exchange.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::answer::Answer;
use crate::target::{Durability, Promise, Promises};

/// The version of the protocol.
pub(super) const PROTOCOL: u64 = 1;

const CAPABILITIES: [(&str, Capability); 10] = [
    ("delete", Capability::Delete),
    ("multi", Capability::Multi),
    ("scan", Capability::Scan),
    ("sync", Capability::Sync),
    ("checkpoint", Capability::Checkpoint),
    ("verify", Capability::Verify),
    ("tables", Capability::Tables),
    ("clients", Capability::Clients),
    ("concurrent", Capability::Concurrent),
    ("transactions", Capability::Transactions),
];

/// What not every driver offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Capability {
    Delete,
    Multi,
    Scan,
    Sync,
    Checkpoint,
    Verify,
    Tables,
    Clients,
    Concurrent,
    Transactions,
}

/// A driver as it introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) capabilities: BTreeSet<Capability>,
    /// Names of capabilities that nobody here knows.
    pub(super) strange: Vec<String>,
    pub(super) promises: Promises,
}

impl Hello {
    /// Reads the answer to `hello`. The error says what is wrong with it.
    pub(super) fn read(answer: &Answer) -> Result<Self, String> {
        if let Some(failure) = answer.failure(false)? {
            return Err(format!("`hello` failed: {failure}"));
        }
        let protocol = answer.member("protocol").and_then(Value::as_u64);
        match protocol {
            Some(1..=PROTOCOL) => {}
            Some(other) => return Err(format!("protocol {other} where {PROTOCOL} was offered")),
            None => return Err("the answer to `hello` has no `protocol`".to_owned()),
        }
        let name = answer.text("name").filter(|name| !name.is_empty());
        let name = name
            .ok_or("the answer to `hello` has no `name`")?
            .to_owned();
        let (capabilities, strange) = capabilities_of(answer.member("capabilities"))?;
        let promises = promises_of(answer.member("promises"))?;
        Ok(Self {
            name,
            version: answer.text("version").unwrap_or("?").to_owned(),
            capabilities,
            strange,
            promises,
        })
    }

    /// One that never was given: it offers nothing.
    pub(super) fn silent() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            capabilities: BTreeSet::new(),
            strange: Vec::new(),
            promises: Promises::none(),
        }
    }

    /// Whether the driver offers this.
    pub(super) fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

fn capabilities_of(value: Option<&Value>) -> Result<(BTreeSet<Capability>, Vec<String>), String> {
    let list = value.and_then(Value::as_array);
    let list = list.ok_or("the answer to `hello` has no array `capabilities`")?;
    let (mut known, mut strange) = (BTreeSet::new(), Vec::new());
    for value in list {
        let name = value.as_str();
        let name = name.ok_or_else(|| format!("the capability {value} is not a text"))?;
        match CAPABILITIES.iter().find(|(known, _)| *known == name) {
            Some((_, capability)) => drop(known.insert(*capability)),
            None => strange.push(name.to_owned()),
        }
    }
    if known.contains(&Capability::Concurrent) {
        known.insert(Capability::Clients);
    }
    Ok((known, strange))
}

/// A driver without promises promises that what it acknowledges at `sync` is durable.
fn promises_of(value: Option<&Value>) -> Result<Promises, String> {
    let none = Promises::none().serializable();
    let durable = || {
        none.clone()
            .with(Durability::Sync, Promise::Durable, Promise::Durable)
    };
    let Some(value) = value else {
        return Ok(durable().without_damage_detected());
    };
    let members = value.as_object().ok_or("`promises` is not an object")?;
    let mut promises = match members.get("levels") {
        None => durable(),
        Some(levels) => {
            let levels = levels
                .as_object()
                .ok_or("`promises.levels` is not an object")?;
            levels_of(levels, none)?
        }
    };
    match members.get("damage").map(Value::as_str) {
        None => promises = promises.without_damage_detected(),
        Some(Some("detected")) => {}
        Some(Some("nothing")) => promises = promises.without_any_word_of_damage(),
        Some(_) => {
            let text = "`promises.damage` can be \"detected\", \"nothing\" or absent";
            return Err(text.to_owned());
        }
    }
    match members.get("shown").map(Value::as_str) {
        None => {}
        Some(Some("durable")) => promises = promises.with_shown_durable(),
        Some(_) => return Err("`promises.shown` can be \"durable\" or absent".to_owned()),
    }
    Ok(promises)
}

fn levels_of(levels: &Map<String, Value>, mut promises: Promises) -> Result<Promises, String> {
    for (name, crashes) in levels {
        let level = level_of(name).ok_or_else(|| {
            format!("the durability level `{name}`: expected sync, buffered or none")
        })?;
        let promise = |crash: &str| {
            let text = crashes.get(crash).and_then(Value::as_str);
            let text =
                text.ok_or_else(|| format!("the level `{name}` says nothing of `{crash}`"))?;
            promise_of(text).ok_or_else(|| {
                format!("`{text}` is no promise: expected durable, prefix, atomic or nothing")
            })
        };
        promises = promises.with(level, promise("process")?, promise("power")?);
    }
    Ok(promises)
}

fn level_of(name: &str) -> Option<Durability> {
    let levels = [Durability::Sync, Durability::Buffered, Durability::None];
    levels.into_iter().find(|level| level.name() == name)
}

fn promise_of(name: &str) -> Option<Promise> {
    let promises = [
        Promise::Durable,
        Promise::Prefix,
        Promise::Atomic,
        Promise::Nothing,
    ];
    promises.into_iter().find(|promise| promise.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::CrashKind;

    fn hello(members: &str) -> Result<Hello, String> {
        let text = format!(r#"{{"ok":true,"protocol":1,"name":"toy","version":"2"{members}}}"#);
        Hello::read(&Answer::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_driver_without_promises_promises_durable_commits_and_no_more() {
        let hello = hello(r#","capabilities":["scan","concurrent","tea"]"#).unwrap();
        assert!(hello.can(Capability::Scan) && hello.can(Capability::Clients));
        assert!(!hello.can(Capability::Multi));
        assert_eq!(hello.strange, ["tea"]);
        let promise = hello.promises.promise(Durability::Sync, CrashKind::Power);
        assert_eq!(promise, Promise::Durable);
        assert!(!hello.promises.damage_is_detected() && !hello.promises.shown_is_durable());
    }

    #[test]
    fn promises_are_read_for_each_level() {
        let levels = r#"{"sync":{"process":"durable","power":"durable"},"none":{"process":"durable","power":"prefix"}}"#;
        let members = format!(
            r#","capabilities":[],"promises":{{"levels":{levels},"damage":"detected","shown":"durable"}}"#
        );
        let promises = hello(&members).unwrap().promises;
        assert!(promises.shown_is_durable());
        assert_eq!(
            promises.promise(Durability::None, CrashKind::Power),
            Promise::Prefix
        );
        assert!(promises.damage_is_detected());
    }

    #[test]
    fn what_is_wrong_with_a_hello_is_said() {
        for (members, why) in [
            ("", "no array `capabilities`"),
            (r#","capabilities":[1]"#, "not a text"),
            (
                r#","capabilities":[],"promises":{"levels":{"big":{}}}"#,
                "level `big`",
            ),
            (
                r#","capabilities":[],"promises":{"levels":{"sync":{}}}"#,
                "says nothing of `process`",
            ),
            (
                r#","capabilities":[],"promises":{"shown":"often"}"#,
                "promises.shown",
            ),
            (
                r#","capabilities":[],"promises":{"damage":"no"}"#,
                "promises.damage",
            ),
        ] {
            let error = hello(members).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
