//! Who takes part: the transactions that were committed, whoever read something, and whoever looked last.
//!
//! 1. While nothing is broken a transaction was committed if it was acknowledged, or if its outcome is open and somebody saw something of
//!    it. All that read are held to what they saw.
//! 2. After a crash those were committed that must be there, those of which something is there, those from which one of these read, and
//!    those that are promised to be there before one of these. Only these are held to what they read, and all came before whoever
//!    looks at what is there. One of which that is not known is left out: that can hide an anomaly, and never makes one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::History;
use super::super::obligations::{Obligations, Owed};
use super::super::observed::Observed;
use super::super::reads::Read;
use super::super::sequence::Span;
use super::super::sight::Moment;
use super::super::transaction::{Outcome, Transaction};
use crate::target::Isolation;
use crate::trace::TransactionId;

/// One that takes part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'h> {
    /// None: whoever looked last.
    pub(super) id: Option<TransactionId>,
    /// What it wrote, if it was committed.
    pub(super) committed: Option<&'h Transaction>,
    /// Between these moments it saw what it saw.
    pub(super) view: Span,
    /// Between these moments it changed what it changed; from its begin on where this need not be after its view. That of its view if
    /// it changed nothing.
    pub(super) commit: Span,
}

/// All that take part, and what they read.
pub(super) struct Cast<'h> {
    pub(super) history: &'h History,
    pub(super) members: Vec<Member<'h>>,
    places: BTreeMap<Option<TransactionId>, usize>,
    pub(super) reads: Vec<Read>,
}

impl<'h> Cast<'h> {
    /// Of a history that nothing broke, and the rows at its end.
    pub(super) fn of_live(
        history: &'h History,
        promised: Isolation,
        end: Option<&Observed>,
    ) -> Self {
        let mut reads = history.reads().to_vec();
        reads.extend(end.into_iter().flat_map(|end| history.last_reads(end)));
        let seen: BTreeSet<_> = reads.iter().flat_map(Read::writers).collect();
        let is_committed = |one: &Transaction| match one.outcome {
            Outcome::Acknowledged => true,
            Outcome::Refused => false,
            Outcome::InFlight | Outcome::Unknown => seen.contains(&one.id),
        };
        let all = history.transactions().iter();
        let committed = all.filter(|one| is_committed(one)).collect();
        Self::new(history, promised, committed, reads)
    }

    /// Of what is left of a history after a crash.
    pub(super) fn of_crash(
        history: &'h History,
        promised: Isolation,
        obligations: &Obligations,
        end: &Observed,
    ) -> Self {
        let end = history.last_reads(end);
        let survivors = survivors(history, obligations, &end);
        let is_left = |read: &&Read| read.reader.is_some_and(|id| survivors.contains(&id));
        let mut reads: Vec<_> = history.reads().iter().filter(is_left).cloned().collect();
        reads.extend(end);
        let all = history.transactions().iter();
        let committed = all.filter(|one| survivors.contains(&one.id)).collect();
        Self::new(history, promised, committed, reads)
    }

    fn new(
        history: &'h History,
        promised: Isolation,
        committed: Vec<&'h Transaction>,
        reads: Vec<Read>,
    ) -> Self {
        let mut cast = Self {
            history,
            members: Vec::new(),
            places: BTreeMap::new(),
            reads,
        };
        for transaction in committed {
            let view = history.view(transaction.id);
            let from = match promised {
                Isolation::Serializable => view.from,
                Isolation::Snapshot => transaction.requested_moment.0,
            };
            let to = transaction.answered_moment.0;
            cast.add(Member {
                id: Some(transaction.id),
                committed: Some(transaction),
                view,
                commit: Span { from, to },
            });
        }
        let readers: BTreeSet<_> = cast.reads.iter().map(|read| read.reader).collect();
        for id in readers {
            if !cast.places.contains_key(&id) {
                let view = id.map_or(Span::END, |id| history.view(id));
                cast.add(Member {
                    id,
                    committed: None,
                    view,
                    commit: view,
                });
            }
        }
        cast
    }

    fn add(&mut self, member: Member<'h>) {
        self.places.insert(member.id, self.members.len());
        self.members.push(member);
    }

    /// The place of a transaction that was committed.
    pub(super) fn committed(&self, id: TransactionId) -> Option<usize> {
        let place = self.places.get(&Some(id)).copied();
        place.filter(|&place| self.members[place].committed.is_some())
    }

    /// The place of a reader.
    pub(super) fn reader(&self, read: &Read) -> usize {
        self.places[&read.reader]
    }
}

impl Member<'_> {
    /// Whether this one was over before the other began.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        self.commit.precedes(other.view)
    }
}

/// The transactions that are there after a crash, as far as that is known.
fn survivors(
    history: &History,
    obligations: &Obligations,
    end: &[Read],
) -> BTreeSet<TransactionId> {
    let mut there: BTreeSet<_> = end.iter().flat_map(Read::writers).collect();
    let all = history.transactions();
    let owed = |owed: Owed| {
        let all = all.iter();
        all.filter(move |one| obligations.owed(one) == owed)
    };
    there.extend(owed(Owed::Must).map(|one| one.id));
    loop {
        let count = there.len();
        let newest = all.iter().filter(|one| there.contains(&one.id));
        let newest = newest.map(|one| one.requested_moment).max();
        let newest = newest.unwrap_or(Moment::default());
        let earlier = owed(Owed::MayInOrder).filter(|one| one.answered_moment <= newest);
        there.extend(earlier.map(|one| one.id).collect::<Vec<_>>());
        let is_there = |read: &&Read| read.reader.is_some_and(|id| there.contains(&id));
        let read_from = history.reads().iter().filter(is_there);
        let read_from: Vec<_> = read_from.flat_map(Read::writers).collect();
        there.extend(read_from);
        if there.len() == count {
            return there;
        }
    }
}
