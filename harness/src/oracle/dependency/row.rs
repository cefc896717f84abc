//! The versions of one row, and what is known of their order.
//!
//! 1. Version 0 is what was there in the beginning; each other one is what a committed transaction left. A row that anybody deletes is
//!    not followed: that it is not there does not say who deleted it.
//! 2. A list tells the order itself: who saw three elements saw in which order they came. All lists seen or written in a row are
//!    beginnings of the longest one, or two wrote over the same version.
//! 3. Of a value that is overwritten whole, the order follows from who saw which version before overwriting it, and from real time.

use std::collections::BTreeMap;

use super::super::reads::Through;
use super::super::rows::{RowKey, RowValue};
use super::super::value::{Element, Stamp};
use super::cast::Cast;

/// A version of a row by its number there.
pub(super) type Version = usize;

/// What was there in the beginning.
pub(super) const INITIAL: Version = 0;

/// Why a version comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Its writer saw the other one.
    WrittenOver,
    /// Both are in a list, one after the other.
    Listed,
    /// Its writer asked for its commit when the other's was answered.
    RealTime,
    /// It was seen by this member, which began when the other's commit was answered.
    SeenLater(usize),
    /// The other one was there in the beginning.
    Beginning,
}

/// A read of a version that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) reader: usize,
    pub(super) version: Version,
    pub(super) through: Through,
}

/// What no history may show in a row, whatever its order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flaw {
    /// Somebody saw what was never committed.
    Aborted { reader: usize, element: Element },
    /// Somebody saw what another one overwrote itself before its commit.
    Intermediate { reader: usize, element: Element },
    /// Two wrote over the same version.
    LostUpdate {
        version: Version,
        writers: [usize; 2],
    },
    /// Two saw elements in different orders.
    Incompatible { members: [usize; 2], place: usize },
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: RowKey,
    /// The writers of versions 1 and on.
    writers: Vec<usize>,
    /// The versions' elements, from version 1 on.
    elements: Vec<Element>,
    /// The first version comes before the second, with nothing between them that is known of.
    pub(super) order: Vec<(Version, Version, Order)>,
    pub(super) reads: Vec<Seen>,
    pub(super) flaws: Vec<Flaw>,
}

/// What a row's value says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    Initial,
    One(Element),
    List(Vec<Element>),
}

/// A row with its reads and writes, before anything is made of them.
#[derive(Default)]
struct Raw {
    /// Who read what, none if it makes no sense here.
    reads: Vec<(usize, Shown, Through)>,
    writes: Vec<(usize, Shown)>,
    is_deleted: bool,
}

/// All rows that can be followed.
pub(super) fn rows(cast: &Cast<'_>) -> Vec<Row> {
    let mut raw: BTreeMap<RowKey, Raw> = BTreeMap::new();
    for (place, member) in cast.members.iter().enumerate() {
        for change in member.committed.iter().flat_map(|one| &one.changes) {
            let row = raw.entry(change.row.clone()).or_default();
            match &change.value {
                Some(value) => {
                    let shown = shown(cast, &change.row, Some(value));
                    row.writes.extend(shown.map(|shown| (place, shown)));
                }
                None => row.is_deleted = true,
            }
        }
    }
    // Whether one that nobody knows about deleted it is not known either.
    for change in cast.history.transactions().iter().flat_map(|t| &t.changes) {
        if let Some(row) = raw.get_mut(&change.row) {
            row.is_deleted |= change.value.is_none();
        }
    }
    for read in &cast.reads {
        let row = raw.entry(read.row.clone()).or_default();
        let shown = shown(cast, &read.row, read.value.as_ref());
        let reader = cast.reader(read);
        row.reads
            .extend(shown.map(|shown| (reader, shown, read.through)));
    }
    let followed = raw.into_iter().filter(|(_, row)| !row.is_deleted);
    followed
        .map(|(key, raw)| Row::new(cast, key, &raw))
        .collect()
}

fn shown(cast: &Cast<'_>, row: &RowKey, value: Option<&RowValue>) -> Option<Shown> {
    let base = cast.history.base().get(row);
    let Some(value) = value else {
        return base.is_none().then_some(Shown::Initial);
    };
    if base == Some(value) {
        return Some(Shown::Initial);
    }
    let stamp = Stamp::read(row.table, &row.key, value).ok()?;
    let Some(elements) = Stamp::elements(value) else {
        return Some(Shown::One(stamp.element()));
    };
    let before = base.and_then(|base| Stamp::elements(base));
    let before = before.unwrap_or_default();
    elements
        .strip_prefix(before.as_slice())
        .map(|new| Shown::List(new.to_vec()))
}

impl Row {
    fn new(cast: &Cast<'_>, key: RowKey, raw: &Raw) -> Self {
        let mut row = Self {
            key,
            writers: Vec::new(),
            elements: Vec::new(),
            order: Vec::new(),
            reads: Vec::new(),
            flaws: Vec::new(),
        };
        let mut all = raw.reads.iter().map(|(_, shown, _)| shown);
        let is_list = all.any(|shown| matches!(shown, Shown::List(_)))
            || (raw.writes.iter()).any(|(_, shown)| matches!(shown, Shown::List(_)));
        if is_list {
            row.follow_list(cast, raw);
        } else {
            row.follow_values(cast, raw);
        }
        row
    }

    /// The writer of a version that was not there in the beginning.
    pub(super) fn writer(&self, version: Version) -> Option<usize> {
        self.writers.get(version.checked_sub(1)?).copied()
    }

    fn version(&self, element: Element) -> Option<Version> {
        let place = self.elements.iter().position(|one| *one == element);
        place.map(|place| place + 1)
    }

