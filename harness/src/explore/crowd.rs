//! Clients on threads of their own, interleaved with each other and with the target's threads by whoever has the baton.

use std::sync::Arc;

use lightning_db::sync::{JoinHandle, spawn};

use super::batch::internal;
use super::caught::{PanicNote, caught};
use super::evidence::{no_hang, no_panic};
use super::trial::{Trial, stopped};
use crate::batch::ExploreError;
use crate::oracle::History;
use crate::target::Session;
use crate::workload::{Clients, Desk, Line, Record, Script};

/// A client's thread: the client as it is in the end, and what became of its part.
pub(super) type Client<T> = JoinHandle<Result<(Clients, T), PanicNote>>;

/// What one client is to do.
enum Part {
    /// So many transactions.
    Drawn(u32),
    /// What a script says.
    Played(Script),
}

const CALL: &str = "a transaction";

/// Lets each client work on a thread of its own until all are done. Nothing breaks while they do, so all must go well.
pub(super) fn work(
    trial: &mut Trial<'_>,
    clients: &mut Clients,
    history: &mut History,
    script: Option<&Script>,
) -> Result<Option<()>, ExploreError> {
    let record = Arc::new(trial.record(std::mem::take(history)));
    let worked = work_on(trial, clients, &record, script);
    *history = trial.take(&record);
    Ok(worked?.filter(|()| trial.violations.is_empty()))
}

fn work_on(
    trial: &mut Trial<'_>,
    clients: &mut Clients,
    record: &Arc<Record>,
    script: Option<&Script>,
) -> Result<Option<()>, ExploreError> {
    let (before, parts) = script.map(Script::parts).unzip();
    let prepared = trial.work_on(record, clients, |clients, desk| match &before {
        Some(before) => clients.play(desk, before),
        None => clients.prepare(desk),
    });
    if prepared.is_none() {
        return Ok(None);
    }
    record.line(Line::threads());
    let mut threads = Vec::new();
    let all = clients.split(clients.transactions());
    for (number, (client, transactions)) in all.into_iter().enumerate() {
        let lines = parts
            .as_ref()
            .map(|parts| parts.of_client(u16::try_from(number).unwrap_or(u16::MAX)));
        if lines.as_ref().is_some_and(|lines| lines.lines.is_empty()) {
            continue;
        }
        let part = lines.map_or(Part::Drawn(transactions), Part::Played);
        let part = move |client: &mut Clients, desk: &mut Desk<'_>| match &part {
            Part::Drawn(transactions) => client.run(desk, *transactions),
            Part::Played(script) => client.play(desk, script),
        };
        threads.push(start(trial, number, client, record, part)?);
    }
    let Some(ended) = end(trial, threads) else {
        return Ok(None);
    };
    let errors = ended.iter().filter_map(|(_, ended)| ended.as_ref().err());
    let violations: Vec<_> = errors.map(stopped).collect();
    trial.violations.extend(violations);
    Ok(trial.violations.is_empty().then_some(()))
}

/// Gives a client a thread and a session of its own.
pub(super) fn start<T: Send + 'static>(
    trial: &Trial<'_>,
    number: usize,
    mut client: Clients,
    record: &Arc<Record>,
    part: impl FnOnce(&mut Clients, &mut Desk<'_>) -> T + Send + 'static,
) -> Result<Client<T>, ExploreError> {
    let shared = trial.session().and_then(Session::share);
    let mut session = shared.ok_or_else(|| internal("a target with threads shares no session"))?;
    let (marks, record) = (trial.disk().clone(), Arc::clone(record));
    let work = move || {
        let tables = client.tables().to_vec();
        let mut desk = Desk {
            session: session.as_mut(),
            marks: &marks,
            record: &record,
            tables: &tables,
            // What a rename moves is known only where commits don't overlap.
            changes_tables: false,
        };
        let ended = caught(|| part(&mut client, &mut desk))?;
        Ok((client, ended))
    };
    spawn(&format!("client {number}"), work)
        .map_err(|error| internal(&format!("no thread for a client: {error}")))
}

/// Waits for the clients. Nothing if one broke down, which is noted.
pub(super) fn end<T>(trial: &mut Trial<'_>, threads: Vec<Client<T>>) -> Option<Vec<(Clients, T)>> {
    let (mut all, mut violations) = (Vec::new(), Vec::new());
    for thread in threads {
        // This thread can be told to end here; and what a client panicked with outside of its calls the baton knows.
        let Ok(Ok(ended)) = caught(|| thread.join()) else {
            return None;
        };
        match ended {
            Ok(ended) => all.push(ended),
            Err(note) => violations.push(no_panic(CALL, &note)),
        }
    }
    if trial.disk().is_hung() {
        violations = vec![no_hang(CALL, trial.calls())];
    }
    let is_whole = violations.is_empty();
    trial.violations.extend(violations);
    is_whole.then_some(all)
}
