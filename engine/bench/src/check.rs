//! What an engine answers is checked, in every row: a fast wrong answer is worth nothing.

use std::fmt;

use crate::data::{generation, is_of};
use crate::store::{Reader, Store};

/// An engine returned what was never written, or not what was.
#[derive(Debug)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrong data: {}", self.0)
    }
}

impl std::error::Error for Wrong {}

/// Fails with [`Wrong`] unless `holds`.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> anyhow::Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Wrong(what()).into())
    }
}

/// Reads a record that must be there, and looks at its value.
pub fn get(reader: &dyn Reader, key: &[u8]) -> anyhow::Result<()> {
    let mut ours = false;
    let found = reader.get(key, &mut |value| ours = is_of(key, value))?;
    ensure(found && ours, || absent(key, found))
}

/// Reads a record that must be there, in a transaction of its own.
pub fn get_alone(store: &dyn Store, key: &[u8]) -> anyhow::Result<()> {
    let mut ours = false;
    let found = store.get(key, &mut |value| ours = is_of(key, value))?;
    ensure(found && ours, || absent(key, found))
}

fn absent(key: &[u8], found: bool) -> String {
    if found {
        format!("the value of {key:02x?} is another's")
    } else {
        format!("{key:02x?} is not there")
    }
}

/// Every byte of the whole table: as many records as expected, ascending, each with a value that was written for it.
pub fn whole_table(store: &dyn Store, records: u64) -> anyhow::Result<()> {
    let (mut seen, mut damaged, mut unordered) = (0, 0, 0_u64);
    let mut last: Vec<u8> = Vec::new();
    store.read(&mut |reader| {
        reader.scan(&mut |key, value| {
            unordered += u64::from(seen > 0 && *last >= *key);
            damaged += u64::from(generation(key, value).is_none());
            last.clear();
            last.extend_from_slice(key);
            seen += 1;
        })
    })?;
    ensure(seen == records && damaged == 0 && unordered == 0, || {
        format!(
            "of {records} records {seen} are there, {damaged} of them damaged, {unordered} out of order"
        )
    })
}