    /// The versions of a list are its beginnings.
    fn follow_list(&mut self, cast: &Cast<'_>, raw: &Raw) {
        let list = |shown: &Shown| match shown {
            Shown::List(elements) => elements.clone(),
            Shown::Initial | Shown::One(_) => Vec::new(),
        };
        let reads = raw
            .reads
            .iter()
            .map(|(member, shown, _)| (*member, list(shown)));
        let written = raw
            .writes
            .iter()
            .map(|(member, shown)| (*member, list(shown)));
        let all: Vec<_> = reads.chain(written).collect();
        let longest = all.iter().max_by_key(|(_, list)| list.len());
        let Some((keeper, longest)) = longest.cloned() else {
            return;
        };
        for (member, list) in &all {
            if let Some(place) = list.iter().zip(&longest).position(|(a, b)| a != b) {
                self.diverge(cast, raw, (*member, list), (keeper, &longest), place);
            }
        }
        for element in &longest {
            let Some(writer) = cast.committed(element.transaction) else {
                let readers = all.iter().filter(|(_, list)| list.contains(element));
                let flaw = |reader| Flaw::Aborted {
                    reader,
                    element: *element,
                };
                self.flaws.extend(readers.map(|(reader, _)| flaw(*reader)));
                return;
            };
            self.writers.push(writer);
            self.elements.push(*element);
        }
        self.order = (0..longest.len())
            .map(|version| (version, version + 1, Order::Listed))
            .collect();
        for (reader, shown, through) in &raw.reads {
            let version = list(shown).len();
            self.see(*reader, version, *through);
            let writer = self.writer(version);
            if writer.is_some() && writer == self.writer(version + 1) && writer != Some(*reader) {
                let (reader, element) = (*reader, self.elements[version - 1]);
                self.flaws.push(Flaw::Intermediate { reader, element });
            }
        }
    }

    /// Two lists are not beginnings of one.
    fn diverge(
        &mut self,
        cast: &Cast<'_>,
        raw: &Raw,
        (one, list): (usize, &[Element]),
        (other, longest): (usize, &[Element]),
        place: usize,
    ) {
        // What a transaction wrote ends with its own: the first that is no one else's is where it wrote.
        let wrote_over = |element: Element| {
            let writer = cast.committed(element.transaction)?;
            let wrote = raw.writes.iter().find(|(member, _)| *member == writer)?;
            let Shown::List(wrote) = &wrote.1 else {
                return None;
            };
            (wrote.get(place) == Some(&element)).then_some(writer)
        };
        let writers = wrote_over(list[place]).zip(wrote_over(longest[place]));
        self.flaws.push(match writers {
            Some((first, second)) if first != second => Flaw::LostUpdate {
                version: place,
                writers: [first, second],
            },
            _ => Flaw::Incompatible {
                members: [one, other],
                place,
            },
        });
    }

    /// Notes that somebody saw a version.
    fn see(&mut self, reader: usize, version: Version, through: Through) {
        self.reads.push(Seen {
            reader,
            version,
            through,
        });
    }

    fn follow_values(&mut self, cast: &Cast<'_>, raw: &Raw) {
        for (writer, shown) in &raw.writes {
            if let Shown::One(element) = shown {
                self.writers.push(*writer);
                self.elements.push(*element);
            }
        }
        for (reader, shown, through) in &raw.reads {
            match shown {
                Shown::Initial => self.see(*reader, INITIAL, *through),
                Shown::One(element) => self.see_value(cast, *reader, *element, *through),
                Shown::List(_) => {}
            }
        }
        self.order_values(cast);
        self.lost_updates();
    }

    fn see_value(&mut self, cast: &Cast<'_>, reader: usize, element: Element, through: Through) {
        if let Some(version) = self.version(element) {
            self.see(reader, version, through);
        } else if cast.committed(element.transaction).is_none() {
            self.flaws.push(Flaw::Aborted { reader, element });
        } else if cast.members[reader].id != Some(element.transaction) {
            self.flaws.push(Flaw::Intermediate { reader, element });
        }
    }

    fn order_values(&mut self, cast: &Cast<'_>) {
        let versions = 1..=self.writers.len();
        let member = |version: Version| &cast.members[self.writers[version - 1]];
        let mut order: Vec<_> = versions
            .clone()
            .map(|version| (INITIAL, version, Order::Beginning))
            .collect();
        for after in versions.clone() {
            for before in versions.clone() {
                if before != after && member(before).commit.precedes(member(after).commit) {
                    order.push((before, after, Order::RealTime));
                }
            }
        }
        for seen in &self.reads {
            let own = versions
                .clone()
                .find(|&version| self.writers[version - 1] == seen.reader);
            if let Some(own) = own.filter(|&own| own != seen.version) {
                order.push((seen.version, own, Order::WrittenOver));
            }
            for before in versions.clone().filter(|_| seen.version != INITIAL) {
                let precedes = member(before).precedes(&cast.members[seen.reader]);
                if before != seen.version && precedes {
                    order.push((before, seen.version, Order::SeenLater(seen.reader)));
                }
            }
        }
        self.order = order;
    }

    fn lost_updates(&mut self) {
        let written = self
            .order
            .iter()
            .filter(|(.., why)| *why == Order::WrittenOver);
        let written: Vec<_> = written.map(|&(before, after, _)| (before, after)).collect();
        for (place, &(version, first)) in written.iter().enumerate() {
            let mut others = written[place + 1..].iter();
            let other = others.find(|&&(over, second)| over == version && second != first);
            if let Some(&(_, second)) = other {
                let writers = [self.writers[first - 1], self.writers[second - 1]];
                self.flaws.push(Flaw::LostUpdate { version, writers });
            }
        }
    }
}
