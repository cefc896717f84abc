//! What the database should show: maps.

use std::collections::BTreeMap;
use std::ops::Bound;

use lightning_db::{Entry, ReadError, Seek, Source};

use crate::steps::{Put, Range};

pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
pub type Row = (Vec<u8>, Vec<u8>);

/// Tables by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables(pub BTreeMap<String, Rows>);

pub fn owned(entry: Result<Entry, ReadError>) -> Row {
    let (key, value) = entry.unwrap();
    (key.to_vec(), value.to_vec())
}

fn row((key, value): (&Vec<u8>, &Vec<u8>)) -> Row {
    (key.clone(), value.clone())
}

impl Tables {
    pub fn get(&self, table: &str, key: &[u8]) -> Option<&Vec<u8>> {
        self.0.get(table)?.get(key)
    }

    /// A put creates the table, a removal does not.
    pub fn set(&mut self, table: &str, key: &[u8], value: Option<&[u8]>) {
        if let Some(value) = value {
            let rows = self.0.entry(table.to_owned()).or_default();
            rows.insert(key.to_vec(), value.to_vec());
        } else if let Some(rows) = self.0.get_mut(table) {
            rows.remove(key);
        }
    }

    pub fn put_all(&mut self, puts: &[Put]) {
        for (table, key, value) in puts {
            self.set(table, key, value.as_deref());
        }
    }

    pub fn delete_range(&mut self, table: &str, (low, high): &Range) {
        if let Some(rows) = self.0.get_mut(table) {
            rows.retain(|key, _| key < low || key >= high);
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// All entries, both ways.
    pub fn assert_shown_by(&self, source: &impl Source) {
        for table in crate::steps::TABLES {
            let rows = self.0.get(table).cloned().unwrap_or_default();
            let all = (Bound::Unbounded, Bound::Unbounded);
            let up: Vec<_> = source.entries(table, all).unwrap().map(owned).collect();
            let expected: Vec<_> = rows.into_iter().collect();
            assert_eq!(up, expected, "table {table:?}");
            let down = source.entries(table, all).unwrap().rev();
            let mut down: Vec<_> = down.map(owned).collect();
            down.reverse();
            assert_eq!(down, expected, "table {table:?} from its end");
        }
    }

    /// A range from both ends in turns, and all other reads around it.
    pub fn assert_range(&self, source: &impl Source, table: &str, (low, high): &Range) {
        let rows = self.0.get(table).cloned().unwrap_or_default();
        let is_inside = |key: &Vec<u8>| key >= low && key < high;
        let inside: Vec<_> = rows
            .iter()
            .filter(|(key, _)| is_inside(key))
            .map(row)
            .collect();
        let bounds = (
            Bound::Included(low.as_slice()),
            Bound::Excluded(high.as_slice()),
        );
        let mut range = source.entries(table, bounds).unwrap();
        let (mut front, mut back) = (Vec::new(), Vec::new());
        while let Some(entry) = range.next() {
            front.push(owned(entry));
            back.extend(range.next_back().map(owned));
        }
        front.extend(back.into_iter().rev());
        assert_eq!(front, inside);
        assert_eq!(
            source.count_entries(table, bounds).unwrap(),
            inside.len() as u64
        );
        for key in [low, high] {
            assert_eq!(source.has(table, key).unwrap(), rows.contains_key(key));
        }
        let many = source.read_many(table, &[high, low, b"\xff\xff"]).unwrap();
        let many: Vec<_> = many.iter().map(Option::as_deref).collect();
        let expected = [high, low, &vec![0xff, 0xff]].map(|key| rows.get(key).map(Vec::as_slice));
        assert_eq!(many, expected);
    }

    /// The places around `key`, as inherent methods of each source find them.
    pub fn around(&self, table: &str, key: &[u8]) -> [Option<Row>; 6] {
        let rows = self.0.get(table).cloned().unwrap_or_default();
        let from = |low: Bound<&[u8]>| {
            rows.range::<[u8], _>((low, Bound::Unbounded))
                .next()
                .map(row)
        };
        let to = |high: Bound<&[u8]>| {
            rows.range::<[u8], _>((Bound::Unbounded, high))
                .next_back()
                .map(row)
        };
        [
            rows.iter().next().map(row),
            rows.iter().next_back().map(row),
            to(Bound::Excluded(key)),
            to(Bound::Included(key)),
            from(Bound::Included(key)),
            from(Bound::Excluded(key)),
        ]
    }
}

/// The four places around a key, in the order of [`Tables::around`].
pub fn places(key: &[u8]) -> [Seek<'_>; 4] {
    [
        Seek::Before(key),
        Seek::AtOrBefore(key),
        Seek::AtOrAfter(key),
        Seek::After(key),
    ]
}
