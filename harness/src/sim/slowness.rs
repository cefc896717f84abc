//! Operations that take long, in the disk's own time.
//!
//! 1. Each call takes a moment of the disk's time; a slow one takes longer. Nothing waits for real: the time of a slow call passes as others call, and
//!    where nobody does it is over at once. So a run stays a function of its inputs, and a single client sees no difference but the clock.
//! 2. A slow change of the disk happens when its call ends, a slow sync covers what ended before it began.
//! 3. A commit that is asked for, and the opening of the database, have a deadline in that time.

use std::collections::BTreeMap;

use lightning_db::sync::pause;

use super::disk::SimDisk;
use super::machine::Machine;
use crate::scenario::{IoOperation, Latency};
use crate::trace::{Mark, TransactionId};

/// What a call takes that is not slow, in microseconds.
const CALL_US: u64 = 20;
/// Turns of others in which nobody calls the disk, after which time goes on by itself.
const IDLE_TURNS: u32 = 16;

/// The clock of a disk some of whose operations are slow.
#[derive(Clone, Debug)]
pub(super) struct Slowness {
    latency: Latency,
    takes_us: u64,
    within_us: u64,
    now_us: u64,
    /// Matching operations, and those of them that were slow.
    counts: (u64, u64),
    requested: BTreeMap<TransactionId, u64>,
    is_open: bool,
    late: Option<String>,
}

impl Slowness {
    pub(super) fn new(latency: Latency) -> Self {
        let micros = |span: crate::scenario::TimeSpan| {
            u64::try_from(span.duration().as_micros()).unwrap_or(u64::MAX)
        };
        Self {
            takes_us: micros(latency.takes),
            within_us: micros(latency.within),
            latency,
            now_us: 0,
            counts: (0, 0),
            requested: BTreeMap::new(),
            is_open: false,
            late: None,
        }
    }

    pub(super) fn tick(&mut self) {
        self.now_us = self.now_us.saturating_add(CALL_US);
    }

    /// Until when an operation that begins now takes, if it is slow.
    fn slow_until(&mut self, operation: IoOperation, name: &str) -> Option<u64> {
        if !self.latency.concerns(operation, name) {
            return None;
        }
        self.counts.0 += 1;
        let every = u64::from(self.latency.every.get());
        let is_slow = self.counts.0.is_multiple_of(every);
        self.counts.1 += u64::from(is_slow);
        is_slow.then(|| self.now_us.saturating_add(self.takes_us))
    }

    /// Follows what has a deadline.
    pub(super) fn follow(&mut self, mark: &Mark) {
        match mark {
            Mark::Request(id) => drop(self.requested.insert(*id, self.now_us)),
            Mark::Acknowledged(id) | Mark::Failed(id) | Mark::Unknown(id) => {
                if let Some(since) = self.requested.remove(id) {
                    self.judge("a commit", since);
                }
            }
            Mark::Opened if !self.is_open => {
                self.is_open = true;
                self.judge("the opening", 0);
            }
            _ => {}
        }
    }

    fn judge(&mut self, what: &str, since: u64) {
        let took = self.now_us.saturating_sub(since);
        if took > self.within_us {
            let text = || format!("{what} took {} ms of the disk's time", took / 1000);
            self.late.get_or_insert_with(text);
        }
    }
}

impl Machine {
    fn slow_until(&mut self, operation: IoOperation, name: &str) -> Option<u64> {
        if self.stopped.is_some() {
            return None;
        }
        self.slowness.as_mut()?.slow_until(operation, name)
    }

    /// The disk's time; nothing once nobody needs to wait any more.
    fn time(&self) -> Option<u64> {
        let slowness = self.slowness.as_ref()?;
        self.stopped.is_none().then_some(slowness.now_us)
    }

    fn pass_until(&mut self, until: u64) {
        if let Some(slowness) = &mut self.slowness {
            slowness.now_us = slowness.now_us.max(until);
        }
    }
}

impl SimDisk {
    /// Takes its time if it is slow. Others run meanwhile.
    pub(super) fn take_time(&self, operation: IoOperation, name: &str) {
        let Some(until) = self.machine().slow_until(operation, name) else {
            return;
        };
        let mut idle = 0;
        let mut last = None;
        while self.is_before(until) {
            let now = self.time();
            idle = if last == now { idle + 1 } else { 0 };
            last = now;
            if idle == IDLE_TURNS {
                self.machine().pass_until(until);
            }
            pause();
        }
    }

    fn time(&self) -> Option<u64> {
        self.machine().time()
    }

    fn is_before(&self, until: u64) -> bool {
        self.time().is_some_and(|now| now < until)
    }

    /// Operations that could have been slow, and those of them that were.
    pub fn slow_operations(&self) -> (u64, u64) {
        let machine = self.machine();
        machine.slowness.as_ref().map_or((0, 0), |one| one.counts)
    }

    /// What took longer than it may, if anything did.
    pub fn late(&self) -> Option<String> {
        let machine = self.machine();
        machine.slowness.as_ref().and_then(|one| one.late.clone())
    }
}

#[cfg(test)]
mod tests {
    use lightning_db::disk::{Disk, OpenMode};

    use super::*;
    use crate::sim::SimConfig;
    use crate::trace::TransactionId;

    fn slow_disk(within: &str) -> SimDisk {
        let text =
            format!("operation = \"sync\"\nevery = 2\ntakes = \"50 ms\"\nwithin = \"{within}\"");
        SimDisk::new(SimConfig {
            latency: Some(toml::from_str(&text).unwrap()),
            ..SimConfig::default()
        })
    }

    fn commit(disk: &SimDisk, number: u64) {
        let file = disk.open("file", OpenMode::Write);
        let file = file
            .or_else(|_| disk.open("file", OpenMode::Create))
            .unwrap();
        disk.mark(Mark::Request(TransactionId(number)));
        file.write_at(0, b"row").unwrap();
        file.sync().unwrap();
        disk.mark(Mark::Acknowledged(TransactionId(number)));
    }

    #[test]
    fn one_in_so_many_operations_is_slow_and_nobody_waits_for_real() {
        let disk = slow_disk("1 s");
        disk.mark(Mark::Opened);
        for number in 0..6 {
            commit(&disk, number);
        }
        assert_eq!(disk.slow_operations(), (6, 3));
        assert_eq!(disk.late(), None);
    }

    #[test]
    fn a_commit_past_its_deadline_is_late() {
        let disk = slow_disk("49 ms");
        commit(&disk, 0);
        assert_eq!(disk.late(), None);
        commit(&disk, 1);
        assert_eq!(
            disk.late().unwrap(),
            "a commit took 50 ms of the disk's time"
        );
    }

    #[test]
    fn an_opening_past_its_deadline_is_late() {
        let disk = slow_disk("49 ms");
        commit(&disk, 0);
        let file = disk.open("file", OpenMode::Write).unwrap();
        file.sync().unwrap();
        disk.mark(Mark::Opened);
        assert!(disk.late().unwrap().starts_with("the opening"));
    }
}
