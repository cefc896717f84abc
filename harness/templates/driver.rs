//! A driver for chaos: docs/drivers.md is the protocol. The rows in a file stand in for your engine.
//!
//!     chaos driver-check target/release/chaos-driver
//!     chaos run --target 'driver:target/release/chaos-driver' scenarios/drivers

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Your engine goes here: it keeps all its files in `dir`.
struct Database {
    dir: PathBuf,
    rows: BTreeMap<String, String>,
}

impl Database {
    fn open(dir: &Path, mode: &str) -> io::Result<Self> {
        let rows = match fs::read(dir.join("rows")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?,
            Err(error) if error.kind() == ErrorKind::NotFound && mode == "create-or-open" => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let opened = Self { dir: dir.to_owned(), rows };
        opened.write(&opened.rows)?;
        Ok(opened)
    }

    fn write(&self, rows: &BTreeMap<String, String>) -> io::Result<()> {
        let mut file = File::create(self.dir.join("new"))?;
        file.write_all(&serde_json::to_vec(rows)?)?;
        file.sync_all()?;
        fs::rename(self.dir.join("new"), self.dir.join("rows"))?;
        File::open(&self.dir)?.sync_all()
    }

    fn commit(&mut self, ops: &[Value]) -> io::Result<()> {
        let mut rows = self.rows.clone();
        for op in ops {
            let text = |place: usize| op[place].as_str().unwrap_or_default().to_owned();
            match text(0).as_str() {
                "put" => drop(rows.insert(text(1), text(2))),
                _ => drop(rows.remove(&text(1))),
            }
        }
        self.write(&rows)?;
        self.rows = rows;
        Ok(())
    }
}

fn failure(kind: &str, text: &str) -> Value {
    json!({"ok": false, "kind": kind, "error": text})
}

fn failed(error: &io::Error) -> Value {
    let kind = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "full",
        ErrorKind::InvalidData => "corruption",
        _ => "io",
    };
    failure(kind, &error.to_string())
}

fn answer(request: &Value, open: &mut Option<Database>) -> Value {
    match (request["op"].as_str().unwrap_or_default(), open.as_mut()) {
        ("hello", _) => json!({"ok": true, "protocol": 1, "name": "my-engine", "version": "1", "capabilities": ["delete", "multi", "scan"]}),
        ("open", _) => {
            let options = request["options"].as_object();
            if let Some(name) = options.and_then(|options| options.keys().next()) {
                return failure("other", &format!("unknown option {name}"));
            }
            let dir = Path::new(request["dir"].as_str().unwrap_or_default());
            match Database::open(dir, request["mode"].as_str().unwrap_or_default()) {
                Ok(opened) => *open = Some(opened),
                Err(error) => return failed(&error),
            }
            json!({"ok": true})
        }
        ("commit", Some(db)) => {
            let ops = request["ops"].as_array().map(Vec::as_slice);
            db.commit(ops.unwrap_or_default()).map_or_else(|error| failed(&error), |()| json!({"ok": true}))
        }
        ("get", Some(db)) => json!({"ok": true, "value": db.rows.get(request["key"].as_str().unwrap_or_default())}),
        ("scan", Some(db)) => json!({"ok": true, "rows": db.rows.iter().collect::<Vec<_>>()}),
        ("close", _) => {
            *open = None;
            json!({"ok": true})
        }
        ("commit" | "get" | "scan", None) => failure("other", "nothing is open"),
        (other, _) => failure("unsupported", other),
    }
}

fn main() -> io::Result<()> {
    let mut open = None;
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let mut answer = answer(&request, &mut open);
        answer["id"] = request["id"].clone();
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
