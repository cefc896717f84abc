//! What a life does with a database that is open.

use std::thread;

use super::child::Life;
use super::journal::Entry;
use super::limits::take_memory;
use super::small_disk;
use super::voice::{Voice, say, say_failed};
use crate::oracle::{History, Observed, TableId, Violation};
use crate::scenario::{CheckKind, Feature, ResourceKind};
use crate::target::{Ability, Session};
use crate::trace::TracePosition;
use crate::workload::{Clients, Desk, Record, Setting, Stopped};

/// What goes on with a database that is open.
pub(super) struct Open {
    pub(super) session: Box<dyn Session>,
    clients: Clients,
    record: Record,
    tables: Vec<String>,
}

impl Life {
    /// All that is done with an open database. Nothing if a call failed.
    pub(super) fn go_on(&self, mut session: Box<dyn Session>) -> Option<Open> {
        say(&Entry::Opened);
        let tables = self.clients(&History::new()).tables().to_vec();
        let rows = self.observe(session.as_mut(), &tables)?.to_map();
        if let Some(violation) = self.clients(&History::new()).check_rows(&rows) {
            say(&violation.into());
        }
        let mut history = History::continued(rows, self.job.first_sequence.max(1));
        history.opened(TracePosition(0));
        let mut open = Open {
            session,
            clients: self.clients(&history),
            record: Record::of(history, Vec::new()),
            tables,
        };
        let worked = self.work(&mut open);
        if self.can_still_read() {
            still_read(&mut open);
        }
        let noted = open.record.take();
        for violation in noted.violations {
            say(&violation.into());
        }
        for (feature, count) in noted.features {
            say(&Entry::Did(feature, count));
        }
        worked.map(|()| open)
    }

    /// Whether reading needs nothing that the process lacks. Where that is space, it was read while it lacked.
    fn can_still_read(&self) -> bool {
        [ResourceKind::ReadOnly, ResourceKind::FileSize]
            .into_iter()
            .any(|what| self.is_short_of(what))
    }

    fn clients(&self, history: &History) -> Clients {
        let first = self.job.first_sequence.max(history.next_sequence()).max(1);
        let rng = self.rng.split("clients", 0);
        Clients::new(&self.scenario.workload, self.setting(), rng, first)
    }

    /// What clients may ask of the target.
    fn setting(&self) -> Setting {
        let promises = self.target.promises(&self.job.options);
        let abilities = Ability::ALL.into_iter();
        Setting {
            abilities: abilities
                .filter(|&ability| self.target.can(ability))
                .collect(),
            roll_back: promises.roll_back(),
            levels: promises.levels().collect(),
            disk_is_limited: self.is_short_of_space()
                || self.job.options.contains_key("disk_bytes"),
        }
    }

    /// Reads all rows, and lets the target check itself.
    fn observe(&self, session: &mut dyn Session, tables: &[String]) -> Option<Observed> {
        let mut observed = Observed::default();
        let mut rows = Vec::new();
        for (table, name) in (0..).zip(tables) {
            let mut row = |key: &[u8], value: &[u8]| {
                observed.push(TableId(table), key, value);
                rows.push((table, key.to_vec(), value.to_vec()));
            };
            if let Err(error) = session.scan(name, &mut row) {
                say_failed("scan", &error);
                return None;
            }
        }
        say(&Entry::Rows(rows));
        if self.target.can(Ability::Verify) {
            match session.verify() {
                Ok(problems) => say(&Entry::Verified(problems)),
                Err(error) => {
                    say_failed("verify", &error);
                    return None;
                }
            }
        }
        Some(observed)
    }

    /// The transactions, and what befalls the process between them.
    fn work(&self, open: &mut Open) -> Option<()> {
        let transactions = self.job.transactions;
        if self.is_short_of_space() {
            return self.work_on_a_full_disk(open);
        }
        if self.is_short_of(ResourceKind::ReadOnly) {
            let before = transactions / 2;
            self.run(open, before)?;
            let aborted = small_disk::abort(&self.mount());
            say(&Entry::Fired(u64::from(aborted.is_ok())));
            return self.run(open, transactions - before);
        }
        if self.is_short_of(ResourceKind::CgroupMemory) {
            let mut hog = Vec::new();
            for _ in 0..transactions {
                self.run(open, 1)?;
                take_memory(&mut hog);
            }
            return Some(());
        }
        self.run(open, transactions)
    }

    /// Until there is space no commit need succeed; then the next one must, with no reopening.
    fn work_on_a_full_disk(&self, open: &mut Open) -> Option<()> {
        let worked = self.run(open, self.job.transactions);
        let refused = open.record.count(Feature::FullDisks);
        say(&Entry::Fired(refused));
        still_read(open);
        self.job.image.as_ref()?.give_back(&self.mount()).ok()?;
        say(&Entry::Lifted);
        worked?;
        ask(open, Clients::commit_one)
    }

    /// So many more transactions, by all clients in turn, or each on a thread of its own.
    fn run(&self, open: &mut Open, transactions: u32) -> Option<()> {
        if transactions == 0 {
            return Some(());
        }
        if !self.scenario.workload.has_threads() {
            return ask(open, |clients, desk| clients.run(desk, transactions));
        }
        ask(open, Clients::prepare)?;
        let alone = open
            .clients
            .split(transactions)
            .into_iter()
            .map(|(client, _)| client);
        let alone: Vec<_> = alone.collect();
        let each = transactions.div_ceil(u32::try_from(alone.len()).unwrap_or(u32::MAX).max(1));
        let (session, record, tables) = (&open.session, &open.record, &open.tables);
        let done: Vec<_> = thread::scope(|scope| {
            let start = |mut client: Clients| {
                let mut session = session.share();
                scope.spawn(move || {
                    let session = session.as_deref_mut()?;
                    let mut desk = Desk {
                        session,
                        marks: &Voice,
                        record,
                        tables,
                        changes_tables: false,
                    };
                    let worked = client.run(&mut desk, each);
                    told(worked).map(|()| client)
                })
            };
            let threads: Vec<_> = alone.into_iter().map(start).collect();
            let threads = threads.into_iter();
            // A client that panics ends the process, as any panic here does.
            threads.filter_map(|thread| thread.join().ok()).collect()
        });
        open.clients
            .rejoin(done.into_iter().collect::<Option<_>>()?);
        Some(())
    }
}

/// Reads all rows, whatever became of the writes before.
fn still_read(open: &mut Open) {
    for table in &open.tables {
        if let Err(error) = open.session.scan(table, &mut |_, _| ()) {
            let shape = format!("scan/{}", error.kind.name());
            let expected = "success: reading needs nothing that lacks";
            let kind = CheckKind::ReadsGoOn;
            return say(&Violation::new(kind, shape, expected, error.text).into());
        }
    }
    say(&Entry::StillRead);
}

fn ask(
    open: &mut Open,
    work: impl FnOnce(&mut Clients, &mut Desk<'_>) -> Result<(), Stopped>,
) -> Option<()> {
    let mut desk = Desk {
        session: open.session.as_mut(),
        marks: &Voice,
        record: &open.record,
        tables: &open.tables,
        changes_tables: false,
    };
    told(work(&mut open.clients, &mut desk))
}

fn told(worked: Result<(), Stopped>) -> Option<()> {
    worked
        .map_err(|stopped| say_failed(stopped.call, &stopped.error))
        .ok()
}
