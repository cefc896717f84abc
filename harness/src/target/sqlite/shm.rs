//! The shared memory of a write-ahead log's index: in this process, since one connection is all there is.
//!
//! On a real system it is a file that the first connection after a crash empties, so no crash leaves anything of it.

/// Regions that grow and stay where they are.
#[derive(Debug, Default)]
pub(super) struct Shm {
    /// Words, so that regions are aligned as SQLite needs them.
    regions: Vec<Box<[u64]>>,
}

impl Shm {
    /// Region number `index`, of `len` bytes; nothing if it is not there and `extend` does not ask for it.
    pub(super) fn region(&mut self, index: usize, len: usize, extend: bool) -> Option<*mut u8> {
        if index >= self.regions.len() && extend {
            let words = len.div_ceil(size_of::<u64>());
            let zeroes = || vec![0; words].into_boxed_slice();
            self.regions.resize_with(index + 1, zeroes);
        }
        let region = self.regions.get_mut(index)?;
        Some(region.as_mut_ptr().cast())
    }

    /// Lets all regions go.
    pub(super) fn clear(&mut self) {
        self.regions.clear();
    }
}
