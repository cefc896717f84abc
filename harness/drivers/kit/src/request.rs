//! A request, and reading it from a line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::hex::bytes_of;
use crate::{Failure, Level, Mode, Write};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Hello,
    Open {
        dir: PathBuf,
        mode: Mode,
        options: BTreeMap<String, String>,
    },
    Commit {
        writes: Vec<Write>,
        level: Level,
    },
    Get(Vec<u8>),
    Scan(Rows),
    Sync,
    Checkpoint,
    Verify,
    Close,
}

/// Which rows are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Option<Vec<u8>>,
    pub(crate) limit: Option<usize>,
}

type Members = Map<String, Value>;

/// Reads the object of a line. The error is the answer.
pub(crate) fn members_of(line: &[u8]) -> Result<Members, Failure> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Failure::other("the request is not a JSON object")),
        Err(error) => Err(Failure::other(format!("the request is not JSON: {error}"))),
    }
}

impl Request {
    pub(crate) fn read(members: &Members) -> Result<Self, Failure> {
        match text(members, "op")? {
            "hello" => Ok(Self::Hello),
            "open" => open(members),
            "commit" => commit(members),
            "get" => Ok(Self::Get(bytes(members, "key")?)),
            "scan" => scan(members),
            "sync" => Ok(Self::Sync),
            "checkpoint" => Ok(Self::Checkpoint),
            "verify" => Ok(Self::Verify),
            "close" => Ok(Self::Close),
            op => Err(Failure::unsupported(format!("the op `{op}`"))),
        }
    }
}

fn open(members: &Members) -> Result<Request, Failure> {
    let mode = match text(members, "mode")? {
        "create-or-open" => Mode::CreateOrOpen,
        "existing" => Mode::Existing,
        mode => return Err(Failure::unsupported(format!("the mode `{mode}`"))),
    };
    let options = match members.get("options") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(options)) => options.iter().map(option).collect::<Result<_, _>>()?,
        Some(_) => return Err(Failure::other("`options` is not an object")),
    };
    Ok(Request::Open {
        dir: PathBuf::from(text(members, "dir")?),
        mode,
        options,
    })
}

fn option((name, value): (&String, &Value)) -> Result<(String, String), Failure> {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(Failure::other(format!("the option {name} is no text"))),
    };
    Ok((name.clone(), value))
}

fn commit(members: &Members) -> Result<Request, Failure> {
    let ops = members.get("ops").and_then(Value::as_array);
    let ops = ops.ok_or_else(|| Failure::other("a commit without an array `ops`"))?;
    let level = match members.get("durability") {
        None => Some(Level::Sync),
        Some(level) => level.as_str().and_then(Level::named),
    };
    Ok(Request::Commit {
        writes: ops.iter().map(write).collect::<Result<_, _>>()?,
        level: level.ok_or_else(|| Failure::unsupported("this durability"))?,
    })
}

fn write(op: &Value) -> Result<Write, Failure> {
    let wrong = || Failure::other(format!("{op} is neither a put nor a del"));
    let words: Option<Vec<_>> = op
        .as_array()
        .and_then(|op| op.iter().map(Value::as_str).collect());
    let bytes = |text: &str| bytes_of(text).ok_or_else(|| not_hex("an op"));
    let (key, value) = match words.as_deref() {
        Some(["put", key, value]) => (*key, Some(bytes(value)?)),
        Some(["del", key]) => (*key, None),
        _ => return Err(wrong()),
    };
    let key = bytes(key)?;
    Ok(Write { key, value })
}

fn scan(members: &Members) -> Result<Request, Failure> {
    let bound = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => bytes(members, name).map(Some),
    };
    let limit = match members.get("limit") {
        None | Some(Value::Null) => None,
        Some(limit) => {
            let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
            Some(limit.ok_or_else(|| Failure::other("`limit` is no number"))?)
        }
    };
    Ok(Request::Scan(Rows {
        from: bound("from")?.unwrap_or_default(),
        to: bound("to")?,
        limit,
    }))
}

fn text<'m>(members: &'m Members, name: &str) -> Result<&'m str, Failure> {
    let text = members.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Failure::other(format!("there is no text `{name}`")))
}

fn bytes(members: &Members, name: &str) -> Result<Vec<u8>, Failure> {
    bytes_of(text(members, name)?).ok_or_else(|| not_hex(name))
}

fn not_hex(what: &str) -> Failure {
    Failure::other(format!("{what} is not lower-case hex"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, Failure> {
        members_of(line.as_bytes()).and_then(|members| Request::read(&members))
    }

    #[test]
    fn requests_are_read() {
        let commit = read(r#"{"op":"commit","ops":[["put","6b","76"],["del","6b32"]]}"#).unwrap();
        let writes = vec![
            Write {
                key: b"k".to_vec(),
                value: Some(b"v".to_vec()),
            },
            Write {
                key: b"k2".to_vec(),
                value: None,
            },
        ];
        let level = Level::Sync;
        assert_eq!(commit, Request::Commit { writes, level });
        let open = read(r#"{"op":"open","dir":"d","mode":"existing","options":{"a":"b","c":1}}"#);
        let Request::Open { options, mode, .. } = open.unwrap() else {
            panic!()
        };
        assert_eq!((options["a"].as_str(), options["c"].as_str()), ("b", "1"));
        assert_eq!(mode, Mode::Existing);
    }

    #[test]
    fn what_is_no_request_is_a_failure_that_says_why() {
        for (line, why) in [
            ("nonsense", "not JSON"),
            ("[1]", "not a JSON object"),
            ("{}", "no text `op`"),
            (r#"{"op":"brew-tea"}"#, "brew-tea"),
            (r#"{"op":"get"}"#, "no text `key`"),
            (r#"{"op":"get","key":"6"}"#, "not lower-case hex"),
            (r#"{"op":"scan","limit":-1}"#, "no number"),
            (r#"{"op":"commit","ops":[["put","6b"]]}"#, "neither a put"),
            (
                r#"{"op":"commit","ops":[],"durability":"big"}"#,
                "durability",
            ),
            (r#"{"op":"open","dir":"d","mode":"read-only"}"#, "read-only"),
            (
                r#"{"op":"open","dir":"d","mode":"existing","options":7}"#,
                "not an object",
            ),
        ] {
            let text = read(line).unwrap_err().members().to_string();
            assert!(text.contains(why), "{line}: {text}");
        }
    }
}
