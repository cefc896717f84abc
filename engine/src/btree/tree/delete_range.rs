//! Deletion of all keys between two bounds.

use std::ops::Bound;

use super::handle::Tree;
use crate::btree::cursor::first_keys;
use crate::btree::node::damage;
use crate::error::StorageError;
use crate::pages::WritePages;

/// Keys that are looked up at a time.
const KEYS_AT_A_TIME: usize = 256;

impl Tree {
    /// Removes all keys within `bounds`, whose values are not read. See the type for what an error leaves behind.
    ///
    /// Over damaged pages it ends: a key that a walk finds and a descent does not is an error, and each other one leaves
    /// an entry less.
    pub fn delete_range(
        self,
        pages: &mut impl WritePages,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<(), StorageError> {
        loop {
            let keys = first_keys(pages, self, bounds, KEYS_AT_A_TIME)?;
            if keys.is_empty() {
                return Ok(());
            }
            if !keys.is_sorted_by(|a, b| **a < **b) {
                return Err(damage(self.root(), "keys that ascend", "others"));
            }
            let writes = keys.iter().map(|key| (&**key, None));
            let deleted = self.apply(pages, writes)?;
            if u64::try_from(keys.len()) != Ok(deleted) {
                let actual = format!("{deleted} of {}", keys.len());
                return Err(damage(self.root(), "keys where they are sought", actual));
            }
        }
    }
}
