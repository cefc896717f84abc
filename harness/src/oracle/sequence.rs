//! Whether things that took time can be put in one order.
//!
//! 1. An order is legal if of two of which one ended before the other began, that one comes first, and if it keeps the given
//!    edges. There is one exactly if these form no circle. The first kind of edges is never written down: what began before the first end
//!    among those that are left may be next.
//! 2. A choice holds if all edges of one of its alternatives do. Only a choice that the order at hand breaks is branched on, up to a
//!    number of tries; past these nothing is claimed.

use std::cmp::Reverse;
use std::collections::VecDeque;

/// How many alternatives are tried.
const TRIES_MAX: u32 = 4_096;

/// How many edges are tried as a part of the shortest circle.
const EDGES_MAX: usize = 64;

/// The place of what has none yet.
const LEFT: usize = usize::MAX;

/// When something began and when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Something comes before something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) before: usize,
    pub(super) after: usize,
    /// The number of what says so.
    pub(super) why: usize,
}

/// Why something in a circle comes before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It ended before the next began.
    RealTime { before: usize, after: usize },
    /// An edge says so.
    Edge(Edge),
}

/// One of these sets of edges must hold.
pub(super) type Choice = Vec<Vec<Edge>>;

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Yes,
    No,
    GaveUp,
}

/// A search with a bound.
#[derive(Default)]
pub(super) struct Search {
    tries: u32,
    /// The first circle that was in the way.
    pub(super) circle: Option<Vec<Link>>,
}

impl Span {
    /// After all others.
    pub(super) const END: Self = Self {
        from: u64::MAX,
        to: u64::MAX,
    };

    /// Whether this ended before the other began.
    pub(super) fn precedes(self, other: Self) -> bool {
        self.to <= other.from
    }
}

impl Search {
    /// Whether what is `there`, given in the order in which it ended, can be put in an order.
    pub(super) fn arrange(
        &mut self,
        spans: &[Span],
        there: &[usize],
        edges: &[Edge],
        choices: &[Choice],
    ) -> Found {
        let order = match order(spans, there, edges) {
            Ok(order) => order,
            Err(circle) => {
                self.circle.get_or_insert(circle);
                return Found::No;
            }
        };
        let holds = |edge: &Edge| order[edge.before] < order[edge.after];
        let is_broken = |choice: &&Choice| !choice.iter().any(|edges| edges.iter().all(holds));
        let Some(broken) = choices.iter().find(is_broken) else {
            return Found::Yes;
        };
        self.any(broken, |search, more| {
            let edges: Vec<_> = edges.iter().chain(more).copied().collect();
            search.arrange(spans, there, &edges, choices)
        })
    }

    /// Whether any of these leads to an end.
    pub(super) fn any<T>(
        &mut self,
        tries: impl IntoIterator<Item = T>,
        mut found: impl FnMut(&mut Self, T) -> Found,
    ) -> Found {
        let mut end = Found::No;
        for one in tries {
            self.tries += 1;
            if self.tries > TRIES_MAX {
                return Found::GaveUp;
            }
            match found(self, one) {
                Found::Yes => return Found::Yes,
                Found::GaveUp => end = Found::GaveUp,
                Found::No => {}
            }
        }
        end
    }
}

/// The place of each in an order of what is there, given in the order in which it ended; or a circle, if there is none.
fn order(spans: &[Span], there: &[usize], edges: &[Edge]) -> Result<Vec<usize>, Vec<Link>> {
    let mut line = Line::new(spans, there, edges);
    line.place_all();
    if line.count == there.len() {
        return Ok(line.places);
    }
    let stuck = |index: usize| line.places[index] == LEFT;
    let left: Vec<_> = there
        .iter()
        .copied()
        .filter(|&index| stuck(index))
        .collect();
    let within = |edge: &&Edge| stuck(edge.before) && stuck(edge.after);
    let edges: Vec<_> = edges.iter().filter(within).copied().collect();
    let circles = edges.iter().take(EDGES_MAX).filter_map(|edge| {
        let mut circle = way(spans, &left, &edges, edge.after, edge.before)?;
        circle.insert(0, Link::Edge(*edge));
        Some(circle)
    });
    Err(circles.min_by_key(Vec::len).unwrap_or_default())
}

