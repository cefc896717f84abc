//! What a disk holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

/// The unit in which images share bytes.
const BLOCK_LEN: usize = 4096;

type Block = [u8; BLOCK_LEN];

/// The bytes of a disk. A clone shares all blocks; blocks of zeroes are not kept.
#[derive(Clone, Debug)]
pub struct Image {
    len: u64,
    blocks: BTreeMap<u64, Arc<Block>>,
}

impl Image {
    /// A disk of zeroes. `len` is in bytes.
    pub fn new(len: u64) -> Self {
        Self {
            len,
            blocks: BTreeMap::new(),
        }
    }

    /// The bytes of a file.
    pub fn read_from(mut file: File) -> io::Result<Self> {
        let mut image = Self::new(file.metadata()?.len());
        let mut buf = vec![0; 256 * BLOCK_LEN];
        let mut offset = 0;
        loop {
            let count = file.read(&mut buf)?;
            if count == 0 {
                return Ok(image);
            }
            image.write(offset, &buf[..count]);
            offset += count as u64;
        }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `offset`, as far as the disk goes. Returns how many bytes that are.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let count = clamp(self.len.saturating_sub(offset), buf.len());
        for span in spans(offset, count) {
            let part = &mut buf[span.done..span.done + span.len];
            match self.blocks.get(&span.block) {
                Some(block) => part.copy_from_slice(&block[span.start..span.start + span.len]),
                None => part.fill(0),
            }
        }
        count
    }

    /// Writes `bytes` at `offset`, as far as the disk goes.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let count = clamp(self.len.saturating_sub(offset), bytes.len());
        for span in spans(offset, count) {
            let part = &bytes[span.done..span.done + span.len];
            let is_zero = part.iter().all(|&byte| byte == 0);
            if is_zero && (span.len == BLOCK_LEN || !self.blocks.contains_key(&span.block)) {
                self.blocks.remove(&span.block);
                continue;
            }
            let block = self.blocks.entry(span.block);
            let block = block.or_insert_with(|| Arc::new([0; BLOCK_LEN]));
            Arc::make_mut(block)[span.start..span.start + span.len].copy_from_slice(part);
        }
    }

    /// The same for the same bytes.
    pub fn digest(&self) -> u128 {
        let mut hasher = Xxh3::new();
        for (number, block) in &self.blocks {
            if block.iter().any(|&byte| byte != 0) {
                hasher.update(&number.to_le_bytes());
                hasher.update(&block[..]);
            }
        }
        hasher.digest128()
    }
}

struct Span {
    block: u64,
    start: usize,
    len: usize,
    done: usize,
}

/// The parts of `count` bytes from `offset` that lie in one block each.
fn spans(offset: u64, count: usize) -> impl Iterator<Item = Span> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == count {
            return None;
        }
        let at = offset + done as u64;
        let start = usize::try_from(at % BLOCK_LEN as u64).unwrap_or(0);
        let len = (BLOCK_LEN - start).min(count - done);
        let block = at / BLOCK_LEN as u64;
        let span = Span {
            block,
            start,
            len,
            done,
        };
        done += len;
        Some(span)
    })
}

fn clamp(left: u64, len: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_zeroes() {
        let mut image = Image::new(10_000);
        image.write(4000, &[7; 200]);
        image.write(9990, &[9; 100]);
        let mut buf = [1; 300];
        assert_eq!(image.read(3950, &mut buf), 300);
        assert!(buf[..50].iter().all(|&byte| byte == 0));
        assert!(buf[50..250].iter().all(|&byte| byte == 7));
        assert!(buf[250..].iter().all(|&byte| byte == 0));
        assert_eq!(image.read(9980, &mut buf), 20);
        assert_eq!(buf[10..20], [9; 10]);
        assert_eq!(image.read(20_000, &mut buf), 0);
    }

    #[test]
    fn equal_bytes_have_equal_digests_however_they_came_about() {
        let (mut one, mut other) = (Image::new(20_000), Image::new(20_000));
        one.write(5000, &[3; 4096]);
        other.write(4096, &[3; 9000]);
        assert_ne!(one.digest(), other.digest());
        other.write(4096, &[0; 904]);
        other.write(5000 + 4096, &[0; 9000]);
        assert_eq!(one.digest(), other.digest());
    }
}
