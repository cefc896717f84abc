//! Which pieces an observed state holds and in which order they were committed, if any choice is legal.
//!
//! 1. What follows from the rows is drawn first: a piece whose value is there is there, and so is one that is owed; one that was
//!    requested after the answer to the writer that its row shows is not.
//! 2. What is open then is a matter of search: pieces of which nothing is seen, and rows that are not there though the last to
//!    write them may have been a delete or a put. With sequence rows and a target that promises prefixes there are few.
//! 3. The search is exact up to a number of tries. Past these nothing is claimed.

use super::obligations::Owed;
use super::problem::{Piece, Problem, Row, Shows, Writer};
use super::sequence::{Choice, Edge, Found, Link, Search, Span};
use crate::trace::TracePosition;

/// What the search came to.
pub(super) enum Solution {
    /// There is a legal choice.
    Found,
    /// What follows from the rows contradicts itself.
    Contradictions(Vec<Contradiction>),
    /// No choice is legal; the circle is one that the first choice has.
    Circle(Vec<Link>),
    /// Too many choices.
    GaveUp,
}

/// Something that follows and cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contradiction {
    /// A piece must be there, and a row that it writes says that it is not.
    NotThere { piece: usize, row: usize },
    /// A piece is not there, and one that was requested after its answer is.
    OutOfOrder { absent: usize, later: usize },
    /// A row that was there in the beginning is gone, and nothing deletes it.
    BaseLost { row: usize },
}

/// What is known of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Open,
    There,
    Absent,
}

/// Pieces with what is known of them.
#[derive(Clone)]
struct Guess<'p, 'a> {
    problem: &'p Problem<'a>,
    places: Vec<Place>,
    contradictions: Vec<Contradiction>,
}

/// Looks for a legal choice.
pub(super) fn solve(problem: &Problem<'_>) -> Solution {
    let mut guess = Guess::new(problem);
    guess.follow();
    if !guess.contradictions.is_empty() {
        return Solution::Contradictions(guess.contradictions);
    }
    let mut search = Search::default();
    match decide(&mut search, guess) {
        Found::Yes => Solution::Found,
        Found::No => Solution::Circle(search.circle.unwrap_or_default()),
        Found::GaveUp => Solution::GaveUp,
    }
}