/// Things being put in an order.
struct Line<'s> {
    spans: &'s [Span],
    there: &'s [usize],
    places: Vec<usize>,
    count: usize,
    /// How many that must come before it are left.
    waits_for: Vec<usize>,
    followers: Vec<Vec<usize>>,
    /// Those that began before the first end among those that are left.
    began: Vec<bool>,
    ready: Vec<usize>,
    /// From the last to begin to the first.
    to_begin: Vec<usize>,
}

impl<'s> Line<'s> {
    fn new(spans: &'s [Span], there: &'s [usize], edges: &[Edge]) -> Self {
        let count = spans.len();
        let mut to_begin = there.to_vec();
        // What takes no time comes before what begins at its moment.
        to_begin.sort_by_key(|&index| Reverse((spans[index].from, spans[index].to)));
        let mut line = Self {
            spans,
            there,
            places: vec![LEFT; count],
            count: 0,
            waits_for: vec![0; count],
            followers: vec![Vec::new(); count],
            began: vec![false; count],
            ready: Vec::new(),
            to_begin,
        };
        for edge in edges {
            line.waits_for[edge.after] += 1;
            line.followers[edge.before].push(edge.after);
        }
        line
    }

    fn place_all(&mut self) {
        let there = self.there;
        for &oldest in there {
            while self.places[oldest] == LEFT {
                self.begin_before_end(oldest);
                let Some(next) = self.ready.pop() else { return };
                self.place(next);
            }
        }
    }

    /// What began before the first to end did may come next.
    fn begin_before_end(&mut self, oldest: usize) {
        while let Some(&next) = self.to_begin.last() {
            if next != oldest && self.spans[oldest].precedes(self.spans[next]) {
                return;
            }
            self.to_begin.pop();
            self.began[next] = true;
            if self.waits_for[next] == 0 {
                self.ready.push(next);
            }
        }
    }

    fn place(&mut self, index: usize) {
        self.places[index] = self.count;
        self.count += 1;
        for follower in std::mem::take(&mut self.followers[index]) {
            self.waits_for[follower] -= 1;
            if self.waits_for[follower] == 0 && self.began[follower] {
                self.ready.push(follower);
            }
        }
    }
}

/// The shortest way from one to another.
fn way(
    spans: &[Span],
    among: &[usize],
    edges: &[Edge],
    from: usize,
    to: usize,
) -> Option<Vec<Link>> {
    let mut came_by: Vec<Option<Link>> = vec![None; spans.len()];
    let mut queue = VecDeque::from([from]);
    while let Some(before) = queue.pop_front() {
        if before == to {
            return Some(back(&came_by, from, to));
        }
        let rows = edges.iter().filter(|edge| edge.before == before);
        let later = |&&after: &&usize| spans[before].precedes(spans[after]);
        let links = rows.map(|edge| (edge.after, Link::Edge(*edge))).chain(
            among
                .iter()
                .filter(later)
                .map(|&after| (after, Link::RealTime { before, after })),
        );
        for (after, link) in links {
            if after != from && came_by[after].is_none() {
                came_by[after] = Some(link);
                queue.push_back(after);
            }
        }
    }
    None
}

fn back(came_by: &[Option<Link>], from: usize, to: usize) -> Vec<Link> {
    let mut links = Vec::new();
    let mut at = to;
    while at != from
        && let Some(link) = came_by[at]
    {
        links.push(link);
        at = match link {
            Link::RealTime { before, .. } | Link::Edge(Edge { before, .. }) => before,
        };
    }
    links.reverse();
    links
}
