//! The dependencies between members, each with the row that proves it.

use super::super::reads::Through;
use super::cast::Cast;
use super::row::{Order, Row, Version};

/// How one depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// The second overwrote what the first wrote.
    WriteWrite,
    /// The second saw what the first wrote.
    WriteRead,
    /// The second overwrote what the first saw.
    ReadWrite,
    /// The first was answered before the second began.
    RealTime,
}

/// The first comes before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kind: Kind,
    /// What proves it; nothing for real time.
    pub(super) proof: Option<Proof>,
}

/// What proves a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// The place of the row.
    pub(super) row: usize,
    /// What the first one wrote or saw.
    pub(super) version: Version,
    /// What the second one wrote or saw, and why it comes after.
    pub(super) next: Version,
    pub(super) order: Order,
    pub(super) through: Through,
}

/// All dependencies but those of real time, which are many.
pub(super) struct Graph<'c, 'h> {
    pub(super) cast: &'c Cast<'h>,
    pub(super) rows: Vec<Row>,
    pub(super) edges: Vec<Edge>,
    /// The places of the edges that leave each member.
    pub(super) leaving: Vec<Vec<usize>>,
}

impl<'c, 'h> Graph<'c, 'h> {
    pub(super) fn new(cast: &'c Cast<'h>, rows: Vec<Row>) -> Self {
        let mut graph = Self {
            cast,
            rows: Vec::new(),
            edges: Vec::new(),
            leaving: vec![Vec::new(); cast.members.len()],
        };
        for (place, row) in rows.iter().enumerate() {
            graph.depend_on(place, row);
        }
        graph.rows = rows;
        graph
    }

    fn depend_on(&mut self, place: usize, row: &Row) {
        let proof = |version, next, order, through| Proof {
            row: place,
            version,
            next,
            order,
            through,
        };
        for &(before, after, order) in &row.order {
            let proof = proof(before, after, order, Through::Key);
            self.add(
                row.writer(before),
                row.writer(after),
                Kind::WriteWrite,
                proof,
            );
        }
        for seen in &row.reads {
            let (version, through) = (seen.version, seen.through);
            let saw = proof(version, version, Order::Listed, through);
            let reader = Some(seen.reader);
            self.add(row.writer(version), reader, Kind::WriteRead, saw);
            let overwritten = row.order.iter().filter(|one| one.0 == version);
            for &(_, next, order) in overwritten {
                let proof = proof(version, next, order, through);
                self.add(reader, row.writer(next), Kind::ReadWrite, proof);
            }
        }
    }

    fn add(&mut self, from: Option<usize>, to: Option<usize>, kind: Kind, proof: Proof) {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.leaving[from].push(self.edges.len());
            self.edges.push(Edge {
                from,
                to,
                kind,
                proof: Some(proof),
            });
        }
    }

    /// Whether the first was over before the second began.
    pub(super) fn precedes(&self, from: usize, to: usize) -> bool {
        let members = &self.cast.members;
        from != to && members[from].precedes(&members[to])
    }
}
