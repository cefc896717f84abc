//! Whether a driver keeps to the protocol: one step after the other, in a plain directory.

use std::path::Path;

use serde_json::json;

use super::answer::{Answer, hex};
use super::hello::{Capability, Hello};
use super::session::DriverSession;
use super::target::greeted;
use crate::sim::{SimConfig, SimDisk};
use crate::target::{
    Breakdown, ClientId, Durability, ErrorKind, Mode, Options, Session, TargetError,
};

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It is as it should be, and this was seen.
    Good(String),
    /// The driver does not offer it.
    NotOffered,
    /// It is not as it should be.
    Bad(String),
}

/// One step of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was tried.
    pub what: &'static str,
    /// What it came to.
    pub end: StepEnd,
}

/// Why there is no next step.
type Stop = String;

const TABLE: &str = "check";
const CLIENT: ClientId = ClientId(0);

/// Checks a driver with databases below an empty directory, and tells each step. False if a step is bad.
pub fn check_driver(command: &str, dir: &Path, tell: &mut dyn FnMut(&Step)) -> bool {
    let mut check = Check {
        is_good: true,
        tell,
    };
    let greeted = greeted(command);
    let said = match &greeted {
        Ok((_, hello)) => check.introduction(hello),
        Err(breakdown) => {
            check.bad("starts and answers `hello`", text_of(breakdown));
            return false;
        }
    };
    check.good("starts and answers `hello`", said);
    let disk = SimDisk::new(SimConfig::default());
    let first = dir.join("first");
    let mut session = DriverSession::new(command, greeted, first.clone(), disk);
    let done = [first, dir.join("second")]
        .iter()
        .try_for_each(|dir| std::fs::create_dir(dir).map_err(|error| error.to_string()))
        .and_then(|()| check.steps(&mut session, &dir.join("second")));
    if let Err(stop) = done {
        check.bad("goes on", stop);
    }
    check.is_good
}

struct Check<'t> {
    is_good: bool,
    tell: &'t mut dyn FnMut(&Step),
}

impl Check<'_> {
    fn say(&mut self, what: &'static str, end: StepEnd) {
        (self.tell)(&Step { what, end });
    }

    fn good(&mut self, what: &'static str, seen: impl Into<String>) {
        self.say(what, StepEnd::Good(seen.into()));
    }

    fn bad(&mut self, what: &'static str, seen: impl Into<String>) {
        self.is_good = false;
        self.say(what, StepEnd::Bad(seen.into()));
    }

    /// A step that is good if `wrong` finds nothing.
    fn step(
        &mut self,
        what: &'static str,
        session: &DriverSession,
        wrong: Result<(), String>,
    ) -> Result<(), Stop> {
        match (session.breakdown(), wrong) {
            (Some(breakdown), _) => {
                self.bad(what, text_of(breakdown));
                Err("the driver is of no more use".to_owned())
            }
            (None, Ok(())) => {
                self.good(what, "");
                Ok(())
            }
            (None, Err(wrong)) => {
                self.bad(what, wrong);
                Ok(())
            }
        }
    }

    fn introduction(&mut self, hello: &Hello) -> String {
        for strange in &hello.strange {
            let text = format!("`{strange}`: nothing of this name is ever asked");
            self.bad("lists capabilities that the protocol has", text);
        }
        if !hello.can(Capability::Multi) {
            let text = "`multi` is missing: no scenario can be run without it";
            self.bad("lists what scenarios need", text);
        }
        format!(
            "{} {}, {} capabilities",
            hello.name,
            hello.version,
            hello.capabilities.len()
        )
    }

    fn steps(&mut self, session: &mut DriverSession, second: &Path) -> Result<(), Stop> {
        let unknown = session.ask("brew-tea", json!({}));
        let unknown = refused_as(unknown, ErrorKind::Unsupported);
        self.step("refuses an unknown op as `unsupported`", session, unknown)?;
        let options = Options::from([("no-such-option".to_owned(), "1".to_owned())]);
        let refused = match session.open(&options, Mode::CreateOrOpen) {
            Ok(()) => Err("it took `no-such-option`: a typo would go unnoticed".to_owned()),
            Err(_) => Ok(()),
        };
        self.step("refuses an unknown option", session, refused)?;
        self.opens(session, Mode::CreateOrOpen, "creates a database")?;
        self.writes(session)?;
        self.extras(session)?;
        self.closes(session)?;
        self.opens(session, Mode::Existing, "opens it again")?;
        let right = rows(session).and_then(|rows| expect(&rows, &[("a", "1"), ("c", "")]));
        self.step("shows the rows that it was closed with", session, right)?;
        self.closes(session)?;
        second.clone_into(&mut session.dir);
        self.opens(
            session,
            Mode::CreateOrOpen,
            "opens another directory after `close`",
        )?;
        let right = rows(session).and_then(|rows| expect(&rows, &[]));
        self.step("shows nothing of the first database there", session, right)?;
        self.closes(session)
    }

    fn opens(
        &mut self,
        session: &mut DriverSession,
        mode: Mode,
        what: &'static str,
    ) -> Result<(), Stop> {
        let opened = session
            .open(&Options::new(), mode)
            .map_err(|error| error.to_string());
        let has_failed = opened.is_err();
        self.step(what, session, opened)?;
        if has_failed {
            return Err("without a database there is nothing more to check".to_owned());
        }
        Ok(())
    }

    fn closes(&mut self, session: &mut DriverSession) -> Result<(), Stop> {
        let closed = session
            .done("close", json!({}))
            .map_err(|error| error.to_string());
        self.step("closes", session, closed)
    }

    fn writes(&mut self, session: &mut DriverSession) -> Result<(), Stop> {
        let wrote = commit(session, &[("a", Some("0")), ("b", Some("2"))]);
        self.step("commits two rows", session, wrote)?;
        let wrote = commit(session, &[("a", Some("1")), ("b", None), ("c", Some(""))]);
        self.step(
            "overwrites, deletes, and keeps an empty value",
            session,
            wrote,
        )?;
        let got = got(session);
        self.step("reads them one by one", session, got)?;
        if !session.can(Capability::Scan) {
            self.say("scans", StepEnd::NotOffered);
        }
        let right = rows(session).and_then(|rows| expect(&rows, &[("a", "1"), ("c", "")]));
        self.step("reads them all, in order", session, right)
    }

    fn extras(&mut self, session: &mut DriverSession) -> Result<(), Stop> {
        for (what, op, capability) in [
            ("syncs", "sync", Capability::Sync),
            ("makes a checkpoint", "checkpoint", Capability::Checkpoint),
        ] {
            if session.can(capability) {
                let done = session
                    .done(op, json!({}))
                    .map_err(|error| error.to_string());
                self.step(what, session, done)?;
            } else {
                self.say(what, StepEnd::NotOffered);
            }
        }
        if !session.can(Capability::Verify) {
            self.say("verifies itself", StepEnd::NotOffered);
            return Ok(());
        }
        let found = match session.verify() {
            Ok(problems) if problems.is_empty() => Ok(()),
            Ok(problems) => Err(format!("it finds problems: {}", problems.join("; "))),
            Err(error) => Err(error.to_string()),
        };
        self.step("verifies itself", session, found)
    }
}

