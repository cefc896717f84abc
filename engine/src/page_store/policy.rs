//! Which page leaves memory next: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023).
//!
//! A page enters a small queue; only one that was hit again before it reaches the end of that gets into the main
//! queue, so a scan passes through the small one and leaves the main one alone. In the main queue a page that was
//! hit goes round once more for each hit. Pages that left the small queue are remembered as ghosts for a while: one
//! that comes back enters the main queue at once, which is how the policy adapts to loops longer than the small queue.
//!
//! It does not know what a page is, nor its hits: whoever asks for candidates does.

use std::collections::VecDeque;

use crate::ids::PageNo;

/// The small queue's share of all queued bytes: one in this many.
const SMALL_SHARE: u64 = 10;
/// A page leaves the small queue for the main one after this many hits.
const SMALL_HITS: u8 = 2;

/// Queues of page numbers.
#[derive(Debug, Default)]
pub(super) struct Policy {
    small: Queue,
    main: Queue,
    ghosts: VecDeque<PageNo>,
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Queue {
    pages: VecDeque<(PageNo, u64)>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Absent,
    Small,
    Main,
    Ghost,
}

/// A page that stands at the end of its queue.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) page: PageNo,
    bytes: u64,
    is_main: bool,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was hit often enough to stay.
    Hit,
    /// It left memory.
    Evicted,
    /// It is newer than the disk: it comes back by `admit` when it is no longer.
    Dirty,
    /// It had left already.
    Gone,
}

impl Policy {
    /// Queues a page that entered memory, unless it is queued.
    pub(super) fn admit(&mut self, page: PageNo, bytes: u64) {
        match self.place(page) {
            Place::Small | Place::Main => {}
            Place::Ghost => self.queue_main(page, bytes),
            Place::Absent => {
                self.set(page, Place::Small);
                self.small.push(page, bytes);
            }
        }
    }

    /// The next page to look at; [`settle`](Self::settle) says what became of it.
    pub(super) fn candidate(&mut self) -> Option<Candidate> {
        let queued = self.small.bytes.saturating_add(self.main.bytes);
        let is_small_long = self.small.bytes.saturating_mul(SMALL_SHARE) >= queued;
        let is_main = self.small.pages.is_empty() || !is_small_long && !self.main.pages.is_empty();
        let queue = if is_main {
            &mut self.main
        } else {
            &mut self.small
        };
        let (page, bytes) = queue.pop()?;
        self.set(page, Place::Absent);
        Some(Candidate {
            page,
            bytes,
            is_main,
        })
    }

    pub(super) fn settle(&mut self, candidate: &Candidate, outcome: Outcome) {
        let Candidate {
            page,
            bytes,
            is_main,
        } = *candidate;
        match outcome {
            Outcome::Hit => self.queue_main(page, bytes),
            Outcome::Evicted if !is_main => self.remember(page),
            Outcome::Dirty if is_main => self.remember(page),
            Outcome::Evicted | Outcome::Dirty | Outcome::Gone => {}
        }
    }

    /// One more than the highest page number ever queued.
    pub(super) fn pages_known(&self) -> u64 {
        self.places.len() as u64
    }

    /// Pages queued.
    pub(super) fn len(&self) -> usize {
        self.small.pages.len() + self.main.pages.len()
    }

    fn queue_main(&mut self, page: PageNo, bytes: u64) {
        self.set(page, Place::Main);
        self.main.push(page, bytes);
    }

    fn remember(&mut self, page: PageNo) {
        self.set(page, Place::Ghost);
        self.ghosts.push_back(page);
        // As many as there are pages in memory, which is what a cache of twice the size would hold.
        while self.ghosts.len() > self.len().max(1) {
            if let Some(oldest) = self.ghosts.pop_front()
                && self.place(oldest) == Place::Ghost
            {
                self.set(oldest, Place::Absent);
            }
        }
    }

    fn place(&self, page: PageNo) -> Place {
        let place = self.places.get(page.get() as usize);
        place.copied().unwrap_or_default()
    }

    fn set(&mut self, page: PageNo, place: Place) {
        let index = page.get() as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, Place::Absent);
        }
        if let Some(known) = self.places.get_mut(index) {
            *known = place;
        }
    }
}

impl Candidate {
    /// The hits that keep the page, and those that it has left if it stays.
    pub(super) fn judge(&self, hits: u8) -> Option<u8> {
        if self.is_main {
            hits.checked_sub(1)
        } else {
            (hits >= SMALL_HITS).then_some(0)
        }
    }
}

