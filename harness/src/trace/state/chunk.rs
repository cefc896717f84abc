//! File content in shared pieces.
//!
//! 1. A chunk is copied when it is changed while shared; a clone of a file shares all of them.
//! 2. No chunk at all means zeroes. A chunk of zeroes has the same hash as none.
//! 3. A chunk's hash is computed once, and forgotten when the chunk changes.

use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::xxh3_128;

/// Bytes in a chunk: also the page of the page cache, at which a process crash may cut a write.
pub const CHUNK_LEN: usize = 4096;

static ZEROES: [u8; CHUNK_LEN] = [0; CHUNK_LEN];

#[derive(Debug)]
struct Body {
    bytes: [u8; CHUNK_LEN],
    hash: OnceLock<u128>,
}

impl Clone for Body {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes,
            hash: OnceLock::new(),
        }
    }
}

/// 4 KiB of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk(Option<Arc<Body>>);

impl Chunk {
    /// Zeroes.
    pub(crate) const HOLE: Self = Self(None);

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8; CHUNK_LEN] {
        self.0.as_ref().map_or(&ZEROES, |body| &body.bytes)
    }

    /// The bytes, to be changed.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; CHUNK_LEN] {
        let body = self.0.get_or_insert_with(|| {
            Arc::new(Body {
                bytes: ZEROES,
                hash: OnceLock::new(),
            })
        });
        let body = Arc::make_mut(body);
        body.hash = OnceLock::new();
        &mut body.bytes
    }

    /// The hash of the bytes: 0 if all are 0.
    pub(crate) fn hash(&self) -> u128 {
        let Some(body) = &self.0 else { return 0 };
        *body.hash.get_or_init(|| {
            if body.bytes == ZEROES {
                0
            } else {
                xxh3_128(&body.bytes)
            }
        })
    }
}