impl<'p, 'a> Guess<'p, 'a> {
    fn new(problem: &'p Problem<'a>) -> Self {
        let place = |piece: &Piece<'_>| match piece.owed {
            Owed::Must => Place::There,
            _ if piece.shown.is_some() => Place::There,
            _ => Place::Open,
        };
        Self {
            problem,
            places: problem.pieces.iter().map(place).collect(),
            contradictions: Vec::new(),
        }
    }

    fn all(&self, place: Place) -> impl Iterator<Item = usize> + '_ {
        (0..self.places.len()).filter(move |&piece| self.places[piece] == place)
    }

    fn piece(&self, piece: usize) -> &'p Piece<'a> {
        &self.problem.pieces[piece]
    }

    /// Draws all that follows.
    fn follow(&mut self) {
        loop {
            let open = self.all(Place::Open).count();
            self.follow_order();
            for row in 0..self.problem.rows.len() {
                self.follow_row(row);
            }
            if open == self.all(Place::Open).count() {
                return;
            }
        }
    }

    /// Earlier ones must be there where a later one is; later ones can't be where an earlier one is not.
    fn follow_order(&mut self) {
        let Some(newest) = self.newest() else { return };
        for piece in 0..self.places.len() {
            let earlier = self.piece(piece);
            if !earlier.is_in_order() {
                continue;
            }
            if self.places[piece] == Place::Open && earlier.precedes(self.piece(newest)) {
                self.places[piece] = Place::There;
            }
            if self.places[piece] == Place::Absent {
                self.end_after(piece);
            }
        }
    }

    /// The one that is there and was requested last.
    fn newest(&self) -> Option<usize> {
        self.all(Place::There)
            .max_by_key(|&piece| self.piece(piece).transaction.requested)
    }

    /// Nothing that was requested after the answer to `absent` can be there.
    fn end_after(&mut self, absent: usize) {
        for later in 0..self.places.len() {
            if self.piece(absent).precedes(self.piece(later)) {
                match self.places[later] {
                    Place::Open => self.places[later] = Place::Absent,
                    Place::There => self.object(Contradiction::OutOfOrder { absent, later }),
                    Place::Absent => {}
                }
            }
        }
    }

    fn follow_row(&mut self, index: usize) {
        let row = &self.problem.rows[index];
        for writer in &row.writers {
            if self.places[writer.piece] != Place::Absent && self.cannot_be(row, *writer) {
                let piece = writer.piece;
                match self.places[piece] {
                    Place::There => self.object(Contradiction::NotThere { piece, row: index }),
                    _ => self.places[piece] = Place::Absent,
                }
            }
        }
        let deleted =
            |writer: &Writer| writer.deletes && self.places[writer.piece] != Place::Absent;
        if row.shows == (Shows::Nothing { in_base: true }) && !row.writers.iter().any(deleted) {
            self.object(Contradiction::BaseLost { row: index });
        }
    }

    /// Whether what the row shows says that a piece which writes it is absent.
    fn cannot_be(&self, row: &Row<'_>, writer: Writer) -> bool {
        match row.shows {
            Shows::Base => true,
            Shows::Forbidden => false,
            Shows::Piece(shown) => self.piece(shown).precedes(self.piece(writer.piece)),
            Shows::Nothing { .. } => {
                !writer.deletes && !self.may_follow(row, writer, |other| other.deletes)
            }
            // Whoever wrote that: it is not what this one put, or left behind.
            Shows::Stranger => !self.may_follow(row, writer, |_| true),
        }
    }

    /// Whether such a writer of the row may have come after this one.
    fn may_follow(&self, row: &Row<'_>, writer: Writer, such: impl Fn(&Writer) -> bool) -> bool {
        row.writers.iter().any(|other| {
            let is_other = other.piece != writer.piece && such(other);
            let may_be_there = self.places[other.piece] != Place::Absent;
            let is_earlier = self.piece(other.piece).precedes(self.piece(writer.piece));
            is_other && may_be_there && !is_earlier
        })
    }

    fn object(&mut self, contradiction: Contradiction) {
        if !self.contradictions.contains(&contradiction) {
            self.contradictions.push(contradiction);
        }
    }

    /// Decides what costs nothing: a piece that deletes nothing which is gone need not be there; one that changes nothing else
    /// may be.
    fn settle(&mut self) {
        loop {
            let open: Vec<_> = self.all(Place::Open).collect();
            for &piece in &open {
                if !self.piece(piece).is_in_order() && !self.is_helpful(piece) {
                    self.places[piece] = Place::Absent;
                } else if self.is_free(piece) {
                    self.places[piece] = Place::There;
                }
            }
            if open.len() == self.all(Place::Open).count() {
                return;
            }
        }
    }

    fn is_helpful(&self, piece: usize) -> bool {
        let deletes = |row: &Row<'_>| {
            let this = |writer: &Writer| writer.piece == piece && writer.deletes;
            matches!(row.shows, Shows::Nothing { .. }) && row.writers.iter().any(this)
        };
        self.problem.rows.iter().any(deletes)
    }

    /// Whether taking the piece as there forbids nothing.
    fn is_free(&self, piece: usize) -> bool {
        let requested = self.piece(piece).transaction.requested;
        let newest = self
            .newest()
            .map(|newest| self.piece(newest).transaction.requested);
        let ends = newest.is_none_or(|newest| newest < requested) && {
            let mut left =
                (0..self.places.len()).filter(|&other| self.places[other] != Place::There);
            left.any(|other| {
                self.piece(other).is_in_order() && self.piece(other).precedes(self.piece(piece))
            })
        };
        !ends
            && self.problem.rows.iter().all(|row| {
                let mut own = row.writers.iter().filter(|writer| writer.piece == piece);
                own.all(|own| {
                    let helps = own.deletes && matches!(row.shows, Shows::Nothing { .. });
                    helps || self.is_covered(row, piece)
                })
            })
    }

    fn is_covered(&self, row: &Row<'_>, piece: usize) -> bool {
        row.writers.iter().any(|writer| {
            let is_there = self.places[writer.piece] == Place::There;
            is_there && self.piece(piece).precedes(self.piece(writer.piece))
        })
    }

    /// The edges that follow from the rows, and the choices among more; none if some row can't be as it is.
    fn edges(&self) -> Option<(Vec<Edge>, Vec<Choice>)> {
        let (mut edges, mut choices) = (Vec::new(), Vec::new());
        for (why, row) in self.problem.rows.iter().enumerate() {
            let there = |writer: &&Writer| self.places[writer.piece] == Place::There;
            let writers: Vec<_> = row.writers.iter().filter(there).copied().collect();
            match row.shows {
                Shows::Piece(after) => edges.extend(
                    writers
                        .iter()
                        .map(|writer| writer.piece)
                        .filter(|&before| before != after)
                        .map(|before| Edge { before, after, why }),
                ),
                Shows::Nothing { in_base } => {
                    if writers.is_empty() && in_base {
                        return None;
                    }
                    choices.extend(self.choice(why, &writers));
                }
                Shows::Base | Shows::Stranger | Shows::Forbidden => {}
            }
        }
        choices
            .iter()
            .all(|choice| !choice.is_empty())
            .then_some((edges, choices))
    }

    /// Only what no other one follows in real time can be the last writer of a row.
    fn choice(&self, why: usize, writers: &[Writer]) -> Option<Choice> {
        let requested = |writer: &Writer| self.piece(writer.piece).transaction.requested;
        let newest: TracePosition = writers.iter().map(requested).max()?;
        let last = writers
            .iter()
            .filter(|writer| self.piece(writer.piece).transaction.answered > newest);
        let (deletes, puts): (Vec<&Writer>, Vec<&Writer>) = last.partition(|writer| writer.deletes);
        let after = |after: &Writer| {
            let after = after.piece;
            let puts = puts.iter().map(|put| put.piece);
            puts.map(|before| Edge { before, after, why }).collect()
        };
        (!puts.is_empty()).then(|| deletes.into_iter().map(after).collect())
    }
}

/// Decides about every open piece.
fn decide(search: &mut Search, mut guess: Guess<'_, '_>) -> Found {
    guess.follow();
    if !guess.contradictions.is_empty() {
        return Found::No;
    }
    guess.settle();
    let Some(piece) = guess.all(Place::Open).next() else {
        return arrange(search, &guess);
    };
    let tries = [Place::Absent, Place::There].map(|place| {
        let mut guess = guess.clone();
        guess.places[piece] = place;
        guess
    });
    search.any(tries, decide)
}

/// Puts what is there in an order.
fn arrange(search: &mut Search, guess: &Guess<'_, '_>) -> Found {
    let Some((edges, choices)) = guess.edges() else {
        return Found::No;
    };
    let there: Vec<_> = guess.all(Place::There).collect();
    let pieces = guess.problem.pieces.iter();
    let spans: Vec<Span> = pieces.map(Piece::span).collect();
    search.arrange(&spans, &there, &edges, &choices)
}
