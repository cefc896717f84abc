//! The loop, with an engine that keeps its rows in memory.

use std::collections::BTreeMap;
use std::path::Path;

use chaos_driver_kit::{
    About, Engine, Failure, Level, Mode, Options, Promise, See, Write, serve_on,
};
use serde_json::{Value, json};

struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl Engine for Memory {
    fn about() -> About {
        About::new("memory", "1")
            .makes_checkpoints()
            .level(Level::Sync, Promise::Nothing, Promise::Nothing)
            .options(&["colour"])
    }

    fn open(_dir: &Path, _mode: Mode, options: &Options) -> Result<Self, Failure> {
        options.word("colour", &["red"])?;
        Ok(Self(BTreeMap::new()))
    }

    fn commit(&mut self, writes: &[Write], _level: Level) -> Result<(), Failure> {
        for write in writes {
            match &write.value {
                Some(value) => drop(self.0.insert(write.key.clone(), value.clone())),
                None => drop(self.0.remove(&write.key)),
            }
        }
        Ok(())
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&mut self, from: &[u8], see: &mut See<'_>) -> Result<(), Failure> {
        let mut rows = self.0.range(from.to_vec()..);
        while rows.next().is_some_and(|(key, value)| see(key, value)) {}
        Ok(())
    }

    fn close(self) -> Result<(), Failure> {
        Ok(())
    }
}

fn answers(requests: &str) -> Vec<Value> {
    let mut output = Vec::new();
    serve_on::<Memory>(requests.as_bytes(), &mut output).unwrap();
    let lines = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn a_whole_conversation_is_answered_in_order() {
    let answers = answers(
        r#"{"id":1,"op":"hello","protocol":1}
{"id":2,"op":"open","dir":"d","mode":"create-or-open","options":{"colour":"red"}}
{"id":3,"op":"commit","ops":[["put","6b","76"],["put","6c",""],["put","6d","00"]],"durability":"sync"}
{"id":4,"op":"commit","ops":[["del","6b"]]}
{"id":5,"op":"get","key":"6b"}
{"id":6,"op":"scan","from":"6b","limit":1}
{"id":7,"op":"scan","to":"6d"}
{"id":8,"op":"checkpoint"}
{"id":9,"op":"close"}
"#,
    );
    assert_eq!(
        answers[0]["capabilities"],
        json!(["delete", "multi", "scan", "checkpoint"])
    );
    assert_eq!(answers[0]["promises"]["levels"]["sync"]["power"], "nothing");
    assert_eq!(answers[4], json!({"id": 5, "ok": true, "value": null}));
    assert_eq!(
        answers[5],
        json!({"id": 6, "ok": true, "rows": [["6c", ""]], "more": true})
    );
    assert_eq!(
        answers[6],
        json!({"id": 7, "ok": true, "rows": [["6c", ""]]})
    );
    assert_eq!(answers[8], json!({"id": 9, "ok": true}));
}

#[test]
fn what_cannot_be_done_is_a_failure_and_the_next_request_is_answered() {
    let answers = answers(
        r#"what?
{"id":1,"op":"get","key":"6b"}
{"id":2,"op":"open","dir":"d","mode":"create-or-open","options":{"color":"red"}}
{"id":3,"op":"open","dir":"d","mode":"create-or-open","options":{"colour":"blue"}}
{"id":4,"op":"open","dir":"d","mode":"create-or-open"}
{"id":5,"op":"open","dir":"d","mode":"create-or-open"}
{"id":6,"op":"verify"}
{"id":7,"op":"commit","ops":[],"durability":"none"}
{"id":8,"op":"get","key":"6b"}
"#,
    );
    let is_ok: Vec<_> = answers.iter().map(|answer| answer["ok"] == true).collect();
    assert_eq!(
        is_ok,
        [false, false, false, false, true, false, false, false, true]
    );
    assert_eq!(answers[0]["id"], Value::Null);
    for unsupported in [6, 7] {
        assert_eq!(answers[unsupported]["kind"], "unsupported");
    }
}
