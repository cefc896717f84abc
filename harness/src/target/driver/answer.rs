//! What a driver answers.

use serde_json::{Map, Value};

use crate::target::{ErrorKind, TargetError};

/// Characters of a line that a message shows.
const SHOWN: usize = 60;

/// An answer that has the form of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    members: Map<String, Value>,
    ok: bool,
}

/// A row: key and value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

impl Answer {
    /// Reads a line. The error says what is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let shown = || {
            let text = String::from_utf8_lossy(line);
            let start: String = text.chars().take(SHOWN).collect();
            if start.len() < text.len() {
                format!("{start}…")
            } else {
                start
            }
        };
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| format!("`{}` is not JSON: {error}", shown()))?;
        let Value::Object(members) = value else {
            return Err(format!("`{}` is not a JSON object", shown()));
        };
        match members.get("ok").map(Value::as_bool) {
            Some(Some(ok)) => Ok(Self { members, ok }),
            Some(None) => Err(format!("`ok` is neither true nor false in `{}`", shown())),
            None => Err(format!("there is no `ok` in `{}`", shown())),
        }
    }

    /// The request that it answers.
    pub(super) fn id(&self) -> Option<u64> {
        self.members.get("id")?.as_u64()
    }

    /// Whether it is a success.
    pub(super) fn is_ok(&self) -> bool {
        self.ok
    }

    /// Whether it says that this is not offered.
    pub(super) fn is_unsupported(&self) -> bool {
        !self.ok && self.text("kind") == Some("unsupported")
    }

    /// A member.
    pub(super) fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// The failure that it is, of a request that is a commit or not; nothing if it is a success. An error says what is wrong with it.
    pub(super) fn failure(&self, is_commit: bool) -> Result<Option<TargetError>, String> {
        if self.ok {
            return Ok(None);
        }
        let kind = self.text("kind").ok_or("a failure without a `kind`")?;
        let text = self.text("error").unwrap_or("(no text)");
        let kind =
            kind_of(kind).ok_or_else(|| format!("a failure of the unknown kind `{kind}`"))?;
        let is_refusal = match self.text("applied") {
            Some("no") => true,
            Some("unknown") => false,
            Some(other) => return Err(format!("`applied` is `{other}`: expected no or unknown")),
            None => matches!(
                kind,
                ErrorKind::Conflict | ErrorKind::Busy | ErrorKind::Unsupported
            ),
        };
        Ok(Some(if is_refusal || !is_commit {
            TargetError::refused(kind, text)
        } else {
            TargetError::unknown(kind, text)
        }))
    }

    /// The value of a `get`.
    pub(super) fn value(&self) -> Result<Option<Vec<u8>>, String> {
        match self.members.get("value") {
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => bytes_of(text).map(Some),
            Some(_) => Err("`value` is neither a text nor null".to_owned()),
            None => Err("the answer to `get` has no `value`".to_owned()),
        }
    }

    /// The rows of a `scan`, and whether there are more.
    pub(super) fn rows(&self) -> Result<(Vec<Row>, bool), String> {
        let rows = self.members.get("rows").and_then(Value::as_array);
        let rows = rows.ok_or("the answer to `scan` has no array `rows`")?;
        let rows: Vec<_> = rows.iter().map(row_of).collect::<Result<_, _>>()?;
        let more = self.members.get("more").and_then(Value::as_bool);
        Ok((rows, more.unwrap_or(false)))
    }

    /// The problems that a `verify` found.
    pub(super) fn problems(&self) -> Result<Vec<String>, String> {
        let problems = self.members.get("problems").and_then(Value::as_array);
        let problems = problems.ok_or("the answer to `verify` has no array `problems`")?;
        let text = |problem: &Value| match problem {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Ok(problems.iter().map(text).collect())
    }
}

fn row_of(row: &Value) -> Result<Row, String> {
    let pair = row.as_array().map(Vec::as_slice);
    let Some([Value::String(key), Value::String(value)]) = pair else {
        return Err(format!("the row {row} is not a pair of texts"));
    };
    Ok((bytes_of(key)?, bytes_of(value)?))
}

fn kind_of(kind: &str) -> Option<ErrorKind> {
    Some(match kind {
        "conflict" => ErrorKind::Conflict,
        "busy" => ErrorKind::Busy,
        "full" => ErrorKind::Full,
        "io" => ErrorKind::Io,
        "other" => ErrorKind::Other,
        "corruption" => ErrorKind::Corruption,
        "unsupported" => ErrorKind::Unsupported,
        _ => return None,
    })
}

/// Bytes as the protocol writes them.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || {
        let start: String = text.chars().take(SHOWN).collect();
        format!("`{start}` is not lower-case hex")
    };
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(wrong()),
    };
    if !text.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Applied;

    fn answer(text: &str) -> Answer {
        Answer::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_no_answer_is_told_why() {
        for (text, why) in [
            ("hello", "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "no `ok`"),
            (r#"{"ok":1}"#, "neither true nor false"),
        ] {
            let error = Answer::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn rows_are_pairs_of_hex() {
        let rows = answer(r#"{"ok":true,"rows":[["6b","00ff"],["6b32",""]],"more":true}"#).rows();
        let expected = vec![(b"k".to_vec(), vec![0, 255]), (b"k2".to_vec(), vec![])];
        assert_eq!(rows, Ok((expected, true)));
        for (text, why) in [
            (r#"{"ok":true}"#, "no array"),
            (r#"{"ok":true,"rows":[["6b"]]}"#, "not a pair"),
            (r#"{"ok":true,"rows":[["6B",""]]}"#, "lower-case hex"),
            (r#"{"ok":true,"rows":[["6","" ]]}"#, "lower-case hex"),
        ] {
            let error = answer(text).rows().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(hex(&[0, 0x1f, 255]), "001fff");
    }

    #[test]
    fn a_failed_commit_may_have_happened_unless_the_driver_or_the_kind_says_no() {
        let applied = |text: &str| {
            let failure = answer(text).failure(true).unwrap().unwrap();
            failure.applied
        };
        assert_eq!(applied(r#"{"ok":false,"kind":"io"}"#), Applied::Unknown);
        assert_eq!(applied(r#"{"ok":false,"kind":"busy"}"#), Applied::No);
        let no = r#"{"ok":false,"kind":"full","applied":"no"}"#;
        assert_eq!(applied(no), Applied::No);
        for wrong in [
            r#"{"ok":false}"#,
            r#"{"ok":false,"kind":"bad"}"#,
            r#"{"ok":false,"kind":"io","applied":"yes"}"#,
        ] {
            assert!(answer(wrong).failure(true).is_err(), "{wrong}");
        }
    }
}