fn text_of(breakdown: &Breakdown) -> String {
    match breakdown.said.as_str() {
        "" => breakdown.text.clone(),
        said => format!("{}; its standard error ends: {said}", breakdown.text),
    }
}

fn refused_as(asked: Result<Answer, TargetError>, kind: ErrorKind) -> Result<(), String> {
    let answer = asked.map_err(|error| error.to_string())?;
    match answer.failure(false)? {
        Some(failure) if failure.kind == kind => Ok(()),
        Some(failure) => Err(format!("it answered {failure}")),
        None => Err("it answered ok".to_owned()),
    }
}

fn commit(session: &mut DriverSession, writes: &[(&str, Option<&str>)]) -> Result<(), String> {
    let mut all = || -> Result<(), TargetError> {
        session.begin(CLIENT)?;
        for (key, value) in writes {
            match value {
                Some(value) => session.put(CLIENT, TABLE, key.as_bytes(), value.as_bytes())?,
                None => session.delete(CLIENT, TABLE, key.as_bytes())?,
            }
        }
        session.commit(CLIENT, Durability::Sync)
    };
    all().map_err(|error| error.to_string())
}

fn got(session: &mut DriverSession) -> Result<(), String> {
    let mut all = || -> Result<Vec<Option<Vec<u8>>>, TargetError> {
        session.begin(CLIENT)?;
        let values = session.get_many(CLIENT, TABLE, &[b"a", b"b", b"c"])?;
        session.rollback(CLIENT)?;
        Ok(values)
    };
    let values = all().map_err(|error| error.to_string())?;
    let expected = [Some(b"1".to_vec()), None, Some(Vec::new())];
    if values == expected {
        return Ok(());
    }
    let shown = |value: &Option<Vec<u8>>| value.as_deref().map_or("null".to_owned(), hex);
    let values: Vec<_> = values.iter().map(shown).collect();
    Err(format!(
        "the values are {}: expected 31, null and an empty one",
        values.join(", ")
    ))
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows(session: &mut DriverSession) -> Result<Rows, String> {
    let mut rows = Rows::new();
    let mut row = |key: &[u8], value: &[u8]| rows.push((key.to_vec(), value.to_vec()));
    let scanned = session.scan(TABLE, &mut row);
    scanned.map_err(|error| error.to_string())?;
    Ok(rows)
}

fn expect(rows: &Rows, expected: &[(&str, &str)]) -> Result<(), String> {
    let expected: Rows = expected
        .iter()
        .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    if *rows == expected {
        return Ok(());
    }
    let keys: Vec<_> = rows.iter().map(|(key, _)| hex(key)).collect();
    Err(format!(
        "{} rows where {} are right: keys {}",
        rows.len(),
        expected.len(),
        keys.join(" ")
    ))
}
