//! Reads from disk under way: whoever misses what another thread is reading waits for it (R6).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};
use std::thread::{self, ThreadId};

use crate::ids::{PageNo, Version};
use crate::image::Image;
use crate::map::PageAddress;
use crate::sync::{Condvar, Mutex, lock};

use super::content::Kind;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The newest version, through the map.
    Newest(Kind, PageNo),
    /// A superseded one, from its pinned slot, or the first of them.
    Slot(PageAddress),
}

/// An image that is right for everybody who joined its reading, and its version.
type Shared = Option<(Version, Image)>;

/// The reads under way.
#[derive(Debug, Default)]
pub(super) struct Loads {
    flights: Mutex<HashMap<Source, Arc<Flight>>>,
}

#[derive(Debug)]
struct Flight {
    leader: ThreadId,
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Aloft,
    Landed(Shared),
}

/// What became of a wish to read.
pub(super) enum Join<'l> {
    /// The caller reads.
    Lead(Claim<'l>),
    /// Somebody else has read. Nothing, if that is of no use to others.
    Followed(Shared),
}

/// The right to read, and the duty to tell. Dropped without a word it tells of nothing.
pub(super) struct Claim<'l> {
    loads: &'l Loads,
    source: Source,
    /// None for a thread that reads what it is reading already, because its disk looks into the database: it
    /// cannot wait for itself.
    flight: Option<Arc<Flight>>,
    result: Shared,
}

impl Loads {
    pub(super) fn join(&self, source: Source) -> Join<'_> {
        let this = thread::current().id();
        let claim = |flight| {
            Join::Lead(Claim {
                loads: self,
                source,
                flight,
                result: None,
            })
        };
        let flight = match lock(&self.flights).entry(source) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let flight = Arc::clone(entry.insert(Arc::new(Flight::new(this))));
                return claim(Some(flight));
            }
        };
        if flight.leader == this {
            return claim(None);
        }
        Join::Followed(flight.wait())
    }

    /// As `join`, for a read that nobody waits for: none if somebody reads already.
    pub(super) fn lead(&self, source: Source) -> Option<Claim<'_>> {
        let flight = Arc::new(Flight::new(thread::current().id()));
        match lock(&self.flights).entry(source) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(entry) => entry.insert(Arc::clone(&flight)),
        };
        Some(Claim {
            loads: self,
            source,
            flight: Some(flight),
            result: None,
        })
    }
}

impl Flight {
    fn new(leader: ThreadId) -> Self {
        Self {
            leader,
            state: Mutex::default(),
            landed: Condvar::new(),
        }
    }

    fn wait(&self) -> Shared {
        let mut state = lock(&self.state);
        loop {
            if let State::Landed(result) = &*state {
                return result.clone();
            }
            let waited = self.landed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Claim<'_> {
    /// Tells all who wait, now.
    pub(super) fn tell(mut self, version: Version, image: Image) {
        self.result = Some((version, image));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        // First it can no longer be joined: whoever joined before did so before the result was last checked.
        lock(&self.loads.flights).remove(&self.source);
        *lock(&flight.state) = State::Landed(self.result.take());
        flight.landed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source = Source::Newest(Kind::Page, PageNo(3));

    /// Reads as the leader does, once `waiting` others wait for it.
    fn lead(loads: &Loads, waiting: usize, tell: bool) {
        let Join::Lead(claim) = loads.join(SOURCE) else {
            panic!("somebody else leads")
        };
        thread::scope(|scope| {
            let wait = || match loads.join(SOURCE) {
                Join::Followed(shared) => shared.map(|(version, image)| (version, image.len())),
                Join::Lead(_) => panic!("two lead"),
            };
            let followers: Vec<_> = (0..waiting).map(|_| scope.spawn(wait)).collect();
            // The table and the claim hold the flight, and each one who waits.
            while claim.flight.as_ref().map(Arc::strong_count) < Some(waiting + 2) {
                thread::yield_now();
            }
            let expected = tell.then_some((Version(7), 5));
            if tell {
                claim.tell(Version(7), Image::zeroed(5));
            } else {
                drop(claim);
            }
            for follower in followers {
                assert_eq!(follower.join().unwrap(), expected);
            }
        });
        assert!(lock(&loads.flights).is_empty());
    }

    #[test]
    fn of_all_who_miss_a_page_one_reads_it_and_the_others_get_what_it_read() {
        lead(&Loads::default(), if cfg!(miri) { 3 } else { 100 }, true);
    }

    #[test]
    fn a_reader_that_failed_leaves_nobody_waiting() {
        lead(&Loads::default(), 3, false);
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let loads = Loads::default();
        let Join::Lead(_claim) = loads.join(SOURCE) else {
            panic!("nobody else is here")
        };
        assert!(matches!(loads.join(SOURCE), Join::Lead(_)));
    }
}
