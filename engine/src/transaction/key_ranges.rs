//! Sets of keys, as ranges that neither overlap nor touch.

use std::collections::BTreeMap;
use std::ops::Bound;

/// The bounds of a range of keys.
pub type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);

/// Bounds that own their keys.
pub type OwnedBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Ranges of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRanges {
    /// Where each range begins and ends.
    ranges: BTreeMap<Cut, End>,
}

/// A place just before a key, or just after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    key: Vec<u8>,
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Before,
    After,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    At(Cut),
    /// Behind every key.
    Never,
}

impl KeyRanges {
    /// Adds the keys within `bounds`.
    pub fn insert(&mut self, (low, high): Bounds<'_>) {
        let (mut start, mut end) = (Cut::low(low), End::high(high));
        if end <= End::At(start.clone()) {
            return;
        }
        while let Some(below) = self.last_not_after(&end) {
            let Some(its_end) = self.ranges.get(&below) else {
                break;
            };
            if *its_end < End::At(start.clone()) {
                break;
            }
            end = end.max(its_end.clone());
            self.ranges.remove(&below);
            start = start.min(below);
        }
        self.ranges.insert(start, end);
    }

    /// Where the last range begins that begins at `end` or before.
    fn last_not_after(&self, end: &End) -> Option<Cut> {
        let last = match end {
            End::At(cut) => self.ranges.range(..=cut).next_back(),
            End::Never => self.ranges.last_key_value(),
        };
        last.map(|(start, _)| start.clone())
    }

    /// Whether `key` is in the set.
    pub fn contains(&self, key: &[u8]) -> bool {
        if self.ranges.is_empty() {
            return false;
        }
        let place = Cut::before(key);
        let below = self.ranges.range(..=&place).next_back();
        below.is_some_and(|(_, end)| *end > End::At(place))
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Bounds<'_>> {
        self.ranges
            .iter()
            .map(|(start, end)| (start.as_low(), end.as_high()))
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether no key is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Makes one range of all, with whatever lies between them.
    pub fn join(&mut self) {
        let first = self.ranges.pop_first();
        let last = self.ranges.pop_last();
        self.ranges.clear();
        if let Some((start, end)) = first {
            let end = last.map_or(end, |(_, end)| end);
            self.ranges.insert(start, end);
        }
    }
}

impl Cut {
    fn before(key: &[u8]) -> Self {
        Self {
            key: key.to_owned(),
            side: Side::Before,
        }
    }

    fn after(key: &[u8]) -> Self {
        Self {
            key: key.to_owned(),
            side: Side::After,
        }
    }

    fn low(bound: Bound<&[u8]>) -> Self {
        match bound {
            Bound::Unbounded => Self::before(&[]),
            Bound::Included(key) => Self::before(key),
            Bound::Excluded(key) => Self::after(key),
        }
    }

    fn as_low(&self) -> Bound<&[u8]> {
        match self.side {
            Side::Before if self.key.is_empty() => Bound::Unbounded,
            Side::Before => Bound::Included(&self.key),
            Side::After => Bound::Excluded(&self.key),
        }
    }
}

impl End {
    fn high(bound: Bound<&[u8]>) -> Self {
        match bound {
            Bound::Unbounded => Self::Never,
            Bound::Included(key) => Self::At(Cut::after(key)),
            Bound::Excluded(key) => Self::At(Cut::before(key)),
        }
    }

    fn as_high(&self) -> Bound<&[u8]> {
        match self {
            Self::Never => Bound::Unbounded,
            Self::At(cut) if cut.side == Side::After => Bound::Included(&cut.key),
            Self::At(cut) => Bound::Excluded(&cut.key),
        }
    }
}

/// Whether no key can lie between the bounds: `BTreeMap::range` panics on some of these.
pub fn is_empty_range(bounds: Bounds<'_>) -> bool {
    match bounds {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high))
        | (Bound::Excluded(low), Bound::Included(high)) => low >= high,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

/// The same bounds, owned.
pub fn to_owned(bounds: Bounds<'_>) -> OwnedBounds {
    (bounds.0.map(<[u8]>::to_vec), bounds.1.map(<[u8]>::to_vec))
}

/// The same bounds, borrowed.
pub fn as_slices((low, high): &OwnedBounds) -> Bounds<'_> {
    (
        low.as_ref().map(Vec::as_slice),
        high.as_ref().map(Vec::as_slice),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ops::RangeBounds;

    use proptest::prelude::*;

    use super::*;

    fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
        let key = || prop::collection::vec(0_u8..3, 0..3);
        prop_oneof![
            1 => Just(Bound::Unbounded),
            4 => key().prop_map(Bound::Included),
            4 => key().prop_map(Bound::Excluded),
        ]
    }

    /// All keys of up to three letters.
    fn keys() -> Vec<Vec<u8>> {
        let mut keys = vec![vec![]];
        for len in 0..3 {
            let longest: Vec<_> = keys.iter().filter(|k| k.len() == len).cloned().collect();
            for key in longest {
                keys.extend((0..3).map(|letter| [&key[..], &[letter]].concat()));
            }
        }
        keys
    }

    proptest! {
        #[test]
        fn ranges_hold_what_was_inserted_and_nothing_else(
            inserted in prop::collection::vec((bound(), bound()), 0..6),
        ) {
            let mut ranges = KeyRanges::default();
            for bounds in &inserted {
                ranges.insert(as_slices(bounds));
            }
            let within = |bounds: &OwnedBounds, key: &Vec<u8>| {
                !is_empty_range(as_slices(bounds))
                    && RangeBounds::<[u8]>::contains(&as_slices(bounds), key.as_slice())
            };
            let expected: BTreeSet<_> =
                keys().into_iter().filter(|k| inserted.iter().any(|b| within(b, k))).collect();
            let found: BTreeSet<_> = keys().into_iter().filter(|k| ranges.contains(k)).collect();
            prop_assert_eq!(&found, &expected);
            let listed: Vec<OwnedBounds> = ranges.iter().map(to_owned).collect();
            let by_list: BTreeSet<_> =
                keys().into_iter().filter(|k| listed.iter().any(|b| within(b, k))).collect();
            prop_assert_eq!(by_list, expected);
            prop_assert!(listed.len() <= inserted.len());
            ranges.join();
            prop_assert!(found.iter().all(|key| ranges.contains(key)));
            prop_assert!(ranges.len() <= 1);
        }
    }
}
