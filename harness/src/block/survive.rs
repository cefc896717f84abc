//! What a power cut leaves of a disk with a volatile cache.
//!
//! What was written before the last flush is there. Of what was written since, any part may be, sector by sector: a disk
//! writes its cache back in whatever order it likes. Of two writes to one sector the later one decides if it survived.

use super::image::Image;
use super::log::{BlockEvent, BlockLog};
use crate::rng::Rng;

/// What of a write a disk keeps or loses as a whole, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A sector of old disks: what nobody should rely on more than.
    Sector = 512,
    /// A block. File systems take some of their own for written whole or not at all (the superblock of ext4's journal, that of btrfs), and do
    /// not mount if one is torn.
    Block = 4096,
}

/// Which of the writes that no flush has covered survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// All of them.
    All,
    /// None of them.
    Nothing,
    /// The first ones, and a part of the next.
    Prefix,
    /// Each by chance.
    Writes,
    /// Each of their sectors by chance.
    Sectors,
}

impl Survival {
    /// Every one, the most telling first.
    pub const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Writes,
        Self::Prefix,
        Self::Sectors,
        Self::All,
    ];
}

/// The disk after a power cut before event `at`. `base` is what it held when the last flush before that was done.
pub fn survivor(
    base: &Image,
    log: &BlockLog,
    at: usize,
    survival: Survival,
    unit: Unit,
    rng: &mut Rng,
) -> Image {
    let sector_len = unit as usize;
    let pending = log.events.get(log.unflushed_from(at)..at).unwrap_or(&[]);
    let writes: Vec<_> = pending.iter().filter_map(write_of).collect();
    let cut = rng.index(writes.len().max(1));
    let mut image = base.clone();
    for (place, (offset, bytes)) in writes.into_iter().enumerate() {
        let sectors = bytes.len().div_ceil(sector_len);
        let mut keeps: Box<dyn FnMut(usize) -> bool> = match survival {
            Survival::All => Box::new(|_| true),
            Survival::Nothing => Box::new(|_| false),
            Survival::Prefix if place == cut => {
                let kept = rng.index(sectors + 1);
                Box::new(move |sector| sector < kept)
            }
            Survival::Prefix => Box::new(move |_| place < cut),
            Survival::Writes => {
                let survives = rng.chance(0.5);
                Box::new(move |_| survives)
            }
            Survival::Sectors => {
                let mut rng = rng.split("sectors", place as u64);
                Box::new(move |_| rng.chance(0.5))
            }
        };
        for (sector, part) in bytes.chunks(sector_len).enumerate() {
            if keeps(sector) {
                image.write(offset + (sector * sector_len) as u64, part);
            }
        }
    }
    image
}

fn write_of(event: &BlockEvent) -> Option<(u64, &[u8])> {
    match event {
        BlockEvent::Write { offset, bytes } => Some((*offset, bytes)),
        BlockEvent::Flush | BlockEvent::Mark(_) => None,
    }
}

/// What the disk held when the last flush before an event was done, for events that are asked for in ascending order.
#[derive(Debug)]
pub struct Flushed<'l> {
    log: &'l BlockLog,
    image: Image,
    applied: usize,
}

impl<'l> Flushed<'l> {
    /// What it held at first.
    pub fn new(log: &'l BlockLog) -> Self {
        let image = log.start.clone();
        Self {
            log,
            image,
            applied: 0,
        }
    }

    /// What it held when the last flush before event `at` was done.
    pub fn before(&mut self, at: usize) -> &Image {
        let end = self.log.unflushed_from(at);
        for event in self.log.events.get(self.applied..end).unwrap_or(&[]) {
            if let Some((offset, bytes)) = write_of(event) {
                self.image.write(offset, bytes);
            }
        }
        self.applied = self.applied.max(end);
        &self.image
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn log() -> BlockLog {
        let write = |offset, byte| BlockEvent::Write {
            offset,
            bytes: Arc::from([byte; 1024]),
        };
        BlockLog {
            start: Image::new(8192),
            events: vec![
                write(0, 1),
                BlockEvent::Flush,
                write(0, 2),
                write(2048, 3),
                write(0, 4),
            ],
        }
    }

    fn byte(image: &Image, at: u64) -> u8 {
        let mut buf = [0];
        image.read(at, &mut buf);
        buf[0]
    }

    #[test]
    fn what_a_flush_covered_survives_and_each_later_sector_is_one_of_its_versions() {
        let log = log();
        let mut flushed = Flushed::new(&log);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut rng = Rng::from_seed(seed);
            let image = survivor(
                flushed.before(5),
                &log,
                5,
                Survival::Sectors,
                Unit::Sector,
                &mut rng,
            );
            seen.insert([0, 512, 2048, 2560].map(|at| byte(&image, at)));
        }
        assert!(seen.iter().all(|bytes| [1, 2, 4].contains(&bytes[0])));
        assert!(seen.iter().all(|bytes| [0, 3].contains(&bytes[2])));
        assert_eq!(seen.len(), 36);
    }

    #[test]
    fn nothing_and_all_are_the_ends() {
        let log = log();
        let mut flushed = Flushed::new(&log);
        let mut rng = Rng::from_seed(1);
        let nothing = survivor(
            flushed.before(5),
            &log,
            5,
            Survival::Nothing,
            Unit::Sector,
            &mut rng,
        );
        assert_eq!([byte(&nothing, 0), byte(&nothing, 2048)], [1, 0]);
        let all = survivor(
            flushed.before(5),
            &log,
            5,
            Survival::All,
            Unit::Sector,
            &mut rng,
        );
        assert_eq!([byte(&all, 0), byte(&all, 2048)], [4, 3]);
        let early = survivor(
            Flushed::new(&log).before(1),
            &log,
            1,
            Survival::Nothing,
            Unit::Sector,
            &mut rng,
        );
        assert_eq!(byte(&early, 0), 0);
    }
}
