//! Circles of dependencies: whether there is one that is forbidden, and the shortest of the gravest sort.
//!
//! 1. Serializable: no circle at all.
//! 2. Snapshot isolation: no circle but those in which two anti-dependencies (`ReadWrite`) follow each other. For a commit comes before the view
//!    of whoever depends on it, and a view before the commit of whoever overwrites what it saw; so such a circle of members is one of
//!    points, and the reverse (Cerone, Gotsman, "Analysing Snapshot Isolation", 2016).

use std::collections::VecDeque;

use super::super::sequence::{self, Found, Search, Span};
use super::graph::{Edge, Graph, Kind};
use crate::target::Isolation;

/// Which circles are looked for. The gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Of overwriting alone.
    Writes,
    /// With reading.
    Reads,
    /// With one anti-dependency.
    OneAnti,
    /// With several that never follow each other.
    Apart,
    /// Any.
    Any,
}

/// A circle, each edge ending where the next begins.
pub(super) type Circle = Vec<Edge>;

impl Graph<'_, '_> {
    /// Whether there is an order of all that the promise asks for.
    pub(super) fn has_order(&self, promised: Isolation) -> bool {
        let (spans, edges) = match promised {
            Isolation::Serializable => self.as_one_point(),
            Isolation::Snapshot => self.as_two_points(),
        };
        let mut there: Vec<_> = (0..spans.len()).collect();
        there.sort_by_key(|&point| spans[point].to);
        Search::default().arrange(&spans, &there, &edges, &[]) == Found::Yes
    }

    fn as_one_point(&self) -> (Vec<Span>, Vec<sequence::Edge>) {
        let members = self.cast.members.iter();
        let span = |(from, to): (Span, Span)| Span {
            from: from.from,
            to: to.to,
        };
        let spans = members.map(|member| span((member.view, member.commit)));
        let edge = |(why, edge): (usize, &Edge)| sequence::Edge {
            before: edge.from,
            after: edge.to,
            why,
        };
        (
            spans.collect(),
            self.edges.iter().enumerate().map(edge).collect(),
        )
    }

    /// The view of member `i` is point `2 * i`, its commit the next.
    fn as_two_points(&self) -> (Vec<Span>, Vec<sequence::Edge>) {
        let members = self.cast.members.iter();
        let spans = members.flat_map(|member| [member.view, member.commit]);
        let edge = |(why, edge): (usize, &Edge)| {
            let (before, after) = match edge.kind {
                Kind::ReadWrite => (2 * edge.from, 2 * edge.to + 1),
                _ => (2 * edge.from + 1, 2 * edge.to),
            };
            sequence::Edge { before, after, why }
        };
        let mut edges: Vec<_> = self.edges.iter().enumerate().map(edge).collect();
        let why = edges.len();
        let own = |member| sequence::Edge {
            before: 2 * member,
            after: 2 * member + 1,
            why,
        };
        edges.extend((0..self.cast.members.len()).map(own));
        (spans.collect(), edges)
    }

    /// The shortest forbidden circle of the gravest sort, without real time if there is one.
    pub(super) fn gravest(&self, promised: Isolation) -> Option<(Sort, Circle)> {
        let sorts = [
            Sort::Writes,
            Sort::Reads,
            Sort::OneAnti,
            Sort::Apart,
            Sort::Any,
        ];
        let forbidden = match promised {
            Isolation::Serializable => &sorts[..],
            Isolation::Snapshot => &sorts[..4],
        };
        [false, true].into_iter().find_map(|real_time| {
            let shortest = |&sort: &Sort| Some((sort, self.shortest(sort, real_time)?));
            forbidden.iter().find_map(shortest)
        })
    }

    fn shortest(&self, sort: Sort, real_time: bool) -> Option<Circle> {
        let first = match sort {
            Sort::Writes => Kind::WriteWrite,
            Sort::Reads => Kind::WriteRead,
            Sort::OneAnti | Sort::Apart | Sort::Any => Kind::ReadWrite,
        };
        let mut shortest: Option<Circle> = None;
        for start in self.edges.iter().filter(|edge| edge.kind == first) {
            if let Some(circle) = self.back(*start, sort, real_time)
                && shortest
                    .as_ref()
                    .is_none_or(|best| circle.len() < best.len())
            {
                let is_least = circle.len() == 2;
                shortest = Some(circle);
                if is_least {
                    break;
                }
            }
        }
        shortest
    }

    /// The shortest circle of a sort that begins with an edge. A member is met once by an anti-dependency and once by another edge, at most.
    fn back(&self, start: Edge, sort: Sort, real_time: bool) -> Option<Circle> {
        let is_anti = |edge: &Edge| edge.kind == Kind::ReadWrite;
        let meeting = |edge: &Edge| 2 * edge.to + usize::from(is_anti(edge));
        let mut came_by: Vec<Option<(usize, Edge)>> = vec![None; 2 * self.cast.members.len()];
        let first = meeting(&start);
        came_by[first] = Some((first, start));
        let mut queue = VecDeque::from([first]);
        while let Some(at) = queue.pop_front() {
            for edge in self.leaving(at / 2, real_time) {
                let follows_anti = at % 2 == 1;
                if !sort.allows(&edge, follows_anti) {
                    continue;
                }
                if edge.to == start.from {
                    // The first edge follows the last one.
                    if sort != Sort::Apart || !is_anti(&edge) {
                        return Some(way(&came_by, at, edge));
                    }
                } else if came_by[meeting(&edge)].is_none() {
                    came_by[meeting(&edge)] = Some((at, edge));
                    queue.push_back(meeting(&edge));
                }
            }
        }
        None
    }

    fn leaving(&self, from: usize, real_time: bool) -> impl Iterator<Item = Edge> + '_ {
        let later =
            (0..self.cast.members.len()).filter(move |&to| real_time && self.precedes(from, to));
        let later = later.map(move |to| Edge {
            from,
            to,
            kind: Kind::RealTime,
            proof: None,
        });
        self.leaving[from]
            .iter()
            .map(|&edge| self.edges[edge])
            .chain(later)
    }
}

impl Sort {
    /// Whether an edge may come next.
    fn allows(self, edge: &Edge, follows_anti: bool) -> bool {
        match (self, edge.kind) {
            (Self::Any, _) | (_, Kind::WriteWrite | Kind::RealTime) => true,
            (Self::Writes, _) | (Self::Reads | Self::OneAnti, Kind::ReadWrite) => false,
            (Self::Apart, Kind::ReadWrite) => !follows_anti,
            (_, Kind::WriteRead) => true,
        }
    }
}

/// The edges that led to a meeting, and one more.
fn way(came_by: &[Option<(usize, Edge)>], last: usize, edge: Edge) -> Circle {
    let mut circle = vec![edge];
    let mut at = last;
    while let Some((before, edge)) = came_by[at] {
        circle.push(edge);
        if before == at {
            break;
        }
        at = before;
    }
    circle.reverse();
    circle
}
