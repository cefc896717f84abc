//! A driver as a target.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use lightning_db::disk::Disk;
use serde_json::json;

use super::hello::{Capability, Hello, PROTOCOL};
use super::idle;
use super::process::{Process, Wait};
use super::session::{DriverSession, Keys};
use crate::fuse::Mount;
use crate::sim::{SimConfig, SimDisk};
use crate::target::{
    Ability, Breakdown, BreakdownKind, ErrorKind, KnownOption, Mode, OptionError, Options,
    Promises, Session, Target, TargetError,
};

/// A program that is tested.
#[derive(Debug)]
pub struct Driver {
    command: String,
    /// What it said of itself, or how it broke down over that.
    hello: Result<Arc<Hello>, Breakdown>,
    name: &'static str,
    keys: Keys,
}

/// What the name of a program begins with, as a target.
const PROCESS: &str = "driver:";

/// Whether a target's name stands for a program.
pub fn is_process(name: &str) -> bool {
    name.starts_with(PROCESS)
}

/// What each command said of itself in this process.
static HELLOS: Mutex<BTreeMap<String, Arc<Hello>>> = Mutex::new(BTreeMap::new());

impl Driver {
    /// The target of a name `driver:COMMAND`.
    pub fn named(name: &str) -> Option<Self> {
        let command = name.strip_prefix(PROCESS)?.trim().to_owned();
        let known = HELLOS.lock().unwrap_or_else(PoisonError::into_inner);
        let hello = known.get(&command).cloned();
        drop(known);
        let hello = match hello {
            Some(hello) => Ok(hello),
            // The process is of no more use: it does not see the mount, which may not be there yet.
            None => greeted(&command).map(|(_, hello)| hello),
        };
        Some(Self {
            name: name_of(hello.as_deref().ok()),
            command,
            hello,
            keys: Keys::default(),
        })
    }

    /// Why this target cannot be tested here, if it cannot.
    pub fn refuses(&self) -> Option<String> {
        match &self.hello {
            Err(breakdown) => Some(match breakdown.said.as_str() {
                "" => breakdown.text.clone(),
                said => format!("{}; its standard error ends: {said}", breakdown.text),
            }),
            Ok(hello) if !hello.can(Capability::Multi) => {
                Some("the driver does not list `multi`, which every workload needs".to_owned())
            }
            Ok(_) => None,
        }
    }

    /// The version that it says it is of, if it says anything.
    pub fn version(&self) -> Option<&str> {
        let hello = self.hello.as_ref().ok()?;
        Some(hello.version.as_str())
    }

    fn can_do(&self, capability: Capability) -> bool {
        self.hello.as_ref().is_ok_and(|hello| hello.can(capability))
    }
}

impl Target for Driver {
    fn name(&self) -> &'static str {
        self.name
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Checkpoint => {
                self.can_do(Capability::Checkpoint) || self.can_do(Capability::Sync)
            }
            Ability::Verify => self.can_do(Capability::Verify),
            Ability::Interleave => {
                self.can_do(Capability::Transactions) && self.can_do(Capability::Clients)
            }
            Ability::Threads => self.can_do(Capability::Concurrent),
            Ability::Savepoints
            | Ability::Ranges
            | Ability::Tables
            | Ability::Compact
            | Ability::Backup
            | Ability::Failpoints => false,
        }
    }

    fn is_a_process(&self) -> bool {
        true
    }

    fn known_options(&self) -> &'static [KnownOption] {
        &[]
    }

    /// The driver itself refuses what it does not know, when it opens a database.
    fn check_options(&self, _options: &Options) -> Result<(), OptionError> {
        Ok(())
    }

    fn promises(&self, _options: &Options) -> Promises {
        let promises = self.hello.as_ref().map(|hello| hello.promises.clone());
        promises.unwrap_or_else(|_| Promises::none())
    }

    fn open(
        &self,
        _disk: Arc<dyn Disk>,
        _options: &Options,
        _mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        let text = "a driver works on a simulated disk";
        Err(TargetError::refused(ErrorKind::Unsupported, text))
    }

    fn open_simulated(
        &self,
        disk: &SimDisk,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        let mount = Mount::of_this_thread()
            .map_err(|error| TargetError::refused(ErrorKind::Unsupported, error.to_string()))?;
        let greeted = match (idle::take(&self.command), &self.hello) {
            (Some(process), Ok(hello)) => Ok((process, Arc::clone(hello))),
            _ => greeted(&self.command),
        };
        let attached = mount.attach(disk.clone());
        let dir = attached.dir().to_owned();
        let session = DriverSession::new(&self.command, greeted, dir, disk.clone());
        let mut session = Box::new(session);
        session.attached = Some(attached);
        session.keys = Arc::clone(&self.keys);
        match session.open(options, mode) {
            Err(_) if session.breakdown().is_some() => Ok(session),
            opened => opened.map(|()| session as Box<dyn Session>),
        }
    }

    fn open_directory(
        &self,
        dir: &Path,
        options: &Options,
        mode: Mode,
        started: &mut dyn FnMut(u32),
    ) -> Result<Box<dyn Session>, TargetError> {
        let (process, hello) = greeted(&self.command).map_err(TargetError::broken_down)?;
        started(process.id());
        // Nobody has this disk: the directory is the system's.
        let nobodys = SimDisk::new(SimConfig::default());
        let greeted = Ok((process, hello));
        let session = DriverSession::new(&self.command, greeted, dir.to_owned(), nobodys);
        let mut session = Box::new(session);
        session.keys = Arc::clone(&self.keys);
        session.open(options, mode)?;
        Ok(session)
    }
}

/// A new process that has said hello.
pub(super) fn greeted(command: &str) -> Result<(Process, Arc<Hello>), Breakdown> {
    let mut process = Process::start(command).map_err(|text| Breakdown {
        how: BreakdownKind::Died,
        text,
        said: String::new(),
    })?;
    let wait = Wait {
        calls: &|| 0,
        at_most: None,
    };
    let offered = json!({"protocol": PROTOCOL});
    let offered = offered.as_object().cloned().unwrap_or_default();
    let answer = process.ask("hello", offered, wait)?;
    let hello = Hello::read(&answer).map_err(|text| process.babbled(&text))?;
    let mut known = HELLOS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known
        .entry(command.to_owned())
        .or_insert_with(|| Arc::new(hello.clone()));
    if **known != hello {
        let text = "it introduces itself in another way than the first time";
        return Err(process.babbled(text));
    }
    Ok((process, Arc::clone(known)))
}

/// The name by which scenarios give options. It lives as long as the program, and there are few of them.
fn name_of(hello: Option<&Hello>) -> &'static str {
    static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let name = hello.map_or("driver", |hello| hello.name.as_str());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.iter().find(|known| **known == name) {
        return known;
    }
    let name: &'static str = String::from(name).leak();
    names.push(name);
    name
}
