//! Shrinking what is no power cut: the same finding from a scenario that asks for less.

use std::num::NonZeroU32;

use super::ask::{Asker, Stop};
use crate::batch::Finding;
use crate::scenario::{ByteSize, Fault, Percent, Scenario, Workload};

/// The smallest scenario so far, and the finding in it.
pub(super) struct Simpler<'a, 'b> {
    pub(super) asker: &'a mut Asker<'b>,
    pub(super) best: Scenario,
    pub(super) finding: Finding,
    pub(super) text: String,
    /// How often in a row a scenario must show the finding: more than once where the kernel decides whether it does.
    pub(super) times: u32,
}

/// So many images of a disk are tried in a moment.
const IMAGES: NonZeroU32 = NonZeroU32::MIN.saturating_add(31);

type Step = fn(&mut Scenario);

/// What is made simpler beside the number of transactions, one after the other.
const STEPS: [Step; 12] = [
    |scenario| match &mut scenario.workload {
        Workload::Kv(kv) => (kv.clients, kv.threads) = (NonZeroU32::MIN, false),
        Workload::Bank(bank) => (bank.clients, bank.threads) = (NonZeroU32::MIN, false),
        Workload::Append(rows) | Workload::Register(rows) => {
            (rows.clients, rows.threads) = (NonZeroU32::MIN, false);
        }
    },
    |scenario| match &mut scenario.workload {
        Workload::Kv(kv) => kv.threads = false,
        Workload::Bank(bank) => bank.threads = false,
        Workload::Append(rows) | Workload::Register(rows) => rows.threads = false,
    },
    |scenario| {
        let two = NonZeroU32::MIN.saturating_add(1);
        match &mut scenario.workload {
            Workload::Kv(kv) => kv.clients = kv.clients.min(two),
            Workload::Bank(bank) => bank.clients = bank.clients.min(two),
            Workload::Append(rows) | Workload::Register(rows) => {
                rows.clients = rows.clients.min(two);
            }
        }
    },
    |scenario| {
        if let Workload::Kv(kv) = &mut scenario.workload {
            kv.operations_max = NonZeroU32::MIN;
        }
    },
    |scenario| match &mut scenario.workload {
        Workload::Kv(kv) => kv.checkpoints = 0,
        Workload::Bank(bank) => bank.checkpoints = 0,
        Workload::Append(rows) | Workload::Register(rows) => rows.checkpoints = 0,
    },
    |scenario| match &mut scenario.workload {
        Workload::Kv(kv) => (kv.compactions, kv.backups, kv.restore_points) = (0, 0, 0),
        Workload::Bank(bank) => (bank.compactions, bank.backups, bank.restore_points) = (0, 0, 0),
        Workload::Append(_) | Workload::Register(_) => {}
    },
    |scenario| {
        let none = Percent::default();
        match &mut scenario.workload {
            Workload::Kv(kv) => {
                (kv.rollbacks, kv.savepoints, kv.table_changes) = (none, none, none);
                (kv.range_reads, kv.range_deletes, kv.large_values) = (none, none, none);
            }
            Workload::Bank(bank) => (bank.rollbacks, bank.savepoints) = (none, none),
            Workload::Append(rows) | Workload::Register(rows) => {
                (rows.rollbacks, rows.range_reads, rows.blind_writes) = (none, none, none);
            }
        }
    },
    |scenario| {
        if let Workload::Kv(kv) = &mut scenario.workload {
            (kv.reads, kv.deletes) = (Percent::default(), Percent::default());
        }
    },
    |scenario| match &mut scenario.workload {
        Workload::Kv(kv) => kv.tables = NonZeroU32::MIN,
        Workload::Bank(bank) => (bank.tables, bank.accounts) = (NonZeroU32::MIN, 2),
        Workload::Append(rows) | Workload::Register(rows) => rows.tables = NonZeroU32::MIN,
    },
    |scenario| {
        if let Workload::Kv(kv) = &mut scenario.workload {
            kv.value_len_max = ByteSize::from_bytes(1);
        }
    },
    |scenario| {
        for fault in &mut scenario.faults {
            if let Fault::IoError(fault) = fault {
                fault.reopenings = 0;
            }
        }
    },
    |scenario| {
        for fault in &mut scenario.faults {
            if let Fault::DevicePowerLoss(fault) = fault {
                fault.images = fault.images.min(IMAGES);
            }
        }
    },
];

impl Simpler<'_, '_> {
    /// Makes it as small as it gets.
    pub(super) fn run(&mut self) -> Result<(), Stop> {
        self.fewer_transactions()?;
        for step in STEPS {
            let mut simpler = self.best.clone();
            step(&mut simpler);
            self.take(simpler)?;
        }
        self.fewer_transactions()
    }

    fn fewer_transactions(&mut self) -> Result<(), Stop> {
        let all = self.best.workload.transactions();
        let mut count = NonZeroU32::MIN;
        while count.get() < all {
            let mut fewer = self.best.clone();
            match &mut fewer.workload {
                Workload::Kv(kv) => kv.transactions = count,
                Workload::Bank(bank) => bank.transactions = count,
                Workload::Append(rows) | Workload::Register(rows) => rows.transactions = count,
            }
            if self.take(fewer)? {
                break;
            }
            count = count.saturating_add(count.get().div_ceil(2));
        }
        Ok(())
    }

    /// Takes over a scenario if it makes sense and shows the finding.
    fn take(&mut self, candidate: Scenario) -> Result<bool, Stop> {
        if candidate == self.best {
            return Ok(false);
        }
        let Some(text) = candidate.to_toml() else {
            return Ok(false);
        };
        for _ in 1..self.times {
            if self.asker.hunt(&text)?.is_none() {
                return Ok(false);
            }
        }
        let Some(shown) = self.asker.hunt(&text)? else {
            return Ok(false);
        };
        (self.best, self.finding, self.text) = (candidate, shown.finding, text);
        Ok(true)
    }
}
