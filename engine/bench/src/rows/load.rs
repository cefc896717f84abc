//! Tables to measure on.

use crate::data::{VALUE_LEN, key, value};
use crate::store::{Promise, Store};

/// Records in one transaction of a load that is not itself measured.
const BATCH: usize = 20_000;

/// Puts the records `0..records` into an empty table, each as its first generation, ascending by key, and waits until
/// the engine has done with them.
pub fn sorted(store: &dyn Store, records: u64) -> anyhow::Result<()> {
    let mut keys: Vec<_> = (0..records).map(key).collect();
    keys.sort_unstable();
    let mut bytes = [0; VALUE_LEN];
    for keys in keys.chunks(BATCH) {
        store.write(Promise::Visible, &mut |writer| {
            keys.iter().try_for_each(|key| {
                value(key, 0, &mut bytes);
                writer.put(key, &bytes)
            })
        })?;
    }
    store.drain()
}
