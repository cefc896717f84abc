//! Clients on threads of their own while storage fails: each goes on after what failed, until it or another has had enough.
//!
//! 1. A call may fail once its session has met a failure, and only then. Where space is owed to help, one that began on sound storage and met
//!    no failure while it ran owes success.
//! 2. Who has had enough stops all others before their next step; what they have open is given up.
//! 3. Nothing is looked at here but by the clients' own transactions: who waits for them looks.

use std::sync::Arc;

use super::crowd::{end, start};
use super::trial::Trial;
use crate::batch::ExploreError;
use crate::oracle::History;
use crate::sim::SimDisk;
use crate::workload::{Clients, Desk, Line, Record, Stopped};

/// What clients bear, and how much of it.
#[derive(Clone, Debug)]
pub(super) struct Hardship {
    pub(super) disk: SimDisk,
    /// What had failed before the session was opened.
    pub(super) failed_before: u64,
    /// Transactions of a client that fail in a row after which all stop; never, if none.
    pub(super) enough: Option<u32>,
    /// So many in a row, and storage is made sound.
    pub(super) patience: u32,
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct Hurt {
    pub(super) stopped: Stopped,
    /// Whether its session had met a failure.
    pub(super) is_tainted: bool,
    /// Whether storage was not sound all the while.
    pub(super) is_excused: bool,
}

/// What came of so many transactions.
#[derive(Debug, Default)]
pub(super) struct Borne {
    pub(super) hurts: Vec<Hurt>,
    /// Transactions that are still to come.
    pub(super) left: u32,
    pub(super) has_enough: bool,
}

/// Lets each client work on a thread of its own, whatever fails. Nothing if the target broke down, or showed what is wrong.
pub(super) fn bear(
    trial: &mut Trial<'_>,
    clients: &mut Clients,
    history: &mut History,
    transactions: u32,
    hardship: &Hardship,
) -> Result<Option<Borne>, ExploreError> {
    let record = Arc::new(trial.record(std::mem::take(history)));
    let borne = bear_on(trial, clients, &record, transactions, hardship);
    *history = trial.take(&record);
    Ok(borne?.filter(|_| trial.violations.is_empty()))
}

fn bear_on(
    trial: &mut Trial<'_>,
    clients: &mut Clients,
    record: &Arc<Record>,
    transactions: u32,
    hardship: &Hardship,
) -> Result<Option<Borne>, ExploreError> {
    let watch = Watch::begin(hardship);
    let Some(prepared) = trial.attempt_on(record, clients, Clients::prepare) else {
        return Ok(None);
    };
    if let Err(stopped) = prepared {
        return Ok(Some(Borne {
            hurts: vec![watch.end(stopped)],
            left: transactions.saturating_sub(1),
            has_enough: false,
        }));
    }
    record.line(Line::threads());
    let mut threads = Vec::new();
    for (number, (client, share)) in clients.split(transactions).into_iter().enumerate() {
        let hardship = hardship.clone();
        let part =
            move |client: &mut Clients, desk: &mut Desk<'_>| go_on(client, desk, share, &hardship);
        threads.push(start(trial, number, client, record, part)?);
    }
    let Some(ended) = end(trial, threads) else {
        return Ok(None);
    };
    let mut all = Borne::default();
    let mut parts = Vec::new();
    for (client, mut borne) in ended {
        parts.push(client);
        all.hurts.append(&mut borne.hurts);
        all.left += borne.left;
        all.has_enough |= borne.has_enough;
    }
    clients.rejoin(parts);
    Ok(Some(all))
}

/// What one client does, and goes on doing.
fn go_on(client: &mut Clients, desk: &mut Desk<'_>, share: u32, hardship: &Hardship) -> Borne {
    let mut borne = Borne {
        left: share,
        ..Borne::default()
    };
    let mut in_a_row = 0;
    while borne.left > 0 && !desk.record.is_halted() {
        let (watch, ended) = (Watch::begin(hardship), client.ended());
        let run = client.run(desk, borne.left);
        let done = client.ended() - ended;
        borne.left = borne.left.saturating_sub(done);
        let Err(stopped) = run else { continue };
        borne.hurts.push(watch.end(stopped));
        borne.left = borne.left.saturating_sub(1);
        in_a_row = if done == 0 { in_a_row + 1 } else { 1 };
        if hardship.enough.is_some_and(|enough| in_a_row >= enough) {
            borne.has_enough = true;
            desk.record.halt();
        } else if in_a_row >= hardship.patience {
            hardship.disk.lift();
        }
    }
    borne
}

/// Storage when a call began.
struct Watch<'h> {
    hardship: &'h Hardship,
    failed: u64,
    was_sound: bool,
}

impl<'h> Watch<'h> {
    fn begin(hardship: &'h Hardship) -> Self {
        Self {
            failed: hardship.disk.failures().count,
            was_sound: hardship.disk.is_sound(),
            hardship,
        }
    }

    fn end(self, stopped: Stopped) -> Hurt {
        let count = self.hardship.disk.failures().count;
        Hurt {
            stopped,
            is_tainted: count > self.hardship.failed_before,
            is_excused: !(self.was_sound && count == self.failed),
        }
    }
}
