//! A database whose groups the test puts together.

use std::sync::Arc;

use crate::disk::{Disk, MemoryDisk};
use crate::ids::Version;
use crate::options::{CheckpointMode, Durability, Isolation, Limits, Options};
use crate::recovery;
use crate::sync::lock;
use crate::transaction::commit_queue::{CommitResult, Member};
use crate::transaction::conflicts::Conflicts;
use crate::transaction::group_commit::{Desk, write_group};
use crate::transaction::{Session, Transaction};

pub(super) struct Rig {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) session: Arc<Session>,
    desk: Desk,
}

/// What the conflict index can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// All of it.
    Complete,
    /// Only the last few keys.
    Short,
    /// Nothing: everything is proven by values.
    Blind,
}

impl Rig {
    pub(super) fn new(index: Index, limits: Limits) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let engine = recovery::create(&disk, options().limits(limits)).unwrap();
        let conflicts = match index {
            Index::Complete => Conflicts::new(1 << 20, Version(0)),
            Index::Short => Conflicts::new(2, Version(0)),
            Index::Blind => Conflicts::new(0, Version(u64::MAX)),
        };
        Self {
            disk,
            session: Session::new(engine),
            desk: Desk::new(conflicts),
        }
    }

    pub(super) fn begin(&self, isolation: Isolation) -> Transaction {
        Transaction::new(&self.session, isolation).unwrap()
    }

    /// Commits all of them in one group.
    pub(super) fn commit(
        &mut self,
        transactions: impl IntoIterator<Item = Transaction>,
    ) -> Vec<CommitResult> {
        let member = |txn: Transaction| {
            let reads = txn.reads.map(|reads| Box::new(lock(&reads).take()));
            let mut member = Member::new(txn.view, txn.writes, reads, Durability::Buffered);
            member.foreseen = self.session.ask_for_leaves(&member);
            member
        };
        let members: Vec<Member> = transactions.into_iter().map(member).collect();
        write_group(&self.session.engine, &members, &mut self.desk).into_vec()
    }
}

pub(super) fn options() -> Options {
    Options::new()
        .log_segment(64 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
        .salt(7)
}