impl Queue {
    fn push(&mut self, page: PageNo, bytes: u64) {
        self.pages.push_back((page, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn pop(&mut self) -> Option<(PageNo, u64)> {
        let (page, bytes) = self.pages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some((page, bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    /// A cache of `room` pages under the policy.
    struct Simulated {
        policy: Policy,
        hits: HashMap<u32, u8>,
        room: usize,
    }

    impl Simulated {
        fn new(room: usize) -> Self {
            let (policy, hits) = (Policy::default(), HashMap::new());
            Self { policy, hits, room }
        }

        /// Whether the page was there.
        fn read(&mut self, page: u32) -> bool {
            if let Some(hits) = self.hits.get_mut(&page) {
                *hits = (*hits + 1).min(3);
                return true;
            }
            self.hits.insert(page, 0);
            self.policy.admit(PageNo(page), 4096);
            while self.hits.len() > self.room {
                let candidate = self.policy.candidate().unwrap();
                let page = candidate.page.get();
                let outcome = if let Some(left) = candidate.judge(self.hits[&page]) {
                    self.hits.insert(page, left);
                    Outcome::Hit
                } else {
                    self.hits.remove(&page);
                    Outcome::Evicted
                };
                self.policy.settle(&candidate, outcome);
            }
            assert_eq!(self.policy.len(), self.hits.len());
            false
        }
    }

    impl Simulated {
        fn read_all(&mut self, pages: impl Iterator<Item = u32>) {
            for page in pages {
                self.read(page);
            }
        }
    }

    /// Least recently used, to compare.
    struct Lru {
        used: BTreeMap<u64, u32>,
        when: HashMap<u32, u64>,
        now: u64,
        room: usize,
    }

    impl Lru {
        fn read(&mut self, page: u32) -> bool {
            self.now += 1;
            self.used.insert(self.now, page);
            if let Some(before) = self.when.insert(page, self.now) {
                self.used.remove(&before);
                return true;
            }
            if self.used.len() > self.room {
                let (_, oldest) = self.used.pop_first().unwrap();
                self.when.remove(&oldest);
            }
            false
        }
    }

    /// Per cent of the second half's reads that hit, here and in an LRU cache.
    fn hit_ratios(room: usize, trace: &[u32]) -> (usize, usize) {
        let mut ours = Simulated::new(room);
        let mut lru = Lru {
            used: BTreeMap::new(),
            when: HashMap::new(),
            now: 0,
            room,
        };
        let (warm, measured) = trace.split_at(trace.len() / 2);
        for page in warm {
            ours.read(*page);
            lru.read(*page);
        }
        let here = measured.iter().filter(|page| ours.read(**page)).count();
        let there = measured.iter().filter(|page| lru.read(**page)).count();
        (here * 100 / measured.len(), there * 100 / measured.len())
    }

    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    /// Pages drawn with weights 1, 1/2, 1/3 …
    fn zipf(pages: u32, reads: usize) -> Vec<u32> {
        let mut below = Vec::new();
        let mut sum = 0_u64;
        for rank in 1..=u64::from(pages) {
            sum += 1_000_000_000 / rank;
            below.push(sum);
        }
        let mut state = 88_172_645_463_325_252;
        let mut draw = || {
            let drawn = random(&mut state) % sum;
            u32::try_from(below.partition_point(|end| *end <= drawn)).unwrap()
        };
        (0..reads).map(|_| draw()).collect()
    }

    #[test]
    fn a_scan_does_not_flush_the_hot_set() {
        let mut cache = Simulated::new(100);
        let hot = || 0..60_u32;
        for _ in 0..5 {
            cache.read_all(hot());
        }
        let mut lost = 0;
        for scanned in 1000..11_000 {
            assert!(!cache.read(scanned));
            lost += usize::from(!cache.read(scanned % 60));
        }
        assert_eq!(lost, 0, "of 10000 reads of the hot set");
        // Also if nobody reads the hot set meanwhile.
        cache.read_all(20_000..20_200);
        assert_eq!(hot().filter(|page| cache.read(*page)).count(), 60);
    }

    #[test]
    fn what_comes_back_soon_is_kept() {
        let mut cache = Simulated::new(100);
        cache.read_all(0..100);
        (0..3).for_each(|_| cache.read_all(0..80));
        // A new set replaces the old one, though each of its pages is evicted once before.
        for _ in 0..20 {
            cache.read_all(500..580);
        }
        let kept = (500..580).filter(|page| cache.read(*page)).count();
        assert!(kept >= 75, "{kept} of 80");
    }

    /// The figures of docs/decisions on the choice of the policy.
    #[test]
    fn it_hits_as_often_as_lru_or_more() {
        let zipfian = zipf(10_000, 200_000);
        let (ours, lru) = hit_ratios(1000, &zipfian);
        assert!(ours >= lru + 3, "zipf: {ours} against {lru}");
        let mut mixed = Vec::new();
        for (index, page) in zipf(800, 100_000).into_iter().enumerate() {
            mixed.extend([page, 20_000 + u32::try_from(index % 50_000).unwrap()]);
        }
        let (mixed_ours, mixed_lru) = hit_ratios(1000, &mixed);
        assert!(
            mixed_ours >= mixed_lru,
            "scan: {mixed_ours} against {mixed_lru}"
        );
        let looped: Vec<u32> = (0..100_000).map(|index| index % 1200).collect();
        let (loop_ours, loop_lru) = hit_ratios(1000, &looped);
        assert!(
            loop_ours >= loop_lru,
            "loop: {loop_ours} against {loop_lru}"
        );
        println!(
            "zipf {ours} {lru}, hot set and scan {mixed_ours} {mixed_lru}, loop {loop_ours} {loop_lru}"
        );
    }
}
