//! Worse media than `posix`: what they do to a state that `posix` allows.
//!
//! 1. A sector with pending versions may hold a mixture of two of them, byte by byte: a tear at any place, or words of
//!    which each is kept or not. Bytes that the two have in common are never touched ("powersafe overwrite").
//! 2. What a file grew by since its last sync, and where nothing survived, may be garbage.
//! 3. What is durable is left alone. One to three sectors are torn and at most eight filled: many tears at once are rarer
//!    than one, and hide each other.

use crate::rng::Rng;
use crate::trace::{DiskState, Entry, FileState, InodeId, PendingWrite};

use super::sample::Sample;

/// Share of states with garbage.
const GARBAGE: f64 = 0.25;
/// Share of tears inside the shortest of the writes: headers and records are short.
const IN_SHORTEST: f64 = 0.5;
/// Share of tears that leave a head or a tail, not single words.
const AT_ONE_PLACE: f64 = 0.7;
const TORN_MAX: u64 = 3;
const FILLED_MAX: u64 = 8;

/// What such media make of `survivor`, which a power cut left of `before`. Samples that lose all or nothing are left as
/// they are.
pub(super) fn spoilt(
    before: &DiskState,
    survivor: DiskState,
    sample: Sample,
    rng: &mut Rng,
) -> DiskState {
    if matches!(sample, Sample::NOTHING | Sample::EVERYTHING) {
        return survivor;
    }
    let mut media = Media { before, survivor };
    if rng.chance(GARBAGE) {
        media.fill(rng);
    }
    media.tear(rng);
    media.survivor
}

/// Whether `after` holds what `posix` could not have left of `before`, in a file that is in both.
pub fn is_spoilt(before: &DiskState, after: &DiskState) -> bool {
    after.files().any(|(inode, file)| {
        before
            .file(inode)
            .is_some_and(|before| before.is_pending() && is_file_spoilt(before, file))
    })
}

fn is_file_spoilt(before: &FileState, after: &FileState) -> bool {
    let sector = before.sector().bytes() as u64;
    let mut durable = 0;
    let pending = before.pending_sectors().any(|(at, versions)| {
        let between = differs(before, after, durable, at);
        durable = at + sector;
        let left = bytes(after, at, at + sector);
        let mut versions = versions.all().iter();
        between || !versions.any(|(_, bytes)| bytes.starts_with(&left))
    });
    pending || differs(before, after, durable, u64::MAX)
}

/// Whether two files differ in a range, as far as both go. Past the first one's end there are zeroes.
fn differs(before: &FileState, after: &FileState, from: u64, to: u64) -> bool {
    const PIECE: u64 = 64 << 10;
    let end = to.min(after.len());
    let mut at = from;
    while at < end {
        let next = end.min(at + PIECE);
        let (left, mut held) = (bytes(after, at, next), bytes(before, at, next));
        held.resize(left.len(), 0);
        if left != held {
            return true;
        }
        at = next;
    }
    false
}

/// The bytes of a range, as far as the file goes.
fn bytes(file: &FileState, from: u64, to: u64) -> Vec<u8> {
    let len = to.min(file.len()).saturating_sub(from);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read(from, &mut bytes);
    bytes
}

struct Media<'a> {
    before: &'a DiskState,
    survivor: DiskState,
}

/// A pending write of a file that survived.
type Candidate = (InodeId, PendingWrite);

impl Media<'_> {
    fn tear(&mut self, rng: &mut Rng) {
        let all = self.candidates();
        let shortest = all.iter().map(|(_, write)| write.len).min();
        let short: Vec<_> = all
            .iter()
            .filter(|(_, write)| Some(write.len) == shortest)
            .copied()
            .collect();
        for _ in 0..=rng.below(TORN_MAX) {
            let among = if rng.chance(IN_SHORTEST) {
                &short
            } else {
                &all
            };
            if let Some(&(inode, write)) = rng.pick(among) {
                self.tear_write(inode, &write, rng);
            }
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        let named = self.survivor.names().iter();
        let inodes = named.filter_map(|(_, entry)| match entry {
            Entry::File(inode) => Some(inode),
            Entry::Directory => None,
        });
        let mut candidates = Vec::new();
        for inode in inodes {
            if let Some(file) = self.before.file(inode) {
                candidates.extend(file.writes().iter().map(|&write| (inode, write)));
            }
        }
        candidates
    }

    /// Mixes two versions of one sector of a write.
    fn tear_write(&mut self, inode: InodeId, write: &PendingWrite, rng: &mut Rng) {
        let (Some(before), Some(after)) = (self.before.file(inode), self.survivor.file(inode))
        else {
            return;
        };
        let sector = before.sector().bytes() as u64;
        let first = write.offset / sector;
        let end = (write.offset + write.len).div_ceil(sector);
        let at = (first + rng.below(end - first)) * sector;
        let Some(mixed) = mixture(before, at, rng) else {
            return;
        };
        let kept = usize::try_from(after.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let mixed = &mixed[..kept.min(mixed.len())];
        let torn = after.overlaid(at, mixed);
        self.survivor.replace(inode, torn);
    }

    /// Fills sectors that only the new length holds.
    fn fill(&mut self, rng: &mut Rng) {
        let files: Vec<_> = self.survivor.files().map(|(inode, _)| inode).collect();
        let Some(&inode) = rng.pick(&files) else {
            return;
        };
        let (Some(before), Some(after)) = (self.before.file(inode), self.survivor.file(inode))
        else {
            return;
        };
        let sector = before.sector().bytes();
        let durable = before.sizes().next().map_or(0, |size| size.len);
        let first = durable.div_ceil(sector as u64);
        let end = after.len() / sector as u64;
        if first >= end {
            return;
        }
        let mut file = after.clone();
        let mut held = vec![0; sector];
        for _ in 0..=rng.below(FILLED_MAX) {
            let at = (first + rng.below(end - first)) * sector as u64;
            if file.read(at, &mut held) && held.iter().all(|&byte| byte == 0) {
                let garbage: Vec<u8> = (0..sector / 8)
                    .flat_map(|_| rng.next_u64().to_le_bytes())
                    .collect();
                file = file.overlaid(at, &garbage);
            }
        }
        self.survivor.replace(inode, file);
    }
}

/// A mixture of two versions of the sector at `at`, if it has two that differ.
fn mixture(file: &FileState, at: u64, rng: &mut Rng) -> Option<Vec<u8>> {
    let (_, versions) = file.pending_sectors().find(|&(offset, _)| offset == at)?;
    let all = versions.all();
    let newer = 1 + rng.index(all.len() - 1);
    let (old, new) = (all[newer - 1].1, all[newer].1);
    let differ = |&place: &usize| old[place] != new[place];
    let first = (0..new.len()).find(differ)?;
    let last = (0..new.len()).rfind(differ)?;
    if first == last {
        return None;
    }
    let keeps: Box<dyn FnMut(usize) -> bool> = if rng.chance(AT_ONE_PLACE) {
        let place = first + 1 + rng.index(last - first);
        let head = rng.chance(0.5);
        Box::new(move |byte| (byte < place) == head)
    } else {
        let word = [1, 2, 4, 8][rng.index(4)];
        let density = [0.1, 0.5, 0.9][rng.index(3)];
        let kept: Vec<bool> = (0..new.len().div_ceil(word))
            .map(|_| rng.chance(density))
            .collect();
        Box::new(move |byte| kept[byte / word])
    };
    let mut keeps = keeps;
    Some(
        (0..new.len())
            .map(|byte| if keeps(byte) { new[byte] } else { old[byte] })
            .collect(),
    )
}
